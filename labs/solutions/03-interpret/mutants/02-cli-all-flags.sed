# fails: cli in ring 0
# mistake: CLI clears the arithmetic flags, too
s/eflags &= ~(uint32_t)IF;/eflags \&= ~(uint32_t)(IF | 0x8d5);/
