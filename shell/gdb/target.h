/* The processor as gdb sees it: which registers there are, in which order, and the description in
 * XML that says so (the gdb manual, appendix G). */
#ifndef SHELL_GDB_TARGET_H
#define SHELL_GDB_TARGET_H

#include "shell/gdb/packet.h"

#include <vmm/debug.h>

/* target.xml. Static string. */
const char *target_description(void);

/* How many registers there are, and how many bytes the `i`th one has. */
unsigned target_registers(void);
unsigned target_register_size(unsigned i);

/* Appends the `i`th register, digits or, for one that cannot be read, x. */
void target_put_register(const struct vmm_vm *vm, unsigned i, struct packet_reply *reply);

/* Sets the `i`th register from the digits at `*text`, which goes behind them; x leaves it alone,
 * and so does the value that it has. Returns as vmm_set_register; VMM_E_USAGE for bad digits. */
int target_set_register(struct vmm_vm *vm, unsigned i, const char **text, struct vmm_error *error);

#endif
