# fails: a kernel with processes
# mistake: the guest's IF masks the host's interrupts
s/return window->v_intr | VMM_V_IRQ/return (void)window, VMM_V_IRQ/
