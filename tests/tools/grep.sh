# Lines found.
printf 'a\nb\nab\n' | grep a
printf 'a\nb\nab\n' | grep -v a
printf 'a\nb\nab\n' | grep -c a
printf 'a\nb\nab\n' | grep -n a
printf 'a\nB\n' | grep -i b
printf 'a\nb\n' | grep c
printf 'a\nb\nc\n' | grep -e a -e c
printf 'a\nb\nc\n' | grep -e a -e b -v
printf 'a\nb\n' > p; printf 'a\nb\nc\n' | grep -f p
: > p; printf 'a\n' | grep -f p
printf 'a\n' > p; printf 'a\nb\nc\n' | grep -f p -e c
seq 20 | grep -A 2 10
seq 20 | grep -B 2 10
seq 20 | grep -C 1 10
seq 20 | grep -1 10
seq 20 | grep -A 1 '^[15]$'
seq 20 | grep -n -C 1 '^[37]$'
seq 20 | grep -n -A 1 '^[56]$'
seq 20 | grep -m 2 1
seq 20 | grep -m 1 -A 2 1
seq 20 | grep -c -m 3 1
seq 5 > f; { grep -m 1 2; cat; } < f
seq 5 > f; { grep -q 2; echo $?; } < f
seq 3 > f; grep 2 f f
seq 3 > f; grep -h 2 f f
seq 3 > f; grep -H 2 f
seq 3 > f; grep -l 2 f f
seq 3 > f; grep -L 2 f; seq 3 > f; grep -L 9 f
seq 3 > f; grep -A 1 1 f f
mkdir d; echo a > d/f; grep -r a d
mkdir d; echo a > d/f; grep -rn a .
mkdir d; echo a > d/f; grep -rl a d
mkdir d; grep a d
echo 'foo bar foo' | grep -o foo
echo 'foo bar' | grep -o 'o*'
echo 'a1b22' | grep -oE '[0-9]+'
echo 'foobar foo' | grep -w foo
echo 'foobar' | grep -w foo
echo 'foo' | grep -x fo
echo 'foo' | grep -x foo
echo 'a.c' | grep -F .
echo 'abc' | grep -F a.c
echo 'a+b' | grep 'a+b'
echo 'aab' | grep -E 'a+b'
echo 'ab' | grep 'a\{1\}b'
echo 'ab' | grep -E '(a|x)b'
echo 'ab' | grep '\(a\)b'
echo 'a*b' | grep '*b'
echo 'tab	x' | grep '[[:blank:]]'
echo 'a]b' | grep '[]]'
echo 'a^b' | grep 'a^b'
printf 'a\377b\n' | grep b | tr '\377' x
printf '\377\n' | grep -c .
printf 'no newline' | grep new
grep -q a none
grep -s a none
grep a none
echo a > f; grep a f none
echo a > f; grep -q a f none
grep
grep '[' f
grep -E '(' f
grep --nothing a
printf 'a\nb\n' | grep ''
printf 'a\n\nb\n' | grep -c '^$'
