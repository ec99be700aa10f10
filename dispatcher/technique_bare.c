/* The bare machine: no VMM. Every exit is the hardware's own to answer; guest-physical memory is
 * machine memory, and the board's devices are the machine's. The reference that equivalence is
 * measured against. */
#include "arch/x86/deliver.h"
#include "technique.h"

static enum cpu_action bare_exit(struct dispatcher *d, const struct cpu_exit *exit)
{
    struct cpu_hardware end = {0};
    enum cpu_action action = cpu_hardware(d->cpu, exit, &end);
    d->halted = end.halted;
    d->shutdown = end.shutdown;
    return action;
}

static bool bare_wants(struct dispatcher *d, const struct cpu_state *state,
                       const struct x86_instruction *insn)
{
    (void)d;
    return cpu_wants(state, insn);
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
    d->shutdown = x86_deliver(state, &d->cpu->physical, &event, 0) == X86_SHUTDOWN;
    if (state->cr3 != cr3)
        cpu_flush(d->cpu);
}

const struct technique technique_bare = {
    .name = "bare",
    .exit = bare_exit,
    .wants = bare_wants,
    .enabled = bare_enabled,
    .interruptible = bare_interruptible,
    .interrupt = bare_interrupt,
};
