# basename, dirname, which, yes, id, mktemp.
basename /usr/lib/libc.so
basename /usr/lib/libc.so .so
basename .so .so
basename /usr/lib/
basename /
basename //
basename ''
basename a
basename a b c
basename
basename -a x/a y/b
basename -s .c a.c b.c
basename -- -a
basename --nothing
dirname /usr/lib/libc.so
dirname /usr
dirname /
dirname a
dirname a/b/
dirname a//b
dirname ''
dirname . ..
dirname x/a y/b
dirname
dirname --nothing
which nosuchprogram
which
printf 'x' > p; chmod 755 p; which ./p
printf 'x' > p; chmod 644 p; which ./p
x=$(which cat) && [ -x "$x" ] && basename $x
yes | head -n 3
yes a b | head -n 2
yes --nothing
id
id -u
id -g
id -G
id -un
id -gn
id -u root
id nosuchuser
id -n
uname --nothing
uname x
uname -m
f=$(mktemp ./a.XXXXXX); ls -l "$f" | cut -c 1-10; echo ${#f}
d=$(mktemp -d ./a.XXXXXX); ls -ld "$d" | cut -c 1-10
mktemp -u ./a.XXXXXX | cut -c 1-4; ls
mktemp aXX
mktemp none/aXXXX
mktemp -q none/aXXXX
f=$(mktemp -p . x.XXXX); [ -f "$f" ] && echo ${#f}
f=$(TMPDIR=. mktemp -t x.XXXX); [ -f "$f" ] && echo ${#f}
f=$(mktemp ./a.XXXX.txt); echo ${f#./a.????}
mktemp a b
