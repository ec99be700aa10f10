# fails: suspect 2: where
# file: findings.txt
# mistake: the instruction where it is used
s/instruction 352/instruction 353/
