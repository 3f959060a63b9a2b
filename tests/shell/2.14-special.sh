# 2.11 signals, 2.14 special builtins.
#: colon
: a b; echo $?; : ${x:=1}; echo $x

#: dot
echo 'x=1; echo in' > f; . ./f; echo $x

#: dot along PATH
mkdir d; echo 'echo found' > d/lib; PATH=$PWD/d:$PATH; . lib

#: return in dot
echo 'echo a; return 3; echo b' > f; . ./f; echo $?

#: dot sees functions and arguments
f() { echo "f $1"; }; echo 'f "$1"' > lib; set -- a; . ./lib

#: the status of an empty file
> f; false; . ./f; echo $?

#: the status within a file
echo 'echo $?' > f; (exit 4); . ./f

#: eval
eval 'echo a; echo b'; x='echo c'; eval $x; eval; echo $?

#: eval joins its arguments
eval echo 'a   b' c; eval 'x=1;' echo '$x'

#: eval twice
x=y; y=z; eval "echo \$$x"; eval 'eval "echo \$$x"'

#: the status of eval
eval false; echo $?; eval '(exit 3)'; echo $?; false; eval ''; echo $?

#: eval sees the status
false; eval 'echo $?'

#: eval with break
for i in 1 2; do eval break; done; echo $i

#: exec without a command
exec 3>f; echo a >&3; cat f

#: exec with one
sh -c 'exec echo a; echo no'; (exec echo b; echo no); echo c

#: exec of what is not there
sh -c 'exec nosuchcommand; echo no' 2>/dev/null; echo $?

#: the status of exec
sh -c 'exec sh -c "exit 4"'; echo $?

#: exec with an assignment
(x=1 exec sh -c 'echo $x')

#: export
export x=1 y; y=2; sh -c 'echo $x$y'

#: export -p
export zz='a b'; export -p | grep zz

#: export of an unset name is no variable
export x; echo "${x-unset}"; x=1; sh -c 'echo $x'

#: export with several
x=1 y=2; export x y; sh -c 'echo $x $y'

#: readonly
readonly x=1 y; readonly -p | grep ' x='

#: readonly does not stop a subshell
readonly x=1; (echo $x)

#: set shows variables
xx=1; set | grep '^xx='

#: set with a dash word
set -- -x; echo $1 $#

#: set - ends options
set -f; set -- a; echo $-|grep -c f

#: set +f
set -f; set +f; touch a; echo *

#: set -o shows
set -o | grep -c errexit

#: set +o can be read
set -f; x=$(set +o); set +f; eval "$x"; case $- in *f*) echo yes;; esac

#: several options in one word
set -fC; case $- in *f*) echo f;; esac; case $- in *C*) echo C;; esac

#: options and arguments
set -f a b; echo $1 $2; case $- in *f*) echo f;; esac

#: shift
set -- a b c d; shift 2; echo $*; shift; echo $*; shift; echo $#

#: times
times | wc -l; times > /dev/null; echo $?

#: trap at the end
sh -c 'trap "echo bye" EXIT; echo hi'

#: trap 0
sh -c 'trap "echo bye" 0; echo hi'

#: trap at exit
sh -c 'trap "echo bye; exit 5" EXIT; exit 3'; echo $?

#: a trap sees the status
sh -c 'trap "echo \$?" EXIT; exit 3'; echo $?

#: a trap keeps the status
sh -c 'trap "true" EXIT; exit 3'; echo $?; sh -c 'trap "false" EXIT; true'; echo $?

#: a trap in a subshell
(trap 'echo sub' EXIT; echo in); echo out

#: a trap is not inherited by a subshell
trap 'echo bye' EXIT; (echo in); x=$(echo sub); echo $x

#: a trap is removed
sh -c 'trap "echo no" EXIT; trap - EXIT; echo hi'

#: a trap is replaced
sh -c 'trap "echo no" EXIT; trap "echo yes" EXIT'

#: an empty trap
sh -c 'trap "" EXIT; echo hi'; echo $?

#: a trap shows itself
trap 'echo bye' EXIT; trap

#: traps are shown with quotes
trap "echo it's" USR1; trap

#: a bad trap
trap 'echo' NOSUCHSIGNAL 2>/dev/null; [ $? -ne 0 ] && echo failed

#: a trap after a syntax error
sh -c 'trap "echo bye" EXIT; eval "if"' 2>/dev/null; [ $? -ne 0 ] && echo failed

#: a trap after set -e
sh -c 'set -e; trap "echo bye" EXIT; false; echo no'; echo $?

#: a trap on a signal to itself
trap 'echo got' USR1; kill -USR1 $$; echo on

#: a trap by number
trap 'echo got' 10; kill -10 $$; kill -s USR1 $$

#: a signal that is ignored
trap '' TERM; kill -TERM $$; echo on

#: a trap with TERM and EXIT
sh -c 'trap "echo term; exit 4" TERM; trap "echo bye" EXIT; kill $$; echo no'; echo $?

#: a trap keeps the status of what it met
trap 'false' USR1; kill -USR1 $$; echo $?

#: a signal without a trap ends
sh -c 'kill -TERM $$; echo no' 2>/dev/null; [ $? -gt 128 ] && echo ended

#: the status of a signal
sh -c 'kill -TERM $$' 2>/dev/null; echo $?; sh -c 'kill -INT $$' 2>/dev/null; echo $?

#: trap with a function
f() { echo f; }; trap f EXIT; echo a

#: exit in a trap's function
sh -c 'f() { exit 7; }; trap f EXIT; exit 1'; echo $?

#: trap resets with a number
trap 'echo no' USR1; trap - USR1; trap

#: unset of a variable and a function
x=1; f() { echo f; }; unset x; echo "[$x]"; f; unset -f f; f 2>/dev/null; echo $?

#: unset of what is not there
unset nothing; echo $?; unset -f nothing; echo $?

#: unset -v
x=1; unset -v x; echo "${x-gone}"

#: return with a status
f() { return 300; }; f; [ $? -ne 0 ] && echo nonzero

#: exit status in a function through a subshell
f() { (exit 3); return $?; }; f; echo $?

#: continue outside
continue; echo $?
