/* Decimal arithmetic (SDM volume 2, DAA, DAS, AAA, AAS, AAM, AAD): AL, or AH and AL, made into
 * packed or unpacked decimal digits after a binary operation on them. */
#include "flags.h"

static uint8_t get_al(const struct cpu_state *cpu)
{
    return (uint8_t)cpu->gpr[X86_EAX];
}

static bool low_digit_overflows(const struct cpu_state *cpu)
{
    return (cpu->gpr[X86_EAX] & 15u) > 9 || (cpu->eflags & X86_AF);
}

enum x86_status execute_daa(struct execution *x, const struct x86_instruction *insn)
{
    struct cpu_state *cpu = x->cpu;
    uint8_t old = get_al(cpu), al = old;
    uint32_t flags = 0;

    (void)insn;
    if (low_digit_overflows(cpu)) {
        al = (uint8_t)(al + 6);
        flags |= X86_AF;
    }
    if (old > 0x99 || (cpu->eflags & X86_CF)) {
        al = (uint8_t)(al + 0x60);
        flags |= X86_CF;
    }
    set_register(cpu, X86_EAX, 1, al);
    set_flags(cpu, flags | flags_zsp(al, 1));
    return X86_OK;
}

enum x86_status execute_das(struct execution *x, const struct x86_instruction *insn)
{
    struct cpu_state *cpu = x->cpu;
    uint8_t old = get_al(cpu), al = old;
    uint32_t carry = cpu->eflags & X86_CF, flags = 0;

    (void)insn;
    if (low_digit_overflows(cpu)) {
        flags |= X86_AF | (al < 6 ? (uint32_t)X86_CF : carry);
        al = (uint8_t)(al - 6);
    }
    if (old > 0x99 || carry) {
        al = (uint8_t)(al - 0x60);
        flags |= X86_CF;
    }
    set_register(cpu, X86_EAX, 1, al);
    set_flags(cpu, flags | flags_zsp(al, 1));
    return X86_OK;
}

/* AAA and AAS: AL keeps its low digit; AH counts the carry, of AL's binary adjustment too. */
static void adjust_unpacked(struct cpu_state *cpu, unsigned change)
{
    uint16_t ax = (uint16_t)cpu->gpr[X86_EAX];
    uint32_t flags = 0;

    if (low_digit_overflows(cpu)) {
        ax = (uint16_t)(ax + change);
        flags = X86_AF | X86_CF;
    }
    set_register(cpu, X86_EAX, 2, ax & 0xff0fu);
    set_some_flags(cpu, X86_AF | X86_CF, flags);
}

enum x86_status execute_aaa(struct execution *x, const struct x86_instruction *insn)
{
    (void)insn;
    adjust_unpacked(x->cpu, 0x106u);
    return X86_OK;
}

enum x86_status execute_aas(struct execution *x, const struct x86_instruction *insn)
{
    (void)insn;
    adjust_unpacked(x->cpu, 0u - 0x106u);
    return X86_OK;
}

/* AAM and AAD have the base as an immediate, 10 by name. */
enum x86_status execute_aam(struct execution *x, const struct x86_instruction *insn)
{
    uint8_t al = get_al(x->cpu), base = (uint8_t)insn->immediate;

    if (base == 0) {
        return x86_raise_plain(&x->fault, X86_DE);
    }
    set_register(x->cpu, X86_EAX, 2, (uint32_t)(al / base) << 8 | al % base);
    set_flags(x->cpu, flags_logic(al % base, 1));
    return X86_OK;
}

enum x86_status execute_aad(struct execution *x, const struct x86_instruction *insn)
{
    uint32_t ah = get_register(x->cpu, 4, 1);
    uint8_t al = (uint8_t)(get_al(x->cpu) + ah * insn->immediate);

    set_register(x->cpu, X86_EAX, 2, al);
    set_flags(x->cpu, flags_logic(al, 1));
    return X86_OK;
}
