# step: flags
# expect: Module dispatcher.delivery misbehaved: it left SS 0x0023 at CPL 0, which is no stack of this ring
# passes: interrupt gates and trap gates
s/guest->cr2 = delivery->event.address;/(void)0;/
/^static bool switch_stack/,/^}/{
/if (offset + 5/,+1d
/uint32_t code/,/STACK, code/d
}
/^static bool read_handler/,/^}/{
/if (!(code\[1\] & SEGMENT)/,/NOT_PRESENT/d
}
/^static bool read_descriptor/,/^}/{
/if (!offset)/,/selector & ~RPL, fault/d
}
/^static enum vmm_nested nest/,/^}/s/^    (void)context;/&\n    return VMM_NESTED_MISSING;/
/^static bool read_gate/,/^}/{
/if (offset + 7/,+1d
/unsigned type/,/NOT_PRESENT/d
}
s/bool inward = ring < guest->cpl;/bool inward = false;/
