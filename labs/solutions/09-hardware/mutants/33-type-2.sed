# fails: an interrupt in the middle
# mistake: an interrupt is injected as an NMI
s/EXTERNAL = 0/EXTERNAL = 2/
