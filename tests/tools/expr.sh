# Expressions.
expr 1 + 2
expr 1 + 2 '*' 3
expr '(' 1 + 2 ')' '*' 3
expr 7 - 2 - 1
expr 7 / 2
expr -7 / 2
expr -7 % 3
expr 1 - 1
expr 0
expr ''
expr a
expr 1 '<' 2
expr 10 '>' 9
expr a '<' b
expr a = a
expr a != a
expr 1 '>=' 2
expr abc : 'a.'
expr abc : 'x'
expr abc : '\(.\)b'
expr abc : 'x\(.\)'
expr 0 '|' 5
expr 3 '|' 5
expr 3 '&' 5
expr 0 '&' 5
expr length hello
expr substr hello 2 3
expr index hello l
expr match hello 'h.'
expr 99999999999999999999 + 1
expr 1 / 0
expr a + 1
expr 1 +
expr 1 2
expr
expr '(' 1
x=5; x=$(expr $x + 1); echo $x
