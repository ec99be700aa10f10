# fails: suspect 5: which module
# file: findings.txt
# mistake: a line without the word slot
5s/slot //
