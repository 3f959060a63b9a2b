# 2.3 Token recognition and aliases, 2.4 reserved words.
#: comments end with the line
echo a # b ; echo c
# whole line
echo d

#: a comment after a semicolon
echo a;# b
echo c

#: operators need no blanks
echo a&&echo b||echo c;echo d

#: digits before a redirection are a descriptor
echo a 1>f; cat f; echo 2>g; cat g

#: digits with a blank before a redirection are a word
echo 2 >f; cat f

#: digits that belong to a word are no descriptor
echo a2>f; cat f

#: quoted digits are no descriptor
echo "2">f; cat f

#: tabs separate words
echo	a	b

#: empty lines are nothing


echo a


echo b

#: reserved words as arguments
echo if then else fi do done case esac for while until in { } !

#: a brace beside text is text
echo {a} a} {b; echo }

#: a reserved word is one only where a command begins
for for in in do done; do echo $for; done

#: in is no reserved word elsewhere
in=3; echo $in

#: case with reserved words as patterns
case if in if) echo yes;; esac; case do in (do) echo yes;; esac

#: an alias is replaced
alias hi='echo hello'
hi there

#: an alias with a blank at its end lets the next word be one
alias e='echo ' x='y z'
e x x

#: an alias does not replace itself forever
alias echo='echo aliased'
echo a

#: an alias is not replaced when quoted
alias hi='echo hello'
\hi 2>/dev/null; echo $?
'hi' 2>/dev/null; echo $?

#: an alias is no alias on the line that defines it
alias zz='echo yes'; zz 2>/dev/null; echo $?

#: an alias can be a reserved word
alias wenn=if dann=then
wenn true; dann echo yes; fi

#: an alias can hold operators
alias two='echo a; echo b'
two

#: unalias removes one
alias hi='echo hello'
unalias hi
hi 2>/dev/null
echo $?

#: unalias -a removes all
alias a1='echo a' b1='echo b'
unalias -a
a1 2>/dev/null; echo $?

#: unalias of one that is none fails
unalias nothere 2>/dev/null; [ $? -ne 0 ] && echo failed

#: alias prints one
alias hi='echo hello'
alias hi

#: alias of one that is none fails
alias nothere 2>/dev/null; [ $? -ne 0 ] && echo failed

#: an alias in a function is replaced when that is read
alias hi='echo one'
f() { hi; }
alias hi='echo two'
f

#: an alias after a pipe
alias c=cat
echo a | c

#: an alias after an assignment
alias c='echo c'
x=1 c

#: an alias is not looked for among arguments
alias a=b
echo a

#: an alias in eval
alias hi='echo hello'
eval hi

#: a word that only begins as an alias
alias hi='echo hello'
hiya 2>/dev/null; echo $?

#: an alias is replaced once, also in subshells
alias echo='echo aliased'
(echo a); x=$(echo b); \echo "$x"; echo c | cat; { echo d; } & wait

#: an alias is known in a subshell's eval
alias hi='echo hello'
(eval hi); x=$(eval hi); echo $x
