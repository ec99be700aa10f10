/* Snapshots from the inside. */
#ifndef VMM_VM_SNAPSHOT_H
#define VMM_VM_SNAPSHOT_H

#include "vm.h"
#include "vmm/snapshot.h"

/* Makes the VM what it was, and leaves history and tape to the caller. */
int snapshot_put_back(struct vmm_vm *vm, struct vmm_snapshot *snapshot, struct vmm_error *error);

uint64_t snapshot_instructions(const struct vmm_snapshot *snapshot);

/* What comes behind the snapshot will be otherwise than it was. */
void snapshot_cut(struct vmm_vm *vm, const struct vmm_snapshot *snapshot);

#endif
