# fails: suspect 4: a witness
# file: witness-4.S
# mistake: it cannot be assembled
s/lidt AT(wide)/lidt AT(wider)/
