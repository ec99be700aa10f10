# fails: cli in ring 0
# mistake: CLI leaves IF as it is
s/eflags &= ~(uint32_t)IF;/eflags \&= ~(uint32_t)0;/
