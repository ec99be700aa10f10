# fails: output
# mistake: SZ32 is forgotten
s/exit->info1 >> 4 \& 7/exit->info1 >> 4 \& 3/
