# fails: privileged instructions in ring 0
# mistake: only the guest's user is emulated for
s/bool sensitive = trap->instruction != NULL/bool sensitive = trap->instruction != NULL \&\& trap->ring == 3/
