/* The block table: how many instructions a translated block has, looked up each time one is
 * entered. Virtual time is made here. The key is the block's machine address and size, so that
 * address spaces cannot be mistaken for each other; the machine address comes from a small table of
 * views, one for each page of code in use, that forgets everything when address translation may
 * have changed. */
#ifndef VMM_MACHINE_BLOCKS_H
#define VMM_MACHINE_BLOCKS_H

#include "machine/cpu.h"

enum {
    BLOCK_SIZE = 0x1fff,
    BLOCK_CODE16 = 0x2000,  /* the block is 16-bit code */
    BLOCK_SPECIAL = 0x4000, /* never taken on the fast path */
    BLOCK_USER = 0x8000,    /* executed at CPL 3 or in virtual-8086 mode */
};

enum block_flag {
    BLOCK_REP_FIRST = 1u << 0, /* it is one iteration of a repeated string instruction */
    BLOCK_REP_LAST = 1u << 1,  /* its last instruction is a repeated string instruction */
    BLOCK_REP_CX = 1u << 2,    /* which counts in CX */
    BLOCK_REMAPS = 1u << 3,    /* it may change address translation or the code size */
    BLOCK_RERINGS = 1u << 4,   /* it may change the ring */
    BLOCK_SPANS = 1u << 5,     /* it goes on in a second page */
};

struct block {
    uint32_t physical;   /* machine address of the first byte */
    uint16_t size;       /* bytes, and BLOCK_CODE16, BLOCK_SPECIAL, BLOCK_USER */
    uint16_t count;      /* instructions */
    uint32_t next_frame; /* BLOCK_SPANS: machine address of the second page's frame */
    uint16_t rep_offset; /* BLOCK_REP_LAST: where it starts in the block */
    uint8_t flags;
    /* The last exit in this block: its offset, and how many instructions had retired. */
    uint8_t memo_count;
    uint16_t memo_offset;
    uint16_t unused;
};

static inline uint32_t block_index(uint32_t physical)
{
    return (physical ^ physical >> 14) & (CPU_BLOCKS - 1);
}

/* The engine's block call: with virtual time, and with the host's. */
void blocks_enter(void *engine, uint64_t pc, uint32_t size, void *context);
void blocks_enter_uncounted(void *engine, uint64_t pc, uint32_t size, void *context);

/* The engine's call for a new translation. */
void blocks_translated(void *context, uint32_t pc, uint32_t size);

/* Takes ring and code size from `cpu->state`, which is about to become the engine's. */
void blocks_set_mode(struct cpu *cpu);

/* How many of the current block's instructions lie before `pc`: all, if `pc` is not in it. */
unsigned blocks_retired(struct cpu *cpu, uint32_t pc);

/* Takes the not yet executed part of the current block back out of `time`; `pc` is where it was
 * left. */
void blocks_correct(struct cpu *cpu, uint32_t pc);

/* The address and the exact time of the port instruction being executed. */
void blocks_port(struct cpu *cpu, uint32_t *pc, uint64_t *now, unsigned *length);

/* Forgets the blocks that start in a frame. */
void blocks_forget(struct cpu *cpu, uint32_t frame);

/* The frame (machine address) that linear page `pc` is executed from; false if it is not mapped. */
bool blocks_view(struct cpu *cpu, uint32_t pc, uint32_t *frame);

#endif
