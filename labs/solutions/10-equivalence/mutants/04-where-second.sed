# fails: suspect 4: where
# file: findings.txt
# mistake: the second LIDT
s/instruction 358/instruction 359/
