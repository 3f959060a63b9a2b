# 2.6.5 Field splitting.
#: blanks
x='  a  b	c
d  '; printf '[%s]' $x; echo

#: a character that is no blank
IFS=:; x=a:b::c; printf '[%s]' $x; echo

#: one at the start
IFS=:; x=:a; printf '[%s]' $x; echo

#: one at the end
IFS=:; x=a:; printf '[%s]' $x; echo

#: two at the end
IFS=:; x=a::; printf '[%s]' $x; echo

#: blanks and others
IFS=' :'; x='a : b :: c'; printf '[%s]' $x; echo

#: blanks around at the ends
IFS=' :'; x=' : a : '; printf '[%s]' $x; echo

#: an empty IFS splits nothing
IFS=; x='a b  c'; printf '[%s]' $x; echo

#: IFS unset is the default
unset IFS; x='a  b'; printf '[%s]' $x; echo

#: text in the script is not split
IFS=:; printf '[%s]' a:b; echo

#: parts of a word
x='a b'; printf '[%s]' 1$x"2"; echo; printf '[%s]' 1$x' 'c; echo

#: adjacent expansions
x='a ' y=' b'; printf '[%s]' $x$y; echo; x='a '; y=b; printf '[%s]' $x$y; echo

#: an empty expansion is no field
x=; printf '[%s]' $x a $x; echo

#: an empty expansion with quotes is one
x=; printf '[%s]' "$x" a $x""; echo

#: only separators
x='   '; printf '[%s]' $x; echo end; IFS=:; x=:::; printf '[%s]' $x; echo

#: IFS of letters
IFS=abc; x=1a2b3c4; printf '[%s]' $x; echo

#: IFS of a newline only
IFS='
'; x='a b
c d'; printf '[%s]' $x; echo

#: the result of a command
IFS=,; printf '[%s]' $(echo a,b,,c); echo

#: arithmetic is split, too
IFS=0; printf '[%s]' $((101)); echo

#: star split again
set -- 'a b' 'c d'; IFS=' '; printf '[%s]' $*; echo

#: at split with another IFS
set -- a:b c; IFS=:; printf '[%s]' $@; echo

#: IFS with a backslash
IFS='\'; x='a\b'; printf '[%s]' $x; echo

#: set splits lines into arguments
IFS=:; x=root:x:0:0::/root:/bin/sh; set -- $x; echo $#; echo "$6"

#: no split in a case
x='a b'; case $x in 'a b') echo yes;; esac

#: no split in a redirection
x='a b'; echo hi > $x; cat 'a b'

#: leading blank before text
x=' a'; printf '[%s]' b$x; echo

#: a changed IFS within the same command's assignment
IFS=: ; x=a:b; IFS=' ' ; printf '[%s]' $x; echo

#: quoted separators stay
IFS=:; x=a; printf '[%s]' $x:b "$x:c"; echo
