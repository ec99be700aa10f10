# fails: a return to a task that is not there
# mistake: the VMM's own part of the address space is forgotten
s/trap->monitor \&\& sensitive/false/
