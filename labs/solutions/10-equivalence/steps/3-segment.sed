# step: an old segment
# file: witness-5.S
# passes: suspect 1: a witness
# passes: suspect 4: a witness
# expect: Under the suspect the witness does what it does on the bare machine
s/0x4b/0x23/
