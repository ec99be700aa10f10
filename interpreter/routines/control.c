/* Control and debug registers (SDM volume 2, MOV to and from control and debug registers, LMSW,
 * SMSW, CLTS, INVLPG). The guest reads and writes its own, virtual ones; what they mean for address
 * translation is the allocator's, who hears of it by the outcome. */
#include "arch/x86/control.h"
#include "interpreter/routine.h"

#define PAGING_CR0 ((uint32_t)(X86_CR0_PE | X86_CR0_WP | X86_CR0_PG))
#define PAGING_CR4 ((uint32_t)(X86_CR4_PSE | X86_CR4_PGE))

/* Loads CR0 and retires, or fails. */
static struct outcome load_cr0(struct interpreter_context *context,
                               const struct x86_instruction *insn, uint32_t value)
{
    uint32_t before = context->cpu->cr0;
    struct x86_event fault = {0};
    enum x86_status status = x86_load_cr0(context->cpu, value, &fault);

    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    return routine_request(
        context, insn, (before ^ context->cpu->cr0) & PAGING_CR0 ? OUTCOME_PAGING : OUTCOME_DONE);
}

static struct outcome load_cr4(struct interpreter_context *context,
                               const struct x86_instruction *insn, uint32_t value)
{
    uint32_t before = context->cpu->cr4;
    struct x86_event fault = {0};
    enum x86_status status = x86_load_cr4(context->cpu, value, &fault);

    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    return routine_request(
        context, insn, (before ^ context->cpu->cr4) & PAGING_CR4 ? OUTCOME_PAGING : OUTCOME_DONE);
}

struct outcome routine_mov_to_cr(struct interpreter_context *context,
                                 const struct x86_instruction *insn)
{
    struct cpu_state *cpu = context->cpu;
    uint32_t value = cpu->gpr[insn->rm];
    struct x86_event fault = {0};
    enum x86_status status = routine_privileged(cpu, &fault);

    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    switch (insn->reg) {
    case 0: return load_cr0(context, insn, value);
    case 2: cpu->cr2 = value; return routine_retire(context, insn);
    case 3: cpu->cr3 = value; return routine_request(context, insn, OUTCOME_CR3);
    case 4: return load_cr4(context, insn, value);
    default: return routine_undefined(context, insn);
    }
}

struct outcome routine_mov_from_cr(struct interpreter_context *context,
                                   const struct x86_instruction *insn)
{
    struct cpu_state *cpu = context->cpu;
    struct x86_event fault = {0};
    enum x86_status status = routine_privileged(cpu, &fault);

    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    switch (insn->reg) {
    case 0: cpu->gpr[insn->rm] = cpu->cr0; break;
    case 2: cpu->gpr[insn->rm] = cpu->cr2; break;
    case 3: cpu->gpr[insn->rm] = cpu->cr3; break;
    case 4: cpu->gpr[insn->rm] = cpu->cr4; break;
    default: return routine_undefined(context, insn);
    }
    return routine_retire(context, insn);
}

struct outcome routine_lmsw(struct interpreter_context *context, const struct x86_instruction *insn)
{
    struct x86_event fault = {0};
    enum x86_status status = routine_privileged(context->cpu, &fault);
    uint16_t value = 0;

    if (status == X86_OK) {
        status = routine_read_rm16(context, insn, &value, &fault);
    }
    return status == X86_OK ? load_cr0(context, insn, x86_lmsw(context->cpu, value))
                            : routine_failed(status, &fault);
}

/* Unprivileged, and so sensitive without a trap: it shows user code the virtual machine's CR0. The
 * upper half of a 32-bit register is undefined; this processor leaves it alone. */
struct outcome routine_smsw(struct interpreter_context *context, const struct x86_instruction *insn)
{
    struct x86_instruction word = *insn;
    struct x86_event fault = {0};
    enum x86_status status;

    word.operand_size = 2;
    status = routine_write_rm(context, &word, context->cpu->cr0, &fault);

    return status == X86_OK ? routine_retire(context, insn) : routine_failed(status, &fault);
}

struct outcome routine_clts(struct interpreter_context *context, const struct x86_instruction *insn)
{
    struct x86_event fault = {0};
    enum x86_status status = routine_privileged(context->cpu, &fault);

    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    context->cpu->cr0 &= ~(uint32_t)X86_CR0_TS;
    return routine_retire(context, insn);
}

/* Debug registers are kept and never armed, as on the bare machine. */
static struct outcome move_dr(struct interpreter_context *context,
                              const struct x86_instruction *insn, bool write)
{
    struct cpu_state *cpu = context->cpu;
    unsigned number = insn->reg;
    struct x86_event fault = {0};
    enum x86_status status = routine_privileged(cpu, &fault);

    if (status == X86_OK) {
        status = x86_debug_register(cpu, &number, &fault);
    }
    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    if (write) {
        cpu->dr[number] = x86_debug_value(number, cpu->gpr[insn->rm]);
    } else {
        cpu->gpr[insn->rm] = cpu->dr[number];
    }
    return routine_retire(context, insn);
}

struct outcome routine_mov_from_dr(struct interpreter_context *context,
                                   const struct x86_instruction *insn)
{
    return move_dr(context, insn, false);
}

struct outcome routine_mov_to_dr(struct interpreter_context *context,
                                 const struct x86_instruction *insn)
{
    return move_dr(context, insn, true);
}

struct outcome routine_invlpg(struct interpreter_context *context,
                              const struct x86_instruction *insn)
{
    struct x86_event fault = {0};
    enum x86_status status = routine_privileged(context->cpu, &fault);
    uint32_t linear = x86_effective_address(context->cpu, insn);
    struct outcome outcome;

    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    outcome = routine_request(context, insn, OUTCOME_INVLPG);
    outcome.linear = linear;
    return outcome;
}
