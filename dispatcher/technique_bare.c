/* The bare machine: no VMM. Every exit is the hardware's own to answer; guest-physical memory is
 * machine memory, and the board's devices are the machine's. The reference that equivalence is
 * measured against. */
#include "arch/x86/deliver.h"
#include "technique.h"

/* What reaches the guest through its IDT is worth a record; what the hardware does besides (a
 * write of CR0, say) is no trap on a machine without a VMM. */
static void begin_record(struct dispatcher *d, const struct cpu_state *state, enum trap_cause cause,
                         const struct x86_event *event)
{
    struct recorder *r = &d->recorder;
    record_begin(r, state, d->cpu->time, dispatcher_instructions(d));
    record_cause(r, cause);
    record_event(r, event);
    if (record_watched(r)) {
        uint8_t bytes[X86_INSN_MAX];
        record_bytes(r, bytes, cpu_fetch(d->cpu, r->open->linear, bytes, sizeof bytes));
    }
    record_result(r, "hardware", "delivered");
}

/* An instruction that the engine leaves to the hardware's microcode may raise an exception. */
static enum cpu_action execute(struct dispatcher *d, const struct cpu_exit *exit,
                               struct cpu_hardware *end)
{
    struct cpu_state before = d->cpu->state;
    enum cpu_action action = cpu_hardware(d->cpu, exit, end);
    if (end->faulted) {
        begin_record(d, &before, TRAP_EXCEPTION, &end->fault);
        record_end(&d->recorder, &d->cpu->state);
    }
    return action;
}

static enum cpu_action deliver(struct dispatcher *d, const struct cpu_exit *exit,
                               struct cpu_hardware *end)
{
    bool software = exit->kind == CPU_SOFTWARE_INTERRUPT;
    begin_record(d, &d->cpu->state, software ? TRAP_SOFTWARE_INTERRUPT : TRAP_EXCEPTION,
                 &exit->event);
    enum cpu_action action = cpu_hardware(d->cpu, exit, end);
    record_end(&d->recorder, &d->cpu->state);
    return action;
}

static enum cpu_action bare_exit(struct dispatcher *d, const struct cpu_exit *exit)
{
    struct cpu_hardware end = {0};
    bool event = exit->kind == CPU_EXCEPTION || exit->kind == CPU_SOFTWARE_INTERRUPT;
    enum cpu_action action = event ? deliver(d, exit, &end) : execute(d, exit, &end);
    d->halted = end.halted;
    d->shutdown = end.shutdown;
    if (d->shutdown)
        d->lost = end.lost;
    return action;
}

static bool bare_wants(struct dispatcher *d, const struct cpu_state *state,
                       const struct x86_instruction *insn)
{
    (void)d;
    return cpu_wants(state, insn) || cpu_transfers(state, insn);
}

static bool bare_enabled(const struct dispatcher *d)
{
    return d->cpu->state.eflags & X86_IF;
}

static bool bare_interruptible(const struct dispatcher *d)
{
    return bare_enabled(d) && !d->cpu->state.interrupt_shadow;
}

static void bare_interrupt(struct dispatcher *d, uint8_t vector)
{
    const struct x86_event event = {.kind = X86_EXTERNAL_INTERRUPT, .vector = vector};
    struct cpu_state *state = cpu_modify(d->cpu);
    uint32_t cr3 = state->cr3;
    begin_record(d, state, TRAP_INTERRUPT, &event);
    d->lost = event;
    d->shutdown = x86_deliver(state, &d->cpu->physical, &event, 0) == X86_SHUTDOWN;
    record_end(&d->recorder, state);
    if (state->cr3 != cr3)
        cpu_flush(d->cpu);
}

static void bare_modified(struct dispatcher *d)
{
    cpu_modify(d->cpu);
    cpu_flush_tlb(d->cpu);
}

static bool bare_reads_time(struct dispatcher *d, const struct engine_glance *now)
{
    (void)d;
    (void)now;
    return true;
}

const struct technique technique_bare = {
    .name = "bare",
    .exit = bare_exit,
    .wants = bare_wants,
    .reads_time = bare_reads_time,
    .enabled = bare_enabled,
    .interruptible = bare_interruptible,
    .interrupt = bare_interrupt,
    .modified = bare_modified,
};
