# step: the wrong IOPL
# file: witness-5.S
# passes: suspect 1: a witness
# passes: suspect 4: a witness
# expect: Under the suspect the witness does what it does on the bare machine
s/enter_user user, 3/enter_user user, 1/
