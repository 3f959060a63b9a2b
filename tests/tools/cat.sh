# Files put one behind the other.
echo a > a; echo b > b; cat a b
echo a | cat
echo a > a; echo b | cat a - a
printf 'a\nb' | cat -n
printf 'a\n\nb\n' | cat -n
printf 'a\n\nb\n' | cat -b
printf 'a\n\n\n\nb\n' | cat -s
printf 'a\tb\n' | cat -T
printf 'a\n\n' | cat -E
printf 'a\tb\001\377\n' | cat -v
printf 'a\tb\001\n' | cat -A
printf 'a\n\nb\n' | cat -ns
cat none
echo a > a; cat none a
mkdir d; cat d
cat --nothing
cat -u < /dev/null
echo a > f; cat f >> f; cat f
echo a > f; cat < f >> f; cat f
echo a > f; cat f > f; cat f
: > f; cat f >> f; cat f
echo a > f; echo b > g; cat f g >> f; cat f
echo a > f; cat f f
printf '\377\376\n' | cat
