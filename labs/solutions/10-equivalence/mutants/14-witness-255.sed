# fails: suspect 4: a witness
# file: witness-4.S
# mistake: 255 gates
s/0x7ff/0x7f7/
