# 2.6.3 Command substitution.
#: the output without the last newlines
x=$(printf 'a\n\n\n'); echo "[$x]"

#: newlines within stay
x=$(printf 'a\n\nb\n'); echo "$x"; echo $x

#: backquotes
x=`echo a`; echo $x `echo b c`

#: nested
echo $(echo $(echo $(echo deep)))

#: nested backquotes
echo `echo \`echo a\``

#: backslashes in backquotes
echo `echo '\\a' "\\$x"`

#: quotes in backquotes in quotes
echo "`echo "a  b"`"

#: quotes in a substitution in quotes
echo "$(echo "a  b"  'c  d')"

#: not quoted, the output is split
printf '[%s]' $(echo 'a  b'); echo

#: quoted, it is not
printf '[%s]' "$(echo 'a  b')"; echo

#: the output may be a pattern
touch f1 f2; echo $(echo 'f*'); echo "$(echo 'f*')"

#: variables do not come back
x=1; y=$(x=2; echo $x); echo $x $y

#: the working directory does not come back
mkdir d; x=$(cd d; pwd); echo ${x##*/} ${PWD##*/} | grep -c '^d place'

#: the status
x=$(exit 3); echo $?; echo $(exit 4) $?; x=$(false)a$(true); echo $?

#: empty
echo a$()b "$( )"; echo "[$(true)]"

#: with a comment
echo $(echo a # comment )
)

#: with case
echo $(case a in a) echo yes;; esac)

#: with case and parentheses
echo $(case a in (a) echo yes;; esac)

#: with a here-document
x=$(cat <<X
a
b
X
); echo "$x"

#: with functions
f() { echo "f $1"; }; echo $(f a)

#: with arguments
set -- p q; echo $(echo $1 $# "$@")

#: with exit
x=$(echo a; exit; echo b); echo $x

#: with a subshell
echo $( (echo a) )

#: with two subshells
echo $( (echo a); (echo b) )

#: with a quote that looks like an end
echo $(echo ')') $(echo ")") $(echo \))

#: of a file
echo abc > f; echo $(cat f) $(cat < f)

#: standard error is not taken
x=$(echo a >&2) 2>/dev/null; echo "[$x]"

#: within an assignment before a command
x=$(echo 5) sh -c 'echo $x'

#: the status seen within
false; echo $(echo $?)

#: with a pipeline
echo $(echo b a | cat)

#: with a background command that is waited for
echo $(echo a & wait)

#: large output
x=$(seq 1 20000); echo ${#x}

#: in an arithmetic expression
echo $(($(echo 2) * $(echo 3)))

#: in a case subject
case $(echo a b) in 'a b') echo yes;; esac

#: in a loop's list
for x in $(echo a b) `echo c`; do echo $x; done

#: with a newline at its start
echo $(
echo a
echo b
)

#: exported variables are seen
x=5; export x; echo $(sh -c 'echo $x')

#: set -e is kept within
(set -e; x=$(false; echo not); echo "after $x") ; echo $?

#: null bytes do not stay
x=$(printf 'a\000b'); echo "$x"
