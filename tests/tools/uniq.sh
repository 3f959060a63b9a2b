# Lines that follow each other.
printf 'a\na\nb\na\n' | uniq
printf 'a\na\nb\na\n' | uniq -c
printf 'a\na\nb\na\n' | uniq -d
printf 'a\na\nb\na\n' | uniq -u
printf 'a\na\nb\na\n' | uniq -du
printf 'a\nA\nb\n' | uniq -i
printf 'a\nA\nb\n' | uniq -ci
printf 'x a\ny a\nz b\n' | uniq -f 1
printf 'xa\nya\nzb\n' | uniq -s 1
printf 'abx\naby\nacz\n' | uniq -w 2
printf 'a\na' | uniq
printf 'a\na\n' > f; uniq f g; cat g
printf 'a\na\n' > f; uniq -c < f
printf '\n\na\n\n' | uniq -c
printf 'a\377\na\377\na\376\n' | uniq -c
uniq none
uniq a b c
uniq --nothing
uniq < /dev/null
printf 'b\na\nb\n' | sort | uniq -c
printf 'a\na\nb\n' | uniq --count
