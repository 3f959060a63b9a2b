# Bytes replaced.
echo hello | tr a-z A-Z
echo hello | tr '[:lower:]' '[:upper:]'
echo Hello World | tr '[:upper:]' '[:lower:]'
echo hello | tr el ip
echo hello | tr -d l
echo hello | tr -d a-h
echo 'a  b   c' | tr -s ' '
echo aabbcc | tr -s a-z
echo aabbcc | tr -s ab x
echo hello | tr -cd 'a-z\n'
echo 'hello, world 1' | tr -c 'a-z\n' '_'
echo 'hello, world 1' | tr -cs 'a-z\n' '\n'
printf 'a\nb\n' | tr '\n' ' '
printf 'a b' | tr ' ' '\n'
printf 'a\tb' | tr '\t' :
echo abc | tr abc x
echo abc | tr -t abc x
echo abc | tr abc 'x[y*]'
echo abcd | tr abcd '[x*2]yz'
echo 'a-b' | tr -d -- -
echo 'a\b' | tr '\\' /
echo abc | tr '\141' X
printf 'a\0b\0' | tr '\0' '\n'
printf 'a\377b' | tr '\377' x
printf 'a\303\244b' | tr -d '\200-\377'
echo 'x[y]z' | tr '[]' '()'
echo a1b2 | tr -d '[:digit:]'
echo 'a, b. c!' | tr -d '[:punct:]'
echo ' a b ' | tr -d '[:space:]'
echo aabb | tr -ds a b
echo abc | tr a
echo abc | tr
echo abc | tr z-a x
echo abc | tr -d a b
echo abc | tr -d '[:none:]'
echo abc | tr abc ''
tr a b < /dev/null
echo 'the  end' | tr -s '[:blank:]' '\n'
