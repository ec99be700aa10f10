# file: dispatcher/direct.c
# property: equivalence
# mistake: an interrupt arrives though the guest has them off
s|return direct_enabled(d) && !d->vcpu->state.interrupt_shadow;|return !d->vcpu->state.interrupt_shadow;|
