# fails: suspect 5: which module
# file: findings.txt
# mistake: the routine for who did not ask it
5s/dispatcher.decision/interpreter.sti/
