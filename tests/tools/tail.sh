# Ends of files.
seq 20 | tail
seq 20 | tail -n 3
seq 20 | tail -3
seq 20 | tail -n 0
seq 20 | tail -n +18
seq 20 | tail -n +0 | head -n 2
seq 20 | tail -n +99
printf 'abcdef' | tail -c 2
printf 'abcdef' | tail -c +3
printf 'abcdef' | tail -c +0
printf 'abcdef' | tail -c +99
printf 'abcdef' | tail -c 99
printf 'abcdef' > f; tail -c 2 f
printf 'abcdef' > f; tail -c +5 f
printf 'a\nb\nc' | tail -n 1
printf 'a\nb\nc' | tail -n 2
printf '\377\n\376\n' | tail -n 1
head -c 20000000 /dev/zero | tail -c +5 | wc -c
head -c 20000000 /dev/zero | tail -c 5 | wc -c
head -c 20000000 /dev/zero | tail -c +19999999 | wc -c
seq 300000 | tail -n 1
seq 300000 | tail -n +299999
seq 3 > a; seq 4 6 > b; tail -n 1 a b
seq 3 > a; seq 4 6 > b; tail -q -n 1 a b
seq 3 > a; tail -v -n 1 a
seq 3 > a; tail -n 1 none a
tail none
tail -n x
tail -c x
tail --nothing
mkdir d; tail d
tail < /dev/null
