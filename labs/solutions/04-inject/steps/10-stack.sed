# step: stack
# expect: CR2 is 0x0, expected 0x180...
# passes: a TSS with a bad stack
s/guest->cr2 = delivery->event.address;/(void)0;/
