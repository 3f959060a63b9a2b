# 2.9 Shell commands, 2.10 grammar.
#: a simple command
echo a b

#: a command from a variable
c=echo; $c a; c='echo b'; $c c

#: an empty command name
''; echo $?; x=; $x; echo $?; $x echo a

#: an expansion to nothing is no command but has a status
$(exit 3); echo $?; $(true); echo $?

#: a program is found in PATH
PATH=$PATH; ls -d .

#: PATH of nothing finds nothing
(PATH=/nonexistent; ls) 2>/dev/null; echo $?

#: PATH before a command
PATH=/nonexistent ls 2>/dev/null; echo $?

#: a program in the working directory
echo 'echo here' > p; chmod +x p; PATH=.:$PATH p; PATH=:$PATH p

#: arguments reach a script
echo 'echo "$#:$1:$2"' > p; sh ./p 'a b' c

#: the environment of a program
x=1 y=2 sh -c 'echo $x$y'

#: a function before a program
ls() { echo function; }; ls; unset -f ls; ls -d .

#: a function before a builtin
true() { echo function; }; true

#: a pipeline
echo a | cat | cat

#: a pipeline of compound commands
{ echo a; echo b; } | while read x; do echo "<$x>"; done | cat

#: a pipeline with newlines
echo a |
cat |

cat

#: variables of a pipeline's parts do not come back
x=1; echo a | read x; echo $x; x=2 | true; echo $x

#: assigned defaults in a pipeline do not come back
echo ${x:=1} | cat; echo "[$x]"

#: arithmetic in a pipeline does not come back
x=1; echo $((x+=1)) | cat; echo $x

#: expansions of a program's words in a pipeline
ls ${x:=nothing} 2>/dev/null | cat; echo "[$x]"

#: expansions in the background
x=1; cat $((x=5)) 2>/dev/null & wait; echo $x

#: an error of expansion in a pipeline does not end the shell
echo ${x?no} 2>/dev/null | cat; echo on

#: exit in a pipeline
exit 3 | true; echo on; true | exit 4; echo $?

#: functions in a pipeline
f() { while read x; do echo "<$x>"; done; }; printf 'a\nb\n' | f

#: a long pipeline
seq 1 100 | cat | cat | cat | cat | cat | tail -n 1

#: a closed pipe ends the writer
seq 1 100000 | head -n 1

#: not
! true; echo $?; ! false; echo $?; ! echo a | cat; echo $?

#: lists
true && echo a; false && echo b; true || echo c; false || echo d

#: lists bind alike
true || echo a && echo b; false && echo c || echo d

#: lists over lines
true &&
echo a ||
echo b

#: a background command
echo a & wait; echo b

#: a background list
{ sleep 0.1; echo a; } & echo b; wait

#: background of and
true && echo a & wait

#: background input is empty
cat & wait; echo $?

#: several in the background
for i in 1 2 3; do (exit $i) & done; wait; echo $?

#: wait for one
(exit 5) & wait $!; echo $?

#: wait for two
(exit 3) & a=$!; (exit 4) & b=$!; wait $a; echo $?; wait $b; echo $?; wait $a $b; echo $?

#: wait for none of its own
wait 999999; echo $?

#: a group
{ echo a; echo b; }; { echo c
}

#: a group changes variables
x=1; { x=2; }; echo $x

#: a subshell
(echo a; echo b); (echo c)

#: a subshell changes nothing
x=1; (x=2; echo $x); echo $x

#: a subshell in a subshell
(x=1; (x=2; echo $x); echo $x)

#: exit in a subshell
(exit 3); echo $?; (echo a; exit; echo b)

#: functions in a subshell
f() { echo f; }; (f; f() { echo g; }; f); f

#: arguments in a subshell
set -- a b; (echo $#; shift; echo $1); echo $1

#: cd in a subshell
mkdir d; (cd d; echo ${PWD##*/}); [ -d d ] && echo back

#: readonly in a subshell
readonly x=1; (echo $x; y=2; echo $y)

#: options in a subshell
(set -f; echo *); touch a; echo *; set -f; (echo *)

#: descriptors in a subshell
exec 3> f; (echo a >&3); exec 3>&-; cat f

#: if
if true; then echo a; fi; if false; then echo b; else echo c; fi

#: elif
if false; then echo a; elif true; then echo b; else echo c; fi
if false; then echo a; elif false; then echo b; else echo c; fi

#: if with lists
if true; false; then echo a; else echo b; fi; if false || true; then echo c; fi

#: if over lines
if
true
then
echo a
fi

#: nested if
if true; then if false; then echo a; else echo b; fi; fi

#: if of a pipeline
if echo a | grep -q a; then echo yes; fi

#: for
for i in a b c; do echo $i; done

#: for without words
set -- a 'b c'; for i do echo "$i"; done; for i; do echo "$i"; done

#: for over nothing
for i in; do echo a; done; echo b; for i in $nothing; do echo c; done

#: for over lines
for i in a \
b
do
echo $i
done

#: for with in on the next line
for i
in a b; do echo $i; done

#: the variable of for stays
for i in a b; do :; done; echo $i

#: for with patterns
touch a1 a2; for f in a*; do echo $f; done

#: for with expansions
x='a b'; for i in $x "$x" c; do echo "$i"; done

#: nested for
for i in 1 2; do for j in a b; do echo $i$j; done; done

#: for of a changed list
set -- a b; for i; do set -- x y z; echo $i; done; echo $#

#: while
i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done

#: until
i=0; until [ $i -ge 2 ]; do echo $i; i=$((i+1)); done

#: while with a list as its condition
i=0; while i=$((i+1)); [ $i -lt 3 ]; do echo $i; done

#: break
for i in 1 2 3; do [ $i = 2 ] && break; echo $i; done

#: continue
for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done

#: break of two
for i in 1 2; do for j in a b; do break 2; done; echo no; done; echo $i$j

#: continue of two
for i in 1 2; do for j in a b; do echo $i$j; continue 2; done; echo no; done

#: break of more than there are
for i in 1 2; do for j in a b; do break 9; done; done; echo $i$j

#: break in a condition
while break; do echo a; done; echo b

#: break in if in a loop
while true; do if true; then break; fi; done; echo a

#: break in case in a loop
for i in a b; do case $i in b) break;; esac; echo $i; done

#: break outside
break; echo $?

#: the status after break
for i in 1; do false; break; done; echo $?

#: case
case a in a) echo a;; b) echo b;; esac; case c in a) echo a;; *) echo other;; esac

#: case with alternatives
case b in a|b|c) echo yes;; esac; case d in (a|b) echo no;; (c|d) echo yes;; esac

#: case without the last separator
case a in a) echo yes
esac; case a in a) echo yes; esac

#: case with nothing to do
case a in a) ;; esac; echo $?; case a in esac; echo $?

#: case over lines
case a
in
  a)
    echo yes
    ;;

  b) echo no ;;
esac

#: case tries in order
case ab in a*) echo first;; *b) echo second;; esac

#: case with expansions in patterns
x=a; case a in $x) echo yes;; esac; case b in $(echo b)) echo yes;; esac

#: case does not evaluate later patterns
case a in a) echo yes;; $(echo side >&2)) ;; esac

#: case in case
case a in a) case b in b) echo ab;; esac;; esac

#: a function
f() { echo a; }; f; f

#: a function with arguments
f() { echo "$#:$1:$2"; }; f 'a b' c; f

#: a function returns
f() { return 3; echo no; }; f; echo $?; g() { false; return; }; g; echo $?

#: return in a loop in a function
f() { for i in 1 2 3; do [ $i = 2 ] && return 7; echo $i; done; }; f; echo $?

#: return in a condition in a function
f() { if return 4; then echo no; fi; }; f; echo $?

#: a function's body can be any compound command
f() (x=1; echo $x); f; echo "[$x]"; g() if true; then echo g; fi; g; h() for i in 1 2; do echo $i; done; h

#: a function with its brace on the next line
f()
{
echo a
}
f

#: blanks around parentheses
f ( ) { echo a; }; f

#: recursion
f() { if [ $1 -gt 0 ]; then echo $1; f $(($1-1)); fi; }; f 3

#: deep recursion
f() { if [ $1 -gt 0 ]; then f $(($1-1)); else echo bottom; fi; }; f 300

#: deep recursion with results
f() { if [ $1 -gt 0 ]; then f $(($1-1)); x=$((x+1)); fi; }; x=0; f 200; echo $x $#

#: a function defines a function
f() { g() { echo g; }; }; f; g

#: a function defined anew
f() { echo a; }; f() { echo b; }; f

#: a function defined anew while it runs
f() { f() { echo new; }; echo old; }; f; f

#: a function's variables are everybody's
f() { x=2; }; x=1; f; echo $x

#: exit in a function
(f() { exit 3; }; f; echo no); echo $?

#: the definition's status
false; f() { :; }; echo $?

#: a function is found at the time of its call
f() { g; }; g() { echo g; }; f

#: unset -f
f() { echo a; }; unset -f f; f 2>/dev/null; echo $?

#: a function with redirections in pipes
f() { cat; }; echo a | f > o; cat o

#: positional parameters come back
f() { shift; set -- x y z; }; set -- a b; f 1 2; echo $1 $#

#: a semicolon alone is an error
(eval ';') 2>/dev/null; [ $? -ne 0 ] && echo failed

#: two semicolons are an error
(eval 'echo a;; echo b') 2>/dev/null; [ $? -ne 0 ] && echo failed

#: an ampersand behind a semicolon is an error
(eval 'echo a; & echo b') 2>/dev/null; [ $? -ne 0 ] && echo failed

#: a missing done is an error
(eval 'for i in 1; do echo a') 2>/dev/null; [ $? -ne 0 ] && echo failed

#: a pipe without its second command is an error
(eval 'echo a | ;') 2>/dev/null; [ $? -ne 0 ] && echo failed

#: an empty body is an error
(eval 'if true; then fi') 2>/dev/null; [ $? -ne 0 ] && echo failed

#: an empty subshell is an error
(eval '( )') 2>/dev/null; [ $? -ne 0 ] && echo failed

#: a closing word alone is an error
(eval 'fi') 2>/dev/null; [ $? -ne 0 ] && echo failed; (eval '}') 2>/dev/null; [ $? -ne 0 ] && echo failed

#: a redirection without a word is an error
(eval 'echo >') 2>/dev/null; [ $? -ne 0 ] && echo failed

#: commands before an error in the same text have run
printf 'echo a\nfi\necho b\n' > f; sh f 2>/dev/null; [ $? -ne 0 ] && echo failed

#: commands on a line with an error have not
printf 'echo a; fi\n' > f; sh f 2>/dev/null; [ $? -ne 0 ] && echo failed

#: everything on one line
if true; then for i in 1 2; do case $i in 1) echo one;; *) { echo other; } ;; esac; done; fi

#: standard input as the script
printf 'echo a\nx=1\necho $x\n' | sh

#: standard input with arguments
printf 'echo $1 $#\n' | sh -s a b

#: standard input with a compound command over lines
printf 'for i in 1 2\ndo\necho $i\ndone\n' | sh

#: standard input with a here-document
printf 'cat <<X\na\nX\necho b\n' | sh

#: standard input without a last newline
printf 'echo a' | sh

#: standard input that exits
printf 'exit 3\necho no\n' | sh; echo $?

#: -c with a name and arguments
sh -c 'echo $0 $1 $2' name a b

#: -c with several lines
sh -c 'echo a
echo b'

#: the status of -c
sh -c 'false'; echo $?; sh -c ''; echo $?; sh -c '# nothing'; echo $?

#: an empty script
> f; sh f; echo $?

#: a script that is not there
sh ./nosuch 2>/dev/null; echo $?

#: a script with a first line that names a shell
printf '#!/bin/sh\necho a $1\n' > f; chmod +x f; ./f b
