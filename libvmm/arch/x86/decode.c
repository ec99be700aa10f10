/* The decoder's engine: one pass over the bytes, led by the tables of decode_tables.c. It reads at
 * most 32 bytes; input that is shorter is padded first, so that no step has to look whether there
 * are bytes left, and the length tells afterwards. See decode.h. */
#include "decode.h"

#include <string.h>

#include "decode_tables.h"

#define WINDOW 32u /* 14 prefixes and the longest rest */

static uint32_t get16(const uint8_t *p)
{
    uint16_t value;

    memcpy(&value, p, sizeof value);
    return value;
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t value;

    memcpy(&value, p, sizeof value);
    return value;
}

static uint32_t signed8(uint8_t byte)
{
    return (uint32_t)(int32_t)(int8_t)byte;
}

static uint32_t signed16(const uint8_t *p)
{
    return (uint32_t)(int32_t)(int16_t)get16(p);
}

/* Takes the prefixes (volume 2, section 2.1.1); the last of each group counts. Returns the opcode's
 * place, or NULL after 15 prefixes. */
static const uint8_t *take_prefixes(const uint8_t *bytes, bool code32, struct x86_instruction *insn)
{
    bool operand = false, address = false;
    const uint8_t *p = bytes;

    for (; x86_one_byte[*p].form & FORM_PREFIX; p++) {
        if (p - bytes == X86_INSN_MAX - 1) {
            return NULL;
        }
        switch (*p) {
        case 0x66: operand = true; break;
        case 0x67: address = true; break;
        case 0xf0: insn->flags |= X86_INSN_LOCK; break;
        case 0xf2:
        case 0xf3: insn->prefix = *p; break;
        case 0x64:
        case 0x65: insn->segment_override = *p & 7u; break;
        default: insn->segment_override = *p >> 3 & 3u; break;
        }
    }
    insn->flags |= operand ? X86_INSN_66 : 0;
    insn->operand_size = operand != code32 ? 4 : 2;
    insn->address_size = address != code32 ? 4 : 2;
    return p;
}

/* The displacement and the registers of a 32-bit memory operand (volume 2, tables 2-2 and 2-3). */
static const uint8_t *take_memory32(const uint8_t *p, struct x86_instruction *insn)
{
    unsigned base = insn->rm;

    if (base == 4) {
        unsigned index = *p >> 3 & 7u;
        base = *p & 7u;
        insn->scale = *p++ >> 6;
        insn->index = index == 4 ? X86_NO_REGISTER : (uint8_t)index;
    }
    if (base == X86_EBP && insn->mod == 0) {
        insn->displacement = get32(p);
        return p + 4;
    }
    insn->base = (uint8_t)base;
    if (base == X86_ESP || base == X86_EBP) {
        insn->segment = X86_SS;
    }
    if (insn->mod == 1) {
        insn->displacement = signed8(*p);
        return p + 1;
    }
    if (insn->mod == 2) {
        insn->displacement = get32(p);
        return p + 4;
    }
    return p;
}

/* The same for a 16-bit one (table 2-1). */
static const uint8_t *take_memory16(const uint8_t *p, struct x86_instruction *insn)
{
    static const uint8_t base[8] = {X86_EBX, X86_EBX, X86_EBP, X86_EBP,
                                    X86_ESI, X86_EDI, X86_EBP, X86_EBX};
    static const uint8_t index[8] = {X86_ESI,         X86_EDI,         X86_ESI,
                                     X86_EDI,         X86_NO_REGISTER, X86_NO_REGISTER,
                                     X86_NO_REGISTER, X86_NO_REGISTER};

    if (insn->mod == 0 && insn->rm == 6) {
        insn->displacement = get16(p);
        return p + 2;
    }
    insn->base = base[insn->rm];
    insn->index = index[insn->rm];
    if (insn->base == X86_EBP) {
        insn->segment = X86_SS;
    }
    if (insn->mod == 1) {
        insn->displacement = signed8(*p);
        return p + 1;
    }
    if (insn->mod == 2) {
        insn->displacement = signed16(p);
        return p + 2;
    }
    return p;
}

static const uint8_t *take_modrm(const uint8_t *p, unsigned form, struct x86_instruction *insn)
{
    uint8_t byte = *p++;

    insn->flags |= X86_INSN_MODRM;
    insn->modrm = byte;
    insn->mod = byte >> 6;
    insn->reg = byte >> 3 & 7u;
    insn->rm = byte & 7u;
    if (insn->mod == 3 || (form & FORM_REGISTER)) {
        return p;
    }
    insn->flags |= X86_INSN_MEMORY;
    return insn->address_size == 4 ? take_memory32(p, insn) : take_memory16(p, insn);
}

/* Immediates that most instructions do not have. */
static const uint8_t *take_rare(const uint8_t *p, unsigned form, struct x86_instruction *insn)
{
    if (form & FORM_FAR) {
        insn->immediate = insn->operand_size == 4 ? get32(p) : get16(p);
        insn->immediate2 = (uint16_t)get16(p + insn->operand_size);
        return p + insn->operand_size + 2;
    }
    if (form & FORM_OFFSET) {
        insn->flags |= X86_INSN_OFFSET;
        insn->displacement = insn->address_size == 4 ? get32(p) : get16(p);
        return p + insn->address_size;
    }
    insn->immediate = get16(p);
    if (form & FORM_IMM8) { /* ENTER */
        insn->immediate2 = p[2];
        return p + 3;
    }
    return p + 2;
}

static const uint8_t *take_immediate(const uint8_t *p, unsigned form, struct x86_instruction *insn)
{
    if (form & (FORM_FAR | FORM_OFFSET | FORM_IMM16)) {
        return take_rare(p, form, insn);
    }
    if (form & FORM_IMM8) {
        insn->immediate = (form & FORM_SIGNED) ? signed8(*p) : *p;
        return p + 1;
    }
    if (insn->operand_size == 4) {
        insn->immediate = get32(p);
        return p + 4;
    }
    insn->immediate = (form & FORM_BRANCH) ? signed16(p) : get16(p);
    return p + 2;
}

/* Finds the table's entry: one byte, 0F, 0F 38 or 0F 3A. */
static const uint8_t *take_opcode(const uint8_t *p, const struct x86_opcode **entry,
                                  struct x86_instruction *insn)
{
    if (*p != 0x0f) {
        insn->opcode = *p;
        *entry = &x86_one_byte[*p];
        return p + 1;
    }
    p++;
    insn->map = 1;
    insn->opcode = *p;
    *entry = &x86_two_byte[*p];
    if (*p == 0x38 || *p == 0x3a) {
        insn->map = *p == 0x38 ? 2 : 3;
        insn->opcode = *++p;
    }
    return p + 1;
}

static unsigned decode(const uint8_t *bytes, bool code32, struct x86_instruction *insn)
{
    const struct x86_opcode *entry;
    const uint8_t *p = take_prefixes(bytes, code32, insn);
    unsigned form;

    if (!p) {
        return X86_INSN_MAX + 1;
    }
    p = take_opcode(p, &entry, insn);
    form = entry->form;
    insn->kind = entry->kind;
    if (form & FORM_MODRM) {
        p = take_modrm(p, form, insn);
    }
    if (form & FORM_SPECIAL) {
        form = x86_decode_special(insn, form);
    }
    if (insn->segment_override != X86_SREGS) {
        insn->segment = insn->segment_override;
    }
    if (form & (FORM_STRING | FORM_PORT | FORM_BRANCH)) {
        insn->width = (insn->opcode & 1u) ? insn->operand_size : 1;
        insn->flags |=
            (form & FORM_PORT ? X86_INSN_IO : 0) | (form & FORM_BRANCH ? X86_INSN_BRANCH : 0);
        if (form & FORM_STRING) {
            insn->flags |= X86_INSN_STRING | (insn->prefix == 0xf3   ? X86_INSN_REP
                                              : insn->prefix == 0xf2 ? X86_INSN_REPNE
                                                                     : 0);
        }
    }
    if (form & FORM_IMMEDIATE) {
        p = take_immediate(p, form, insn);
    }
    return (unsigned)(p - bytes);
}

/* The memory operations that a LOCK prefix may stand before, and no others (volume 2, LOCK). */
static bool lockable(const struct x86_instruction *insn)
{
    uint8_t opcode = insn->opcode;

    if (insn->kind != X86_KIND_OTHER || !(insn->flags & X86_INSN_MEMORY) || insn->map > 1) {
        return false;
    }
    if (insn->map == 1) {
        return opcode == 0xab || opcode == 0xb3 || opcode == 0xbb || opcode == 0xb0 ||
               opcode == 0xb1 || opcode == 0xc0 || opcode == 0xc1 || opcode == 0xc7 ||
               (opcode == 0xba && insn->reg > 4);
    }
    switch (opcode) {
    case 0x80 ... 0x83: return insn->reg != 7;
    case 0x86 ... 0x87: return true;
    case 0xf6 ... 0xf7: return insn->reg == 2 || insn->reg == 3;
    case 0xfe ... 0xff: return insn->reg < 2;
    default: return opcode < 0x38 && (opcode & 7u) < 2;
    }
}

/* Decodes where WINDOW bytes may be read, `available` of which count. */
static inline unsigned decode_window(const uint8_t *bytes, unsigned available, bool code32,
                                     struct x86_instruction *insn)
{
    unsigned length;

    *insn = (struct x86_instruction){.segment = X86_DS,
                                     .segment_override = X86_SREGS,
                                     .base = X86_NO_REGISTER,
                                     .index = X86_NO_REGISTER};
    length = decode(bytes, code32, insn);
    if (length > available && available < X86_INSN_MAX) {
        return 0;
    }
    if (length > X86_INSN_MAX) {
        insn->kind = X86_KIND_INVALID;
        insn->flags |= X86_INSN_TOO_LONG;
        length = X86_INSN_MAX;
    }
    if ((insn->flags & X86_INSN_LOCK) && !lockable(insn)) {
        insn->kind = X86_KIND_INVALID;
    }
    insn->length = (uint8_t)length;
    return length;
}

unsigned x86_decode(const uint8_t *bytes, unsigned available, bool code32,
                    struct x86_instruction *insn)
{
    uint8_t window[WINDOW] = {0};

    if (available >= WINDOW) {
        return decode_window(bytes, available, code32, insn);
    }
    memcpy(window, bytes, available);
    return decode_window(window, available, code32, insn);
}

/* Counts where WINDOW bytes may be read at each of `size` bytes. */
static unsigned count_padded(const uint8_t *bytes, unsigned size, bool code32)
{
    unsigned count = 0;

    while (size > 0) {
        struct x86_instruction insn;
        unsigned length = decode_window(bytes, size, code32, &insn);

        count++;
        if (length == 0 || length > size) {
            break;
        }
        bytes += length;
        size -= length;
    }
    return count;
}

unsigned x86_count(const uint8_t *bytes, unsigned size, bool code32)
{
    uint8_t tail[2 * WINDOW] = {0}; /* the last bytes, padded once for all of them */
    unsigned count = 0;

    while (size >= WINDOW) {
        struct x86_instruction insn;
        unsigned length = decode_window(bytes, size, code32, &insn);

        count++;
        bytes += length;
        size -= length;
    }
    memcpy(tail, bytes, size);
    return count + count_padded(tail, size, code32);
}

uint32_t x86_effective_offset(const struct cpu_state *cpu, const struct x86_instruction *insn)
{
    uint32_t offset = insn->displacement;

    if (insn->base != X86_NO_REGISTER) {
        offset += cpu->gpr[insn->base];
    }
    if (insn->index != X86_NO_REGISTER) {
        offset += cpu->gpr[insn->index] << insn->scale;
    }
    return insn->address_size == 4 ? offset : offset & 0xffffu;
}

uint32_t x86_effective_address(const struct cpu_state *cpu, const struct x86_instruction *insn)
{
    return cpu->seg[insn->segment].base + x86_effective_offset(cpu, insn);
}
