/* The opcode maps (SDM volume 2, appendix A, tables ), for the processor modelled: up to
 * SSE4 in length, without VEX, EVEX and XOP, which are #UD on it. Ranges are written as the
 * manual's map groups them. */
#include "decode_tables.h"

#define M  FORM_MODRM
#define I8 FORM_IMM8
#define S8 (FORM_IMM8 | FORM_SIGNED)
#define IZ FORM_IMMZ
#define SP FORM_SPECIAL
#define BR FORM_BRANCH

/* ADD, OR, ADC, SBB, AND, SUB, XOR, CMP: the first six opcodes of each row of eight. */
#define ALU(row) [(row)...(row) + 3] = {M, 0}, [(row) + 4] = {I8, 0}, [(row) + 5] = {IZ, 0}

const struct x86_opcode x86_one_byte[256] = {
    ALU(0x00),
    ALU(0x08),
    ALU(0x10),
    ALU(0x18),
    ALU(0x20),
    ALU(0x28),
    ALU(0x30),
    ALU(0x38),
    [0x06] = {SP, X86_KIND_PUSH_SREG},
    [0x07] = {SP, X86_KIND_POP_SREG},
    [0x0e] = {SP, X86_KIND_PUSH_SREG},
    [0x16] = {SP, X86_KIND_PUSH_SREG},
    [0x17] = {SP, X86_KIND_POP_SREG},
    [0x1e] = {SP, X86_KIND_PUSH_SREG},
    [0x1f] = {SP, X86_KIND_POP_SREG},
    [0x26] = {FORM_PREFIX, 0},
    [0x2e] = {FORM_PREFIX, 0},
    [0x36] = {FORM_PREFIX, 0},
    [0x3e] = {FORM_PREFIX, 0},
    [0x62] = {M | SP, 0}, /* BOUND */
    [0x63] = {M, X86_KIND_ARPL},
    [0x64 ... 0x67] = {FORM_PREFIX, 0},
    [0x68] = {IZ, 0},
    [0x69] = {M | IZ, 0},
    [0x6a] = {S8, 0},
    [0x6b] = {M | S8, 0},
    [0x6c ... 0x6d] = {FORM_STRING | FORM_PORT, X86_KIND_INS},
    [0x6e ... 0x6f] = {FORM_STRING | FORM_PORT, X86_KIND_OUTS},
    [0x70 ... 0x7f] = {S8 | BR, X86_KIND_JCC},
    [0x80] = {M | I8, 0},
    [0x81] = {M | IZ, 0},
    [0x82 ... 0x83] = {M | S8, 0},
    [0x84 ... 0x8b] = {M, 0},
    [0x8c] = {M | SP, X86_KIND_MOV_FROM_SREG},
    [0x8d] = {M | SP, 0}, /* LEA */
    [0x8e] = {M | SP, X86_KIND_MOV_TO_SREG},
    [0x8f] = {M | SP, 0}, /* POP */
    [0x90] = {SP, 0},     /* NOP, PAUSE */
    [0x9a] = {FORM_FAR | BR, X86_KIND_CALL_FAR},
    [0x9c] = {0, X86_KIND_PUSHF},
    [0x9d] = {0, X86_KIND_POPF},
    [0xa0 ... 0xa3] = {FORM_OFFSET, 0},
    [0xa4 ... 0xa7] = {FORM_STRING, 0},
    [0xa8] = {I8, 0},
    [0xa9] = {IZ, 0},
    [0xaa ... 0xaf] = {FORM_STRING, 0},
    [0xb0 ... 0xb7] = {I8, 0},
    [0xb8 ... 0xbf] = {IZ, 0},
    [0xc0 ... 0xc1] = {M | I8, 0},
    [0xc2] = {FORM_IMM16 | BR, X86_KIND_RET},
    [0xc3] = {BR, X86_KIND_RET},
    [0xc4 ... 0xc5] = {M | SP, X86_KIND_LOAD_FAR_POINTER},
    [0xc6] = {M | I8 | SP, 0},
    [0xc7] = {M | IZ | SP, 0},
    [0xc8] = {FORM_IMM16 | FORM_IMM8, 0}, /* ENTER */
    [0xca] = {FORM_IMM16 | BR, X86_KIND_RET_FAR},
    [0xcb] = {BR, X86_KIND_RET_FAR},
    [0xcc] = {BR, X86_KIND_INT3},
    [0xcd] = {I8 | BR, X86_KIND_INT},
    [0xce] = {BR, X86_KIND_INTO},
    [0xcf] = {BR, X86_KIND_IRET},
    [0xd0 ... 0xd3] = {M, 0},
    [0xd4 ... 0xd5] = {I8, 0},
    [0xd8 ... 0xdf] = {M, 0},
    [0xe0 ... 0xe3] = {S8 | BR, X86_KIND_LOOP},
    [0xe4 ... 0xe5] = {I8 | FORM_PORT, X86_KIND_IN_IMMEDIATE},
    [0xe6 ... 0xe7] = {I8 | FORM_PORT, X86_KIND_OUT_IMMEDIATE},
    [0xe8] = {IZ | BR, X86_KIND_CALL},
    [0xe9] = {IZ | BR, X86_KIND_JMP},
    [0xea] = {FORM_FAR | BR, X86_KIND_JMP_FAR},
    [0xeb] = {S8 | BR, X86_KIND_JMP},
    [0xec ... 0xed] = {FORM_PORT, X86_KIND_IN_DX},
    [0xee ... 0xef] = {FORM_PORT, X86_KIND_OUT_DX},
    [0xf0] = {FORM_PREFIX, 0},
    [0xf1] = {BR, X86_KIND_ICEBP},
    [0xf2 ... 0xf3] = {FORM_PREFIX, 0},
    [0xf4] = {BR, X86_KIND_HLT},
    [0xf6] = {M | I8 | SP, 0},
    [0xf7] = {M | IZ | SP, 0},
    [0xfa] = {0, X86_KIND_CLI},
    [0xfb] = {0, X86_KIND_STI},
    [0xfe ... 0xff] = {M | SP, 0},
};

#define BAD                                                                                        \
    {                                                                                              \
        0, X86_KIND_INVALID                                                                        \
    }

const struct x86_opcode x86_two_byte[256] = {
    [0x00] = {M | SP, 0},
    [0x01] = {M | SP, 0},
    [0x02] = {M, X86_KIND_LAR},
    [0x03] = {M, X86_KIND_LSL},
    [0x04] = BAD,
    [0x05] = {BR, X86_KIND_SYSCALL},
    [0x06] = {0, X86_KIND_CLTS},
    [0x07] = {BR, X86_KIND_SYSRET},
    [0x08] = {0, X86_KIND_INVD},
    [0x09] = {0, X86_KIND_WBINVD},
    [0x0a] = BAD,
    [0x0b] = {BR, X86_KIND_UD},
    [0x0c] = BAD,
    [0x0d] = {M, 0},      /* PREFETCH */
    [0x0f] = {M | I8, 0}, /* 3DNow!: the immediate is the opcode */
    [0x10 ... 0x1f] = {M, 0},
    [0x20] = {M | FORM_REGISTER | SP, X86_KIND_MOV_FROM_CR},
    [0x21] = {M | FORM_REGISTER, X86_KIND_MOV_FROM_DR},
    [0x22] = {M | FORM_REGISTER | SP, X86_KIND_MOV_TO_CR},
    [0x23] = {M | FORM_REGISTER, X86_KIND_MOV_TO_DR},
    [0x24 ... 0x27] = BAD,
    [0x28 ... 0x2f] = {M, 0},
    [0x30] = {0, X86_KIND_WRMSR},
    [0x31] = {0, X86_KIND_RDTSC},
    [0x32] = {0, X86_KIND_RDMSR},
    [0x33] = {0, X86_KIND_RDPMC},
    [0x34] = {BR, X86_KIND_SYSENTER},
    [0x35] = {BR, X86_KIND_SYSEXIT},
    [0x36] = BAD,
    [0x37] = {0, X86_KIND_VMX}, /* GETSEC */
    [0x38] = {M, 0},
    [0x39] = BAD,
    [0x3a] = {M | I8, 0},
    [0x3b ... 0x3f] = BAD,
    [0x40 ... 0x6f] = {M, 0},
    [0x70 ... 0x73] = {M | I8, 0},
    [0x74 ... 0x76] = {M, 0},
    [0x78] = {M | SP, X86_KIND_VMX}, /* VMREAD; EXTRQ and INSERTQ with a prefix */
    [0x79] = {M | SP, X86_KIND_VMX},
    [0x7a ... 0x7b] = BAD,
    [0x7c ... 0x7f] = {M, 0},
    [0x80 ... 0x8f] = {IZ | BR, X86_KIND_JCC},
    [0x90 ... 0x9f] = {M, 0},
    [0xa0] = {SP, X86_KIND_PUSH_SREG},
    [0xa1] = {SP, X86_KIND_POP_SREG},
    [0xa2] = {0, X86_KIND_CPUID},
    [0xa3] = {M, 0},
    [0xa4] = {M | I8, 0},
    [0xa5] = {M, 0},
    [0xa6 ... 0xa7] = BAD,
    [0xa8] = {SP, X86_KIND_PUSH_SREG},
    [0xa9] = {SP, X86_KIND_POP_SREG},
    [0xaa] = {BR, X86_KIND_RSM},
    [0xab] = {M, 0},
    [0xac] = {M | I8, 0},
    [0xad ... 0xb1] = {M, 0},
    [0xb2] = {M | SP, X86_KIND_LOAD_FAR_POINTER},
    [0xb3] = {M, 0},
    [0xb4 ... 0xb5] = {M | SP, X86_KIND_LOAD_FAR_POINTER},
    [0xb6 ... 0xb7] = {M, 0},
    [0xb8] = {M | SP, 0}, /* POPCNT, with F3 only */
    [0xb9] = {M | BR, X86_KIND_UD},
    [0xba] = {M | I8 | SP, 0},
    [0xbb ... 0xc1] = {M, 0},
    [0xc2] = {M | I8, 0},
    [0xc3] = {M, 0},
    [0xc4 ... 0xc6] = {M | I8, 0},
    [0xc7] = {M | SP, 0},
    [0xd0 ... 0xfe] = {M, 0},
    [0xff] = {M | BR, X86_KIND_UD},
};

static void invalid(struct x86_instruction *insn)
{
    insn->kind = X86_KIND_INVALID;
}

/* SLDT, STR, LLDT, LTR, VERR, VERW (group 6). */
static void group6(struct x86_instruction *insn)
{
    static const uint8_t kinds[8] = {
        X86_KIND_SLDT, X86_KIND_STR,  X86_KIND_LLDT,    X86_KIND_LTR,
        X86_KIND_VERR, X86_KIND_VERW, X86_KIND_INVALID, X86_KIND_INVALID,
    };

    insn->kind = kinds[insn->reg];
}

/* Group 7: tables in memory, or single instructions in the register forms. */
static void group7(struct x86_instruction *insn)
{
    static const uint8_t memory[8] = {
        X86_KIND_SGDT, X86_KIND_SIDT,    X86_KIND_LGDT, X86_KIND_LIDT,
        X86_KIND_SMSW, X86_KIND_INVALID, X86_KIND_LMSW, X86_KIND_INVLPG,
    };
    static const uint8_t registers[64] = {
        [0x00] = X86_KIND_INVALID,
        [0x01] = X86_KIND_VMCALL,
        [0x02 ... 0x04] = X86_KIND_VMX,
        [0x05 ... 0x07] = X86_KIND_INVALID,
        [0x08] = X86_KIND_MONITOR,
        [0x09] = X86_KIND_MWAIT,
        [0x0a ... 0x0f] = X86_KIND_INVALID,
        [0x10] = X86_KIND_XGETBV,
        [0x11] = X86_KIND_XSETBV,
        [0x12 ... 0x13] = X86_KIND_INVALID,
        [0x14] = X86_KIND_VMX,
        [0x15 ... 0x17] = X86_KIND_INVALID,
        [0x18] = X86_KIND_SVM,
        [0x19] = X86_KIND_VMMCALL,
        [0x1a ... 0x1f] = X86_KIND_SVM,
        [0x20 ... 0x27] = X86_KIND_SMSW,
        [0x28 ... 0x2f] = X86_KIND_INVALID,
        [0x30 ... 0x37] = X86_KIND_LMSW,
        [0x38] = X86_KIND_INVALID,
        [0x39] = X86_KIND_RDTSCP,
        [0x3a ... 0x3f] = X86_KIND_INVALID,
    };

    insn->kind = insn->mod == 3 ? registers[insn->modrm & 0x3fu] : memory[insn->reg];
}

/* Group 5, opcode FF: INC, DEC, CALL, far CALL, JMP, far JMP, PUSH; FE has the first two only. */
static unsigned group5(struct x86_instruction *insn, unsigned form)
{
    static const uint8_t kinds[8] = {
        X86_KIND_OTHER,         X86_KIND_OTHER,
        X86_KIND_CALL_INDIRECT, X86_KIND_CALL_FAR_INDIRECT,
        X86_KIND_JMP_INDIRECT,  X86_KIND_JMP_FAR_INDIRECT,
        X86_KIND_OTHER,         X86_KIND_INVALID,
    };
    bool far_transfer = insn->reg == 3 || insn->reg == 5;

    insn->kind = kinds[insn->reg];
    if ((insn->opcode == 0xfe && insn->reg > 1) || (far_transfer && insn->mod == 3)) {
        invalid(insn);
    }
    return insn->kind != X86_KIND_OTHER ? form | FORM_BRANCH : form;
}

static unsigned special_one_byte(struct x86_instruction *insn, unsigned form)
{
    switch (insn->opcode) {
    case 0x06:
    case 0x07:
    case 0x0e:
    case 0x16:
    case 0x17:
    case 0x1e:
    case 0x1f: insn->sreg = insn->opcode >> 3; return form;
    case 0x8c:
    case 0x8e:
        insn->sreg = insn->reg;
        if (insn->reg >= X86_SREGS || (insn->opcode == 0x8e && insn->reg == X86_CS)) {
            invalid(insn);
        }
        return form;
    case 0x62:
    case 0x8d:
        if (insn->mod == 3) {
            invalid(insn);
        }
        return form;
    case 0xc4:
    case 0xc5:
        insn->sreg = insn->opcode == 0xc4 ? X86_ES : X86_DS;
        if (insn->mod == 3) {
            invalid(insn);
        }
        return form;
    case 0x8f:
    case 0xc6:
    case 0xc7:
        if (insn->reg != 0) {
            invalid(insn);
        }
        return form;
    case 0x90:
        if (insn->prefix == 0xf3) {
            insn->kind = X86_KIND_PAUSE;
        }
        return form;
    case 0xf6:
    case 0xf7: /* only TEST has an immediate */
        return insn->reg > 1 ? form & ~FORM_IMMEDIATE : form;
    default: return group5(insn, form);
    }
}

/* VMREAD and VMWRITE; between registers a prefix makes them SSE4A's EXTRQ and INSERTQ. */
static unsigned special_sse4a(struct x86_instruction *insn, unsigned form)
{
    bool prefixed = insn->prefix == 0xf2 || (insn->flags & X86_INSN_66);

    if (insn->mod == 3 && prefixed) {
        insn->kind = X86_KIND_OTHER;
        /* Two bytes: length and index of the field. */
        return insn->opcode == 0x78 ? form | FORM_IMM16 : form;
    }
    return form;
}

static unsigned special_two_byte(struct x86_instruction *insn, unsigned form)
{
    switch (insn->opcode) {
    case 0x00: group6(insn); return form;
    case 0x01: group7(insn); return form;
    case 0x20:
    case 0x22:
        if (insn->reg == 1 || insn->reg > 4) {
            invalid(insn);
        }
        return form;
    case 0x78:
    case 0x79: return special_sse4a(insn, form);
    case 0xa0:
    case 0xa1: insn->sreg = X86_FS; return form;
    case 0xa8:
    case 0xa9: insn->sreg = X86_GS; return form;
    case 0xb2:
    case 0xb4:
    case 0xb5:
        insn->sreg = insn->opcode == 0xb2 ? X86_SS : insn->opcode == 0xb4 ? X86_FS : X86_GS;
        if (insn->mod == 3) {
            invalid(insn);
        }
        return form;
    case 0xb8:
        if (insn->prefix != 0xf3) {
            invalid(insn);
        }
        return form;
    case 0xba:
        if (insn->reg < 4) {
            invalid(insn);
        }
        return form;
    default: /* C7: CMPXCHG8B, VMX's region instructions */
        if (insn->mod != 3 && insn->reg >= 6) {
            insn->kind = X86_KIND_VMX;
        } else if (insn->mod == 3 || insn->reg != 1) {
            invalid(insn);
        }
        return form;
    }
}

unsigned x86_decode_special(struct x86_instruction *insn, unsigned form)
{
    return insn->map == 0 ? special_one_byte(insn, form) : special_two_byte(insn, form);
}
