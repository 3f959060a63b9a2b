# Numbered lines.
seq 11 12 | nl
printf 'a\n\nb\n' | nl
printf 'a\n\nb\n' | nl -b a
printf 'a\n\nb\n' | nl -ba -w 3
printf 'a\n\nb\n' | nl -b n
printf 'a\nb\n' | nl -n ln
printf 'a\nb\n' | nl -n rz
printf 'a\nb\n' | nl -s ': '
printf 'a\nb\n' | nl -v 10 -i 5
printf 'a' | nl
nl none
nl -b x
nl < /dev/null
