# 2.7 Redirection.
#: output to a file
echo a > f; cat f; echo b > f; cat f

#: append
echo a > f; echo b >> f; cat f; echo c >> g; cat g

#: input
echo a > f; cat < f

#: input of a missing file
cat < nothing; echo $?

#: standard error
ls nothing 2> f; [ -s f ] && echo complained

#: both to one file
{ echo a; echo b >&2; } > f 2>&1; cat f

#: the order matters
{ echo a; echo b >&2; } 2>&1 > f | cat; cat f

#: duplicated output
echo a >&2 2>/dev/null; echo b 2>&1

#: a third descriptor
exec 3> f; echo a >&3; echo b >&3; exec 3>&-; cat f

#: a third descriptor for reading
echo 'a
b' > f; exec 3< f; read x <&3; read y <&3; echo $y $x; exec 3<&-

#: closed descriptor is an error
echo a >&7; echo $?

#: close standard output
(echo a >&-) 2>/dev/null; echo $?

#: reading and writing
echo abc > f; exec 3<> f; read x <&3; echo def >&3; exec 3>&-; cat f; echo $x

#: noclobber
set -C; echo a > f; echo b > f; echo $?; cat f; echo c >| f; cat f; echo d >> f; cat f

#: noclobber and a device
set -C; echo a > /dev/null; echo $?

#: a redirection alone makes a file
> f; [ -f f ] && echo made; [ -s f ] || echo empty

#: redirections before the command
> f echo a; cat f; < f cat

#: redirection of a group
{ echo a; echo b; } > f; cat f

#: redirection of a subshell
(echo a; echo b) > f; cat f

#: redirection of a loop
for i in 1 2; do echo $i; done > f; cat f

#: redirection of while
printf 'a\nb\n' > f; while read x; do echo "<$x>"; done < f

#: redirection of if and case
if true; then echo a; fi > f; cat f; case a in a) echo b;; esac > f; cat f

#: redirection of a function call
f() { echo a; echo b >&2; }; f > o 2> e; cat o e

#: redirection in a function's definition
f() { echo a; } > o; f; f; cat o

#: several outputs, the last one counts
echo a > f > g; cat g; [ -s f ] || echo empty

#: the target is expanded
x=f; echo a > $x.txt; cat f.txt; echo b > "$x y"; cat 'f y'

#: the target is no pattern in a script
echo a > 'f*'; cat 'f*'

#: the target of a missing directory
echo a > no/such/f; echo $?

#: a failed redirection keeps a command from running
echo a > no/such/f || echo not; [ $? -eq 0 ] && echo ok

#: a failed redirection of a special builtin ends a script
sh -c ': > no/such/f; echo not'; [ $? -ne 0 ] && echo failed

#: a failed redirection of a builtin does not end a script
sh -c 'true > no/such/f; echo on'

#: a failed redirection of a group
{ echo a; } > no/such/f; echo $?

#: exec keeps a redirection
exec > f; echo a; exec >&2; cat f 2>/dev/null

#: exec in a subshell is its own
(exec > f; echo a); echo b; cat f

#: a descriptor saved and restored
exec 3>&1 > f; echo a; exec >&3 3>&-; echo b; cat f

#: command not found obeys its redirections
nosuchcommand 2>/dev/null; echo $?

#: command not found with an error file
nosuchcommand 2> f; [ -s f ] && echo complained

#: a directory is no command
mkdir d; ./d 2>/dev/null; echo $?

#: a file without permission is no command
echo 'echo a' > f; ./f 2>/dev/null; echo $?

#: a script without a first line
echo 'echo a $1' > f; chmod +x f; ./f b

#: a here-document
cat <<X
a
  b
X

#: a here-document expands
x=1; cat <<X
$x ${x}2 $(echo c) `echo d` $((1+1)) \$x \\ "q" 'r'
X

#: a quoted here-document does not
x=1; cat <<'X'
$x $(echo c) \$x \\
X

#: a partly quoted delimiter
cat <<"X"Y
$a
XY

#: an escaped delimiter
cat <<\X
$a
X

#: without leading tabs
cat <<-X
	a
		b
	X

#: two here-documents
cat <<A; cat <<B
a
A
b
B

#: two for one command
cat <<A 3<<B
a
A
b
B

#: a here-document in a loop
for i in 1 2; do cat <<X
$i
X
done

#: a here-document in a function
f() { cat <<X
<$1>
X
}
f a; f b

#: a here-document and a pipe
cat <<X | cat
a
X

#: a here-document and a list
cat <<X && echo b
a
X

#: an empty here-document
cat <<X
X
echo $?

#: a here-document with a continued line
cat <<X
a\
b
X

#: a here-document keeps quotes
x='a b'; cat <<X
"$x" '$x' "${y:-d e}"
X

#: a here-document into read
read a b <<X
1 2 3
X
echo "$b" "$a"

#: a here-document with the end of the file
cat <<X
a
b

#: a large here-document
x=$(seq 1 3000); cat <<X | wc -l
$x
X

#: a here-document in a subshell
(cat <<X
a
X
)

#: a here-document of a compound command
while read x; do echo "<$x>"; done <<X
a
b
X

#: input from a descriptor
echo a > f; exec 4< f; cat <&4

#: closed input
cat <&- 2>/dev/null; [ $? -ne 0 ] && echo failed

#: a pipe into while
printf 'a\nb\n' | while read x; do echo "<$x>"; done

#: an error in the middle of a pipe
ls nothing 2>/dev/null | cat; echo $?

#: redirection and pipe
echo a 2>&1 >&2 | cat

#: output of a builtin in order with a program
echo a; echo b | cat; echo c; ls -d .; echo d

#: several appends by a group and programs
{ echo a; echo b | cat; echo c; } > f; cat f

#: a here-document that is not used
true <<X
a
X
echo b

#: redirecting a comment's neighbour
echo a >f# ; ls

#: minus as a file
echo a > ./-; cat ./-

#: output of assignments with a redirection
x=1 > f; echo $x; ls

#: standard input of a script is left to it
printf 'read x\nabc\necho $x\n' > f; sh < f

#: standard input of a script is left to programs
printf 'cat\necho a\n' > f; sh < f

#: head takes a line of the script
printf 'echo a\nhead -n 1\nb\n' > f; sh < f | head -n 2
