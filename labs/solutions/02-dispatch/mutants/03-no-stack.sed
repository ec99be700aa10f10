# fails: a stack that is not present
# mistake: #SS is always the guest's
s/STACK = 12/STACK = 31/
