/* The decoder's tables: what follows each opcode, and the kind of instruction that it is. For
 * decode.c only. */
#ifndef VMM_ARCH_X86_DECODE_TABLES_H
#define VMM_ARCH_X86_DECODE_TABLES_H

#include <stdint.h>

#include "decode.h"

/* What an opcode is followed by, and what the decoder has to do about it. */
enum x86_form {
    FORM_MODRM = 1u << 0,
    FORM_REGISTER = 1u << 1, /* the ModR/M byte names registers whatever mod says: MOV CR, DR */
    FORM_IMM8 = 1u << 2,
    FORM_IMM16 = 1u << 3,
    FORM_IMMZ = 1u << 4,   /* 16 or 32 bits by operand size */
    FORM_FAR = 1u << 5,    /* offset by operand size, then a selector */
    FORM_OFFSET = 1u << 6, /* a direct offset by address size */
    FORM_SIGNED = 1u << 7, /* the 8-bit immediate is sign-extended */
    FORM_PREFIX = 1u << 8,
    FORM_SPECIAL = 1u << 9, /* kind or immediate depend on more than the opcode */
    FORM_STRING = 1u << 10,
    FORM_PORT = 1u << 11,
    FORM_BRANCH = 1u << 12,
    FORM_IMMEDIATE = FORM_IMM8 | FORM_IMM16 | FORM_IMMZ | FORM_FAR | FORM_OFFSET,
};

struct x86_opcode {
    uint16_t form; /* enum x86_form */
    uint8_t kind;  /* enum x86_kind */
};

extern const struct x86_opcode x86_one_byte[256], x86_two_byte[256];

/* Settles kind, segment register and form of an instruction whose entry says FORM_SPECIAL: groups
 * that the reg field selects in, encodings that need memory, encodings that a prefix changes.
 * Returns the form. */
unsigned x86_decode_special(struct x86_instruction *insn, unsigned form);

#endif
