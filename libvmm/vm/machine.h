/* One machine: its memory and its processor, and who shares them. A bare machine has one guest;
 * with a technique that virtualizes several virtual machines live on it, each in frames of its own,
 * and take turns on the processor. */
#ifndef VMM_VM_MACHINE_H
#define VMM_VM_MACHINE_H

#include "allocator/frames.h"
#include "dispatcher/dispatcher.h"
#include "machine/cpu.h"
#include "machine/memory.h"

struct vmm_vm;

struct machine {
    struct memory memory;
    struct cpu cpu;
    struct frames frames; /* unused on a bare machine */
    struct vmm_vm *turn;  /* whose state the processor has */
    unsigned vms;         /* that live on it now */
    uint16_t next_owner;  /* for the allocator */
};

/* A machine with `size` bytes, `reserve` frames of which are the VMM's own (0: a bare machine,
 * whose frames nobody hands out); `client` is what the processor calls first. NULL with one
 * sentence in `why`. Its first VM has to be counted. */
struct machine *machine_new(uint32_t size, uint32_t reserve, bool host_clock,
                            const struct cpu_client *client, char *why, size_t room);

/* Gives the processor to `vm`, one of the machine's. */
void machine_turn(struct machine *machine, struct vmm_vm *vm);

/* Takes it from the VM that has it, whose context is not saved. */
void machine_rest(struct machine *machine);

/* One VM less; the last one takes the machine with it. */
void machine_leave(struct machine *machine);

#endif
