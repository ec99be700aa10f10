/* The arithmetic flags of EFLAGS (SDM volume 1, section 3.4.3.1), evaluated at once. Where the
 * manual leaves a flag undefined these are the values that the engine's processor gives, so that
 * interpretation and direct execution cannot be told apart; most hardware does the same.
 *
 * Operands and result are zero-extended from `size` bytes. In `carries` bit n is the carry out of
 * bit n (for a subtraction the borrow); from it follow CF (out of the top bit), OF (into the top
 * bit differs from out of it) and AF (out of bit 3). */
#ifndef VMM_INTERPRETER_FLAGS_H
#define VMM_INTERPRETER_FLAGS_H

#include "execute.h"

static inline uint32_t flags_zsp(uint32_t result, unsigned size)
{
    uint32_t low = result ^ result >> 4;

    low ^= low >> 2;
    low ^= low >> 1;
    return ((result & width_mask(size)) ? 0 : X86_ZF) | ((result & width_sign(size)) ? X86_SF : 0) |
           (~low & 1u) << 2;
}

static inline uint32_t flags_carries(uint32_t carries, uint32_t result, unsigned size)
{
    unsigned top = size * 8 - 1;
    uint32_t out = carries >> top & 1u, in = carries >> (top - 1) & 1u;

    return out | (carries & 8u) << 1 | (out ^ in) << 11 | flags_zsp(result, size);
}

static inline uint32_t flags_add(uint32_t a, uint32_t b, uint32_t result, unsigned size)
{
    return flags_carries((a & b) | ((a | b) & ~result), result, size);
}

static inline uint32_t flags_subtract(uint32_t a, uint32_t b, uint32_t result, unsigned size)
{
    return flags_carries((~a & b) | (~(a ^ b) & result), result, size);
}

/* AND, OR, XOR, TEST: CF and OF are cleared; AF is undefined (0). */
static inline uint32_t flags_logic(uint32_t result, unsigned size)
{
    return flags_zsp(result, size);
}

static inline void set_flags(struct cpu_state *cpu, uint32_t flags)
{
    cpu->eflags = (cpu->eflags & ~(uint32_t)X86_ARITHMETIC) | flags;
}

/* Changes only the flags of `mask`. */
static inline void set_some_flags(struct cpu_state *cpu, uint32_t mask, uint32_t flags)
{
    cpu->eflags = (cpu->eflags & ~mask) | (flags & mask);
}

#endif
