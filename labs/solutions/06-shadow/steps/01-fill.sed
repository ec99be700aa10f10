# test: a read
# promises: Module missing: this virtual machine has no allocator.shadow
/^static struct vmm_shadow_answer ask/,/^}/s/^    (void)context;/    return (struct vmm_shadow_answer){.kind = VMM_SHADOW_MISSING};/
