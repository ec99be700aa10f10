# fails: hidden page faults
# mistake: it leaves the decision to the library
s/bool sensitive = trap->instruction != NULL/return trap->standard; bool sensitive = trap->instruction != NULL/
