/* The architectural state of one 32-bit x86 processor, as the manual draws it (Intel SDM volume 3,
 * chapter 2; AMD APM volume 2, chapter 4). Everything that states an algorithm of the architecture
 * once (arch/), and everything that runs guests, works on this structure; the engine's own copy of
 * it is read and written in machine/engine.c and nowhere else. Floating-point and vector state stay
 * in the engine: no routine of a VMM for a 32-bit guest has to look into them. */
#ifndef VMM_ARCH_X86_STATE_H
#define VMM_ARCH_X86_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum x86_gpr { X86_EAX, X86_ECX, X86_EDX, X86_EBX, X86_ESP, X86_EBP, X86_ESI, X86_EDI };

/* In the order of the instruction encodings (the reg field of MOV Sreg). */
enum x86_sreg { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS, X86_SREGS };

enum x86_eflags {
    X86_CF = 1u << 0,
    X86_FIXED = 1u << 1, /* reads as one */
    X86_PF = 1u << 2,
    X86_AF = 1u << 4,
    X86_ZF = 1u << 6,
    X86_SF = 1u << 7,
    X86_TF = 1u << 8,
    X86_IF = 1u << 9,
    X86_DF = 1u << 10,
    X86_OF = 1u << 11,
    X86_IOPL = 3u << 12,
    X86_NT = 1u << 14,
    X86_RF = 1u << 16,
    X86_VM = 1u << 17,
    X86_AC = 1u << 18,
    X86_VIF = 1u << 19,
    X86_VIP = 1u << 20,
    X86_ID = 1u << 21,
    X86_ARITHMETIC = X86_CF | X86_PF | X86_AF | X86_ZF | X86_SF | X86_OF,
};
#define X86_IOPL_SHIFT 12

#define X86_DR6_BS (1u << 14) /* a single step (SDM volume 3, section 17.2.3) */

enum x86_cr0 {
    X86_CR0_PE = 1u << 0,
    X86_CR0_MP = 1u << 1,
    X86_CR0_EM = 1u << 2,
    X86_CR0_TS = 1u << 3,
    X86_CR0_ET = 1u << 4,
    X86_CR0_NE = 1u << 5,
    X86_CR0_WP = 1u << 16,
    X86_CR0_AM = 1u << 18,
    X86_CR0_NW = 1u << 29,
    X86_CR0_CD = 1u << 30,
    X86_CR0_PG = 1u << 31,
};

enum x86_cr4 {
    X86_CR4_VME = 1u << 0,
    X86_CR4_PVI = 1u << 1,
    X86_CR4_TSD = 1u << 2,
    X86_CR4_DE = 1u << 3,
    X86_CR4_PSE = 1u << 4,
    X86_CR4_PAE = 1u << 5,
    X86_CR4_MCE = 1u << 6,
    X86_CR4_PGE = 1u << 7,
    X86_CR4_PCE = 1u << 8,
    X86_CR4_OSFXSR = 1u << 9,
    X86_CR4_OSXMMEXCPT = 1u << 10,
};

/* Exception vectors (SDM volume 3, table 6-1). */
enum x86_vector {
    X86_DE = 0,
    X86_DB = 1,
    X86_NMI = 2,
    X86_BP = 3,
    X86_OVERFLOW = 4,
    X86_BR = 5,
    X86_UD = 6,
    X86_NM = 7,
    X86_DF_ABORT = 8, /* double fault; the flag has the name X86_DF */
    X86_TS = 10,
    X86_NP = 11,
    X86_STACK = 12, /* #SS; the segment register has the name X86_SS */
    X86_GP = 13,
    X86_PAGE = 14, /* #PF; the flag has the name X86_PF */
    X86_MF = 16,
    X86_ALIGNMENT = 17, /* #AC */
    X86_MC = 18,
    X86_XM = 19,
};

/* A segment register with the part that software cannot see.
 * `attributes` is the descriptor's second doubleword masked with X86_ATTRIBUTES: type in bits 8-11,
 * S 12, DPL 13-14, P 15, AVL 20, D/B 22, G 23. `limit` is in bytes, granularity applied. */
struct x86_segment {
    uint16_t selector;
    uint32_t base;
    uint32_t limit;
    uint32_t attributes;
};
#define X86_ATTRIBUTES 0x00f0ff00u

enum x86_attribute {
    X86_SEG_ACCESSED = 1u << 8,
    X86_SEG_RW = 1u << 9,  /* data: writable; code: readable */
    X86_SEG_DC = 1u << 10, /* data: expands down; code: conforming */
    X86_SEG_CODE = 1u << 11,
    X86_SEG_S = 1u << 12, /* 1: code or data, 0: system */
    X86_SEG_PRESENT = 1u << 15,
    X86_SEG_DB = 1u << 22, /* 32-bit code or stack */
    X86_SEG_G = 1u << 23,  /* limit counts pages */
};
#define X86_SEG_DPL(attributes) (((attributes) >> 13) & 3u)

/* GDTR or IDTR. */
struct x86_table {
    uint32_t base;
    uint16_t limit;
};

struct cpu_state {
    uint32_t gpr[8]; /* by enum x86_gpr */
    uint32_t eip;
    uint32_t eflags;
    struct x86_segment seg[X86_SREGS]; /* by enum x86_sreg */
    struct x86_segment ldtr, tr;
    struct x86_table gdtr, idtr;
    uint32_t cr0, cr2, cr3, cr4;
    uint32_t dr[8]; /* 4 and 5 are aliases and stay 0 */
    uint8_t cpl;
    bool interrupt_shadow; /* after STI or a load of SS: no interrupt before the next instruction */
};

static inline bool x86_protected(const struct cpu_state *cpu)
{
    return (cpu->cr0 & X86_CR0_PE) && !(cpu->eflags & X86_VM);
}

static inline bool x86_paging(const struct cpu_state *cpu)
{
    return (cpu->cr0 & X86_CR0_PG) != 0;
}

static inline unsigned x86_iopl(const struct cpu_state *cpu)
{
    return (cpu->eflags & X86_IOPL) >> X86_IOPL_SHIFT;
}

#endif
