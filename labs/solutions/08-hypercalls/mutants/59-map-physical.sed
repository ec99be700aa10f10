# fails: memory one to one
# mistake: the first tables have guest-physical addresses
s/table\[page\] = to_machine(\(.*\)) | P | W;/table[page] = (\1) | P | W;/
