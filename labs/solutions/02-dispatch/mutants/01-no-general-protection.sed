# fails: privileged instructions in ring 0
# mistake: #GP is always the guest's
s/, PROTECTION = 13/, PROTECTION = 30/
