/* EFLAGS on the stack, and software interrupts (SDM volume 2, PUSHF, POPF, IRET, INT n). These are
 * the instructions on which the paper's Theorem 1 fails for x86: CLI and STI fault beyond IOPL
 * (interrupts.c), but POPF and PUSHF do not trap and act on the wrong flag. */
#include "arch/x86/iret.h"
#include "arch/x86/stack.h"
#include "interpreter/routine.h"

static bool virtual_8086(const struct cpu_state *cpu)
{
    return (cpu->cr0 & X86_CR0_PE) && (cpu->eflags & X86_VM);
}

static struct outcome refuse(void)
{
    struct x86_event fault = {0};

    return routine_failed(x86_raise(&fault, X86_GP, 0), &fault);
}

struct outcome routine_pushf(struct interpreter_context *context,
                             const struct x86_instruction *insn)
{
    struct cpu_state *cpu = context->cpu;
    struct x86_stack stack = x86_current_stack(cpu);
    uint32_t value = cpu->eflags & ~(uint32_t)(X86_VM | X86_RF);
    struct x86_event fault = {0};
    enum x86_status status;

    if (virtual_8086(cpu) && x86_iopl(cpu) < 3) {
        return refuse();
    }
    status = x86_push(cpu, context->memory, &stack, &value, 1, insn->operand_size, &fault);
    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    cpu->gpr[X86_ESP] = stack.esp;
    return routine_retire(context, insn);
}

struct outcome routine_popf(struct interpreter_context *context, const struct x86_instruction *insn)
{
    struct cpu_state *cpu = context->cpu;
    struct x86_stack stack = x86_current_stack(cpu);
    struct x86_event fault = {0};
    uint32_t value = 0;
    enum x86_status status;

    if (virtual_8086(cpu) && x86_iopl(cpu) < 3) {
        return refuse();
    }
    status = x86_stack_read(cpu, context->memory, &stack, 0, &value, 1, insn->operand_size, &fault);
    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    cpu->gpr[X86_ESP] = x86_stack_move(&stack.segment, stack.esp, insn->operand_size);
    cpu->eflags = x86_eflags_load(cpu, value, insn->operand_size == 4, false);
    return routine_retire(context, insn);
}

struct outcome routine_iret(struct interpreter_context *context, const struct x86_instruction *insn)
{
    struct cpu_state before = *context->cpu;
    struct x86_event fault = {0};
    enum x86_status status =
        x86_iret(context->cpu, context->memory, insn->operand_size == 4, insn->length, &fault);

    return routine_transferred(context, &before, status, &fault);
}

/* The gate decides whether a software interrupt is allowed; that is delivery's to find out. */
static struct outcome software_interrupt(uint8_t vector, const struct x86_instruction *insn)
{
    return (struct outcome){
        .kind = OUTCOME_INJECT,
        .event = {.kind = X86_SOFTWARE_INTERRUPT, .vector = vector, .length = insn->length}};
}

struct outcome routine_int(struct interpreter_context *context, const struct x86_instruction *insn)
{
    (void)context;
    return software_interrupt((uint8_t)insn->immediate, insn);
}

struct outcome routine_int3(struct interpreter_context *context, const struct x86_instruction *insn)
{
    (void)context;
    return software_interrupt(X86_BP, insn);
}

struct outcome routine_into(struct interpreter_context *context, const struct x86_instruction *insn)
{
    return (context->cpu->eflags & X86_OF) ? software_interrupt(X86_OVERFLOW, insn)
                                           : routine_retire(context, insn);
}

/* INT1 is the hardware's own way to raise #DB: a trap for which no gate's DPL is looked at. */
struct outcome routine_icebp(struct interpreter_context *context,
                             const struct x86_instruction *insn)
{
    struct outcome outcome = routine_request(context, insn, OUTCOME_INJECT);

    outcome.retired = true;
    outcome.event = (struct x86_event){.kind = X86_EXCEPTION, .vector = X86_DB};
    return outcome;
}
