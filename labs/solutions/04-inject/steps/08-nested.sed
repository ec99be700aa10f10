# test: INT n in ring 3 through a gate of DPL 0
# promises: Module missing: this virtual machine has no dispatcher.nested
/^static enum vmm_nested nest/,/^}/s/^    (void)context;/&\n    return VMM_NESTED_MISSING;/
