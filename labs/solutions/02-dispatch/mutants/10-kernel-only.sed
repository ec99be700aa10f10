# fails: a new segment in ring 3
# mistake: only the guest's kernel is emulated for
s/bool sensitive = trap->instruction != NULL/bool sensitive = trap->instruction != NULL \&\& trap->ring == 0/
