# fails: accesses of two and four bytes
# mistake: an access with one port of the VM's is allowed
s/if (!owns(plan, vm, (uint16_t)(access->port + i)))/if (!owns(plan, vm, (uint16_t)(access->port + access->size - 1)))/
