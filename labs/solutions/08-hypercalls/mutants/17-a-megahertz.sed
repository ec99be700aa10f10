# fails: the timer's period
# mistake: the 8254 does not count at 1 MHz
s/HERTZ = 1193182/HERTZ = 1000000/
