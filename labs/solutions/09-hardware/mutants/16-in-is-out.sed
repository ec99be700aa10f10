# fails: output
# mistake: TYPE is read the other way round
s/exit->port.in = exit->info1 \& 1/exit->port.in = !(exit->info1 \& 1)/
