# 2.2 Quoting: backslash, single quotes, double quotes.
#: a backslash takes the meaning from the next character
echo a\ \ b \$x \* \" \' \\ \; \& \| \< \> \( \) \#

#: a backslash and a newline are nothing
echo a\
b; ec\
ho c

#: single quotes keep everything
echo 'a  $b `c` \ " * ~'

#: single quotes beside other text
echo a'b c'd 'e'"f"g

#: single quotes keep a backslash and a newline
echo 'a\
b'

#: double quotes keep blanks and patterns
echo "a   b * ? [a] ~ # ; | &"

#: double quotes let parameters through
x=1; echo "$x ${x}2 $x"

#: double quotes let commands through
echo "$(echo 'a  b')" "`echo c   d`"

#: what a backslash does between double quotes
echo "\$x \`y\` \" \a \' \*"

#: two backslashes between double quotes
printf '%s\n' "a\\b" "a\\\\b"

#: a backslash and a newline between double quotes
echo "a\
b"

#: a newline between double quotes
echo "a
b"

#: empty quotes are a word
printf '[%s]' '' "" a""b; echo

#: an empty word beside text is nothing
printf '[%s]' ""a"" ''b''; echo

#: quotes in the value of a variable are characters
x='"a b"'; printf '[%s]' $x; echo

#: backslashes in the value of a variable are characters
x='a\ b'; printf '[%s]' $x; echo

#: a single quote between double quotes
echo "it's"

#: a double quote between single quotes
echo 'say "hi"'

#: nested quotes in a substitution
echo "$(echo "a  b" 'c  d')"

#: quotes within braces within double quotes
echo "${x:-"a  b"}" "${x:-a  b}"

#: a single quote within braces within double quotes
echo "${x:-it's}"

#: an escaped brace within double quotes
echo "${x:-a\}b}"

#: quoted words are no reserved words
"if" true; echo $?

#: an escaped word is no reserved word
\if; echo $?

#: a quoted assignment is a command
"a"=b; echo $?

#: a quoted name after the equals sign is fine
a="b"'c'd; echo $a

#: a quoted tilde is a tilde
echo '~' "~" \~

#: hash in the middle of a word is no comment
echo a#b #c

#: quoted newline in a variable and unquoted use
x='a
b'; echo $x; echo "$x"

#: command name in pieces
e"ch"o hi; 'e'c'h'o there

#: a dollar at the end is a dollar
echo $ a$ "$" '$' "a$"

#: a dollar before something that is no name
echo $% "$%" $, "$ a"

#: backslash newline within a variable's name
abc=1; echo $a\
bc

#: backslash newline within an operator
true &\
& echo yes

#: a backslash before an ordinary character
echo \a\b\c

#: tab and newline between quotes
printf '[%s]' 'a	b' "c	d"; echo

#: unterminated quote is an error
eval 'echo "abc'
echo no

#: exclamation is ordinary
echo a! "b!" 'c!'
