/* What a trace says of a VM beside its records: one line of JSON before them, one behind. */
#ifndef VMM_VM_TRACE_NOTE_H
#define VMM_VM_TRACE_NOTE_H

#include <stdint.h>

#include "vmm/trace.h"

/* {"trace":{...}} with what the VM is, and a line end. */
void note_begin(const struct vmm_vm *vm, vmm_write *write, void *context);

/* {"end":{...}} with how it ended, its statistics and its address space, and a line end. `records`:
 * how many of it the trace has. */
void note_end(const struct vmm_vm *vm, uint64_t records, vmm_write *write, void *context);

#endif
