# step: STI and CLI without the check
# passes: cli in ring 0
# passes: sti in ring 0
# expect: CPL is 0x3, expected 0x0
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
/outcome cli(/,/^}/s/!may_use_io(&call->registers)/false/
/outcome sti(/,/^}/s/!may_use_io(&call->registers)/false/
