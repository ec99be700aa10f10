/* Near transfers (SDM volume 2, JMP, Jcc, LOOP, JCXZ, CALL, RET) and BOUND. A 16-bit operand size
 * takes 16 bits of the target. Far ones are among the routines. */
#include "execute.h"

enum x86_status execute_jump_to(struct execution *x, const struct x86_instruction *insn,
                                uint32_t eip)
{
    eip &= width_mask(insn->operand_size);
    if (eip > x->cpu->seg[X86_CS].limit) {
        return x86_raise(&x->fault, X86_GP, 0);
    }
    x->next = eip;
    return X86_OK;
}

/* x->next is behind the instruction, which displacements count from. */
enum x86_status execute_jmp(struct execution *x, const struct x86_instruction *insn)
{
    return execute_jump_to(x, insn, x->next + insn->immediate);
}

enum x86_status execute_jcc(struct execution *x, const struct x86_instruction *insn)
{
    return execute_condition(x->cpu->eflags, insn->opcode & 15u)
               ? execute_jump_to(x, insn, x->next + insn->immediate)
               : X86_OK;
}

/* E0 LOOPNE, E1 LOOPE, E2 LOOP, E3 JCXZ: the count is CX or ECX by address size. */
enum x86_status execute_loop(struct execution *x, const struct x86_instruction *insn)
{
    uint32_t eflags = x->cpu->eflags, count = x->cpu->gpr[X86_ECX];
    enum x86_status status = X86_OK;
    bool taken;

    count = (insn->opcode == 0xe3 ? count : count - 1) & width_mask(insn->address_size);
    switch (insn->opcode) {
    case 0xe0: taken = count && !(eflags & X86_ZF); break;
    case 0xe1: taken = count && (eflags & X86_ZF); break;
    case 0xe2: taken = count; break;
    default: taken = !count; break;
    }
    if (taken) {
        status = execute_jump_to(x, insn, x->next + insn->immediate);
    }
    if (status == X86_OK && insn->opcode != 0xe3) {
        set_register(x->cpu, X86_ECX, insn->address_size, count);
    }
    return status;
}

static enum x86_status call(struct execution *x, const struct x86_instruction *insn, uint32_t eip)
{
    uint32_t back = x->next;
    enum x86_status status = execute_jump_to(x, insn, eip);

    if (status == X86_OK) {
        status = execute_push(x, insn->operand_size, back);
    }
    if (status == X86_OK) {
        execute_move_stack(x->cpu, 0u - insn->operand_size);
    }
    return status;
}

enum x86_status execute_call(struct execution *x, const struct x86_instruction *insn)
{
    return call(x, insn, x->next + insn->immediate);
}

enum x86_status execute_call_indirect(struct execution *x, const struct x86_instruction *insn)
{
    uint32_t eip;
    enum x86_status status = execute_read(x, insn, insn->operand_size, &eip);

    return status == X86_OK ? call(x, insn, eip) : status;
}

enum x86_status execute_jmp_indirect(struct execution *x, const struct x86_instruction *insn)
{
    uint32_t eip;
    enum x86_status status = execute_read(x, insn, insn->operand_size, &eip);

    return status == X86_OK ? execute_jump_to(x, insn, eip) : status;
}

/* C2 releases `immediate` bytes of parameters as well. */
enum x86_status execute_ret(struct execution *x, const struct x86_instruction *insn)
{
    uint32_t eip;
    enum x86_status status = execute_top(x, insn->operand_size, &eip);

    if (status == X86_OK) {
        status = execute_jump_to(x, insn, eip);
    }
    if (status == X86_OK) {
        execute_move_stack(x->cpu, insn->operand_size + insn->immediate);
    }
    return status;
}

/* #BR unless lower bound <= index <= upper bound, all signed. */
enum x86_status execute_bound(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = insn->operand_size;
    uint32_t offset = x86_effective_offset(x->cpu, insn), lower, upper;
    int32_t index = (int32_t)sign_extend(x->cpu->gpr[insn->reg], size);
    enum x86_status status = execute_load(x, insn->segment, offset, size, &lower);

    if (status == X86_OK) {
        status = execute_load(x, insn->segment, offset + size, size, &upper);
    }
    if (status != X86_OK) {
        return status;
    }
    return index < (int32_t)sign_extend(lower, size) || index > (int32_t)sign_extend(upper, size)
               ? x86_raise_plain(&x->fault, X86_BR)
               : X86_OK;
}
