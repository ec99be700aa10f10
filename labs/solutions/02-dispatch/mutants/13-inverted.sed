# fails: privileged instructions in ring 0
# mistake: the sensitive are the guest's, the others the interpreter's
s/trap->instruction != NULL/trap->instruction == NULL/
