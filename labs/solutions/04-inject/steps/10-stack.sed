# test: a TSS with a bad stack
# promises: Module dispatcher.delivery misbehaved: it left SS 0x0050 at CPL 0, which is no stack of this ring
/^static bool switch_stack/,/^}/{
/if (offset + 5/,+1d
/uint32_t code/,/STACK, code/d
}
