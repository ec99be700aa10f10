# fails: lgdt
# mistake: a 16-bit LGDT loads 32 bits of base
s/operand_size == 2)/operand_size == 3)/
