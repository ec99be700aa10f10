# fails: loading descriptor tables
# mistake: what has an error code is not sensitive
s/bool sensitive = trap->instruction != NULL/bool sensitive = trap->instruction != NULL \&\& trap->error_code == 0/
