# fails: suspect 5: a witness
# file: witness-5.S
# mistake: the segment is an old one
s/0x4b/0x23/
