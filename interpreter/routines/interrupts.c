/* The interrupt flag and waiting for interrupts: CLI, STI, HLT (SDM volume 2). CLI and STI ask for
 * CPL <= IOPL and HLT for CPL 0, so that all of them trap wherever a VMM keeps IOPL below the CPL
 * of its guests. */
#include "interpreter/routine.h"

/* CLI and STI: CPL <= IOPL; in virtual-8086 mode, without CR4.VME, IOPL = 3. */
static bool may_change_if(const struct cpu_state *cpu)
{
    return !(cpu->cr0 & X86_CR0_PE) || cpu->cpl <= x86_iopl(cpu);
}

static struct outcome refuse(void)
{
    struct x86_event fault = {0};

    return routine_failed(x86_raise(&fault, X86_GP, 0), &fault);
}

struct outcome routine_cli(struct interpreter_context *context, const struct x86_instruction *insn)
{
    if (!may_change_if(context->cpu)) {
        return refuse();
    }
    context->cpu->eflags &= ~(uint32_t)X86_IF;
    return routine_retire(context, insn);
}

struct outcome routine_sti(struct interpreter_context *context, const struct x86_instruction *insn)
{
    if (!may_change_if(context->cpu)) {
        return refuse();
    }
    context->cpu->eflags |= X86_IF;
    return routine_retire_shadowed(context, insn);
}

/* EIP lies behind HLT while the processor waits: an interrupt returns there. */
struct outcome routine_hlt(struct interpreter_context *context, const struct x86_instruction *insn)
{
    struct x86_event fault = {0};
    enum x86_status status = routine_privileged(context->cpu, &fault);

    return status == X86_OK ? routine_request(context, insn, OUTCOME_IDLE)
                            : routine_failed(status, &fault);
}
