# fails: a halt, and an interrupt
# mistake: HLT waits for nothing
s/return VMM_EXIT_IDLE/return exit->registers.eip += exit->length, VMM_EXIT_RESUME/
