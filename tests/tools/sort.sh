# Sorted lines.
printf 'b\na\nc\n' | sort
printf 'b\na\nc\n' | sort -r
printf '10\n9\n1\n' | sort -n
printf '10\n9\n-1\n' | sort -rn
printf '10.0.0.1\n9\n2\n' | sort -n
printf '9007199254740993\n9007199254740992\n' | sort -n
printf '99999999999999999999999\n99999999999999999999998\n' | sort -n
printf '0.10\n0.2\n.15\n' | sort -n
printf 'x\n-1\n1\n' | sort -n
printf ' 3\n2\n' | sort -n
printf '1e3\n2\n' | sort -n
printf 'b\na\nb\n' | sort -u
printf '1\n01\n2\n' | sort -nu
printf 'B\na\nC\n' | sort
printf 'B\na\nC\n' | sort -f
printf 'b\nB\na\n' | sort -fu
printf 'b 2\na 3\nc 1\n' | sort -k 2
printf 'b 2\na 3\nc 1\n' | sort -k2,2n
printf 'b:2\na:3\nc:1\n' | sort -t: -k2
printf 'a:10\nb:9\n' | sort -t : -k 2n
printf 'a x3\nb x1\n' | sort -k 2.2
printf 'ax3\nbx1\n' | sort -k 1.2,1.3
printf 'a 1\nb 1\na 0\n' | sort -k 2,2 -k 1,1r
printf 'a 1\nb 1\na 0\n' | sort -s -k 2,2
printf 'b 1\na 1\n' | sort -s -k 2,2
printf 'b 1\na 1\n' | sort -k 2,2
printf 'b 1\na 1\n' | sort -r -k 2,2
printf 'b 1\na 1\n' | sort -s -r -k 2,2
printf '  b\n a\n' | sort -b
printf 'x  b\nx a\n' | sort -k 2b
printf 'x  b\nx a\n' | sort -k 2
printf '.b\na\n' | sort -d
printf 'b\nA\n' | sort -k 1f
printf 'a\nb\n' | sort -c
printf 'b\na\n' | sort -c
printf 'b\na\n' | sort -C
printf 'a\na\n' | sort -cu
printf '2\n10\n' | sort -nc
printf 'b\na\n' > f; sort -o f f; cat f
printf 'b\na\n' > f; printf 'c\n' > g; sort f g
printf 'b\na' | sort
printf '\377\na\n\200\n' | sort
printf 'b\n\na\n' | sort
printf 'a\nc\n' > f; printf 'b\nd\n' > g; sort -m f g
seq 200000 | sort -n | tail -n 1
seq 400000 -1 1 | sort -n | cmp - /dev/null 2> /dev/null; seq 400000 -1 1 | sort -n > f; seq 400000 | cmp - f
seq 400000 -1 1 | sort -n | head -n 2
head -c 16000000 /dev/zero | tr '\0' 'a' | wc -c
seq 300000 > f; cat f f f | sort -nu | wc -l
sort none
sort -k 0
sort -k x
sort -t ab
sort --nothing
sort < /dev/null
