# fails: suspect 3: a witness
# file: witness-3.S
# mistake: a byte
s/in %dx, %ax/in %dx, %al/
