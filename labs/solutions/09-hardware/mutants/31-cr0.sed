# fails: control registers
# mistake: every write to CR0 exits, of TS too
s/case VMM_EXIT_CR0_SEL_WRITE:/case VMM_EXIT_CR0_WRITE:/
