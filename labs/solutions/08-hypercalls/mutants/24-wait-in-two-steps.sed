# fails: waiting for what is there already
# mistake: an event between unmasking and waiting does not wake
s/^    vmm_hypercall(VMM_HC_YIELD, 0, 0, 0);/    irq_enable();\n&/
