/* Interpretation: every instruction of the guest, supervisor's or user's, is fetched, decoded and
 * executed by the interpreter (Bochs; Popek and Goldberg's "complete software interpreter machine",
 * the other end of the scale whose one end is the bare machine). Nothing traps, because nothing
 * runs directly; so nothing can be sensitive without being noticed either, and the guest cannot
 * tell its machine from the bare one. The price is time.
 *
 * The virtual processor is the machine's own state, guest-physical memory is machine memory, and
 * the devices are the board's, as on the bare machine. What the interpreter comes to is performed
 * here: events are delivered by arch/, ports go to the board, and an instruction on registers that
 * only the processor has (floating point) is executed by it, alone. */
#include <stdlib.h>

#include "arch/x86/walk.h"
#include "interpreted.h"
#include "interpreter/execute/cache.h"
#include "interpreter/interpreter.h"
#include "outcome.h"
#include "technique.h"

struct interp {
    struct interpreter interpreter;
    struct interpreter_context context;
    uint64_t event_time; /* of the last event */
    unsigned events;     /* without progress */
    bool in_processor;   /* the processor executes an instruction for us */
    uint32_t epoch;      /* of the dirty log */
};

/* Created when the guest first runs: the memory is there then. */
static struct interp *interp_of(struct dispatcher *d)
{
    struct interp *i = d->own;
    if (i)
        return i;
    i = calloc(1, sizeof *i);
    if (!i)
        return 0;
    interpreter_init(&i->interpreter);
    i->context.cache = interpreter_cache_create(d->memory, d->cpu->memory->size);
    if (!i->context.cache) {
        free(i);
        return 0;
    }
    i->context.memory = interpreter_cache_memory(i->context.cache);
    return d->own = i;
}

static struct interpreter *interp_table(struct dispatcher *d)
{
    struct interp *i = interp_of(d);
    return i ? &i->interpreter : 0;
}

static void interp_destroy(struct dispatcher *d)
{
    struct interp *i = d->own;
    if (i)
        interpreter_cache_destroy(i->context.cache);
    free(i);
    d->own = 0;
}

/* ---- events ---- */

static void record(struct dispatcher *d, enum trap_cause cause, const struct x86_event *event)
{
    struct recorder *r = &d->recorder;
    record_begin(r, d->guest, d->cpu->time, dispatcher_instructions(d));
    record_cause(r, cause);
    record_event(r, event);
    if (r->sink) {
        uint8_t bytes[X86_INSN_MAX];
        record_bytes(r, bytes,
                     (unsigned)x86_peek(d->guest, d->memory, r->open->linear, bytes, sizeof bytes));
    }
    record_result(r, "interpreter", "delivered");
}

static void deliver(struct dispatcher *d, struct interp *i, const struct x86_event *event)
{
    struct cpu_state *state = cpu_modify(d->cpu);
    uint32_t cr3 = state->cr3;
    struct x86_delivery log;
    d->lost = *event;
    d->shutdown = modules_deliver(d, state, i->context.memory, event, &log) == X86_SHUTDOWN;
    if (state->cr3 != cr3)
        interpreter_cache_flush(i->context.cache); /* a task gate */
    /* INT n retires if its gate let it through; otherwise a fault was delivered in its place. */
    if (event->kind == X86_SOFTWARE_INTERRUPT && !d->shutdown && !d->refused && log.count == 1)
        interpreted_retired(d);
}

static void inject(struct dispatcher *d, struct interp *i, const struct x86_event *event)
{
    bool software = event->kind == X86_SOFTWARE_INTERRUPT;
    record(d, software ? TRAP_SOFTWARE_INTERRUPT : TRAP_EXCEPTION, event);
    if (!i->in_processor) /* which counts by itself */
        *(software ? &d->statistics.software_interrupts : &d->statistics.exceptions) += 1;
    if (d->cpu->time != i->event_time)
        i->events = 0;
    i->event_time = d->cpu->time;
    i->events++;
    deliver(d, i, event);
    record_end(&d->recorder, d->guest);
}

/* ---- the processor's own instructions ---- */

static enum cpu_stop execute_alone(struct dispatcher *d, struct interp *i)
{
    uint32_t linear;
    cpu_modify(d->cpu);
    bool memory = interpreted_operand(d, &linear);
    cpu_flush_tlb(d->cpu);
    cpu_want_window(d->cpu, false);
    i->in_processor = true;
    enum cpu_stop stop = cpu_step(d->cpu);
    i->in_processor = false;
    if (memory)
        interpreted_stores(d, i->context.cache, linear);
    return stop;
}

/* What the instruction raised is delivered, and that is the end of it. */
static enum cpu_action interp_exit(struct dispatcher *d, const struct cpu_exit *exit)
{
    struct cpu_hardware end = {0};
    struct interp *i = d->own;
    if (!i || !i->in_processor || exit->kind == CPU_STEPPED)
        return CPU_LEAVE;
    if (exit->kind == CPU_EXCEPTION || exit->kind == CPU_SOFTWARE_INTERRUPT) {
        inject(d, i, &exit->event);
        return CPU_LEAVE;
    }
    enum cpu_action action = cpu_hardware(d->cpu, exit, &end);
    d->halted = end.halted;
    d->shutdown = end.shutdown;
    if (d->shutdown)
        d->lost = end.lost;
    return action == CPU_RETRY ? CPU_RETRY : CPU_LEAVE;
}

/* ---- the run loop ---- */

static const struct x86_event single_step = {.kind = X86_EXCEPTION, .vector = X86_DB};

static bool interp_enabled(const struct dispatcher *d)
{
    return d->guest->eflags & X86_IF;
}

static bool interp_interruptible(const struct dispatcher *d)
{
    return interp_enabled(d) && !d->guest->interrupt_shadow;
}

/* Performs an outcome that is not done, or that a single-step trap follows. False with `*stop` if
 * the dispatcher has to decide what is next. */
static bool perform(struct dispatcher *d, struct interp *i, const struct x86_instruction *insn,
                    const struct outcome *outcome, enum cpu_stop *stop)
{
    bool port = outcome->kind == OUTCOME_PORT, trap = outcome->single_step;
    *stop = CPU_STOP_LEFT;
    switch (outcome->kind) {
    case OUTCOME_INJECT: inject(d, i, &outcome->event); break;
    case OUTCOME_PORT: trap |= interpreted_port(d, &i->context, insn, &outcome->port); break;
    case OUTCOME_PROCESSOR: *stop = execute_alone(d, i); break;
    case OUTCOME_IDLE: d->halted = true; break;
    case OUTCOME_MISSING:
    case OUTCOME_REFUSED: outcome_refuse(d, insn, outcome); return false;
    case OUTCOME_NEED_PAGE: *stop = CPU_STOP_FAILURE; return false;
    default: break; /* translations are the cache's, which has followed */
    }
    if (trap && !d->shutdown && !d->refused) {
        d->halted = false;
        inject(d, i, &single_step);
    }
    if (i->events > INTERPRETED_PATIENCE)
        *stop = CPU_STOP_STUCK;
    /* The board may want something after an access; whoever watches the traps may, too. */
    return !port && !d->halted && !d->shutdown && !d->refused && !d->recorder.stopped &&
           i->events <= INTERPRETED_PATIENCE && *stop != CPU_STOP_FAILURE &&
           *stop != CPU_STOP_STUCK;
}

static enum cpu_stop interp_run(struct dispatcher *d, uint64_t deadline)
{
    struct interp *i = interp_of(d);
    struct cpu *cpu = d->cpu;
    enum cpu_stop stop;
    if (!i)
        return CPU_STOP_FAILURE;
    i->context.cpu = cpu_modify(cpu);
    i->context.window = d->board->intr;
    i->context.modules = d->modules.routines;
    interpreted_epoch(d, i->context.cache, &i->epoch);
    while (cpu_now(cpu) < deadline && !d->interrupted) {
        uint64_t begin = cpu->time, look = interpreted_look(d, deadline);
        struct x86_instruction insn;
        struct outcome outcome;
        if (i->context.window && interp_interruptible(d))
            return CPU_STOP_WINDOW;
        if (cpu->break_count && cpu_break_here(cpu))
            return CPU_STOP_BREAK;
        uint32_t at = d->watch.at = d->guest->seg[X86_CS].base + d->guest->eip;
        i->context.time = begin;
        outcome = interpreter_steps(&i->interpreter, &i->context, look, &insn);
        interpreted_ran(d, &i->context, begin);
        if ((outcome.kind != OUTCOME_DONE || outcome.single_step) &&
            !perform(d, i, &insn, &outcome, &stop))
            return stop;
        if (d->watch.met && dispatcher_watch_met(d, at))
            return CPU_STOP_LEFT;
    }
    return CPU_STOP_DEADLINE;
}

/* ---- interrupts ---- */

static bool interp_wants(struct dispatcher *d, const struct cpu_state *state,
                         const struct x86_instruction *insn)
{
    (void)d;
    return cpu_wants(state, insn);
}

static void interp_interrupt(struct dispatcher *d, uint8_t vector)
{
    const struct x86_event event = {.kind = X86_EXTERNAL_INTERRUPT, .vector = vector};
    struct interp *i = interp_of(d);
    if (!i)
        return;
    record(d, TRAP_INTERRUPT, &event);
    deliver(d, i, &event);
    record_end(&d->recorder, d->guest);
}

static void interp_modified(struct dispatcher *d)
{
    const struct interp *i = d->own;
    cpu_modify(d->cpu);
    cpu_flush_tlb(d->cpu);
    if (i)
        interpreter_cache_clear(i->context.cache);
}

const struct technique technique_interp = {
    .name = "interp",
    .tells_control = true,
    .exit = interp_exit,
    .wants = interp_wants,
    .enabled = interp_enabled,
    .interruptible = interp_interruptible,
    .interrupt = interp_interrupt,
    .modified = interp_modified,
    .run = interp_run,
    .interpreter = interp_table,
    .destroy = interp_destroy,
};
