/* The stack (SDM volume 1, chapter 6; volume 2, PUSH, POP, PUSHA, POPA, ENTER, LEAVE). The width of
 * what is pushed is the operand size, the width of the stack pointer is the B flag of SS. Of the
 * instructions with many accesses each access is checked as it is made: what lies below ESP may
 * have been written when one of them faults, and the retry writes it again. */
#include "arch/x86/stack.h"

#include "execute.h"

static uint32_t stack_mask(const struct cpu_state *cpu)
{
    return (cpu->seg[X86_SS].attributes & X86_SEG_DB) ? UINT32_MAX : 0xffffu;
}

enum x86_status execute_push(struct execution *x, unsigned size, uint32_t value)
{
    return execute_store(x, X86_SS, (x->cpu->gpr[X86_ESP] - size) & stack_mask(x->cpu), size,
                         value);
}

enum x86_status execute_top(struct execution *x, unsigned size, uint32_t *value)
{
    return execute_load(x, X86_SS, x->cpu->gpr[X86_ESP] & stack_mask(x->cpu), size, value);
}

void execute_move_stack(struct cpu_state *cpu, uint32_t bytes)
{
    cpu->gpr[X86_ESP] = x86_stack_move(&cpu->seg[X86_SS], cpu->gpr[X86_ESP], bytes);
}

static enum x86_status push(struct execution *x, unsigned size, uint32_t value)
{
    enum x86_status status = execute_push(x, size, value);

    if (status == X86_OK) {
        execute_move_stack(x->cpu, 0u - size);
    }
    return status;
}

/* PUSH ESP pushes what ESP was before. */
enum x86_status execute_push_register(struct execution *x, const struct x86_instruction *insn)
{
    return push(x, insn->operand_size, x->cpu->gpr[insn->opcode & 7u]);
}

enum x86_status execute_push_immediate(struct execution *x, const struct x86_instruction *insn)
{
    return push(x, insn->operand_size, insn->immediate);
}

enum x86_status execute_push_rm(struct execution *x, const struct x86_instruction *insn)
{
    uint32_t value;
    enum x86_status status = execute_read(x, insn, insn->operand_size, &value);

    return status == X86_OK ? push(x, insn->operand_size, value) : status;
}

/* POP ESP: what was popped wins over the increment. */
enum x86_status execute_pop_register(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = insn->operand_size;
    uint32_t value;
    enum x86_status status = execute_top(x, size, &value);

    if (status == X86_OK) {
        execute_move_stack(x->cpu, size);
        set_register(x->cpu, insn->opcode & 7u, size, value);
    }
    return status;
}

/* An address that uses ESP sees it incremented. */
enum x86_status execute_pop_rm(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = insn->operand_size;
    uint32_t esp = x->cpu->gpr[X86_ESP], value;
    enum x86_status status = execute_top(x, size, &value);

    if (status != X86_OK) {
        return status;
    }
    execute_move_stack(x->cpu, size);
    status = execute_write(x, insn, size, value);
    if (status != X86_OK) {
        x->cpu->gpr[X86_ESP] = esp;
    }
    return status;
}

/* EDI comes to lie lowest, EAX highest. */
enum x86_status execute_pusha(struct execution *x, const struct x86_instruction *insn)
{
    struct cpu_state *cpu = x->cpu;
    unsigned size = insn->operand_size;
    uint32_t bottom = cpu->gpr[X86_ESP] - 8 * size, mask = stack_mask(cpu);

    for (unsigned i = 0; i < 8; i++) {
        enum x86_status status =
            execute_store(x, X86_SS, (bottom + i * size) & mask, size, cpu->gpr[X86_EDI - i]);
        if (status != X86_OK) {
            return status;
        }
    }
    execute_move_stack(cpu, 0u - 8 * size);
    return X86_OK;
}

/* The image of ESP is skipped. */
enum x86_status execute_popa(struct execution *x, const struct x86_instruction *insn)
{
    struct cpu_state *cpu = x->cpu;
    unsigned size = insn->operand_size;
    uint32_t mask = stack_mask(cpu), values[8];

    for (unsigned i = 0; i < 8; i++) {
        uint32_t offset = (cpu->gpr[X86_ESP] + i * size) & mask;
        enum x86_status status;
        if (i == X86_EDI - X86_ESP) {
            continue;
        }
        status = execute_load(x, X86_SS, offset, size, &values[i]);
        if (status != X86_OK) {
            return status;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i != X86_EDI - X86_ESP) {
            set_register(cpu, X86_EDI - i, size, values[i]);
        }
    }
    execute_move_stack(cpu, 8 * size);
    return X86_OK;
}

/* Copies the frame pointers of the outer levels (volume 2, ENTER), which lie below the old frame
 * pointer, to below the new one, and the new one after them. */
static enum x86_status copy_display(struct execution *x, unsigned size, unsigned level,
                                    uint32_t frame)
{
    uint32_t mask = stack_mask(x->cpu), old = x->cpu->gpr[X86_EBP], value;

    for (unsigned i = 1; i < level; i++) {
        enum x86_status status = execute_load(x, X86_SS, (old - i * size) & mask, size, &value);
        if (status == X86_OK) {
            status = execute_store(x, X86_SS, (frame - i * size) & mask, size, value);
        }
        if (status != X86_OK) {
            return status;
        }
    }
    return level ? execute_store(x, X86_SS, (frame - level * size) & mask, size, frame) : X86_OK;
}

enum x86_status execute_enter(struct execution *x, const struct x86_instruction *insn)
{
    struct cpu_state *cpu = x->cpu;
    unsigned size = insn->operand_size, level = insn->immediate2 & 31u;
    uint32_t frame = cpu->gpr[X86_ESP] - size, mask = stack_mask(cpu);
    enum x86_status status = execute_push(x, size, cpu->gpr[X86_EBP]);

    if (status == X86_OK) {
        status = copy_display(x, size, level, frame);
    }
    if (status == X86_OK) {
        cpu->gpr[X86_EBP] = (cpu->gpr[X86_EBP] & ~mask) | (frame & mask);
        execute_move_stack(cpu, 0u - (size + level * size + insn->immediate));
    }
    return status;
}

enum x86_status execute_leave(struct execution *x, const struct x86_instruction *insn)
{
    struct cpu_state *cpu = x->cpu;
    unsigned size = insn->operand_size;
    uint32_t mask = stack_mask(cpu), frame = cpu->gpr[X86_EBP], value;
    enum x86_status status = execute_load(x, X86_SS, frame & mask, size, &value);

    if (status == X86_OK) {
        cpu->gpr[X86_ESP] = (cpu->gpr[X86_ESP] & ~mask) | ((frame + size) & mask);
        set_register(cpu, X86_EBP, size, value);
    }
    return status;
}
