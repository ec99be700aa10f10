/* The table of routines, and what all of them share. See interpreter.h. */
#include "interpreter.h"

#include <stddef.h>

#include "arch/x86/walk.h"
#include "routine.h"

#include "left_out.h" /* after the declarations, some of which it takes away */

/* Extensions that CPUID does not show are #UD, as on the bare machine (machine/microcode.c). */
const struct interpreter interpreter_standard = {
    .routines = {
        [X86_KIND_INVALID] = routine_undefined,
        [X86_KIND_UD] = routine_undefined,
        [X86_KIND_CLI] = routine_cli,
        [X86_KIND_STI] = routine_sti,
        [X86_KIND_PUSHF] = routine_pushf,
        [X86_KIND_POPF] = routine_popf,
        [X86_KIND_IRET] = routine_iret,
        [X86_KIND_INT] = routine_int,
        [X86_KIND_INT3] = routine_int3,
        [X86_KIND_INTO] = routine_into,
        [X86_KIND_ICEBP] = routine_icebp,
        [X86_KIND_HLT] = routine_hlt,
        [X86_KIND_IN_IMMEDIATE] = routine_port,
        [X86_KIND_OUT_IMMEDIATE] = routine_port,
        [X86_KIND_IN_DX] = routine_port,
        [X86_KIND_OUT_DX] = routine_port,
        [X86_KIND_INS] = routine_port_string,
        [X86_KIND_OUTS] = routine_port_string,
        [X86_KIND_LGDT] = routine_lgdt,
        [X86_KIND_LIDT] = routine_lidt,
        [X86_KIND_SGDT] = routine_sgdt,
        [X86_KIND_SIDT] = routine_sidt,
        [X86_KIND_LLDT] = routine_lldt,
        [X86_KIND_LTR] = routine_ltr,
        [X86_KIND_SLDT] = routine_sldt,
        [X86_KIND_STR] = routine_str,
        [X86_KIND_LMSW] = routine_lmsw,
        [X86_KIND_SMSW] = routine_smsw,
        [X86_KIND_CLTS] = routine_clts,
        [X86_KIND_MOV_FROM_CR] = routine_mov_from_cr,
        [X86_KIND_MOV_TO_CR] = routine_mov_to_cr,
        [X86_KIND_MOV_FROM_DR] = routine_mov_from_dr,
        [X86_KIND_MOV_TO_DR] = routine_mov_to_dr,
        [X86_KIND_INVLPG] = routine_invlpg,
        [X86_KIND_INVD] = routine_cache,
        [X86_KIND_WBINVD] = routine_cache,
        [X86_KIND_RDMSR] = routine_rdmsr,
        [X86_KIND_WRMSR] = routine_wrmsr,
        [X86_KIND_RDTSC] = routine_rdtsc,
        [X86_KIND_RDTSCP] = routine_undefined,
        [X86_KIND_RDPMC] = routine_undefined,
        [X86_KIND_CPUID] = routine_cpuid,
        [X86_KIND_XGETBV] = routine_undefined,
        [X86_KIND_XSETBV] = routine_undefined,
        [X86_KIND_MONITOR] = routine_undefined,
        [X86_KIND_MWAIT] = routine_undefined,
        [X86_KIND_PAUSE] = routine_pause,
        [X86_KIND_LAR] = routine_lar_lsl,
        [X86_KIND_LSL] = routine_lar_lsl,
        [X86_KIND_VERR] = routine_verify,
        [X86_KIND_VERW] = routine_verify,
        [X86_KIND_ARPL] = routine_arpl,
        [X86_KIND_MOV_FROM_SREG] = routine_mov_from_sreg,
        [X86_KIND_MOV_TO_SREG] = routine_mov_to_sreg,
        [X86_KIND_PUSH_SREG] = routine_push_sreg,
        [X86_KIND_POP_SREG] = routine_pop_sreg,
        [X86_KIND_LOAD_FAR_POINTER] = routine_load_far_pointer,
        [X86_KIND_CALL_FAR] = routine_far_direct,
        [X86_KIND_JMP_FAR] = routine_far_direct,
        [X86_KIND_CALL_FAR_INDIRECT] = routine_far_indirect,
        [X86_KIND_JMP_FAR_INDIRECT] = routine_far_indirect,
        [X86_KIND_RET_FAR] = routine_far_return,
        [X86_KIND_SYSENTER] = routine_undefined,
        [X86_KIND_SYSEXIT] = routine_undefined,
        [X86_KIND_SYSCALL] = routine_undefined,
        [X86_KIND_SYSRET] = routine_undefined,
        [X86_KIND_RSM] = routine_undefined,
        [X86_KIND_VMCALL] = routine_undefined,
        [X86_KIND_VMMCALL] = routine_undefined,
        [X86_KIND_VMX] = routine_undefined,
        [X86_KIND_SVM] = routine_undefined,
    }};

void interpreter_init(struct interpreter *interpreter)
{
    *interpreter = interpreter_standard;
}

struct outcome interpreter_run(const struct interpreter *interpreter,
                               struct interpreter_context *context,
                               const struct x86_instruction *insn)
{
    routine *run = insn->kind < X86_KINDS ? interpreter->routines[insn->kind] : NULL;

    if (!run) {
        return (struct outcome){.kind = OUTCOME_MISSING};
    }
    return run(context, insn);
}

struct outcome routine_undefined(struct interpreter_context *context,
                                 const struct x86_instruction *insn)
{
    struct x86_event fault = {0};

    (void)context;
    return routine_failed((insn->flags & X86_INSN_TOO_LONG) ? x86_raise(&fault, X86_GP, 0)
                                                            : x86_raise_plain(&fault, X86_UD),
                          &fault);
}

struct outcome routine_retire(struct interpreter_context *context,
                              const struct x86_instruction *insn)
{
    return routine_request(context, insn, OUTCOME_DONE);
}

struct outcome routine_request(struct interpreter_context *context,
                               const struct x86_instruction *insn, enum outcome_kind kind)
{
    context->cpu->eip += insn->length;
    context->cpu->interrupt_shadow = false;
    context->cpu->eflags &= ~(uint32_t)X86_RF; /* SDM volume 3, section 17.3.1.1 */
    return (struct outcome){.kind = kind};
}

struct outcome routine_retire_shadowed(struct interpreter_context *context,
                                       const struct x86_instruction *insn)
{
    bool shadow = !context->cpu->interrupt_shadow;
    struct outcome outcome = routine_retire(context, insn);

    context->cpu->interrupt_shadow = shadow;
    return outcome;
}

struct outcome routine_failed(enum x86_status status, const struct x86_event *fault)
{
    if (status == X86_NEED_PAGE) {
        return (struct outcome){.kind = OUTCOME_NEED_PAGE};
    }
    return (struct outcome){.kind = OUTCOME_INJECT, .event = *fault};
}

struct outcome routine_transferred(const struct interpreter_context *context,
                                   const struct cpu_state *before, enum x86_status status,
                                   const struct x86_event *fault)
{
    const struct cpu_state *cpu = context->cpu;
    struct outcome outcome = {.kind = OUTCOME_DONE};

    if (status != X86_OK) {
        outcome = routine_failed(status, fault);
    } else if (cpu->cr3 != before->cr3) {
        outcome.kind = OUTCOME_CR3;
    } else if (cpu->tr.selector != before->tr.selector) {
        outcome.kind = OUTCOME_TABLES;
    }
    outcome.task_switched = cpu->tr.selector != before->tr.selector;
    return outcome;
}

enum x86_status routine_privileged(const struct cpu_state *cpu, struct x86_event *fault)
{
    return (cpu->cr0 & X86_CR0_PE) && cpu->cpl > 0 ? x86_raise(fault, X86_GP, 0) : X86_OK;
}

bool routine_user(const struct cpu_state *cpu)
{
    return (cpu->cr0 & X86_CR0_PE) && cpu->cpl == 3;
}

enum x86_status routine_read_memory(const struct interpreter_context *context,
                                    const struct x86_instruction *insn, uint32_t skip, void *bytes,
                                    uint32_t size, struct x86_event *fault)
{
    const struct cpu_state *cpu = context->cpu;
    uint32_t offset = x86_effective_offset(cpu, insn) + skip;
    enum x86_status status = x86_segment_check(cpu, insn->segment, offset, size, false, fault);

    return status == X86_OK ? x86_read(cpu, context->memory, cpu->seg[insn->segment].base + offset,
                                       bytes, size, routine_user(cpu), fault)
                            : status;
}

enum x86_status routine_write_memory(const struct interpreter_context *context,
                                     const struct x86_instruction *insn, const void *bytes,
                                     uint32_t size, struct x86_event *fault)
{
    const struct cpu_state *cpu = context->cpu;
    uint32_t offset = x86_effective_offset(cpu, insn);
    enum x86_status status = x86_segment_check(cpu, insn->segment, offset, size, true, fault);

    return status == X86_OK ? x86_write(cpu, context->memory, cpu->seg[insn->segment].base + offset,
                                        bytes, size, routine_user(cpu), fault)
                            : status;
}

enum x86_status routine_read_rm16(const struct interpreter_context *context,
                                  const struct x86_instruction *insn, uint16_t *value,
                                  struct x86_event *fault)
{
    if (insn->flags & X86_INSN_MEMORY) {
        return routine_read_memory(context, insn, 0, value, sizeof *value, fault);
    }
    *value = (uint16_t)context->cpu->gpr[insn->rm];
    return X86_OK;
}

void routine_write_register(struct cpu_state *cpu, const struct x86_instruction *insn,
                            unsigned number, uint32_t value)
{
    if (insn->operand_size == 2) {
        value = (cpu->gpr[number] & 0xffff0000u) | (value & 0xffffu);
    }
    cpu->gpr[number] = value;
}

enum x86_status routine_write_rm(const struct interpreter_context *context,
                                 const struct x86_instruction *insn, uint32_t value,
                                 struct x86_event *fault)
{
    if (insn->flags & X86_INSN_MEMORY) {
        uint16_t word = (uint16_t)value;
        return routine_write_memory(context, insn, &word, sizeof word, fault);
    }
    routine_write_register(context->cpu, insn, insn->rm, value);
    return X86_OK;
}
