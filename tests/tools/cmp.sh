# Files compared byte by byte.
echo a > a; echo a > b; cmp a b
echo a > a; echo b > b; cmp a b
printf 'a\nb\n' > a; printf 'a\nc\n' > b; cmp a b
echo a > a; echo ab > b; cmp a b
printf a > a; printf ab > b; cmp a b
printf 'axc' > a; printf 'ayz' > b; cmp -l a b
echo a > a; echo b > b; cmp -s a b
echo a > a; echo a | cmp a -
echo a > a; echo a | cmp a
: > a; echo a > b; cmp a b
: > a; : > b; cmp a b
printf 'axc' > a; printf 'axz' > b; cmp -n 2 a b
echo a > a; cmp a none
echo a > a; cmp -s a none
cmp
cmp --nothing
