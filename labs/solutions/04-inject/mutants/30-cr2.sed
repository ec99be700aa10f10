# fails: a page fault
# mistake: CR2 is not loaded
s/guest->cr2 = delivery->event.address;/(void)0;/
