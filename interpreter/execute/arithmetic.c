/* Integer arithmetic (SDM volume 2): the eight operations of the first opcode rows, INC, DEC, NEG,
 * NOT, multiplication and division, and the compound ones that synchronize processors (XADD,
 * CMPXCHG, CMPXCHG8B). There is one processor, so LOCK changes nothing about them. */
#include "flags.h"

/* ---- ADD, OR, ADC, SBB, AND, SUB, XOR, CMP: bits 3 to 5 of the opcode, or the reg field ---- */

enum { ALU_CMP = 7 };

/* The result; `flags` is EFLAGS before, and becomes the arithmetic flags. */
typedef uint32_t alu_operation(uint32_t a, uint32_t b, unsigned size, uint32_t *flags);

static uint32_t add(uint32_t a, uint32_t b, unsigned size, uint32_t *flags)
{
    uint32_t result = (a + b) & width_mask(size);

    *flags = flags_add(a, b, result, size);
    return result;
}

static uint32_t add_with_carry(uint32_t a, uint32_t b, unsigned size, uint32_t *flags)
{
    uint32_t result = (a + b + (*flags & X86_CF)) & width_mask(size);

    *flags = flags_add(a, b, result, size);
    return result;
}

static uint32_t subtract(uint32_t a, uint32_t b, unsigned size, uint32_t *flags)
{
    uint32_t result = (a - b) & width_mask(size);

    *flags = flags_subtract(a, b, result, size);
    return result;
}

static uint32_t subtract_with_borrow(uint32_t a, uint32_t b, unsigned size, uint32_t *flags)
{
    uint32_t result = (a - b - (*flags & X86_CF)) & width_mask(size);

    *flags = flags_subtract(a, b, result, size);
    return result;
}

static uint32_t and (uint32_t a, uint32_t b, unsigned size, uint32_t *flags)
{
    *flags = flags_logic(a & b, size);
    return a & b;
}

static uint32_t or (uint32_t a, uint32_t b, unsigned size, uint32_t *flags)
{
    *flags = flags_logic(a | b, size);
    return a | b;
}

static uint32_t exclusive_or(uint32_t a, uint32_t b, unsigned size, uint32_t *flags)
{
    *flags = flags_logic(a ^ b, size);
    return a ^ b;
}

static alu_operation *const operations[8] = {
    add, or, add_with_carry, subtract_with_borrow, and, subtract, exclusive_or, subtract,
};

/* The operand becomes the operation's result with `b`. */
static enum x86_status alu_operand(struct execution *x, const struct x86_instruction *insn,
                                   unsigned operation, unsigned size, uint32_t b)
{
    uint32_t flags = x->cpu->eflags, a, result;
    enum x86_status status = execute_read(x, insn, size, &a);

    if (status != X86_OK) {
        return status;
    }
    result = operations[operation](a, b & width_mask(size), size, &flags);
    if (operation != ALU_CMP) {
        status = execute_write(x, insn, size, result);
    }
    if (status == X86_OK) {
        set_flags(x->cpu, flags);
    }
    return status;
}

static void alu_register(struct cpu_state *cpu, unsigned number, unsigned operation, unsigned size,
                         uint32_t b)
{
    uint32_t flags = cpu->eflags;
    uint32_t result =
        operations[operation](get_register(cpu, number, size), b & width_mask(size), size, &flags);

    if (operation != ALU_CMP) {
        set_register(cpu, number, size, result);
    }
    set_flags(cpu, flags);
}

enum x86_status execute_alu_rm_reg(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = operand_width(insn);

    return alu_operand(x, insn, insn->opcode >> 3, size, get_register(x->cpu, insn->reg, size));
}

enum x86_status execute_alu_reg_rm(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = operand_width(insn);
    uint32_t b;
    enum x86_status status = execute_read(x, insn, size, &b);

    if (status == X86_OK) {
        alu_register(x->cpu, insn->reg, insn->opcode >> 3, size, b);
    }
    return status;
}

enum x86_status execute_alu_accumulator(struct execution *x, const struct x86_instruction *insn)
{
    alu_register(x->cpu, X86_EAX, insn->opcode >> 3, operand_width(insn), insn->immediate);
    return X86_OK;
}

enum x86_status execute_group1(struct execution *x, const struct x86_instruction *insn)
{
    return alu_operand(x, insn, insn->reg, operand_width(insn), insn->immediate);
}

/* ---- TEST, INC, DEC, NOT, NEG ---- */

enum x86_status execute_test_rm_reg(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = operand_width(insn);
    uint32_t a;
    enum x86_status status = execute_read(x, insn, size, &a);

    if (status == X86_OK) {
        set_flags(x->cpu, flags_logic(a & get_register(x->cpu, insn->reg, size), size));
    }
    return status;
}

enum x86_status execute_test_accumulator(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = operand_width(insn);

    set_flags(x->cpu, flags_logic(get_register(x->cpu, X86_EAX, size) & insn->immediate, size));
    return X86_OK;
}

/* INC and DEC leave CF alone. */
#define INC_FLAGS ((uint32_t)(X86_ARITHMETIC & ~X86_CF))

static uint32_t increment(uint32_t a, unsigned size, bool down, uint32_t *flags)
{
    return (down ? subtract : add)(a, 1, size, flags);
}

static void increment_register(struct cpu_state *cpu, const struct x86_instruction *insn, bool down)
{
    unsigned number = insn->opcode & 7u, size = insn->operand_size;
    uint32_t flags;
    uint32_t result = increment(get_register(cpu, number, size), size, down, &flags);

    set_register(cpu, number, size, result);
    set_some_flags(cpu, INC_FLAGS, flags);
}

enum x86_status execute_inc_register(struct execution *x, const struct x86_instruction *insn)
{
    increment_register(x->cpu, insn, false);
    return X86_OK;
}

enum x86_status execute_dec_register(struct execution *x, const struct x86_instruction *insn)
{
    increment_register(x->cpu, insn, true);
    return X86_OK;
}

/* ---- multiplication: CF and OF say whether the upper half is needed ---- */

/* EDX:EAX, DX:AX or AX becomes `low` and `high`. */
static void set_product(struct cpu_state *cpu, unsigned size, uint64_t product)
{
    if (size == 1) {
        set_register(cpu, X86_EAX, 2, (uint32_t)product);
    } else {
        set_register(cpu, X86_EAX, size, (uint32_t)product);
        set_register(cpu, X86_EDX, size, (uint32_t)(product >> size * 8));
    }
}

/* SF, ZF and PF are undefined (those of the lower half), AF too (0). */
static void set_product_flags(struct cpu_state *cpu, uint32_t low, unsigned size, bool overflow)
{
    set_flags(cpu, flags_zsp(low, size) | (overflow ? X86_CF | X86_OF : 0));
}

static int64_t signed_value(uint32_t value, unsigned size)
{
    return (int32_t)sign_extend(value, size);
}

static void multiply(struct cpu_state *cpu, unsigned size, uint32_t b)
{
    uint64_t product = (uint64_t)get_register(cpu, X86_EAX, size) * b;

    set_product(cpu, size, product);
    set_product_flags(cpu, (uint32_t)product, size, product >> size * 8);
}

static bool fits(int64_t product, unsigned size)
{
    return product == signed_value((uint32_t)product, size);
}

static void multiply_signed(struct cpu_state *cpu, unsigned size, uint32_t b)
{
    int64_t product = signed_value(get_register(cpu, X86_EAX, size), size) * signed_value(b, size);

    set_product(cpu, size, (uint64_t)product);
    set_product_flags(cpu, (uint32_t)product, size, !fits(product, size));
}

/* IMUL with two or three operands. */
static void multiply_register(struct cpu_state *cpu, const struct x86_instruction *insn, uint32_t a,
                              uint32_t b)
{
    unsigned size = insn->operand_size;
    int64_t product = signed_value(a, size) * signed_value(b, size);

    set_register(cpu, insn->reg, size, (uint32_t)product);
    set_product_flags(cpu, (uint32_t)product, size, !fits(product, size));
}

enum x86_status execute_imul_reg_rm(struct execution *x, const struct x86_instruction *insn)
{
    uint32_t b;
    enum x86_status status = execute_read(x, insn, insn->operand_size, &b);

    if (status == X86_OK) {
        multiply_register(x->cpu, insn, x->cpu->gpr[insn->reg], b);
    }
    return status;
}

enum x86_status execute_imul_immediate(struct execution *x, const struct x86_instruction *insn)
{
    uint32_t a;
    enum x86_status status = execute_read(x, insn, insn->operand_size, &a);

    if (status == X86_OK) {
        multiply_register(x->cpu, insn, a, insn->immediate);
    }
    return status;
}

/* ---- division: #DE if the divisor is 0 or the quotient does not fit; flags stay (undefined) ----
 */

static uint64_t dividend(const struct cpu_state *cpu, unsigned size)
{
    if (size == 1) {
        return get_register(cpu, X86_EAX, 2);
    }
    return (uint64_t)get_register(cpu, X86_EDX, size) << size * 8 |
           get_register(cpu, X86_EAX, size);
}

static void set_quotient(struct cpu_state *cpu, unsigned size, uint32_t quotient,
                         uint32_t remainder)
{
    set_register(cpu, X86_EAX, size, quotient);
    /* In bytes the remainder goes to AH. */
    set_register(cpu, size == 1 ? 4 : X86_EDX, size, remainder);
}

static enum x86_status divide(struct execution *x, unsigned size, uint32_t divisor)
{
    uint64_t n = dividend(x->cpu, size);

    if (divisor == 0 || n / divisor > width_mask(size)) {
        return x86_raise_plain(&x->fault, X86_DE);
    }
    set_quotient(x->cpu, size, (uint32_t)(n / divisor), (uint32_t)(n % divisor));
    return X86_OK;
}

static enum x86_status divide_signed(struct execution *x, unsigned size, uint32_t divisor)
{
    unsigned unused = 64 - size * 16;
    int64_t n = (int64_t)(dividend(x->cpu, size) << unused) >> unused;
    int64_t d = signed_value(divisor, size);

    /* The host's own division traps on the most negative number by -1. */
    if (d == 0 || (d == -1 && n == INT64_MIN) || !fits(n / d, size)) {
        return x86_raise_plain(&x->fault, X86_DE);
    }
    set_quotient(x->cpu, size, (uint32_t)(n / d), (uint32_t)(n % d));
    return X86_OK;
}

/* ---- groups 3, 4 and 5 ---- */

static enum x86_status negate(struct execution *x, const struct x86_instruction *insn,
                              unsigned size, uint32_t a)
{
    uint32_t flags;
    uint32_t result = subtract(0, a, size, &flags);
    enum x86_status status = execute_write(x, insn, size, result);

    if (status == X86_OK) {
        set_flags(x->cpu, flags);
    }
    return status;
}

/* F6, F7: TEST, none, NOT, NEG, MUL, IMUL, DIV, IDIV. */
enum x86_status execute_group3(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = operand_width(insn);
    uint32_t a;
    enum x86_status status = execute_read(x, insn, size, &a);

    if (status != X86_OK) {
        return status;
    }
    switch (insn->reg) {
    case 0: set_flags(x->cpu, flags_logic(a & insn->immediate, size)); return X86_OK;
    case 1: return x86_raise_plain(&x->fault, X86_UD);
    case 2: return execute_write(x, insn, size, ~a);
    case 3: return negate(x, insn, size, a);
    case 4: multiply(x->cpu, size, a); return X86_OK;
    case 5: multiply_signed(x->cpu, size, a); return X86_OK;
    case 6: return divide(x, size, a);
    default: return divide_signed(x, size, a);
    }
}

/* FE, FF: INC, DEC, and for FF near CALL, JMP and PUSH; the far ones are routines. */
enum x86_status execute_group45(struct execution *x, const struct x86_instruction *insn)
{
    static execute *const transfers[8] = {
        [2] = execute_call_indirect, [4] = execute_jmp_indirect, [6] = execute_push_rm};
    unsigned size = operand_width(insn);
    uint32_t a, result, flags;
    enum x86_status status;

    if (insn->reg > 1) {
        return transfers[insn->reg] ? transfers[insn->reg](x, insn)
                                    : x86_raise_plain(&x->fault, X86_UD);
    }
    status = execute_read(x, insn, size, &a);
    if (status != X86_OK) {
        return status;
    }
    result = increment(a, size, insn->reg == 1, &flags);
    status = execute_write(x, insn, size, result);
    if (status == X86_OK) {
        set_some_flags(x->cpu, INC_FLAGS, flags);
    }
    return status;
}

/* ---- exchange and add, compare and exchange ---- */

enum x86_status execute_xadd(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = operand_width(insn);
    uint32_t a, flags, sum;
    enum x86_status status = execute_read(x, insn, size, &a);

    if (status != X86_OK) {
        return status;
    }
    sum = add(a, get_register(x->cpu, insn->reg, size), size, &flags);
    if (insn->flags & X86_INSN_MEMORY) {
        status = execute_write(x, insn, size, sum);
        if (status != X86_OK) {
            return status;
        }
        set_register(x->cpu, insn->reg, size, a);
    } else { /* of one and the same register: the sum stays */
        set_register(x->cpu, insn->reg, size, a);
        set_register(x->cpu, insn->rm, size, sum);
    }
    set_flags(x->cpu, flags);
    return X86_OK;
}

/* The operand is written in either case: "to simplify the interface to the processor's bus". */
enum x86_status execute_cmpxchg(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = operand_width(insn);
    uint32_t a = get_register(x->cpu, X86_EAX, size), old, flags;
    enum x86_status status = execute_read(x, insn, size, &old);

    if (status != X86_OK) {
        return status;
    }
    subtract(a, old, size, &flags);
    if (flags & X86_ZF) {
        status = execute_write(x, insn, size, get_register(x->cpu, insn->reg, size));
    } else {
        status = execute_write(x, insn, size, old);
        if (status == X86_OK) {
            set_register(x->cpu, X86_EAX, size, old);
        }
    }
    if (status == X86_OK) {
        set_flags(x->cpu, flags);
    }
    return status;
}

enum x86_status execute_cmpxchg8b(struct execution *x, const struct x86_instruction *insn)
{
    struct cpu_state *cpu = x->cpu;
    uint32_t offset = x86_effective_offset(cpu, insn), low, high;
    enum x86_status status;
    bool equal;

    status = execute_load(x, insn->segment, offset, 4, &low);
    if (status == X86_OK) {
        status = execute_load(x, insn->segment, offset + 4, 4, &high);
    }
    if (status == X86_OK) {
        status = execute_probe_store(x, insn->segment, offset, 8);
    }
    if (status != X86_OK) {
        return status;
    }
    equal = low == cpu->gpr[X86_EAX] && high == cpu->gpr[X86_EDX];
    status = execute_store(x, insn->segment, offset, 4, equal ? cpu->gpr[X86_EBX] : low);
    if (status == X86_OK) {
        status = execute_store(x, insn->segment, offset + 4, 4, equal ? cpu->gpr[X86_ECX] : high);
    }
    if (status != X86_OK) {
        return status;
    }
    if (!equal) {
        cpu->gpr[X86_EAX] = low;
        cpu->gpr[X86_EDX] = high;
    }
    set_some_flags(cpu, X86_ZF, equal ? X86_ZF : 0);
    return X86_OK;
}
