# test: a page fault
# promises: CR2 is 0x0, expected 0x180
s/guest->cr2 = delivery->event.address;/(void)0;/
