# Numbers in sequence.
seq 3
seq 2 4
seq 1 2 7
seq 3 -1 1
seq 3 1
seq -2 2
seq -1 -1 -3
seq 0
seq -s , 3
seq -s ', ' 1 3
seq -s '' 3
seq 1 0 3
seq x
seq
seq 1 2 3 4
seq 1 x 3
seq --nothing 3
