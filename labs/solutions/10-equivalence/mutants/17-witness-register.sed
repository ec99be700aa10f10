# fails: suspect 2: a witness
# file: witness-2.S
# mistake: another register
s/%cr2, %edi/%cr2, %esi/
