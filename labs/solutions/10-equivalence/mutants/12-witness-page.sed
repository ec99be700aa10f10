# fails: suspect 2: a witness
# file: witness-2.S
# mistake: the address is a page's
s/0x12345678/0x12345000/
