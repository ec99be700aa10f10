/* Counting a block at its entry without a call: the inlining of instrumentation that Pin does for
 * short analysis routines (Luk et al., PLDI 2005, section 3.2), here done behind the engine's back.
 *
 * The engine compiles its block call as four register loads and a call, 36 bytes in the code
 * buffer. Once a block is known those bytes are replaced by a subtraction from the budget of
 * instructions (or, with the host's clock, by a look at the alarm), which fall through into the
 * block, and leave for blocks_attend only when there is something to attend to. Bytes are replaced
 * only if they are, one by one, the expected ones, and the host is an x86-64 whose code buffer is
 * writable; otherwise the call stays, and everything works the same, slower. */
#ifndef VMM_MACHINE_INLINE_H
#define VMM_MACHINE_INLINE_H

#include "machine/cpu.h"

/* Replaces the call at the entry of block `id`, from within that call. */
void inline_entry(struct cpu *cpu, uint32_t id);
void inline_destroy(struct cpu *cpu);

/* What a replaced call calls, with its block's id, when there is something to attend to. Returns
 * where to go on. */
uintptr_t blocks_attend(struct cpu_entry *entry, uint32_t id);

#endif
