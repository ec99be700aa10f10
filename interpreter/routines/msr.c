/* Model-specific registers, time and identification (SDM volume 2, RDMSR, WRMSR, RDTSC, CPUID). The
 * virtual processor is of the same model as the bare one, so its answers are the hardware's. */
#include "interpreter/routine.h"
#include "machine/cpu.h"

static void set_pair(struct cpu_state *cpu, uint64_t value)
{
    cpu->gpr[X86_EAX] = (uint32_t)value;
    cpu->gpr[X86_EDX] = (uint32_t)(value >> 32);
}

struct outcome routine_rdmsr(struct interpreter_context *context,
                             const struct x86_instruction *insn)
{
    struct cpu_state *cpu = context->cpu;
    struct x86_event fault = {0};
    enum x86_status status = routine_privileged(cpu, &fault);
    uint64_t value = 0;

    if (status == X86_OK && !cpu_read_msr(cpu->gpr[X86_ECX], context->time, &value)) {
        status = x86_raise(&fault, X86_GP, 0);
    }
    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    set_pair(cpu, value);
    return routine_retire(context, insn);
}

struct outcome routine_wrmsr(struct interpreter_context *context,
                             const struct x86_instruction *insn)
{
    struct cpu_state *cpu = context->cpu;
    uint64_t value = (uint64_t)cpu->gpr[X86_EDX] << 32 | cpu->gpr[X86_EAX];
    struct x86_event fault = {0};
    enum x86_status status = routine_privileged(cpu, &fault);

    if (status == X86_OK && !cpu_write_msr(cpu->gpr[X86_ECX], value)) {
        status = x86_raise(&fault, X86_GP, 0);
    }
    return status == X86_OK ? routine_retire(context, insn) : routine_failed(status, &fault);
}

struct outcome routine_rdtsc(struct interpreter_context *context,
                             const struct x86_instruction *insn)
{
    struct x86_event fault = {0};
    enum x86_status status =
        (context->cpu->cr4 & X86_CR4_TSD) ? routine_privileged(context->cpu, &fault) : X86_OK;

    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    set_pair(context->cpu, context->time);
    return routine_retire(context, insn);
}

struct outcome routine_cpuid(struct interpreter_context *context,
                             const struct x86_instruction *insn)
{
    uint32_t *gpr = context->cpu->gpr;
    uint32_t result[4];

    cpu_identify(gpr[X86_EAX], result);
    gpr[X86_EAX] = result[0];
    gpr[X86_EBX] = result[1];
    gpr[X86_ECX] = result[2];
    gpr[X86_EDX] = result[3];
    return routine_retire(context, insn);
}
