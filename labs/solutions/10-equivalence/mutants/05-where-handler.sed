# fails: suspect 5: where
# file: findings.txt
# mistake: the first instruction of the handler
s/instruction 445/instruction 446/
