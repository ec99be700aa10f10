/* The dirty log: which frames of machine memory were written, and since when (KVM has one for live
 * migration, and everybody else who copies or compares memory page by page). Time is cut into
 * epochs. At the start of each every frame is clean, and write-protected in the nested tables; the
 * first write to it arrives as a nested page fault, is noted, and takes the protection away. So a
 * frame costs one fault an epoch, however often it is written. Writes of the VMM itself are noted
 * where they are told to the processor (cpu_written).
 *
 * Several users share one log: each remembers the epoch at which it looked last. */
#ifndef VMM_MACHINE_DIRTY_H
#define VMM_MACHINE_DIRTY_H

#include "machine/cpu.h"

/* Starts the log if there is none, and a new epoch; returns its number. Between runs only. 0 if the
 * host has no memory. */
uint32_t dirty_epoch(struct cpu *cpu);
void dirty_destroy(struct cpu *cpu);

/* Whether `frame` was written in `epoch` or a later one; true for all if that is 0. */
bool dirty_since(const struct cpu *cpu, uint32_t frame, uint32_t epoch);

/* Calls `visit` with every frame that was written in `epoch` or a later one; cheap if that is the
 * present one. */
void dirty_visit(const struct cpu *cpu, uint32_t epoch,
                 void (*visit)(void *context, uint32_t frame), void *context);

/* `frame` is about to be written. Whether it was clean, and so may still be write-protected. */
bool dirty_note(struct cpu *cpu, uint32_t frame);

#endif
