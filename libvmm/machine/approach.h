/* Meeting a deadline in the middle of a block. Virtual time may have to stop at any instruction,
 * but the engine stops only between blocks. So when the next block is too long for what is left,
 * the instruction at which the time is up is marked, and the block translated anew with the mark in
 * it; the mark goes when it was reached. Where that is not possible the last instructions are
 * stepped (machine/cpu.c). */
#ifndef VMM_MACHINE_APPROACH_H
#define VMM_MACHINE_APPROACH_H

#include "blocks.h"

/* Marks the instruction of the block stopped at (cpu->late) at which the deadline is. False: it has
 * to be stepped to. */
bool approach_begin(struct cpu *cpu);

/* Does the deadline lie at the mark in this block, which is about to be entered? */
bool approach_leads(struct cpu *cpu, const struct block *block);

/* At a marked instruction: is it ours, and if so, is the deadline here? */
bool approach_is(const struct cpu *cpu, uint32_t pc);

/* Takes the mark away again, if there is one. */
void approach_end(struct cpu *cpu);

#endif
