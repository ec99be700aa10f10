# step: STI and CLI
# passes: cli in ring 3
# passes: sti in ring 3
# passes: cli in ring 3 with IOPL 3
/outcome hlt(/,/^}/{/^{/,/^}/c\
{\
    (void)context;\
    (void)call;\
    return (struct vmm_outcome){.kind = VMM_OUTCOME_MISSING};\
}
}
/outcome mov_from_cr(/,/^}/{/^{/,/^}/c\
{\
    (void)context;\
    (void)call;\
    return (struct vmm_outcome){.kind = VMM_OUTCOME_MISSING};\
}
}
/outcome mov_to_cr(/,/^}/{/^{/,/^}/c\
{\
    (void)context;\
    (void)call;\
    return (struct vmm_outcome){.kind = VMM_OUTCOME_MISSING};\
}
}
/outcome out(/,/^}/{/^{/,/^}/c\
{\
    (void)context;\
    (void)call;\
    return (struct vmm_outcome){.kind = VMM_OUTCOME_MISSING};\
}
}
/outcome out_dx(/,/^}/{/^{/,/^}/c\
{\
    (void)context;\
    (void)call;\
    return (struct vmm_outcome){.kind = VMM_OUTCOME_MISSING};\
}
}
/outcome in(/,/^}/{/^{/,/^}/c\
{\
    (void)context;\
    (void)call;\
    return (struct vmm_outcome){.kind = VMM_OUTCOME_MISSING};\
}
}
/outcome in_dx(/,/^}/{/^{/,/^}/c\
{\
    (void)context;\
    (void)call;\
    return (struct vmm_outcome){.kind = VMM_OUTCOME_MISSING};\
}
}
/outcome invlpg(/,/^}/{/^{/,/^}/c\
{\
    (void)context;\
    (void)call;\
    return (struct vmm_outcome){.kind = VMM_OUTCOME_MISSING};\
}
}
