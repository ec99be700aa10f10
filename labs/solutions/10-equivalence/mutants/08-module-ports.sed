# fails: suspect 3: which module
# file: findings.txt
# mistake: the port for the routine
s/interpreter.in_dx/allocator.ports/
