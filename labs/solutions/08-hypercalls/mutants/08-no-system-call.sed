# fails: processes at work
# mistake: user programs may not call the system
s/.vector = SYSCALL_VECTOR, .ring = 3/.vector = SYSCALL_VECTOR, .ring = 0/
