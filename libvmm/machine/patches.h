/* Patches: instructions that trap although the processor would execute them. PATM, VirtualBox's
 * patch manager, overwrites a sensitive instruction by INT3 before it is executed, and shows the
 * guest the byte that was there (Oracle VM VirtualBox manual, "Details about software
 * virtualization"). Here memory holds the trap only while the engine translates the block:
 *
 *     memory       9C              CC              9C              9C
 *     translation  pushf ...  ->   int3       ->   int3       ->   int3
 *                  first entry     translated      entered         executed: CPU_PATCH
 *                  drop, place     anew            restore
 *
 * The engine keeps translations apart from memory, as a processor with split TLBs keeps what it
 * fetches apart from what it reads: so the guest's loads and stores see the original, and so does
 * whoever decodes. A patch lives as long as the translation that it is in; when the code is
 * translated anew, for whatever reason, the new block is met as a new one and patched again.
 *
 * What is patched ends its block. The bytes behind its first are not in the translation; so they
 * are covered (machine/codepages.h) like those that are, and an instruction that goes on in another
 * page gets a site instead. */
#ifndef VMM_MACHINE_PATCHES_H
#define VMM_MACHINE_PATCHES_H

#include "blocks.h"

/* What was found out about an instruction of a block that is being learned. */
enum patch_answer {
    PATCH_NOT,  /* the client does not want it patched, or it cannot be */
    PATCH_PLAN, /* the block has to be translated anew, with the patch, which the next run places */
    PATCH_DONE  /* it was translated with it: the block ends here */
};

/* Asks for the instruction `insn` at linear address `pc` of `block`, which the client wants to see.
 * With PATCH_DONE the block knows its patch. */
enum patch_answer patches_ask(struct cpu *cpu, struct block *block, uint32_t pc,
                              const struct x86_instruction *insn);

/* Decodes the instruction at `pc` if it is the one that the trap in `block` stands for, and goes on
 * behind the block's end. */
bool patches_decode(const struct cpu *cpu, const struct block *block, uint32_t pc,
                    struct x86_instruction *insn);

/* Before the engine runs, its state stored: if it will begin with a block for which a patch is
 * planned, the block is dropped and the trap written over its instruction. */
void patches_place(struct cpu *cpu);

/* Puts the original byte back. To be called before anything else happens in the engine's first call
 * out of a run, and behind the run. */
void patches_restore(struct cpu *cpu);

/* The instruction that the patch at linear address `pc` of `block` stands for; NULL if it has none
 * there. */
const struct x86_instruction *patches_find(const struct cpu *cpu, const struct block *block,
                                           uint32_t pc);

/* The run's first block has been learned, or something came while it was translated, which begins
 * again without the trap: a patch that was placed is in that block, or nowhere. */
void patches_entered(struct cpu *cpu);

/* Forgets what was planned: a mark goes to the same place, or another virtual machine has the
 * processor. */
void patches_cancel(struct cpu *cpu);

/* Forgets all patches: the code buffer was emptied. */
void patches_reset(struct cpu *cpu);
void patches_destroy(struct cpu *cpu);

#endif
