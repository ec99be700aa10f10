# step: error-code
# expect: the word at ESP + 0 is 0x..., expected 0x...
# passes: an exception with an error code
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
s/^    guest->eflags &= ~(uint32_t)(TF | NT | RF);//
/^    if ((gate\[1\] >> 8 & 0x1f) == INTERRUPT_GATE)/,+1d
s/guest->eip + delivery->event.length/guest->eip/
