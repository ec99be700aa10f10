# fails: suspect 1: where
# file: findings.txt
# mistake: the instruction before
s/instruction 226/instruction 225/
