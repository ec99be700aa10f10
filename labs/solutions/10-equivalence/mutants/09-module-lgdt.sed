# fails: suspect 4: which module
# file: findings.txt
# mistake: LGDT for LIDT
s/interpreter.lidt/interpreter.lgdt/
