# fails: suspect 2: which module
# file: findings.txt
# mistake: who wrote CR2 for who read it
s/interpreter.mov_from_cr/interpreter.mov_to_cr/
