/* The instruction decoder: length and structure of 16- and 32-bit x86 instructions (SDM volume 2,
 * chapter 2 and appendix A), and which of them a VMM cares about. It is driven by tables, does no
 * allocation and reads no more bytes than it is given, so that it can run on every new translated
 * block and in every trap.
 *
 *     prefixes   opcode   ModR/M  SIB   displacement  immediate
 *     0 or more  1 to 3    0, 1   0, 1  0, 1, 2, 4    0 to 6 bytes        15 bytes at the most
 */
#ifndef VMM_ARCH_X86_DECODE_H
#define VMM_ARCH_X86_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "state.h"

#define X86_INSN_MAX 15u

/* The instructions that a virtual machine monitor tells apart. */
enum x86_kind {
    X86_KIND_OTHER,
    X86_KIND_INVALID, /* no such instruction, or longer than 15 bytes: #UD (#GP) */
    /* flags and interrupts */
    X86_KIND_CLI,
    X86_KIND_STI,
    X86_KIND_PUSHF,
    X86_KIND_POPF,
    X86_KIND_IRET,
    X86_KIND_INT, /* INT n: the vector is `immediate` */
    X86_KIND_INT3,
    X86_KIND_INTO,
    X86_KIND_ICEBP,
    X86_KIND_HLT,
    X86_KIND_UD, /* UD0, UD1, UD2: #UD by definition */
    /* ports: `width` bytes; the port is `immediate` or DX */
    X86_KIND_IN_IMMEDIATE,
    X86_KIND_OUT_IMMEDIATE,
    X86_KIND_IN_DX,
    X86_KIND_OUT_DX,
    X86_KIND_INS,
    X86_KIND_OUTS,
    /* system tables and tasks */
    X86_KIND_LGDT,
    X86_KIND_LIDT,
    X86_KIND_SGDT,
    X86_KIND_SIDT,
    X86_KIND_LLDT,
    X86_KIND_LTR,
    X86_KIND_SLDT,
    X86_KIND_STR,
    X86_KIND_LMSW,
    X86_KIND_SMSW,
    X86_KIND_CLTS,
    /* control and debug registers: number in `reg`, general register in `rm` */
    X86_KIND_MOV_FROM_CR,
    X86_KIND_MOV_TO_CR,
    X86_KIND_MOV_FROM_DR,
    X86_KIND_MOV_TO_DR,
    /* caches, TLB, MSRs, identification, time */
    X86_KIND_INVLPG,
    X86_KIND_INVD,
    X86_KIND_WBINVD,
    X86_KIND_RDMSR,
    X86_KIND_WRMSR,
    X86_KIND_RDTSC,
    X86_KIND_RDTSCP,
    X86_KIND_RDPMC,
    X86_KIND_CPUID,
    X86_KIND_XGETBV,
    X86_KIND_XSETBV,
    X86_KIND_MONITOR,
    X86_KIND_MWAIT,
    X86_KIND_PAUSE,
    /* descriptor inspection */
    X86_KIND_LAR,
    X86_KIND_LSL,
    X86_KIND_VERR,
    X86_KIND_VERW,
    X86_KIND_ARPL,
    /* segment registers: number in `sreg` */
    X86_KIND_MOV_FROM_SREG, /* MOV r/m, Sreg */
    X86_KIND_MOV_TO_SREG,
    X86_KIND_PUSH_SREG,
    X86_KIND_POP_SREG,
    X86_KIND_LOAD_FAR_POINTER, /* LDS, LES, LFS, LGS, LSS */
    /* far transfers: direct ones have the offset in `immediate`, the selector in `immediate2` */
    X86_KIND_CALL_FAR,
    X86_KIND_CALL_FAR_INDIRECT,
    X86_KIND_JMP_FAR,
    X86_KIND_JMP_FAR_INDIRECT,
    X86_KIND_RET_FAR, /* `immediate` bytes released */
    /* fast system calls, system management, virtualization */
    X86_KIND_SYSENTER,
    X86_KIND_SYSEXIT,
    X86_KIND_SYSCALL,
    X86_KIND_SYSRET,
    X86_KIND_RSM,
    X86_KIND_VMCALL,  /* Intel */
    X86_KIND_VMMCALL, /* AMD */
    X86_KIND_VMX,     /* any other VMX instruction */
    X86_KIND_SVM,     /* any other SVM instruction */
    /* near transfers: `immediate` is the displacement, sign-extended */
    X86_KIND_JMP,
    X86_KIND_JCC,  /* condition in the opcode's low four bits */
    X86_KIND_LOOP, /* LOOP, LOOPE, LOOPNE, JCXZ by opcode */
    X86_KIND_CALL,
    X86_KIND_JMP_INDIRECT,
    X86_KIND_CALL_INDIRECT,
    X86_KIND_RET, /* `immediate` bytes released */
    X86_KINDS
};

enum x86_insn_flag {
    X86_INSN_MODRM = 1u << 0,
    X86_INSN_MEMORY = 1u << 1, /* the ModR/M byte names memory: `segment`, base, index, ... hold */
    X86_INSN_LOCK = 1u << 2,   /* prefix F0 */
    X86_INSN_REP = 1u << 3,    /* prefix F3 on a string instruction */
    X86_INSN_REPNE = 1u << 4,  /* prefix F2 on a string instruction */
    X86_INSN_STRING = 1u << 5, /* MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS */
    X86_INSN_IO = 1u << 6,     /* IN, OUT, INS, OUTS */
    X86_INSN_BRANCH = 1u << 7, /* may go on elsewhere than behind itself */
    X86_INSN_TOO_LONG = 1u << 8, /* more than 15 bytes: #GP(0) */
    X86_INSN_OFFSET = 1u << 9,   /* MOV with a direct offset: `displacement` from `segment` */
    X86_INSN_66 = 1u << 10,      /* prefix 66 */
};

#define X86_NO_REGISTER 8u /* of `base` and `index` */

struct x86_instruction {
    uint8_t length;       /* bytes, prefixes included; as far as it was read if invalid */
    uint8_t kind;         /* enum x86_kind */
    uint16_t flags;       /* enum x86_insn_flag */
    uint8_t map;          /* 0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A */
    uint8_t opcode;       /* its last byte */
    uint8_t prefix;       /* last of F2 and F3, or 0 */
    uint8_t operand_size; /* 2 or 4, prefix 66 applied */
    uint8_t address_size; /* 2 or 4, prefix 67 applied */
    uint8_t width;        /* of string and port accesses: 1, 2 or 4 bytes */
    uint8_t modrm;
    uint8_t mod, reg, rm; /* of the ModR/M byte */
    uint8_t sreg;         /* enum x86_sreg, of the segment register instructions */
    uint8_t segment;      /* enum x86_sreg: the override, else the default of the memory operand */
    uint8_t segment_override; /* enum x86_sreg, X86_SREGS if there is none */
    uint8_t base, index;      /* enum x86_gpr or X86_NO_REGISTER */
    uint8_t scale;            /* of the index: a shift count, 0 to 3 */
    uint16_t immediate2;      /* selector of a far pointer; ENTER's level */
    uint32_t displacement;    /* sign-extended */
    uint32_t immediate; /* sign-extended where the instruction does so; branches: displacement */
};

/* Decodes the instruction at `bytes`, of which `available` are there, in a 32-bit (`code32`) or a
 * 16-bit code segment. Returns its length; 0 if it goes on beyond `available` (`insn` is undefined
 * then, and 15 bytes are always enough). Illegal encodings have kind X86_KIND_INVALID and the
 * length read. */
unsigned x86_decode(const uint8_t *bytes, unsigned available, bool code32,
                    struct x86_instruction *insn);

/* How many instructions a straight run of `size` bytes is; a last one cut off counts too. */
unsigned x86_count(const uint8_t *bytes, unsigned size, bool code32);

/* The offset of the memory operand in its segment, and its linear address (X86_INSN_MEMORY or
 * X86_INSN_OFFSET must be set). */
uint32_t x86_effective_offset(const struct cpu_state *cpu, const struct x86_instruction *insn);
uint32_t x86_effective_address(const struct cpu_state *cpu, const struct x86_instruction *insn);

#endif
