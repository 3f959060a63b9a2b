# 2.6.6 Pathname expansion, 2.6.7 quote removal, 2.13 pattern matching.
#: star
touch a b ab; echo *

#: question mark
touch a b ab; echo ? ??

#: brackets
touch a b c d; echo [ab] [!ab] [a-c]

#: no match stays
echo nothing* [xyz] ?

#: hidden files need a dot
touch .h a; echo *; echo .h*; echo .[!.]*

#: a directory's files
mkdir d; touch d/a d/b; echo d/* */a */*

#: a slash at the end
mkdir d e; touch f; echo */

#: quoted is no pattern
touch a b; echo '*' "*" \* "?" [a"]"

#: partly quoted
touch 'a*' ab; echo "a*" a"*" a*

#: from a variable
touch a b; x='*'; echo $x "$x"

#: sorted
touch c a b 10 9 B; echo *

#: no expansion with set -f
touch a b; set -f; echo *; set +f; echo *

#: a range of digits
touch f1 f2 f3 f9; echo f[1-3] f[!1-3]

#: classes
touch a B 1 _; echo [[:alpha:]] [[:digit:]] [[:upper:]] [![:alnum:]]

#: a bracket as a member
touch ']' a '['; echo []] [[] []a]

#: a minus as a member
touch - a b; echo [-a] [a-]

#: a bracket that is not closed
echo [a a[ b[c

#: a slash is never matched
mkdir d; touch d/a; echo d?a d*a

#: several stars
touch abc aXbYc; echo a*b*c *b*

#: blanks in names
touch 'a b' c; printf '[%s]' *; echo; for f in *; do echo "$f"; done

#: a symbolic link without a target
ln -s nowhere l; echo *

#: a dot directory in the pattern
touch a; echo ./* 

#: up and down
mkdir d; touch x; cd d; echo ../x*; echo ../d/../x*

#: a pattern as a command
touch zz; x=ech*; $x hi 2>/dev/null; echo $?

#: no expansion in assignments and case
touch a; x=*; echo "$x"; case * in '*') echo yes;; esac

#: expansion after splitting
touch a1 b1; x='a* b*'; echo $x

#: escaped star from a variable
touch a; x='\*'; echo $x

#: case with star
case abc in a*) echo yes;; *) echo no;; esac

#: case with question mark
case abc in a?c) echo yes;; esac; case abc in ??) echo yes;; *) echo no;; esac

#: case with brackets
case b in [a-c]) echo yes;; esac; case b in [!a-c]) echo yes;; *) echo no;; esac

#: case with a quoted pattern
case '*' in '*') echo star;; esac; case a in "*") echo yes;; *) echo no;; esac

#: case with an escaped character
case 'a?' in a\?) echo yes;; esac

#: case matches a slash and a dot
case /a/.b in *) echo yes;; esac; case .a in ?a) echo yes;; esac

#: case with classes
case 5 in [[:digit:]]) echo digit;; esac; case ' ' in [[:space:]]) echo space;; esac

#: case with a variable pattern
p='a*'; case abc in $p) echo yes;; esac; case abc in "$p") echo yes;; *) echo no;; esac

#: case with an empty pattern
case '' in '') echo empty;; esac; x=; case $x in "") echo empty;; esac

#: case with a caret
case b in [^a]) echo yes;; *) echo no;; esac

#: case with a range that is backwards
case b in [c-a]) echo yes;; *) echo no;; esac

#: case with a backslash within brackets
case ']' in [\]]) echo yes;; *) echo no;; esac

#: case with a literal bracket
case [ in [) echo yes;; *) echo no;; esac

#: case of multiple lines
case 'a
b' in a*b) echo yes;; esac

#: quote removal leaves inner quotes
echo "a'b" 'a"b' "a\"b" a\'b

#: a star that expands within quotes within braces
touch q1; echo "${x:-q*}" ${x:-q*}
