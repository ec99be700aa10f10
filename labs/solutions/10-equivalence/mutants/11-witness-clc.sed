# fails: suspect 1: a witness
# file: witness-1.S
# mistake: the carry flag is clear
s/    stc/    clc/
