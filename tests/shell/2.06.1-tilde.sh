# 2.6.1 Tilde expansion.
#: the home directory
HOME=/h/me; echo ~ ~/a

#: not within a word
HOME=/h; echo a~ a/~ x:~

#: not in quotes
HOME=/h; echo "~" '~' "~/a" \~/a

#: in assignments after colons
HOME=/h; x=~/a:~/b; echo $x

#: the result is not split
HOME='/a  b'; printf '[%s]' ~; echo

#: the result is no pattern
HOME='*'; touch a b; echo ~

#: not from a variable
HOME=/h; x='~'; echo $x

#: within a default
HOME=/h; echo ${x:-~} ${x:-~/a}

#: in case
HOME=/h; case /h in ~) echo yes;; esac

#: in a redirection
HOME=$PWD; echo a > ~/f; cat f

#: an unknown user
echo ~nosuchuser/a

#: HOME is empty
HOME=; printf '[%s]' ~ ; echo

#: after an equals sign that is no assignment
HOME=/h; echo a=~

#: export takes a tilde
HOME=/h; export x=~/a; echo $x
