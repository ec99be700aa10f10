# step: handler
# expect: Module dispatcher.delivery misbehaved: it left SS 0x0050 at CPL 0, which is no stack of this ring
# passes: a handler behind a bad selector
s/guest->cr2 = delivery->event.address;/(void)0;/
/^static bool switch_stack/,/^}/{
/if (offset + 5/,+1d
/uint32_t code/,/STACK, code/d
}
