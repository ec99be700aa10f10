# fails: divide error
# mistake: other exceptions are the allocator's
/default:/,/}/s/return VMM_DECIDE_REFLECT/return VMM_DECIDE_ALLOCATE/
