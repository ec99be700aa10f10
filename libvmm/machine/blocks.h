/* The block table: how many instructions a translated block has, looked up each time one is
 * entered. Virtual time is made here.
 *
 * What names a translation is the place that the engine calls from when the block is entered: the
 * return address of that call, in the engine's code buffer. One translation is one block of machine
 * memory at one linear address in one mode, so nothing else has to be compared; and the place is
 * not used again before the buffer is emptied, when the table is emptied too. Once a block is known
 * its entry is counted at that place itself, without the call (machine/inline.h). */
#ifndef VMM_MACHINE_BLOCKS_H
#define VMM_MACHINE_BLOCKS_H

#include "machine/cpu.h"

enum { BLOCK_BYTES = 4096 + 16 }; /* the longest block */

enum block_flag {
    BLOCK_CODE16 = 1u << 0,    /* 16-bit code */
    BLOCK_SPANS = 1u << 1,     /* it goes on in a second page */
    BLOCK_PORTS = 1u << 2,     /* it has port instructions */
    BLOCK_REP_FIRST = 1u << 3, /* it is one iteration of a repeated string instruction */
    BLOCK_REP_LAST = 1u << 4,  /* its last instruction is a repeated string instruction */
    BLOCK_REP_CX = 1u << 5,    /* which counts in CX */
    BLOCK_REP_PLAIN = 1u << 6, /* BLOCK_REP_FIRST, and only the count ends it: MOVS, STOS, LODS */
    BLOCK_MADE = 1u << 7,      /* the client has made it, and knows what it counts for */
};

struct block {
    uintptr_t site;      /* where the engine's call returns to; 0: not that of a translation */
    uint32_t pc;         /* linear address */
    uint32_t physical;   /* machine address of the first byte */
    uint32_t next_frame; /* BLOCK_SPANS: machine address of the second page's frame */
    uint16_t size;       /* bytes */
    uint16_t count;      /* instructions (BLOCK_MADE: of the guest, that retire in it) */
    uint16_t rep_offset; /* BLOCK_REP_LAST: where it starts in the block */
    uint16_t flags;
    uint32_t patch; /* its last byte is a trap that stands for this instruction; 0: none */
};

/* An instruction in a block at which it was left, and how many before it retire. */
struct block_exit {
    uint32_t block; /* 0: none */
    uint16_t offset;
    uint16_t retired;
    struct x86_instruction insn;
};

/* The engine's block call: with virtual time, and with the host's. */
void blocks_enter(void *engine, uint64_t pc, uint32_t size, void *context);
void blocks_enter_uncounted(void *engine, uint64_t pc, uint32_t size, void *context);

bool blocks_init(struct cpu *cpu);
void blocks_destroy(struct cpu *cpu);

/* The code buffer was emptied. */
void blocks_reset(struct cpu *cpu);

/* Between the two `time` is not kept up: blocks_collect brings it up to the end of the current
 * block, at the start of every call out of the engine; blocks_arm, when something that a block's
 * entry depends on was changed (time, deadline, the reasons to stop), gives that to the entries. */
void blocks_collect(struct cpu *cpu);
void blocks_arm(struct cpu *cpu);

/* Takes the not yet executed part of the current block back out of `time`; linear address `pc` is
 * where it was left, by a `trap` if the block was executed to its end all the same. Returns the
 * instruction there, NULL if it is not in the block. Needs `state` loaded. */
const struct x86_instruction *blocks_leave(struct cpu *cpu, uint32_t pc, bool trap);

/* Whether the instruction at `pc`, in the current block, is a repeated one whose count is 0. */
bool blocks_repeats_never(struct cpu *cpu, uint32_t pc);

/* Whether the last instruction of the block that `entered` (struct cpu_entry) says is an IRET. */
bool blocks_ends_in_iret(struct cpu *cpu, uint32_t entered);

/* The time at which the instruction at `pc`, in the current block, begins. */
uint64_t blocks_time(struct cpu *cpu, uint32_t pc);

/* Whether the block that was not entered, because the deadline is inside it, is the client's. */
bool blocks_late_in_made(const struct cpu *cpu);

/* Copies a block's bytes, from the frames that it was translated from; returns how many. */
unsigned blocks_bytes(struct cpu *cpu, const struct block *block, uint8_t bytes[BLOCK_BYTES]);

/* Whether the instruction at `pc` is marked, for the client or as a breakpoint. */
bool blocks_marked(struct cpu *cpu, uint32_t pc);

/* The breakpoint at linear address `pc`, or NULL. */
struct cpu_break *blocks_break(struct cpu *cpu, uint32_t pc);

/* The address and the exact time of the port instruction being executed, and its length. */
void blocks_port(struct cpu *cpu, uint32_t *pc, uint64_t *now, unsigned *length);

/* The frame (machine address) that linear page `pc` is executed from; false if it is not mapped. */
bool blocks_view(struct cpu *cpu, uint32_t pc, uint32_t *frame);

/* Whether the engine, asked from outside, finds machine frame `frame` (its address) at linear
 * address `pc`. A table on its way may be write-protected in the nested tables; then it finds
 * nothing, and does not say so. */
bool blocks_reached(struct cpu *cpu, uint32_t pc, uint32_t frame);

#endif
