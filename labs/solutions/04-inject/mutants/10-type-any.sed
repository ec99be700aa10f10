# fails: what is no gate
# mistake: what is no gate is gone through
s/if (type != INTERRUPT_GATE \&\& type != TRAP_GATE)/if (type == 0x1e)/
