# test: an exception in ring 0
# promises: Module missing: this virtual machine has no dispatcher.delivery
s/^    struct stack stack = {guest.*/    return VMM_DELIVERY_MISSING;\n&/
