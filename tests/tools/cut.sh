# Parts of lines.
printf 'a:b:c\nd:e:f\n' | cut -d: -f1
printf 'a:b:c\nd:e:f\n' | cut -d : -f 2
printf 'a:b:c\nd:e:f\n' | cut -d: -f1,3
printf 'a:b:c\nd:e:f\n' | cut -d: -f2-
printf 'a:b:c\nd:e:f\n' | cut -d: -f-2
printf 'a:b:c\nd:e:f\n' | cut -d: -f3,1
printf 'a:b:c\nd:e:f\n' | cut -d: -f9
printf 'a:b:c\nplain\n' | cut -d: -f2
printf 'a:b:c\nplain\n' | cut -d: -s -f2
printf 'a\tb\tc\n' | cut -f2
printf 'a\tb\tc\n' | cut -f 1-2
printf 'a::c\n' | cut -d: -f2,3
printf 'abcdef\n' | cut -c 2-4
printf 'abcdef\n' | cut -c1
printf 'abcdef\n' | cut -c-2,5-
printf 'abcdef\n' | cut -b 2,4,6
printf 'abcdef\n' | cut -b 9-
printf 'a\377c\n' | cut -b 2
printf 'a:b:c\n' | cut -d: -f1,3 --output-delimiter=--
printf 'abcdef\n' | cut -c1-2,5 --output-delimiter=:
printf 'a b  c\n' | cut -d ' ' -f 3,4
printf 'no newline' | cut -c 1-2
printf '\n' | cut -d: -f1
printf 'a:b\n' > f; cut -d: -f2 f f
cut -f 1 none
cut
cut -f
cut -f 0 f
cut -f 3-1 f
cut -f a f
cut -d xx -f 1
cut -b 1 -f 1
cut -d: -b 1
cut -f 1 < /dev/null
printf 'a:b:c\n' | cut --delimiter=: --fields=2
