# Builtins that are no special ones: cd, command, getopts, read, printf, test, …
#: cd and pwd
mkdir -p a/b; cd a/b; echo ${PWD##*/}; cd ..; echo ${PWD##*/}; p=$(pwd); echo ${p##*/}

#: cd home
mkdir h; HOME=$PWD/h; cd; echo ${PWD##*/}

#: cd minus
mkdir a; cd a; cd - > f; cd a; echo ${OLDPWD##*/} | grep -c place; [ -s ../f ] && echo printed

#: cd through a link
mkdir -p r/d; ln -s r/d l; cd l; echo ${PWD##*/}; p=$(pwd -P); echo ${p##*/}; cd ..; ls -d r

#: cd -P through a link
mkdir -p r/d; ln -s r/d l; cd -P l; echo ${PWD##*/}; cd ..; echo ${PWD##*/}

#: cd -L
mkdir -p r/d; ln -s r/d l; cd -L l; echo ${PWD##*/}; pwd -L | grep -c 'l$'

#: cd with two dashes
mkdir d; cd -- d; echo ${PWD##*/}

#: cd with CDPATH
mkdir -p x/y; CDPATH=$PWD/x; cd y > f; echo ${PWD##*/}

#: cd to a file
touch f; cd f 2>/dev/null; [ $? -ne 0 ] && echo failed

#: cd of nothing stays
cd .; echo ${PWD##*/} | grep -c place; cd ./.; echo ${PWD##*/} | grep -c place

#: cd above the root
cd /; cd ..; pwd; cd /bin/..; pwd

#: command runs no function
echo() { printf 'function\n'; }; command echo a

#: command -v of a builtin, a function, a program and nothing
f() { :; }; command -v cd; command -v f; command -v nosuch; echo $?; x=$(command -v ls); echo ${x##*/}; case $x in /*) echo path;; esac

#: command -v of an alias and a reserved word
alias a1='echo x'; command -v a1; command -v if

#: command -v of a path
echo a > p; chmod +x p; command -v ./p; command -v ./q; echo $?

#: command -V
command -V nosuch > /dev/null 2>&1; echo $?; command -V cd | grep -c builtin; f() { :; }; command -V f | grep -c function

#: command -p
command -p echo a

#: command without anything
command; echo $?

#: command of what is not there
command nosuchcommand 2>/dev/null; echo $?

#: type
type cd > /dev/null; echo $?; type nosuch > /dev/null 2>&1; echo $?; f() { :; }; type f | grep -c function

#: hash
hash; echo $?; hash ls; echo $?; hash nosuchcommand 2>/dev/null; echo $?; hash -r; echo $?

#: getopts
set -- -a -b val -c rest; while getopts ab:c o; do echo "$o:$OPTARG"; done; echo $OPTIND; shift $((OPTIND-1)); echo $1

#: getopts with joined letters
while getopts abc: o -ab -cval x; do echo "$o:$OPTARG"; done; echo $OPTIND

#: getopts with joined letters and a value
while getopts abc: o -abcval x; do echo "$o:$OPTARG"; done; echo $OPTIND

#: getopts of an unknown letter
getopts a o -x 2> f; echo $? "$o" "[$OPTARG]"; [ -s f ] && echo complained

#: getopts in silence
getopts :a: o -x; echo $? "$o" "$OPTARG"; OPTIND=1; getopts :a: o -a; echo $? "$o" "$OPTARG"

#: getopts without a value
getopts a: o -a 2>/dev/null; echo $? "$o"

#: getopts at its end
getopts a o x; echo $? "$o" $OPTIND; getopts a o -- -a; echo $? "$o" $OPTIND

#: getopts begins anew
getopts ab o -a -b; echo $o; OPTIND=1; getopts ab o -b; echo $o

#: getopts in a function
f() { OPTIND=1; while getopts x:y o; do echo "$o:$OPTARG"; done; shift $((OPTIND-1)); echo "$*"; }; f -x 1 -y a b; f -y c

#: getopts with an empty value
getopts a: o -a ''; echo "$o:[$OPTARG]" $OPTIND

#: getopts of a lone dash
getopts a o - ; echo $? $OPTIND

#: local
f() { local x=2; echo $x; }; x=1; f; echo $x

#: local without a value
f() { local x; x=3; echo $x; }; x=1; f; echo $x

#: local in recursion
f() { local n=$1; [ $n -gt 0 ] && f $((n-1)); echo $n; }; f 2

#: local is seen by what is called
g() { echo $x; x=5; }; f() { local x=2; g; echo $x; }; x=1; f; echo $x

#: local of several
f() { local a=1 b=2 c; c=3; echo $a$b$c; }; a=x b=y c=z; f; echo $a$b$c

#: local and an exported variable
f() { local x=2; sh -c 'echo $x'; }; export x=1; f; sh -c 'echo $x'

#: local outside is an error
sh -c 'local x=1; echo on' 2>/dev/null; [ $? -ne 0 ] && echo failed

#: read
echo a b c > f; read x < f; echo $x; read x y < f; echo "$x|$y"; read x y z w < f; echo "$x|$y|$z|$w"

#: read with blanks
echo '  a  b  c  ' > f; read x y < f; echo "[$x][$y]"; read x < f; echo "[$x]"

#: read with another IFS
echo 'a:b::c' > f; IFS=: read x y z < f; echo "[$x][$y][$z]"; IFS=: read x y z w v < f; echo "[$x][$y][$z][$w][$v]"

#: read keeps empty fields
echo ':a::b:' > f; IFS=: read a b c d e < f; echo "[$a][$b][$c][$d][$e]"

#: read with a separator at the end
echo 'a:b:' > f; IFS=: read x y < f; echo "[$x][$y]"; echo 'a:b:c:' > f; IFS=: read x y < f; echo "[$x][$y]"

#: read with IFS of a blank and another
echo ' a : b : c ' > f; IFS=' :' read x y < f; echo "[$x][$y]"

#: read with an empty IFS
echo '  a b  ' > f; IFS= read x < f; echo "[$x]"; IFS= read -r x y < f; echo "[$x][$y]"

#: read with backslashes
printf 'a\\ b c\\\nd\n' > f; read x y < f; echo "[$x][$y]"

#: read -r
printf 'a\\ b\\\nd\n' > f; read -r x y < f; echo "[$x][$y]"

#: read at the end
read x < /dev/null; echo $? "[$x]"

#: read of a line without its end
printf 'abc' > f; read x < f; echo $? $x

#: read of several lines
printf '1\n2\n3\n' > f; while read x; do echo "<$x>"; done < f

#: read takes no more than a line
printf 'a\nb\nc\n' > f; { read x; cat; } < f; echo $x

#: read of an empty line
echo > f; read x < f; echo $? "[$x]"

#: read in a loop with a program
printf '1\n2\n' > f; while read x; do echo $x | cat; done < f

#: printf
printf '%s %d %x %o\n' a 10 255 8; printf 'a\tb\n'; printf '%5s|%-5s|%05d\n' a b 42

#: printf uses its format again
printf '%s,' a b c; echo; printf '%s=%s\n' a 1 b 2; printf '[%s]\n'

#: printf of numbers
printf '%d %i %u\n' -5 0x1f 010; printf '%d\n' "'A"; printf '%+d % d\n' 5 5; printf '%.3d\n' 7

#: printf with wrong numbers
printf '%d\n' abc 2>/dev/null; echo $?; printf '%d\n' 12x 2>/dev/null; echo $?

#: printf -- and percent
printf -- '%%|%s\n' a; printf '%c%c\n' abc def

#: printf %b
printf '%b\n' 'a\tb\\c\0101'; printf '%b' 'a\cb'; echo

#: printf with octal
printf '\101\060\n'

#: printf with widths from arguments
printf '[%*s][%-*s]\n' 5 a 5 b; printf '[%.*s]\n' 2 abcdef

#: printf of no format
printf 2>/dev/null; echo $?

#: echo
echo; echo a  b; echo -n a; echo b; echo -e a; echo --

#: echo with backslashes
echo 'a\tb\nc\\d\0101'; echo 'a\cb'; echo

#: test of strings
[ a = a ]; echo $?; [ a != a ]; echo $?; [ -n a ]; echo $?; [ -z '' ]; echo $?; [ '' ]; echo $?; [ a ]; echo $?

#: test of numbers
[ 1 -eq 1 ]; echo $?; [ 2 -gt 1 ]; echo $?; [ 2 -le 1 ]; echo $?; [ -5 -lt 3 ]; echo $?; [ 010 -eq 10 ]; echo $?

#: test of files
touch f; mkdir d; ln -s f l; [ -f f ]; echo $?; [ -d d ]; echo $?; [ -e x ]; echo $?; [ -L l ]; echo $?; [ -s f ]; echo $?; [ -r f ]; echo $?; [ -x d ]; echo $?; [ -x f ]; echo $?

#: test with not and connectives
[ ! a = b ]; echo $?; [ a = a -a b = b ]; echo $?; [ a = b -o b = b ]; echo $?; [ ! -f x ]; echo $?; [ \( a = a \) ]; echo $?

#: test of operators as words
[ -f ]; echo $?; [ ! ]; echo $?; [ = = = ]; echo $?; [ -n = -n ]; echo $?; [ '(' = '(' ]; echo $?

#: test of what is wrong
[ a -eq 1 ] 2>/dev/null; echo $?; [ a = a 2>/dev/null; echo $?; test; echo $?; [ a b c ] 2>/dev/null; echo $?

#: test of ages
touch a; sleep 1.1; touch b; [ b -nt a ]; echo $?; [ a -ot b ]; echo $?; [ a -nt b ]; echo $?; [ a -ef a ]; echo $?; [ a -ef b ]; echo $?

#: test -t
[ -t 0 ] < /dev/null; echo $?

#: true and false
true; echo $?; false; echo $?; true a b; echo $?

#: umask
umask 022; umask; umask -S

#: ulimit
ulimit -f; ulimit -c 0; echo $?

#: kill -l
kill -l 9; kill -l 15; kill -l 137

#: kill -0
kill -0 $$; echo $?; kill -0 999999 2>/dev/null; [ $? -ne 0 ] && echo failed

#: kill of a background process
sleep 10 & kill $!; wait $! 2>/dev/null; [ $? -gt 128 ] && echo ended

#: kill of what is not there
kill 999999 2>/dev/null; [ $? -ne 0 ] && echo failed

#: kill without anything
kill 2>/dev/null; [ $? -ne 0 ] && echo failed

#: kill of a number that is none
kill abc 2>/dev/null; [ $? -ne 0 ] && echo failed

#: jobs of nothing
jobs; echo $?

#: wait of nothing
wait; echo $?

#: LINENO is a number
case ${LINENO:-1} in *[!0-9]*) echo no;; *) echo yes;; esac

#: a pwd in a directory that is gone
mkdir d; cd d; pwd > ../f; [ -s ../f ] && echo yes
