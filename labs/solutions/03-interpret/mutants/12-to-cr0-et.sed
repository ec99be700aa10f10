# fails: mov to control registers
# mistake: CR0.ET can be cleared
s/value | ET/value/
