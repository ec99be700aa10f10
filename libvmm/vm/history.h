/* The history of a VM: checkpoints and what lies between them. */
#ifndef VMM_VM_HISTORY_H
#define VMM_VM_HISTORY_H

#include "vm.h"
#include "vmm/snapshot.h"

/* vm_run_to with the VM's history kept up. */
enum vmm_stop history_run(struct vmm_vm *vm, uint64_t limit);

/* The present state was changed from outside; `other`: it is that of a snapshot which the
 * checkpoints do not lead to. */
void history_changed(struct vmm_vm *vm, bool other);

/* The state was set back or forth to one of the same timeline. */
void history_moved(struct vmm_vm *vm);

#endif
