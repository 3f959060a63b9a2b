# 2.5 Parameters and variables.
#: positional parameters
set -- a b c; echo $1 $2 $3 $#

#: positional parameters above nine
set -- 1 2 3 4 5 6 7 8 9 ten eleven; echo ${10} ${11} $10

#: a missing positional parameter is empty
set -- a; echo "[$2]"

#: all arguments, not quoted
set -- 'a b' c; for x in $@; do echo "[$x]"; done

#: all arguments, quoted
set -- 'a b' c; for x in "$@"; do echo "[$x]"; done

#: star, not quoted
set -- 'a b' c; for x in $*; do echo "[$x]"; done

#: star, quoted
set -- 'a b' c; for x in "$*"; do echo "[$x]"; done

#: star joins with the first character of IFS
set -- a b c; IFS=-+; echo "$*"

#: star with an empty IFS
set -- a b c; IFS=; echo "$*"

#: star with IFS unset
set -- a b c; unset IFS; echo "$*"

#: at within text
set -- a b c; for x in "x$@y"; do echo "[$x]"; done

#: at without arguments
set --; for x in "$@"; do echo "[$x]"; done; echo none

#: at without arguments within text
set --; for x in "a$@b"; do echo "[$x]"; done

#: at without arguments beside empty quotes
set --; printf '[%s]' "$@" ""; echo

#: empty arguments, quoted and not
set -- '' a ''; echo $#; printf '[%s]' "$@"; echo; printf '[%s]' $@; echo

#: the number of arguments
set -- a b; echo $# ${#}

#: the status of the last command
false; echo $?; true; echo $?

#: the status is kept by echo of it
false; x=$?; echo $x $?

#: the status of a subshell
(exit 7); echo $?

#: the status of an assignment
x=1; echo $?; x=$(false); echo $?; x=$(exit 3); echo $?

#: the process number is the same in subshells
[ $$ = $(echo $$) ] && (test "$$" = "$(echo $$)") && echo same

#: PPID is a number
case $PPID in ''|*[!0-9]*) echo no;; *) echo yes;; esac

#: the last background process
true & p=$!; wait $p; echo $?; [ -n "$!" ] && echo yes

#: the name of the script
echo $0

#: the name in a function is the script's
f() { echo $0; }; f

#: PWD is set
[ "$PWD" = "$(pwd)" ] && echo same

#: PWD follows cd
mkdir d; cd d; echo ${PWD##*/}; cd ..; [ -n "$PWD" ] && echo set

#: OLDPWD after cd
mkdir d; cd d; echo ${PWD##*/}; cd - >/dev/null; echo ${OLDPWD##*/}

#: OPTIND is one
echo $OPTIND

#: IFS is blank, tab, newline
case "$IFS" in ' 	
') echo yes;; esac

#: PS4 is a plus
echo "[$PS4]"

#: PS1 is not exported
env | grep -c '^PS1='

#: PATH is there
[ -n "$PATH" ] && echo yes

#: a variable that is not set is empty
echo "[$nothing]"

#: assignments happen in order
a=1 b=$a c=$b; echo $a $b $c

#: an assignment before a command is for it only
x=1; x=2 sh -c 'echo $x'; echo $x

#: an assignment before a command is no part of its arguments
x=1; x=2 echo $x

#: an assignment before a function
f() { echo $x; }; x=1; x=2 f

#: an assignment before a special builtin stays
x=1; x=2 :; echo $x

#: an assignment before eval stays
x=1; x=2 eval 'echo $x'; echo $x

#: an assignment before an ordinary builtin does not stay
x=1; x=2 true; echo $x

#: names have digits and underscores
_a1=x; __=y; A_b2=z; echo $_a1 $__ $A_b2

#: a name ends where it must
a=1; echo $a.b $a-b $a/b $a:c

#: a digit ends a positional parameter
set -- x; echo $1a

#: an assignment is not split
x='a  b'; y=$x; echo "$y"

#: an assignment is no pattern
touch f1 f2; x=f*; echo "$x"

#: an assignment of arguments
set -- a b; x=$*; y="$*"; echo "$x" "$y"

#: an assignment of at
set -- a b; x="$@"; echo "$x"

#: an assignment with a tilde
HOME=/h; x=~; y=a:~:~/b; echo $x $y

#: exported variables reach programs
x=1; export x; sh -c 'echo $x'

#: others do not
x=1; sh -c 'echo "[$x]"'

#: an exported variable that changes
export x=1; x=2; sh -c 'echo $x'

#: a variable of the environment stays exported
x=1 sh -c 'x=2; sh -c "echo \$x"'

#: unset removes
x=1; unset x; echo "[$x]" "${x-gone}"

#: readonly stays
readonly x=1; (x=2) 2>/dev/null; echo $? $x

#: dash is the options
set -e; case $- in *e*) echo yes;; esac; set +e; case $- in *e*) echo yes;; *) echo no;; esac

#: LINENO counts
echo $LINENO
echo $LINENO

#: an appended word is no assignment
x+=1 2>/dev/null; echo $?

#: an empty assignment
x=; echo "[$x]" "${x-unset}" "${x:-empty}"

#: hash of arguments
set -- a b; echo ${#@} ${#*} ${#}

#: shift moves them
set -- a b c; shift; echo $1 $#; shift 2; echo $#

#: shift of zero
set -- a b; shift 0; echo $*

#: arguments in a function are its own
f() { echo $# $1; }; set -- a b c; f x; echo $# $1

#: set without words clears nothing
set -- a b; set -e; echo $#; set --; echo $#

#: set with a first word
set a b c; echo $2

#: set with a lone dash word
set -- -a -b; echo $1 $2

#: braces around everything
x=a; set -- p; echo ${x} ${1} ${#} ${?} ${-}x | grep -c 'a p 1 0'
