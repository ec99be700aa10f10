# step: nested
# expect: Module dispatcher.delivery misbehaved: it entered CS 0x0000 at CPL 0, which the guest's descriptors do not allow
# passes: INT n in ring 3 through a gate of DPL 0
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
