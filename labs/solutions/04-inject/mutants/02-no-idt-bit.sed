# fails: a vector beyond the IDT
# mistake: the error code lacks the IDT bit
s/code = offset | IDT;/code = offset;/
