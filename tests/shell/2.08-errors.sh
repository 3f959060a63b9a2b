# 2.8 Exit status and errors; set -e.
#: command not found
nosuchcommand; echo $?

#: a path that is not there
./nosuch; echo $?

#: exit with a status
sh -c 'exit 3'; echo $?; (exit 255); echo $?; (exit 256); echo $?

#: exit without one
sh -c 'false; exit'; echo $?; sh -c 'true; exit'; echo $?

#: a syntax error
sh -c 'if'; echo $?; sh -c 'echo a; )'; echo $?

#: a syntax error in eval ends the script
sh -c 'eval "if"; echo not'; echo $?

#: a syntax error behind commands does not keep them from running
printf 'echo a\nexit 0\n)(\n' > f; sh f; echo $?

#: text behind exit is not parsed
exit 3
if then fi ((

#: assigning to what is read only ends a script
sh -c 'readonly x=1; x=2; echo not'; echo $?

#: shift too far
sh -c 'shift 5; echo not' ; echo $?

#: a number that is none
sh -c 'exit abc; echo not'; echo $?

#: break with a number that is none
sh -c 'for i in 1; do break x; done; echo not'; echo $?

#: unset of what is read only
sh -c 'readonly x; unset x; echo not'; echo $?

#: export of a bad name
sh -c 'export 1a=2; echo not'; echo $?

#: set of a bad option
sh -c 'set -q; echo not'; echo $?

#: dot of a missing file ends a script
sh -c '. ./nothing; echo not'; echo $?

#: command keeps a special builtin from ending a script
sh -c 'command . ./nothing; echo on' 2>/dev/null

#: command shift too far goes on
sh -c 'command shift 5; echo on' 2>/dev/null

#: cd to nowhere goes on
cd nothing; echo $?

#: set -e ends
sh -c 'set -e; false; echo not'; echo $?

#: set -e and a list with and
sh -c 'set -e; false && true; echo on'; echo $?

#: set -e and the last of a list
sh -c 'set -e; true && false; echo not'; echo $?

#: set -e and or
sh -c 'set -e; false || true; echo on'; echo $?

#: set -e and not
sh -c 'set -e; ! true; echo on; ! false; echo on2'; echo $?

#: set -e and if
sh -c 'set -e; if false; then :; fi; echo on; if false; then :; else false; fi; echo not'; echo $?

#: set -e and while
sh -c 'set -e; while false; do :; done; echo on; until true; do :; done; echo on2'; echo $?

#: set -e and a group with and
sh -c 'set -e; { false && true; }; echo on'; echo $?

#: set -e and if with and in the body
sh -c 'set -e; if true; then false && true; fi; echo on'; echo $?

#: set -e and for with and
sh -c 'set -e; for i in 1 2; do false && true; done; echo on'; echo $?

#: set -e and case with and
sh -c 'set -e; case a in a) false && true;; esac; echo on'; echo $?

#: set -e and while with and in the body
sh -c 'set -e; i=0; while [ $i -lt 1 ]; do i=1; false && true; done; echo on'; echo $?

#: set -e and a function that ends in and
sh -c 'set -e; f() { false && true; }; f; echo not'; echo $?

#: set -e and a function in a condition
sh -c 'set -e; f() { false; echo in; }; if f; then echo yes; fi; f || echo no; f && echo and; echo on'; echo $?

#: set -e and a subshell
sh -c 'set -e; (false; echo not); echo not2'; echo $?

#: set -e and a subshell in a condition
sh -c 'set -e; if (false; echo in); then echo yes; fi'; echo $?

#: set -e and a subshell before or
sh -c 'set -e; (false; echo in) || echo no; echo on'; echo $?

#: set -e and a subshell with and
sh -c 'set -e; (false && true); echo not'; echo $?

#: set -e and a pipeline
sh -c 'set -e; false | true; echo on; true | false; echo not'; echo $?

#: set -e and an assignment
sh -c 'set -e; x=$(false); echo not'; echo $?

#: set -e and a substitution in arguments
sh -c 'set -e; echo $(false) on'; echo $?

#: set -e and a substitution in a condition
sh -c 'set -e; if x=$(false; echo a); then echo "yes $x"; fi; echo on'; echo $?

#: set -e and a group in a condition
sh -c 'set -e; { false; echo in; } || echo no; if { false; echo in2; }; then echo yes; fi'; echo $?

#: set -e and not of a group
sh -c 'set -e; ! { false; echo in; }; echo on'; echo $?

#: set -e and eval
sh -c 'set -e; eval "false"; echo not'; echo $?

#: set -e and eval in a condition
sh -c 'set -e; if eval "false; echo in"; then echo yes; fi; eval "false && true"; echo on'; echo $?

#: set -e and command not found
sh -c 'set -e; nosuchcommand; echo not' 2>/dev/null; echo $?

#: set -e and a background command
sh -c 'set -e; false & wait; echo on'; echo $?

#: set -e and wait for one
sh -c 'set -e; false & wait $!; echo not'; echo $?

#: set -e and break
sh -c 'set -e; for i in 1 2; do false || break; done; echo on'; echo $?

#: set +e ends it
sh -c 'set -e; set +e; false; echo on'; echo $?

#: set -e as an option
sh -e -c 'false; echo not'; echo $?

#: set -e within a function only
sh -c 'f() { set -e; }; f; false; echo not'; echo $?

#: set -e and a failed redirection
sh -c 'set -e; true > no/such/f; echo not' 2>/dev/null; echo $?

#: set -e and exit in a trap
sh -c 'set -e; trap "echo bye" EXIT; false; echo not'; echo $?

#: set -e and test
sh -c 'set -e; [ 1 = 2 ] || echo no; [ 1 = 2 ] && echo yes; echo on'; echo $?

#: set -e nested and-or
sh -c 'set -e; false && true || false && true; echo on'; echo $?

#: set -e and the last of and-or
sh -c 'set -e; false || false; echo not'; echo $?

#: set -e in a subshell only
(set -e; false; echo not); echo $?

#: set -u
sh -c 'set -u; echo $x; echo not' 2>/dev/null; [ $? -ne 0 ] && echo failed

#: set -u and defaults
sh -c 'set -u; echo ${x-a} ${x:-b} "${x+c}" on'

#: set -u and arguments
sh -c 'set -u; echo "$@" $* $# on; echo $1; echo not' 2>/dev/null; [ $? -ne 0 ] && echo failed

#: set -u and length
sh -c 'set -u; echo ${#x}; echo not' 2>/dev/null; [ $? -ne 0 ] && echo failed

#: set -u in a subshell
set -u; (echo $x; echo not) 2>/dev/null; [ $? -ne 0 ] && echo failed

#: set -eu in one word
set -eu; x=1; echo $x; case $- in *e*u*|*u*e*) echo both;; esac

#: set -eu from -o
set -o errexit -o nounset; case $- in *e*u*|*u*e*) echo both;; esac; set +o errexit; case $- in *e*) echo not;; *) echo off;; esac

#: set -o with a bad name
sh -c 'set -o nosuchoption; echo not' 2>/dev/null; [ $? -ne 0 ] && echo failed

#: set -x traces
(set -x; echo a b; x=1) 2> f; cat f | head -n 2; grep -c '^+ ' f

#: set -n runs nothing
sh -n -c 'echo a'; echo $?

#: set -n finds errors
sh -n -c 'if'; [ $? -ne 0 ] && echo failed

#: set -a exports
set -a; x=1; set +a; y=2; sh -c 'echo "$x$y"'

#: set -v shows
printf 'echo a\n' > f; sh -v f 2> e; cat e

#: dying in a function
die() { rc=$?; echo "died $rc"; exit $rc; }; false || die

#: the status in a function's body
f() { echo $?; }; false; f; true; f; (exit 5); f

#: the status in else
if (exit 4); then :; else echo $?; fi; if false; then :; elif (exit 6); then :; else echo $?; fi

#: the status in a case
(exit 3); case a in a) echo $?;; esac

#: the status in a loop
(exit 3); for i in 1; do echo $?; done; until (exit 0); do :; done; echo $?; while (exit 5); do :; done; echo $?

#: the status of if without else
if false; then :; fi; echo $?; if true; then (exit 3); fi; echo $?

#: the status of a loop
for i in 1 2; do (exit $i); done; echo $?; for i in; do :; done; echo $?

#: the status of case
case a in b) false;; esac; echo $?; case a in a) (exit 3);; esac; echo $?; false; case a in a) ;; esac; echo $?

#: the status of a group
{ (exit 3); }; echo $?

#: the status of a background list
false & echo $?

#: the status of not
! false; echo $?; ! true; echo $?; ! (exit 3); echo $?

#: the status of a pipeline
false | true; echo $?; true | (exit 3); echo $?; ! true | false; echo $?
