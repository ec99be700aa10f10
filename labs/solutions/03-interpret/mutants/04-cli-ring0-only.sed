# fails: cli in ring 3 with IOPL 3
# mistake: CLI asks for CPL 0, not for IOPL
/outcome cli(/,/^}/s/may_use_io/privileged/
