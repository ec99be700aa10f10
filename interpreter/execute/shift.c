/* Shifts and rotates (SDM volume 2, SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD). The count is
 * taken modulo 32 in all widths; a count of 0 changes nothing, flags included. OF is defined for a
 * count of 1 only: for others it is computed in the same way, from the last step. */
#include "flags.h"

/* What one of the eight does: the result; the flags that it changes are set in `*flags`, a copy of
 * EFLAGS. `count` is 1 to 31. */
typedef uint32_t shift_operation(uint32_t a, unsigned count, unsigned size, uint32_t *flags);

static void replace(uint32_t *flags, uint32_t mask, uint32_t value)
{
    *flags = (*flags & ~mask) | value;
}

/* OF if the top bits of the two differ. */
static uint32_t overflow(uint32_t a, uint32_t b, unsigned size)
{
    return ((a ^ b) & width_sign(size)) ? X86_OF : 0;
}

/* The flags of a shift: `last` is the operand before the last step, `out` the bit that leaves. */
static void shift_flags(uint32_t result, uint32_t last, uint32_t out, unsigned size,
                        uint32_t *flags)
{
    replace(flags, X86_ARITHMETIC,
            flags_zsp(result, size) | (out ? X86_CF : 0) | overflow(result, last, size));
}

static uint32_t shift_left(uint32_t a, unsigned count, unsigned size, uint32_t *flags)
{
    uint32_t last = a << (count - 1);
    uint32_t result = last << 1 & width_mask(size);

    shift_flags(result, last, last & width_sign(size), size, flags);
    return result;
}

static uint32_t shift_right(uint32_t a, unsigned count, unsigned size, uint32_t *flags)
{
    uint32_t last = a >> (count - 1);
    uint32_t result = last >> 1;

    shift_flags(result, last, last & 1u, size, flags);
    return result;
}

static uint32_t shift_right_signed(uint32_t a, unsigned count, unsigned size, uint32_t *flags)
{
    int32_t last = (int32_t)sign_extend(a, size) >> (count - 1);
    uint32_t result = (uint32_t)(last >> 1) & width_mask(size);

    shift_flags(result, (uint32_t)last, (uint32_t)last & 1u, size, flags);
    return result;
}

static uint32_t rotate_left(uint32_t a, unsigned count, unsigned size, uint32_t *flags)
{
    unsigned bits = size * 8, by = count % bits;
    uint32_t result = by ? (a << by | a >> (bits - by)) & width_mask(size) : a;
    uint32_t out = result & 1u;

    replace(flags, X86_CF | X86_OF, out | overflow(result, out << (bits - 1), size));
    return result;
}

static uint32_t rotate_right(uint32_t a, unsigned count, unsigned size, uint32_t *flags)
{
    unsigned bits = size * 8, by = count % bits;
    uint32_t result = by ? (a >> by | a << (bits - by)) & width_mask(size) : a;

    replace(flags, X86_CF | X86_OF,
            (result >> (bits - 1) & 1u) | overflow(result, result << 1, size));
    return result;
}

/* Through CF the operand has one bit more: the count is taken modulo 9 or 17. */
static uint32_t rotate_carry_left(uint32_t a, unsigned count, unsigned size, uint32_t *flags)
{
    unsigned bits = size * 8, by = count % (bits + 1);
    uint64_t wide = (uint64_t)(*flags & X86_CF) << bits | a;
    uint32_t result;

    if (by == 0) {
        return a;
    }
    wide = wide << by | wide >> (bits + 1 - by);
    result = (uint32_t)wide & width_mask(size);
    replace(flags, X86_CF | X86_OF, (wide >> bits & 1u) | overflow(result, a, size));
    return result;
}

static uint32_t rotate_carry_right(uint32_t a, unsigned count, unsigned size, uint32_t *flags)
{
    unsigned bits = size * 8, by = count % (bits + 1);
    uint64_t wide = (uint64_t)(*flags & X86_CF) << bits | a;
    uint32_t result;

    if (by == 0) {
        return a;
    }
    wide = wide >> by | wide << (bits + 1 - by);
    result = (uint32_t)wide & width_mask(size);
    replace(flags, X86_CF | X86_OF, (wide >> bits & 1u) | overflow(result, a, size));
    return result;
}

/* By the reg field; 6 is SAL, another name for SHL. */
static shift_operation *const operations[8] = {
    rotate_left, rotate_right, rotate_carry_left, rotate_carry_right,
    shift_left,  shift_right,  shift_left,        shift_right_signed,
};

/* The count: an immediate (C0, C1), 1 (D0, D1) or CL (D2, D3). */
static unsigned shift_count(const struct cpu_state *cpu, const struct x86_instruction *insn)
{
    if (insn->opcode < 0xd0) {
        return insn->immediate & 31u;
    }
    return (insn->opcode & 2u) ? cpu->gpr[X86_ECX] & 31u : 1;
}

/* A count of 0 writes the operand back as it is. */
enum x86_status execute_group2(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = operand_width(insn), count = shift_count(x->cpu, insn);
    uint32_t flags = x->cpu->eflags, a;
    enum x86_status status = execute_read(x, insn, size, &a);

    if (status != X86_OK) {
        return status;
    }
    if (count) {
        a = operations[insn->reg](a, count, size, &flags);
    }
    status = execute_write(x, insn, size, a);
    if (status == X86_OK) {
        x->cpu->eflags = flags;
    }
    return status;
}

/* SHLD and SHRD shift a pair, of which one half is the operand and the other a register. A 16-bit
 * one by more than 16 is undefined: the operand follows upon the register as a third word. */
enum x86_status execute_shift_double(struct execution *x, const struct x86_instruction *insn)
{
    bool right = insn->opcode & 8u, by_register = insn->opcode & 1u;
    unsigned size = insn->operand_size;
    unsigned count = (by_register ? x->cpu->gpr[X86_ECX] : insn->immediate) & 31u;
    uint64_t other = get_register(x->cpu, insn->reg, size), wide;
    uint32_t a, last, flags = x->cpu->eflags;
    enum x86_status status = execute_read(x, insn, size, &a);

    if (status != X86_OK) {
        return status;
    }
    if (count && right) {
        wide = size == 4 ? other << 32 | a : (uint64_t)a << 32 | other << 16 | a;
        last = (uint32_t)(wide >> (count - 1));
        a = (uint32_t)(wide >> count) & width_mask(size);
        shift_flags(a, last, last & 1u, size, &flags);
    } else if (count) {
        wide = size == 4 ? (uint64_t)a << 32 | other : (uint64_t)a << 32 | other << 16 | a;
        last = (uint32_t)(wide << (count - 1) >> 32);
        a = (uint32_t)(wide << count >> 32) & width_mask(size);
        shift_flags(a, last, last & width_sign(size), size, &flags);
    }
    status = execute_write(x, insn, size, a);
    if (status == X86_OK) {
        x->cpu->eflags = flags;
    }
    return status;
}
