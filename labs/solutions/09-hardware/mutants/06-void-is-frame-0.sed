# fails: where there is no memory
# mistake: the frame 0 of the machine answers where the VM has no memory
s/{.kind = VMM_FILL_NOTHING}/{.directory_entry = fault->new_table | EVERYTHING, .table_entry = EVERYTHING}/
