# Counts.
printf 'a b\nc\n' | wc
printf 'a b\nc\n' | wc -l
printf 'a b\nc\n' | wc -w
printf 'a b\nc' | wc -c
printf 'a b\nc' | wc -l
printf 'a\tb\vc\fd\re\n' | wc -w
printf 'a b\nc\n' > f; wc f
printf 'a b\nc\n' > f; wc -l f f
printf 'a b\nc\n' > f; wc -lw f
printf 'a b\nc\n' > f; wc -c < f
wc -l none
wc --nothing
wc -c < /dev/null
: > f; wc f
