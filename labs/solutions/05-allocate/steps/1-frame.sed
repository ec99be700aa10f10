# step: frames
# passes: a frame for every page
# expect: the guest goes on; expected: The machine has no frame for page 0x...
s/return used + owed < plan->limit ? free : VMM_NO_FRAME;/return used + owed + 1 ? free : VMM_NO_FRAME;/
/^static bool allow/,/^}/s/return true;/return false;/
