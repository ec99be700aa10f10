/* A block that goes on into a second page which is not there.
 *
 * The engine translates a block as a whole, so the page fault of fetching its later part comes
 * before the earlier one has been executed, and finds EIP at the block's start. The manual wants it
 * at the instruction that needs the page, behind all others (SDM volume 3, section 6.5). So such a
 * fault is not believed: the instructions up to the page's end are executed one at a time, each a
 * block of its own, and the fault comes again, exactly, with the one that crosses, or is never met
 * if an earlier one leaves. A block has no branch but its last instruction, so that they are at
 * most as many as the block has. */
#ifndef VMM_MACHINE_CROSSING_H
#define VMM_MACHINE_CROSSING_H

#include "machine/cpu.h"

/* Whether the instruction at linear address `pc`, in the mode of `state`, ends in the page that it
 * begins in. */
bool crossing_whole(struct cpu *cpu, uint32_t pc);

/* Whether `event`, raised at the instruction that `state` is at, may be such a fault: the next run
 * is to step. (So may be a read of the next page's first byte; the step raises it again.) */
bool crossing_met(struct cpu *cpu, const struct x86_event *event);

/* Whether the next instruction is to be stepped. */
bool crossing_goes_on(struct cpu *cpu);

#endif
