# step: limit
# passes: a guest that wants everything
# expect: the guest goes on; expected: The machine has no frame for page 0x...
s/return used + owed < plan->limit/return used < plan->limit/
/^static bool allow/,/^}/s/return true;/return false;/
