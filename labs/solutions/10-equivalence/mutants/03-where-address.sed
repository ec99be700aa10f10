# fails: suspect 3: where
# file: findings.txt
# mistake: the address of the instruction
s/instruction 356/instruction 1048739/
