/* Single bits (SDM volume 2, BT, BTS, BTR, BTC, BSF, BSR, BSWAP). A bit number in a register may
 * lie far beyond a memory operand: it is a signed offset into a bit string. */
#include "flags.h"

enum bit_operation { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

static uint32_t change_bit(uint32_t value, unsigned bit, enum bit_operation operation)
{
    switch (operation) {
    case BIT_SET: return value | 1u << bit;
    case BIT_RESET: return value & ~(1u << bit);
    case BIT_COMPLEMENT: return value ^ 1u << bit;
    default: return value;
    }
}

/* CF becomes the bit; the other flags are undefined and stay. */
static void set_carry(struct cpu_state *cpu, uint32_t value, unsigned bit)
{
    set_some_flags(cpu, X86_CF, value >> bit & 1u);
}

/* Reads, changes and writes `size` bytes of the memory operand, moved by `displacement`. */
static enum x86_status bit_in_memory(struct execution *x, const struct x86_instruction *insn,
                                     uint32_t displacement, unsigned bit,
                                     enum bit_operation operation)
{
    uint32_t offset = x86_effective_offset(x->cpu, insn) + displacement, value;
    enum x86_status status;

    if (insn->address_size == 2) {
        offset &= 0xffffu;
    }
    status = execute_load(x, insn->segment, offset, insn->operand_size, &value);
    if (status == X86_OK && operation != BIT_TEST) {
        status = execute_store(x, insn->segment, offset, insn->operand_size,
                               change_bit(value, bit, operation));
    }
    if (status == X86_OK) {
        set_carry(x->cpu, value, bit);
    }
    return status;
}

static void bit_in_register(struct cpu_state *cpu, const struct x86_instruction *insn, unsigned bit,
                            enum bit_operation operation)
{
    uint32_t value = cpu->gpr[insn->rm];

    set_register(cpu, insn->rm, insn->operand_size, change_bit(value, bit, operation));
    set_carry(cpu, value, bit);
}

/* A3, AB, B3, BB: the operation in bits 3 and 4 of the opcode. */
enum x86_status execute_bit_register(struct execution *x, const struct x86_instruction *insn)
{
    enum bit_operation operation = insn->opcode >> 3 & 3u;
    unsigned size = insn->operand_size, bits = size * 8;
    int32_t number = (int32_t)sign_extend(x->cpu->gpr[insn->reg], size);
    unsigned bit = (uint32_t)number % bits;

    if (insn->flags & X86_INSN_MEMORY) {
        int32_t unit = (number - (int32_t)bit) / (int32_t)bits;
        return bit_in_memory(x, insn, (uint32_t)unit * size, bit, operation);
    }
    bit_in_register(x->cpu, insn, bit, operation);
    return X86_OK;
}

/* BA: the operation in the reg field (4 to 7), the bit in an immediate, within the operand. */
enum x86_status execute_bit_immediate(struct execution *x, const struct x86_instruction *insn)
{
    enum bit_operation operation = insn->reg & 3u;
    unsigned bit = insn->immediate % (insn->operand_size * 8u);

    if (insn->flags & X86_INSN_MEMORY) {
        return bit_in_memory(x, insn, 0, bit, operation);
    }
    bit_in_register(x->cpu, insn, bit, operation);
    return X86_OK;
}

/* BSF and BSR: of 0 the destination is undefined (and stays); flags but ZF are, too (those of the
 * operand). */
enum x86_status execute_bit_scan(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = insn->operand_size;
    uint32_t value;
    enum x86_status status = execute_read(x, insn, size, &value);

    if (status != X86_OK) {
        return status;
    }
    if (value) {
        bool reverse = insn->opcode & 1u;
        set_register(x->cpu, insn->reg, size,
                     (uint32_t)(reverse ? 31 - __builtin_clz(value) : __builtin_ctz(value)));
    }
    set_flags(x->cpu, flags_logic(value, size));
    return X86_OK;
}

/* With a 16-bit operand size undefined: the low word becomes 0. */
enum x86_status execute_bswap(struct execution *x, const struct x86_instruction *insn)
{
    unsigned number = insn->opcode & 7u;
    uint32_t value = x->cpu->gpr[number];

    set_register(x->cpu, number, insn->operand_size,
                 insn->operand_size == 4 ? __builtin_bswap32(value) : 0);
    return X86_OK;
}
