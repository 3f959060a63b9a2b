# Beginnings of files.
seq 20 | head
seq 20 | head -n 3
seq 20 | head -3
seq 20 | head -n 0
seq 5 | head -n -2
seq 5 | head -n -9
seq 5 | head -n -0
printf 'a\nb\nc' | head -n -1
printf 'abcdef' | head -c 3
printf 'abcdef' | head -c -2
printf 'abcdef' | head -c -9
head -c 2k /dev/zero | wc -c
head -c 1b /dev/zero | wc -c
head -c 1kB /dev/zero | wc -c
printf 'a\377\nb\n' | head -n 1
printf 'a\0b\n' | head -n 1
seq 3 > a; seq 4 6 > b; head -n 1 a b
seq 3 > a; seq 4 6 > b; head -q -n 1 a b
seq 3 > a; head -v -n 1 a
seq 3 | head -v -n 1
seq 3 > a; head -n 1 a none a
head none
head -n
head -n x
head -c x
head -q --nothing
seq 3 > a; head --lines=2 a
seq 3 > a; head --bytes=2 a
seq 3 > a; { head -n 1; cat; } < a
seq 3000 > a; { head -n 1 > b; head -n 1; } < a
seq 3 > a; { head -c 2; head -c 2; } < a
printf 'no newline' | head
head < /dev/null
mkdir d; head d
