# fails: processes at work
# mistake: the VMM never hears of the kernel stack
s/shared.kernel_stack = top;/(void)top;/
