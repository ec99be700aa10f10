# fails: a descriptor that has not been accessed
# mistake: #NP is always the guest's
s/NOT_PRESENT = 11/NOT_PRESENT = 31/
