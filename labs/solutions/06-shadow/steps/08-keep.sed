# test: another page at the same address
# promises: ECX is 0x
s/return change->moved ? 0 : change->rights & now;/return now ? change->rights : change->rights;/
