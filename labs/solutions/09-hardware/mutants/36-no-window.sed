# fails: a kernel with processes
# mistake: the interrupt waits for whatever exit is next
s/window->v_intr | VMM_V_IRQ/window->v_intr/
