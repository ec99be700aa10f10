# fails: suspect 5: where
# file: findings.txt
# mistake: the first instruction of the handler
s/instruction 448/instruction 449/
