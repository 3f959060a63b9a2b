# Lines joined.
seq 3 > a; seq 4 6 > b; paste a b
seq 3 > a; seq 4 5 > b; paste a b
seq 3 > a; seq 4 6 > b; paste -d: a b
seq 3 > a; seq 4 6 > b; paste -d ':-' a b a
seq 3 > a; seq 4 6 > b; paste -s a b
seq 4 | paste -s -d +
seq 4 | paste -sd,
seq 4 | paste -s -d ',\n'
seq 4 | paste - -
seq 5 | paste -d: - - -
seq 3 > a; seq 3 | paste a -
seq 3 | paste -d '\0' - -
seq 2 | paste
printf 'a\nb' | paste -s
paste none
paste -s < /dev/null
paste < /dev/null
paste --nothing
