# fails: waiting for what is there already
# mistake: a privileged instruction is left
s/^    vmm_hypercall(VMM_HC_YIELD, 0, 0, 0);/    asm volatile("hlt");/
