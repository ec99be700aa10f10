# fails: output
# mistake: the port is read one bit too low
s/exit->info1 >> 16)/exit->info1 >> 15)/
