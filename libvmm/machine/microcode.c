/* What the hardware itself does at an exit that no VMM wants: the instructions and events that the
 * engine gets wrong or cannot do, as the manual defines them (Intel SDM volume 2; AMD APM volumes 2
 * and 3). Delivery through the IDT, port permission and the rest of the architecture's own
 * algorithms are in arch/; this chooses among them. */
#include <string.h>

#include "arch/x86/control.h"
#include "arch/x86/deliver.h"
#include "arch/x86/descriptor.h"
#include "arch/x86/farcall.h"
#include "arch/x86/iret.h"
#include "arch/x86/port.h"
#include "arch/x86/walk.h"
#include "cpu.h"

/* ---- CPUID and model-specific registers ---- */

enum {
    FEATURE_FPU = 1u << 0,
    FEATURE_PSE = 1u << 3,
    FEATURE_TSC = 1u << 4,
    FEATURE_MSR = 1u << 5,
    FEATURE_CX8 = 1u << 8,
    FEATURE_PGE = 1u << 13,
    FEATURE_CMOV = 1u << 15,
};

void cpu_identify(uint32_t leaf, uint32_t result[4])
{
    enum { EAX, EBX, ECX, EDX };
    memset(result, 0, 4 * sizeof *result);
    /* Basic leaves beyond the highest answer as the highest one; there are no extended leaves. */
    if (leaf == 0) {
        result[EAX] = 1;
        memcpy(&result[EBX], "Genu", 4);
        memcpy(&result[EDX], "ineI", 4);
        memcpy(&result[ECX], "ntel", 4);
    } else if (leaf < 0x80000000u) {
        result[EAX] = 0x652; /* family 6, model 5, stepping 2 */
        result[EDX] = FEATURE_FPU | FEATURE_PSE | FEATURE_TSC | FEATURE_MSR | FEATURE_CX8 |
                      FEATURE_PGE | FEATURE_CMOV;
    }
}

enum msr {
    MSR_TSC = 0x10,
    MSR_PLATFORM_ID = 0x17,
    MSR_APIC_BASE = 0x1b,
    MSR_EBL_CR_POWERON = 0x2a,
    MSR_UPDATE_TRIGGER = 0x79,
    MSR_UPDATE_REVISION = 0x8b,
    MSR_BBL_CR_CTL3 = 0x11e,
    MSR_DEBUGCTL = 0x1d9,
};

/* Of the bootstrap processor, at its address after reset, and disabled: as if there were no APIC
 * (SDM volume 3, sections 10.4.3 and 10.4.4). */
#define APIC_BASE_DISABLED 0xfee00100u

bool cpu_read_msr(uint32_t number, uint64_t time, uint64_t *value)
{
    *value = 0;
    switch (number) {
    case MSR_TSC: *value = time; return true;
    case MSR_APIC_BASE: *value = APIC_BASE_DISABLED; return true;
    case MSR_PLATFORM_ID:
    case MSR_EBL_CR_POWERON:
    case MSR_UPDATE_REVISION:
    case MSR_BBL_CR_CTL3:
    case MSR_DEBUGCTL: return true;
    default: return false;
    }
}

/* The registers that exist hold nothing that this machine has; the time-stamp counter cannot be
 * set, as it is virtual time itself. */
bool cpu_write_msr(uint32_t number, uint64_t value)
{
    uint64_t old;
    (void)value;
    return number == MSR_UPDATE_TRIGGER || cpu_read_msr(number, 0, &old);
}

/* ---- single instructions: X86_OK when done, X86_FAULT with the exception ---- */

static enum x86_status write_cr0(struct cpu *cpu, uint32_t value, struct x86_event *fault)
{
    enum x86_status status = x86_load_cr0(&cpu->state, value, fault);
    if (status == X86_OK)
        cpu_flush(cpu);
    return status;
}

static enum x86_status write_cr4(struct cpu *cpu, uint32_t value, struct x86_event *fault)
{
    enum x86_status status = x86_load_cr4(&cpu->state, value, fault);
    if (status == X86_OK)
        cpu_flush(cpu);
    return status;
}

static enum x86_status move_to_cr(struct cpu *cpu, const struct x86_instruction *insn,
                                  struct x86_event *fault)
{
    uint32_t value = cpu->state.gpr[insn->rm];
    switch (insn->reg) {
    case 0: return write_cr0(cpu, value, fault);
    case 4: return write_cr4(cpu, value, fault);
    default: return x86_raise_plain(fault, X86_UD);
    }
}

/* LMSW sets PE and never clears it. */
static enum x86_status load_msw(struct cpu *cpu, const struct x86_instruction *insn,
                                struct x86_event *fault)
{
    uint16_t value = (uint16_t)cpu->state.gpr[insn->rm];
    if (insn->flags & X86_INSN_MEMORY) {
        enum x86_status status =
            x86_read(&cpu->state, &cpu->physical, x86_effective_address(&cpu->state, insn), &value,
                     sizeof value, false, fault);
        if (status != X86_OK)
            return status;
    }
    return write_cr0(cpu, x86_lmsw(&cpu->state, value), fault);
}

/* Debug registers are kept and never armed: the engine cannot break on them. With CR4.DE, DR4 and
 * DR5 do not exist; without, they are DR6 and DR7. */
static enum x86_status move_dr(struct cpu *cpu, const struct x86_instruction *insn,
                               struct x86_event *fault)
{
    unsigned number = insn->reg;
    enum x86_status status = x86_debug_register(&cpu->state, &number, fault);
    if (status != X86_OK)
        return status;
    if (insn->kind == X86_KIND_MOV_FROM_DR) {
        cpu->state.gpr[insn->rm] = cpu->dr[number];
        return X86_OK;
    }
    uint32_t value = x86_debug_value(number, cpu->state.gpr[insn->rm]);
    cpu->dr[number] = cpu->state.dr[number] = value;
    return X86_OK;
}

static enum x86_status move_msr(struct cpu *cpu, const struct x86_instruction *insn,
                                struct x86_event *fault)
{
    uint32_t *gpr = cpu->state.gpr;
    uint64_t value = (uint64_t)gpr[X86_EDX] << 32 | gpr[X86_EAX];
    bool exists = insn->kind == X86_KIND_RDMSR ? cpu_read_msr(gpr[X86_ECX], cpu->time, &value)
                                               : cpu_write_msr(gpr[X86_ECX], value);
    if (!exists)
        return x86_raise(fault, X86_GP, 0);
    if (insn->kind == X86_KIND_RDMSR) {
        gpr[X86_EAX] = (uint32_t)value;
        gpr[X86_EDX] = (uint32_t)(value >> 32);
    }
    return X86_OK;
}

static enum x86_status read_tsc(struct cpu *cpu, struct x86_event *fault)
{
    if ((cpu->state.cr4 & X86_CR4_TSD) && cpu->state.cpl)
        return x86_raise(fault, X86_GP, 0);
    cpu->state.gpr[X86_EAX] = (uint32_t)cpu->time;
    cpu->state.gpr[X86_EDX] = (uint32_t)(cpu->time >> 32);
    return X86_OK;
}

/* The engine takes a null selector, and TR is then as at reset. */
static enum x86_status load_task_register(struct cpu *cpu, const struct x86_instruction *insn,
                                          struct x86_event *fault)
{
    uint16_t selector = (uint16_t)cpu->state.gpr[insn->rm];
    if (insn->flags & X86_INSN_MEMORY) {
        enum x86_status status =
            x86_read(&cpu->state, &cpu->physical, x86_effective_address(&cpu->state, insn),
                     &selector, sizeof selector, false, fault);
        if (status != X86_OK)
            return status;
    }
    return x86_load_tr(&cpu->state, &cpu->physical, selector, fault);
}

static void identify(struct cpu *cpu)
{
    uint32_t result[4];
    cpu_identify(cpu->state.gpr[X86_EAX], result);
    cpu->state.gpr[X86_EAX] = result[0];
    cpu->state.gpr[X86_EBX] = result[1];
    cpu->state.gpr[X86_ECX] = result[2];
    cpu->state.gpr[X86_EDX] = result[3];
}

/* ---- transfers between segments ---- */

static enum x86_status far_indirect(struct cpu *cpu, const struct x86_instruction *insn,
                                    struct x86_event *fault)
{
    uint32_t at = x86_effective_address(&cpu->state, insn), offset = 0;
    uint16_t selector;
    bool size32 = insn->operand_size == 4, call = insn->kind == X86_KIND_CALL_FAR_INDIRECT;
    enum x86_status status =
        x86_read(&cpu->state, &cpu->physical, at, &offset, insn->operand_size, false, fault);
    if (status == X86_OK)
        status = x86_read(&cpu->state, &cpu->physical, at + insn->operand_size, &selector,
                          sizeof selector, false, fault);
    if (status != X86_OK)
        return status;
    return (call ? x86_far_call : x86_far_jump)(&cpu->state, &cpu->physical, selector, offset,
                                                size32, insn->length, fault);
}

static enum x86_status transfer(struct cpu *cpu, const struct x86_instruction *insn,
                                struct x86_event *fault)
{
    struct cpu_state *state = &cpu->state;
    bool size32 = insn->operand_size == 4;
    switch (insn->kind) {
    case X86_KIND_IRET: return x86_iret(state, &cpu->physical, size32, insn->length, fault);
    case X86_KIND_RET_FAR:
        return x86_far_return(state, &cpu->physical, size32, (uint16_t)insn->immediate, fault);
    case X86_KIND_JMP_FAR:
        return x86_far_jump(state, &cpu->physical, insn->immediate2, insn->immediate, size32,
                            insn->length, fault);
    case X86_KIND_CALL_FAR:
        return x86_far_call(state, &cpu->physical, insn->immediate2, insn->immediate, size32,
                            insn->length, fault);
    default: return far_indirect(cpu, insn, fault);
    }
}

/* ---- the instructions together ---- */

static enum x86_status execute(struct cpu *cpu, const struct x86_instruction *insn,
                               struct x86_event *fault)
{
    switch (insn->kind) {
    case X86_KIND_CPUID: identify(cpu); return X86_OK;
    case X86_KIND_RDTSC: return read_tsc(cpu, fault);
    case X86_KIND_MOV_TO_CR: return move_to_cr(cpu, insn, fault);
    case X86_KIND_LMSW: return load_msw(cpu, insn, fault);
    case X86_KIND_CLTS: return write_cr0(cpu, cpu->state.cr0 & ~(uint32_t)X86_CR0_TS, fault);
    case X86_KIND_MOV_FROM_DR:
    case X86_KIND_MOV_TO_DR: return move_dr(cpu, insn, fault);
    case X86_KIND_RDMSR:
    case X86_KIND_WRMSR: return move_msr(cpu, insn, fault);
    case X86_KIND_LTR: return load_task_register(cpu, insn, fault);
    case X86_KIND_HLT: return X86_OK;
    default: return x86_raise_plain(fault, X86_UD); /* an extension that CPUID does not show */
    }
}

/* ---- the answers ---- */

/* Faults and INT n do, with their instruction; a trap and an interrupt do not. */
static bool comes_again(const struct x86_event *event)
{
    return event->kind == X86_SOFTWARE_INTERRUPT ||
           (event->kind == X86_EXCEPTION && event->vector != X86_DB);
}

static enum cpu_action deliver(struct cpu *cpu, const struct x86_event *event,
                               struct cpu_hardware *end)
{
    uint32_t cr3 = cpu->state.cr3;
    struct x86_delivery log;
    enum x86_status status;
    while ((status = x86_deliver(&cpu->state, &cpu->physical, event, &log)) == X86_NEED_PAGE)
        if (!cpu_supply(cpu, event, !comes_again(event)))
            return CPU_LEAVE;
    if (status == X86_SHUTDOWN) {
        end->shutdown = true;
        end->lost = *event;
        return CPU_LEAVE;
    }
    if (cpu->state.cr3 != cr3)
        cpu_flush(cpu); /* a task gate */
    /* INT n retires if its gate let it through; otherwise a fault was delivered in its place. */
    if (event->kind == X86_SOFTWARE_INTERRUPT && log.count == 1 && !cpu->host_clock)
        cpu->time++;
    return CPU_RESUME;
}

static enum cpu_action raise_event(struct cpu *cpu, struct cpu_hardware *end)
{
    end->faulted = true;
    if (end->keep_fault)
        return CPU_RETRY;
    return deliver(cpu, &end->fault, end);
}

/* An instruction that began with TF set has ended (SDM volume 3, section 17.3.1.4). */
static enum cpu_action single_step(struct cpu *cpu, struct cpu_hardware *end)
{
    static const struct x86_event trap = {.kind = X86_EXCEPTION, .vector = X86_DB};
    cpu->dr[6] = cpu->state.dr[6] |= X86_DR6_BS;
    return deliver(cpu, &trap, end);
}

/* A task's RF and an IRET's come with their EFLAGS; it ends with any other instruction. */
static enum cpu_action far_transfer(struct cpu *cpu, const struct x86_instruction *insn,
                                    struct cpu_hardware *end)
{
    uint32_t cr3 = cpu->state.cr3;
    uint16_t task = cpu->state.tr.selector;
    bool traps = cpu->state.eflags & X86_TF;
    enum x86_status status;
    while ((status = transfer(cpu, insn, &end->fault)) == X86_NEED_PAGE)
        if (!cpu_supply(cpu, 0, false))
            return CPU_LEAVE;
    if (cpu->state.cr3 != cr3)
        cpu_flush(cpu);
    if (status != X86_OK)
        return raise_event(cpu, end);
    if (insn->kind != X86_KIND_IRET && cpu->state.tr.selector == task)
        cpu->state.eflags &= ~(uint32_t)X86_RF;
    if (!cpu->host_clock)
        cpu->time++;
    return traps ? single_step(cpu, end) : CPU_RESUME;
}

static enum cpu_action instruction(struct cpu *cpu, const struct x86_instruction *insn,
                                   struct cpu_hardware *end)
{
    enum x86_status status;
    while ((status = execute(cpu, insn, &end->fault)) == X86_NEED_PAGE)
        if (!cpu_supply(cpu, 0, false))
            return CPU_LEAVE;
    if (status != X86_OK)
        return raise_event(cpu, end);
    cpu_retire(cpu, insn->length);
    if (cpu->state.eflags & X86_TF)
        return single_step(cpu, end);
    if (insn->kind != X86_KIND_HLT)
        return CPU_RESUME;
    end->halted = true;
    return CPU_LEAVE;
}

/* INT1 raises #DB as a trap, and no gate's DPL is looked at (volume 2, INT1). */
static enum cpu_action break_in(struct cpu *cpu, const struct x86_instruction *insn,
                                struct cpu_hardware *end)
{
    cpu_retire(cpu, insn->length);
    end->fault = (struct x86_event){.kind = X86_EXCEPTION, .vector = X86_DB};
    return raise_event(cpu, end);
}

/* A repeated instruction whose count is 0 does nothing, and so checks nothing (volume 2, REP). */
static bool repeats_never(const struct cpu *cpu, const struct x86_instruction *insn)
{
    uint32_t mask = insn->address_size == 4 ? UINT32_MAX : 0xffff;
    return (insn->flags & (X86_INSN_REP | X86_INSN_REPNE)) && !(cpu->state.gpr[X86_ECX] & mask);
}

static enum cpu_action site(struct cpu *cpu, const struct x86_instruction *insn,
                            struct cpu_hardware *end)
{
    if (cpu_transfers(&cpu->state, insn))
        return far_transfer(cpu, insn, end);
    if (insn->kind == X86_KIND_ICEBP)
        return break_in(cpu, insn, end);
    if (!(insn->flags & X86_INSN_IO))
        return cpu_wants(&cpu->state, insn) ? instruction(cpu, insn, end) : CPU_RETRY;
    if (repeats_never(cpu, insn))
        return CPU_RETRY;
    uint16_t port = insn->kind == X86_KIND_IN_IMMEDIATE || insn->kind == X86_KIND_OUT_IMMEDIATE
                        ? (uint16_t)(insn->immediate & 0xff)
                        : (uint16_t)cpu->state.gpr[X86_EDX];
    enum x86_status status;
    while ((status = x86_port_allowed(&cpu->state, &cpu->physical, port, insn->width,
                                      &end->fault)) == X86_NEED_PAGE)
        if (!cpu_supply(cpu, 0, false))
            return CPU_LEAVE;
    return status == X86_OK ? CPU_RETRY : raise_event(cpu, end);
}

enum cpu_action cpu_hardware(struct cpu *cpu, const struct cpu_exit *exit, struct cpu_hardware *end)
{
    switch (exit->kind) {
    case CPU_EXCEPTION:
        if (exit->event.step)
            cpu->dr[6] = cpu->state.dr[6] |= X86_DR6_BS;
        return deliver(cpu, &exit->event, end);
    case CPU_SOFTWARE_INTERRUPT: return deliver(cpu, &exit->event, end);
    case CPU_INSTRUCTION: return instruction(cpu, &exit->insn, end);
    default: return site(cpu, &exit->insn, end);
    }
}

enum cpu_action cpu_deliver(struct cpu *cpu, const struct x86_event *event,
                            struct cpu_hardware *end)
{
    return deliver(cpu, event, end);
}
