# fails: a sensitive instruction on a new page
# mistake: a page fault of any sensitive instruction is the interpreter's
s/trap->monitor \&\& sensitive/sensitive/
