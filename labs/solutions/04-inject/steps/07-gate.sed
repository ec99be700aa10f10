# step: gate
# expect: Module missing: this virtual machine has no dispatcher.nested
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
