# fails: the timer's period
# mistake: half the divisor
s,HERTZ / hz,HERTZ / hz / 2,
