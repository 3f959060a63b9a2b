# 2.6.2 Parameter expansion.
#: use a default
echo ${x-a} ${x:-b}; x=; echo "[${x-a}]" "${x:-b}"; x=1; echo ${x-a} ${x:-b}

#: assign a default
echo ${x=a} $x; y=; echo "[${y=b}]" "[$y]"; echo ${y:=c} $y

#: an error when unset
(echo ${x?}; echo no) 2>/dev/null; [ $? -ne 0 ] && echo failed

#: an error when empty
x=; (echo ${x:?empty}; echo no) 2>/dev/null; [ $? -ne 0 ] && echo failed

#: no error when set
x=1; echo ${x?} ${x:?no}

#: the error's text
(: ${x?some text}) 2>&1 | grep -c 'x: some text'

#: an alternative
echo "[${x+a}]" "[${x:+b}]"; x=; echo "[${x+a}]" "[${x:+b}]"; x=1; echo ${x+a} ${x:+b}

#: length
x=abcde; echo ${#x} ${#nothing}; x='a b'; echo ${#x}

#: remove the shortest suffix
x=a.b.c; echo ${x%.*} ${x%.z} ${x%%.*}

#: remove the shortest prefix
x=a.b.c; echo ${x#*.} ${x##*.} ${x#z}

#: the name of a file
x=/a/b/c.tar.gz; echo ${x##*/} ${x%/*} ${x%%.*} ${x#*.}

#: patterns in a variable
x=abcabc; p='*b'; echo ${x#$p} ${x##$p}; echo "${x#"$p"}"

#: quoted patterns are text
x='a*b'; echo "${x#'a*'}" "${x#a\*}" "${x%"*b"}"

#: a pattern with brackets
x=abc123; echo ${x%%[0-9]*} ${x##*[!0-9]}

#: the word is not expanded when it is not used
x=1; echo ${x:-$(echo side >&2)} ${y:+$(echo side >&2)}end

#: nested defaults
echo ${a:-${b:-${c:-deep}}}

#: a default with blanks is split
printf '[%s]' ${x:-a b c}; echo; printf '[%s]' "${x:-a b c}"; echo

#: a default with quotes
printf '[%s]' ${x:-"a b" c}; echo

#: a default of single quotes
printf '[%s]' ${x:-'a b' c}; echo

#: a default of a variable is split
y='a b'; printf '[%s]' ${x:-$y}; echo; printf '[%s]' "${x:-$y}"; echo

#: a default of at
set -- 'a b' c; printf '[%s]' "${x:-"$@"}"; echo

#: an alternative of at
set -- 'a b' c; printf '[%s]' ${1+"$@"}; echo

#: an alternative of at without arguments
set --; printf '[%s]' ${1+"$@"} end; echo

#: positional with operators
set -- a.b; echo ${1%.*} ${1#*.} ${2:-none} ${#1}

#: the expansion of at with a default
set --; echo "${@:-none}"; set -- a b; echo "${@:-none}"

#: at with a plus
set --; echo "[${@+x}]"; set -- a; echo "[${@+x}]"

#: suffix of each is not asked for; of a value with newlines
x='a
b'; echo "${x%b}" "${x#a}"

#: braces in a default
echo ${x:-{}} "${x:-\}}"

#: a default that is empty
printf '[%s]' ${x:-} "${x:-}" ${x:-""}; echo

#: length in characters of all the special ones
set -- a b; false; echo ${#?}

#: an error in a script ends it
sh -c 'echo a; : ${x?bad}; echo b' 2>/dev/null; [ $? -ne 0 ] && echo failed

#: assignment to a positional parameter is an error
(: ${1=a}) 2>/dev/null; [ $? -ne 0 ] && echo failed

#: an assigned default is split when used
printf '[%s]' ${x:=a b}; echo; echo "$x"

#: a tilde pattern
x='~/a'; echo "${x#\~}"

#: a slash pattern
x=//a//b; echo ${x#/} ${x##/} ${x##*/}

#: prefix and suffix of nothing
x=; echo "[${x#a}]" "[${x%a}]" "[${y#a}]"

#: all of it removed
x=abc; echo "[${x#abc}]" "[${x##*}]" "[${x%%*}]" "[${x%*}]" "[${x#*}]"

#: a question mark pattern
x=abc; echo ${x#?} ${x%?} ${x#??} ${x%%??}

#: bad substitution is an error
(eval 'echo ${x!y}') 2>/dev/null; [ $? -ne 0 ] && echo failed

#: a digit that begins a name is an error
(eval 'echo ${1a}') 2>/dev/null; [ $? -ne 0 ] && echo failed

#: within double quotes single quotes stay
printf '%s\n' "${x:-'a'}"

#: remove a suffix between double quotes
x='a b.c d'; echo "${x%.*}" "${x#*.}"

#: a pattern with a quoted brace
x='a}b'; echo "${x%\}*}" ${x#*'}'}

#: command substitution in a pattern
x=abc; echo ${x#$(echo a)} ${x%`echo c`}

#: arithmetic in a default
echo ${x:-$((1+2))}
