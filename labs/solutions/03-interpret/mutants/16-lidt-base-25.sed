# fails: lidt
# mistake: a 16-bit LIDT loads 25 bits of base
s/0xffffff;/0x1ffffff;/
