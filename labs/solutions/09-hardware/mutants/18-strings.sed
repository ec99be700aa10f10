# fails: strings of input and output
# mistake: STR is not looked at
s/exit->info1 \& 1 << 2/exit->info1 \& 1 << 1/
