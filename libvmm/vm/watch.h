/* Watchpoints of a VM. */
#ifndef VMM_VM_WATCH_H
#define VMM_VM_WATCH_H

#include "vm.h"

/* Whether the VM has any. */
bool watches_any(const struct vmm_vm *vm);

/* vm_run_to, for a VM that has. */
enum vmm_stop watches_run(struct vmm_vm *vm, uint64_t limit, bool pass);

void watches_free(struct vmm_vm *vm);

#endif
