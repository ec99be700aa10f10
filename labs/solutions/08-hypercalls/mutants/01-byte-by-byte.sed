# fails: the console
# mistake: a hypercall for each byte
s/part = count < MOST ? count : MOST;/part = 1;/
