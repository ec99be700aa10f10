# fails: hlt in ring 3
# mistake: HLT is for CPL <= IOPL
/outcome hlt(/,/^}/s/privileged/may_use_io/
