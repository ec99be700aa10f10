/* Write protection of pages that hold translated code. The engine notices only the first write to
 * such a page; so the machine layer takes write permission away in the nested tables as soon as
 * code is translated from a frame, and a write arrives as a nested page fault. Then either the page
 * stops being code (its translations are dropped, it becomes writable), or, if the storing
 * instruction is in the same page or the page is written again and again, that one instruction is
 * executed alone with the page open, and translations are dropped only if their bytes changed. */
#ifndef VMM_MACHINE_CODEPAGES_H
#define VMM_MACHINE_CODEPAGES_H

#include "machine/cpu.h"

struct code_page {
    bool locked;                            /* write-protected in the nested tables */
    uint16_t opened;                        /* how often it was opened of late */
    uint64_t last;                          /* time of the last opening */
    uint8_t covered[MEMORY_FRAME_SIZE / 8]; /* bytes that translated blocks came from */
    uint8_t patched[MEMORY_FRAME_SIZE / 8]; /* first bytes of instructions that ever were patched */
};

bool codepages_init(struct cpu *cpu);
void codepages_destroy(struct cpu *cpu);

/* Code was translated from `size` bytes at machine address `physical` (within one frame). */
void codepages_cover(struct cpu *cpu, uint32_t physical, unsigned size);

/* The same for the patched instruction of `size` bytes. Returns whether it is the first patch
 * there.
 */
bool codepages_patch(struct cpu *cpu, uint32_t physical, unsigned size);

/* A write that the machine's own protection refused, at guest-physical address `physical`, machine
 * address `address`. Returns false if the instruction has to be stepped with that address open
 * (cpu->open is set). */
bool codepages_fault(struct cpu *cpu, uint32_t physical, uint32_t address);

/* Around the step of one instruction with the pages of cpu->open_address writable. If it turns out
 * to need another one, cpu->open says so after codepages_close, and it is stepped again with all.
 */
void codepages_open(struct cpu *cpu);
void codepages_close(struct cpu *cpu);

/* Whether one of the pages to be opened is watched. */
bool codepages_watched(struct cpu *cpu);

/* Drops the translations of a frame, whatever linear addresses it is or was mapped at. */
void codepages_drop(struct cpu *cpu, uint32_t frame);

/* Drops those of all frames. Emptying the code buffer does the same, but the engine then fills the
 * whole of it with zeros. False if there may be translations whose frame is not known. */
bool codepages_drop_all(struct cpu *cpu);

#endif
