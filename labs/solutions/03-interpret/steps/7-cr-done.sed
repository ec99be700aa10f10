# step: MOV CR that nobody is told of
# expect: Module interpreter.mov_to_cr misbehaved
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
s/case 3: guest->cr3 = value; break;/case 3: guest->cr3 = value; return done();/
