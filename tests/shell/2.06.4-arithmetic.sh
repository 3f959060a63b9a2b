# 2.6.4 Arithmetic expansion.
#: the four operations
echo $((1+2)) $((5-7)) $((3*4)) $((17/5)) $((17%5))

#: signs
echo $((-5)) $((+5)) $((- -5)) $((-17/5)) $((-17%5))

#: precedence
echo $((2+3*4)) $(((2+3)*4)) $((2*3+4)) $((10-4-3))

#: comparison
echo $((1<2)) $((2<=2)) $((3>4)) $((3>=3)) $((1==1)) $((1!=1))

#: logic
echo $((1&&0)) $((1||0)) $((!1)) $((!0)) $((2&&3))

#: bits
echo $((6&3)) $((6|3)) $((6^3)) $((~5)) $((1<<4)) $((256>>2))

#: the conditional
echo $((1?2:3)) $((0?2:3)) $((1?0?4:5:6))

#: octal and hexadecimal
echo $((010)) $((0x1f)) $((0XFF)) $((0))

#: variables with and without dollar
x=5; echo $((x+1)) $(($x+1)) $((${x}+1))

#: a variable that is not set is zero
echo $((nothing+1))

#: an empty variable is zero
x=; echo $((x+1))

#: assignment
echo $((x=5)) $x; echo $((x+=3)) $((x-=1)) $((x*=2)) $((x/=7)) $((x%=2)); echo $x

#: assignment of bits
x=12; echo $((x&=10)) $((x|=1)) $((x^=3)) $((x<<=2)) $((x>>=1)) $x

#: blanks
echo $(( 1 + 2 )) $((
3
))

#: nested parentheses
echo $((((1+2))*(3)))

#: nested expansion
echo $((1+$((2+3))))

#: a variable with an expression of blanks
x=' 7 '; echo $((x+1))

#: division by zero is an error
(echo $((1/0))) 2>/dev/null; [ $? -ne 0 ] && echo failed

#: a syntax error is an error
(eval 'echo $((1+))') 2>/dev/null; [ $? -ne 0 ] && echo failed

#: logic does not evaluate what it need not
x=1; : $((0 && (x=5))) $((1 || (x=6))); echo $x

#: the conditional evaluates one
x=0; y=0; : $((1 ? (x=1) : (y=1))); echo $x $y

#: large numbers
echo $((9223372036854775807)) $((2147483647+1)) $((4294967296*2))

#: negative shift of a negative number
echo $((-8>>1))

#: unary on parentheses
echo $((-(3+4))) $((!(1>2)))

#: equality before and
echo $((1==1&&2==2)) $((1|2==2))

#: in quotes
echo "$((1+1))" "a$((2))b"

#: quotes in it
echo $(("1"+1))

#: positional parameters
set -- 4 5; echo $(($1*$2)) $(($#))

#: a loop counts
i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo $i; done

#: a negative variable
x=-3; echo $((x*2)) $((2-x)) $((2 - $x))

#: status is usable
false; echo $(($?+1))

#: unsplit result with IFS digits
IFS=2; x=$((120+3)); echo "$x"; printf '[%s]' $((121)); echo

#: comparison chains
echo $((3>2>1)) $((1<2<3))

#: bit not and minus
echo $((~0)) $((-~5))

#: an assignment's value in an expression
echo $(( (x=3) * x ))

#: leading zeros in a variable
x=012; echo $((x)) $(($x))

#: comma and increments are errors in dash
(eval 'echo $((1,))') 2>/dev/null; [ $? -ne 0 ] && echo failed
