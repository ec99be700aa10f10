# step: HLT that goes on
# expect: the registers are right; memory, a device or the interrupt shadow is not
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
s/kind = VMM_OUTCOME_IDLE/kind = VMM_OUTCOME_DONE/
