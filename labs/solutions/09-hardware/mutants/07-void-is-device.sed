# fails: where there is no memory
# mistake: what is no memory is mapped as it is: the machine's own devices
s/{.kind = VMM_FILL_NOTHING}/{.directory_entry = fault->new_table | EVERYTHING, .table_entry = (fault->guest \& ~0xfffu) | EVERYTHING}/
