/* Memory operands by opcode. See access.h.
 *
 * A byte of the tables says what is done to the operand that ModR/M names, and how wide it is;
 * where the reg field selects the instruction, there is a table of eight. What SSE and MMX move is
 * as wide as the mandatory prefix says. */
#include "access.h"

enum {
    R = 1,
    W = 2,
    RW = R | W,
    /* Widths: of the operand size, unless there is one of these. */
    AS_OPCODE = 1 << 2, /* a byte if the opcode is even */
    BYTE = 2 << 2,
    HALF = 3 << 2,
    WORD = 4 << 2, /* of 32 bits */
    QUAD = 5 << 2,
    TWICE = 6 << 2, /* two of the operand size */
    FAR = 7 << 2,   /* an offset of the operand size, and a selector */
    TABLE = 8 << 2, /* base and limit */
    TENBYTE = 9 << 2,
    ENVIRONMENT = 10 << 2, /* of the floating-point unit */
    REGISTERS = 11 << 2,   /* that, and its registers */
    FXSAVE = 12 << 2,
    VECTOR = 13 << 2, /* of SSE and MMX, by the prefix */
    PACKED = 14 << 2, /* 16 bytes, 8 for MMX: whatever F2 and F3 select */
    GROUP = 1 << 7    /* the reg field selects */
};

static const uint8_t one_byte[256] = {
    [0x00 ... 0x01] = RW | AS_OPCODE,
    [0x02 ... 0x03] = R | AS_OPCODE,
    [0x08 ... 0x09] = RW | AS_OPCODE,
    [0x0a ... 0x0b] = R | AS_OPCODE,
    [0x10 ... 0x11] = RW | AS_OPCODE,
    [0x12 ... 0x13] = R | AS_OPCODE,
    [0x18 ... 0x19] = RW | AS_OPCODE,
    [0x1a ... 0x1b] = R | AS_OPCODE,
    [0x20 ... 0x21] = RW | AS_OPCODE,
    [0x22 ... 0x23] = R | AS_OPCODE,
    [0x28 ... 0x29] = RW | AS_OPCODE,
    [0x2a ... 0x2b] = R | AS_OPCODE,
    [0x30 ... 0x31] = RW | AS_OPCODE,
    [0x32 ... 0x33] = R | AS_OPCODE,
    [0x38 ... 0x3b] = R | AS_OPCODE, /* CMP */
    [0x62] = R | TWICE,              /* BOUND */
    [0x63] = RW | HALF,              /* ARPL */
    [0x69] = R,
    [0x6b] = R, /* IMUL */
    [0x80 ... 0x83] = GROUP,
    [0x84 ... 0x85] = R | AS_OPCODE,  /* TEST */
    [0x86 ... 0x87] = RW | AS_OPCODE, /* XCHG */
    [0x88 ... 0x89] = W | AS_OPCODE,
    [0x8a ... 0x8b] = R | AS_OPCODE,
    [0x8c] = W | HALF,
    [0x8e] = R | HALF,
    [0x8f] = W, /* POP */
    [0xa0 ... 0xa1] = R | AS_OPCODE,
    [0xa2 ... 0xa3] = W | AS_OPCODE,
    [0xc0 ... 0xc1] = RW | AS_OPCODE,
    [0xc4 ... 0xc5] = R | FAR, /* LES, LDS */
    [0xc6 ... 0xc7] = W | AS_OPCODE,
    [0xd0 ... 0xd3] = RW | AS_OPCODE,
    [0xd8 ... 0xdf] = GROUP,
    [0xf6 ... 0xf7] = GROUP,
    [0xfe ... 0xff] = GROUP,
};

static const uint8_t two_byte[256] = {
    [0x00 ... 0x01] = GROUP,
    [0x02 ... 0x03] = R | HALF, /* LAR, LSL */
    [0x10] = R | VECTOR,
    [0x11] = W | VECTOR,
    [0x12] = R | QUAD,
    [0x13] = W | QUAD,
    [0x14 ... 0x15] = R | PACKED,
    [0x16] = R | QUAD,
    [0x17] = W | QUAD,
    [0x28] = R | PACKED,
    [0x29] = W | PACKED,
    [0x2a] = R | VECTOR,
    [0x2b] = W | VECTOR,
    [0x2c ... 0x2f] = R | VECTOR,
    [0x40 ... 0x4f] = R, /* CMOV: reads whatever the condition says */
    [0x51 ... 0x5f] = R | VECTOR,
    [0x60 ... 0x6d] = R | PACKED,
    [0x6e] = R | WORD,
    [0x6f] = R | PACKED,
    [0x70] = R | PACKED,
    [0x74 ... 0x76] = R | PACKED,
    [0x7e] = W | WORD,
    [0x7f] = W | PACKED,
    [0x90 ... 0x9f] = W | BYTE, /* SET */
    [0xa3] = R,                 /* BT */
    [0xa4 ... 0xa5] = RW,       /* SHLD */
    [0xab ... 0xad] = RW,       /* BTS, SHRD */
    [0xae] = GROUP,
    [0xaf] = R,                       /* IMUL */
    [0xb0 ... 0xb1] = RW | AS_OPCODE, /* CMPXCHG: writes whatever it finds */
    [0xb2] = R | FAR,                 /* LSS */
    [0xb3] = RW,                      /* BTR */
    [0xb4 ... 0xb5] = R | FAR,        /* LFS, LGS */
    [0xb6] = R | BYTE,
    [0xb7] = R | HALF,
    [0xb8] = R,
    [0xba] = GROUP,
    [0xbb] = RW, /* BTC */
    [0xbc ... 0xbd] = R,
    [0xbe] = R | BYTE,
    [0xbf] = R | HALF,
    [0xc0 ... 0xc1] = RW | AS_OPCODE, /* XADD */
    [0xc2] = R | VECTOR,
    [0xc3] = W,        /* MOVNTI */
    [0xc4] = R | HALF, /* PINSRW */
    [0xc6] = R | PACKED,
    [0xc7] = GROUP,
    [0xd0 ... 0xd5] = R | PACKED,
    [0xd6] = W | QUAD,
    [0xd8 ... 0xe5] = R | PACKED,
    [0xe6] = R | PACKED,
    [0xe7] = W | PACKED,
    [0xe8 ... 0xef] = R | PACKED,
    [0xf0 ... 0xf6] = R | PACKED,
    [0xf8 ... 0xfe] = R | PACKED,
};

static const struct group {
    uint8_t map, first, last;
    uint8_t how[8];
} groups[] = {
    {0, 0x80, 0x83, {RW, RW, RW, RW, RW, RW, RW, R}},
    {0, 0xf6, 0xf7, {R, R, RW, RW, R, R, R, R}},
    {0, 0xfe, 0xfe, {RW, RW}},
    {0, 0xff, 0xff, {RW, RW, R, R | FAR, R, R | FAR, R}},
    {0,
     0xd8,
     0xd8,
     {R | WORD, R | WORD, R | WORD, R | WORD, R | WORD, R | WORD, R | WORD, R | WORD}},
    {0,
     0xd9,
     0xd9,
     {R | WORD, 0, W | WORD, W | WORD, R | ENVIRONMENT, R | HALF, W | ENVIRONMENT, W | HALF}},
    {0,
     0xda,
     0xda,
     {R | WORD, R | WORD, R | WORD, R | WORD, R | WORD, R | WORD, R | WORD, R | WORD}},
    {0, 0xdb, 0xdb, {R | WORD, W | WORD, W | WORD, W | WORD, 0, R | TENBYTE, 0, W | TENBYTE}},
    {0,
     0xdc,
     0xdc,
     {R | QUAD, R | QUAD, R | QUAD, R | QUAD, R | QUAD, R | QUAD, R | QUAD, R | QUAD}},
    {0,
     0xdd,
     0xdd,
     {R | QUAD, W | QUAD, W | QUAD, W | QUAD, R | REGISTERS, 0, W | REGISTERS, W | HALF}},
    {0,
     0xde,
     0xde,
     {R | HALF, R | HALF, R | HALF, R | HALF, R | HALF, R | HALF, R | HALF, R | HALF}},
    {0,
     0xdf,
     0xdf,
     {R | HALF, W | HALF, W | HALF, W | HALF, R | TENBYTE, R | QUAD, W | TENBYTE, W | QUAD}},
    {1, 0x00, 0x00, {W | HALF, W | HALF, R | HALF, R | HALF, R | HALF, R | HALF}},
    {1, 0x01, 0x01, {W | TABLE, W | TABLE, R | TABLE, R | TABLE, W | HALF, 0, R | HALF}},
    {1, 0xae, 0xae, {W | FXSAVE, R | FXSAVE, R | WORD, W | WORD}},
    {1, 0xba, 0xba, {0, 0, 0, 0, R, RW, RW, RW}},
    {1, 0xc7, 0xc7, {0, RW | QUAD}},
};

static unsigned find_how(const struct x86_instruction *insn)
{
    unsigned how = insn->map == 0   ? one_byte[insn->opcode]
                   : insn->map == 1 ? two_byte[insn->opcode]
                                    : 0;
    if (how != GROUP)
        return how;
    for (unsigned i = 0; i < sizeof groups / sizeof *groups; i++) {
        const struct group *group = &groups[i];
        if (group->map != insn->map || insn->opcode < group->first || insn->opcode > group->last)
            continue;
        how = group->how[insn->reg];
        return how && how <= RW ? how | (insn->map == 0 ? AS_OPCODE : 0) : how;
    }
    return 0;
}

/* ---- widths ---- */

static unsigned vector_width(const struct x86_instruction *insn)
{
    const bool wide = insn->flags & X86_INSN_66;
    const uint8_t single = 0xf3, both = 0xf2; /* prefixes */
    switch (insn->opcode) {
    case 0x2a: return insn->prefix ? 4 : 8;
    case 0x2c:
    case 0x2d: return insn->prefix == single ? 4 : !insn->prefix && wide ? 16 : 8;
    case 0x2e:
    case 0x2f: return wide ? 8 : 4;
    case 0x5a: return insn->prefix == single ? 4 : insn->prefix || !wide ? 8 : 16;
    case 0x5b: return 16;
    default: return insn->prefix == single ? 4 : insn->prefix == both ? 8 : 16;
    }
}

static unsigned packed_width(const struct x86_instruction *insn)
{
    const bool mmx = !(insn->flags & X86_INSN_66) && !insn->prefix;
    if (insn->opcode < 0x60 || insn->opcode == 0xc6)
        return 16;
    if (insn->opcode == 0xe6)
        return insn->prefix == 0xf3 ? 8 : 16;
    return !mmx ? 16 : insn->opcode <= 0x62 ? 4 : 8;
}

static unsigned find_width(const struct x86_instruction *insn, unsigned how)
{
    const unsigned size = insn->operand_size;
    switch (how & ~(unsigned)RW) {
    case AS_OPCODE: return insn->opcode & 1u ? size : 1;
    case BYTE: return 1;
    case HALF: return 2;
    case WORD: return 4;
    case QUAD: return 8;
    case TWICE: return 2 * size;
    case FAR: return size + 2;
    case TABLE: return 6;
    case TENBYTE: return 10;
    case ENVIRONMENT: return size == 4 ? 28 : 14;
    case REGISTERS: return size == 4 ? 108 : 94;
    case FXSAVE: return 512;
    case VECTOR: return vector_width(insn);
    case PACKED: return packed_width(insn);
    default: return size;
    }
}

/* ---- the operand in memory ---- */

/* A bit number in a register reaches beyond the operand (SDM volume 2, BT). */
static uint32_t bit_displacement(const struct cpu_state *cpu, const struct x86_instruction *insn)
{
    const uint8_t opcode = insn->opcode;
    if (insn->map != 1 || (opcode != 0xa3 && opcode != 0xab && opcode != 0xb3 && opcode != 0xbb))
        return 0;
    uint32_t bit = cpu->gpr[insn->reg];
    return insn->operand_size == 4 ? (uint32_t)((int32_t)bit >> 5) * 4
                                   : (uint32_t)((int16_t)bit >> 4) * 2;
}

static uint32_t operand_address(const struct cpu_state *cpu, const struct x86_instruction *insn)
{
    uint32_t offset = x86_effective_offset(cpu, insn) + bit_displacement(cpu, insn);
    if (insn->map == 0 && insn->opcode == 0x8f && insn->base == X86_ESP)
        offset += insn->operand_size; /* POP: the address is formed behind it */
    return cpu->seg[insn->segment].base + (insn->address_size == 4 ? offset : offset & 0xffffu);
}

static unsigned list_operand(const struct cpu_state *cpu, const struct x86_instruction *insn,
                             struct x86_data_access *list)
{
    unsigned how = find_how(insn);
    if (insn->map == 1 && insn->opcode == 0x7e && insn->prefix == 0xf3)
        how = R | QUAD; /* MOVQ; MOVSLDUP and MOVSHDUP are below */
    if (insn->map == 1 && (insn->opcode == 0x12 || insn->opcode == 0x16) && insn->prefix == 0xf3)
        how = R | PACKED;
    if (!(how & RW))
        return 0;
    *list = (struct x86_data_access){.linear = operand_address(cpu, insn),
                                     .size = find_width(insn, how),
                                     .read = how & R,
                                     .write = how & W};
    return 1;
}

/* ---- strings ---- */

static unsigned list_string(const struct cpu_state *cpu, const struct x86_instruction *insn,
                            struct x86_data_access *list)
{
    const uint32_t mask = insn->address_size == 4 ? UINT32_MAX : 0xffffu;
    const bool repeats = insn->flags & (X86_INSN_REP | X86_INSN_REPNE);
    const struct x86_data_access source = {cpu->seg[insn->segment].base +
                                               (cpu->gpr[X86_ESI] & mask),
                                           insn->width, true, false},
                                 target = {cpu->seg[X86_ES].base + (cpu->gpr[X86_EDI] & mask),
                                           insn->width, false, true};
    unsigned count = 0;
    if (repeats && !(cpu->gpr[X86_ECX] & mask))
        return 0;
    switch (insn->opcode & ~1u) {
    case 0x6c: /* INS */
    case 0xaa: /* STOS */ list[count++] = target; break;
    case 0x6e: /* OUTS */
    case 0xac: /* LODS */ list[count++] = source; break;
    case 0xa4: /* MOVS */
        list[count++] = source;
        list[count++] = target;
        break;
    default: /* CMPS, SCAS */
        if (insn->opcode < 0xa8)
            list[count++] = source;
        list[count] = target;
        list[count].write = false;
        list[count++].read = true;
    }
    return count;
}

/* ---- the stack ---- */

/* Words that are pushed; negative: popped. */
static int stack_words(const struct x86_instruction *insn)
{
    if (insn->map == 1)
        return insn->opcode == 0xa0 || insn->opcode == 0xa8   ? 1
               : insn->opcode == 0xa1 || insn->opcode == 0xa9 ? -1
                                                              : 0;
    switch (insn->opcode) {
    case 0x06:
    case 0x0e:
    case 0x16:
    case 0x1e:
    case 0x68:
    case 0x6a:
    case 0x9c:
    case 0xe8: return 1;
    case 0x07:
    case 0x17:
    case 0x1f:
    case 0x8f:
    case 0x9d:
    case 0xc2:
    case 0xc3:
    case 0xc9: /* LEAVE */ return -1;
    case 0x60: return 8;
    case 0x61: return -8;
    case 0x9a: return 2;
    case 0xca:
    case 0xcb: return -2;
    case 0xcf: return -3;
    case 0xff: return insn->reg == 2 || insn->reg == 6 ? 1 : insn->reg == 3 ? 2 : 0;
    default: return insn->opcode >= 0x50 && insn->opcode < 0x60 ? insn->opcode < 0x58 ? 1 : -1 : 0;
    }
}

/* ENTER copies the enclosing frames' pointers, and pushes the new one behind them. */
static unsigned list_enter(const struct cpu_state *cpu, const struct x86_instruction *insn,
                           uint32_t mask, struct x86_data_access *list)
{
    const uint32_t level = insn->immediate2 % 32, size = insn->operand_size,
                   base = cpu->seg[X86_SS].base, pushed = size * (level + 1),
                   copied = level > 1 ? size * (level - 1) : 0;
    list[0] =
        (struct x86_data_access){base + ((cpu->gpr[X86_ESP] - pushed) & mask), pushed, false, true};
    list[1] =
        (struct x86_data_access){base + ((cpu->gpr[X86_EBP] - copied) & mask), copied, true, false};
    return copied ? 2 : 1;
}

static unsigned list_stack(const struct cpu_state *cpu, const struct x86_instruction *insn,
                           struct x86_data_access *list)
{
    const struct x86_segment *stack = &cpu->seg[X86_SS];
    const uint32_t mask = stack->attributes & X86_SEG_DB ? UINT32_MAX : 0xffffu;
    const bool leaves = insn->map == 0 && insn->opcode == 0xc9;
    int words = insn->map < 2 ? stack_words(insn) : 0;
    if (insn->map == 0 && insn->opcode == 0xc8)
        return list_enter(cpu, insn, mask, list);
    if (!words)
        return 0;
    uint32_t size = (uint32_t)(words < 0 ? -words : words) * insn->operand_size;
    uint32_t top = cpu->gpr[leaves ? X86_EBP : X86_ESP] - (words > 0 ? size : 0);
    *list = (struct x86_data_access){stack->base + (top & mask), size, words<0, words> 0};
    return 1;
}

unsigned x86_accesses(const struct cpu_state *cpu, const struct x86_instruction *insn,
                      struct x86_data_access list[X86_ACCESSES])
{
    if (insn->kind == X86_KIND_INVALID || insn->kind == X86_KIND_UD)
        return 0;
    if (insn->flags & X86_INSN_STRING)
        return list_string(cpu, insn, list);
    if (insn->map == 0 && insn->opcode == 0xd7) { /* XLAT */
        uint32_t offset = cpu->gpr[X86_EBX] + (cpu->gpr[X86_EAX] & 0xffu);
        offset &= insn->address_size == 4 ? UINT32_MAX : 0xffffu;
        *list = (struct x86_data_access){cpu->seg[insn->segment].base + offset, 1, true, false};
        return 1;
    }
    unsigned count = 0;
    if (insn->flags & (X86_INSN_MEMORY | X86_INSN_OFFSET))
        count = list_operand(cpu, insn, list);
    return count + list_stack(cpu, insn, list + count);
}
