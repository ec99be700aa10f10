/** @file
 * A census of what a guest does: architectural events that cost a processor more than an
 * instruction does, counted one instruction after the other on the bare machine. A cost model
 * multiplies them by what each costs somewhere. */
#ifndef VMM_CENSUS_H
#define VMM_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct vmm_vm;

/** How often each event has happened. */
struct vmm_census {
    uint64_t instructions;        /**< retired */
    uint64_t indirect;            /**< near returns, indirect near calls and jumps */
    uint64_t exceptions;          /**< faults and traps */
    uint64_t software_interrupts; /**< INT n, INT3, INTO */
    uint64_t interrupts;          /**< external ones */
    uint64_t port_accesses;       /**< IN, OUT and each iteration of INS and OUTS */
    uint64_t port_instructions;   /**< IN, OUT, INS and OUTS, however often repeated */
    uint64_t control_writes;      /**< MOV to CR0, CR2 and CR4, LMSW, CLTS */
    uint64_t space_switches;      /**< MOV to CR3 */
    uint64_t tlb_misses;          /**< see vmm_count */
};

/** Runs the guest instruction by instruction, adding to `census`, until it stops for good, has
 * retired `instructions` more, or is before the instruction at the linear address `until`. Meant
 * for a VM under "bare", or under "interp", which is faster and counts the same: under another
 * technique some events are the VMM's. The TLB that misses are
 * counted for is one of 64 entries, fully associative, for data, and the same for instructions (the
 * Pentium 4's for data; Intel's optimization manual), replaced least recently used, with one entry
 * for a page of 4 MB; a load of CR3 empties them but for global pages, and INVLPG takes one away.
 * Returns true if `until` was reached. */
bool vmm_count(struct vmm_vm *vm, uint64_t instructions, uint32_t until, struct vmm_census *census);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
