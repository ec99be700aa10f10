/* Reads, and writes of what is there already, for watchpoints. */
#ifndef VMM_VM_WATCH_ACCESS_H
#define VMM_VM_WATCH_ACCESS_H

#include "arch/x86/access.h"
#include "vm.h"

/* The instruction that the guest is about to execute. */
struct watch_access {
    struct x86_data_access list[X86_ACCESSES];
    unsigned count;
    uint32_t at;         /* its linear address */
    uint32_t next[2];    /* where it may lead */
    bool leads_anywhere; /* a far transfer */
    uint64_t interrupts; /* that the guest has taken so far */
};

void watch_access_look(const struct vmm_vm *vm, struct watch_access *access);

/* Which of reading (1) and writing (2) it will do to `length` guest-physical bytes, that lie in
 * pages[0] from address's offset on, and go on at the beginning of pages[1]. */
unsigned watch_access_of(const struct vmm_vm *vm, const struct watch_access *access,
                         const uint32_t pages[2], uint32_t address, uint32_t length);

/* Behind it: whether it was this instruction that retired, and not the first one of a handler. */
bool watch_access_retired(const struct vmm_vm *vm, const struct watch_access *access);

#endif
