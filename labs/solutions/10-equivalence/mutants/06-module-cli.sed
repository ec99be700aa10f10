# fails: suspect 1: which module
# file: findings.txt
# mistake: CLI for STI
s/interpreter.sti/interpreter.cli/
