# step: ports
# passes: mov to control registers
# passes: out
# passes: in in ring 3
# expect: the guest stops: Module missing: this virtual machine has no interpreter routine for invlpg
/outcome invlpg(/,/^}/{/^{/,/^}/c\
{\
    (void)context;\
    (void)call;\
    return (struct vmm_outcome){.kind = VMM_OUTCOME_MISSING};\
}
}
