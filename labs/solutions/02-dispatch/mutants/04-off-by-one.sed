# fails: privileged instructions in ring 0
# mistake: the vector of #GP is one too small
s/PROTECTION = 13/PROTECTION = 9/
