/* The run loop, and the processor's calls in it. */
#include "dispatcher.h"

#include <stdio.h>
#include <time.h>

#include "technique.h"

/* A guest that nobody types to and that has slept for so long has nothing left to wait for: ten
 * minutes of virtual time. */
#define IDLE_LIMIT (600 * CLOCK_HZ)

/* ---- the processor's calls ---- */

/* Marks outlive the watchpoints that they were for. */
static bool is_nobodys(struct dispatcher *d, const struct cpu_exit *exit)
{
    return d->watch_marks && exit->kind == CPU_SITE &&
           !d->technique->wants(d, &d->cpu->state, &exit->insn);
}

static enum cpu_action handle_exit(struct dispatcher *d, const struct cpu_exit *exit)
{
    if (is_nobodys(d, exit))
        return CPU_RETRY;
    switch (exit->kind) {
    case CPU_EXCEPTION: d->statistics.exceptions++; break;
    case CPU_SOFTWARE_INTERRUPT: d->statistics.software_interrupts++; break;
    default: d->statistics.intercepts++; break;
    }
    return d->technique->exit(d, exit);
}

bool dispatcher_watch_met(struct dispatcher *d, uint32_t at)
{
    if (d->watch.met && !d->watch.hit && d->watch.met(d->watch.context, at))
        d->watch.hit = true;
    return d->watch.hit;
}

static uint32_t linear_eip(const struct cpu_state *state)
{
    return state->seg[X86_CS].base + state->eip;
}

/* An instruction that may change what is watched is stepped, and looked at behind; the technique
 * hears of it only if it asked itself. */
static enum cpu_action watch_site(struct dispatcher *d, const struct cpu_exit *exit)
{
    enum cpu_action action = handle_exit(d, exit);
    if (action != CPU_RETRY || !d->watch.wants || !d->watch.wants(d->watch.context, &exit->insn))
        return action;
    d->watch.stepping = true;
    return CPU_STEP;
}

static enum cpu_action watch_exit(struct dispatcher *d, const struct cpu_exit *exit)
{
    enum cpu_action action = CPU_RETRY;
    if (exit->kind == CPU_SITE && d->watch.stepping)
        return CPU_RETRY; /* the step is at its mark */
    if (exit->kind == CPU_STEPPED && d->watch.stepping) {
        d->watch.stepping = false;
        if (d->technique->stopped)
            d->technique->stopped(d);
    } else {
        d->watch.at = linear_eip(&d->cpu->state);
        action = exit->kind == CPU_SITE ? watch_site(d, exit) : handle_exit(d, exit);
    }
    dispatcher_watch_met(d, d->watch.at);
    return action;
}

static enum cpu_action on_exit_of_cpu(void *context, const struct cpu_exit *exit)
{
    struct dispatcher *d = context;
    enum cpu_action action = d->watch.met ? watch_exit(d, exit) : handle_exit(d, exit);
    if (d->refused || (d->interrupted && action == CPU_RESUME))
        return CPU_LEAVE;
    if (!d->recorder.stopped && !d->watch.hit)
        return action;
    if (action != CPU_STEP && (exit->kind != CPU_SITE || action != CPU_RETRY))
        return CPU_LEAVE;
    /* The instruction is to be executed first; or else it would be looked at again. */
    cpu_rearm(d->cpu, d->cpu->time + 1);
    return action;
}

static bool on_time_read(void *context, const struct engine_glance *now)
{
    struct dispatcher *d = context;
    bool answered = d->technique->reads_time(d, now);
    d->statistics.intercepts += answered;
    return answered;
}

static bool on_wants(void *context, const struct cpu_state *state,
                     const struct x86_instruction *insn)
{
    struct dispatcher *d = context;
    return d->technique->wants(d, state, insn) ||
           (d->watch.wants && d->watch.wants(d->watch.context, insn));
}

static bool on_patches(void *context, const struct cpu_state *state,
                       const struct x86_instruction *insn)
{
    struct dispatcher *d = context;
    return d->technique->patches(d, state, insn);
}

static uint32_t on_in(void *context, uint32_t pc, uint64_t now, uint16_t port, unsigned size)
{
    struct dispatcher *d = context;
    (void)pc;
    uint32_t value = board_in(d->board, now, port, size);
    cpu_rearm(d->cpu, d->board->clock.next);
    return value;
}

static void on_out(void *context, uint32_t pc, uint64_t now, uint16_t port, unsigned size,
                   uint32_t value)
{
    struct dispatcher *d = context;
    (void)pc;
    board_out(d->board, now, port, size, value);
    cpu_rearm(d->cpu, d->board->clock.next);
    if (d->board->request != BOARD_RUN)
        cpu_freeze(d->cpu);
}

void dispatcher_init(struct dispatcher *d, struct board *board, const struct technique *technique,
                     struct cpu_client *client)
{
    *d = (struct dispatcher){.board = board, .technique = technique};
    record_init(&d->recorder, 0);
    modules_init(&d->modules);
    *client = (struct cpu_client){.context = d,
                                  .exit = on_exit_of_cpu,
                                  .reads_time = technique->reads_time ? on_time_read : 0,
                                  .wants = on_wants,
                                  .patches = technique->patches ? on_patches : 0,
                                  .retires = technique->retires,
                                  .interrupted = &d->interrupted,
                                  .in = on_in,
                                  .out = on_out};
}

void dispatcher_use(struct dispatcher *d, struct cpu *cpu)
{
    d->cpu = cpu;
    d->guest = &cpu->state;
    d->memory = d->linear = &cpu->physical;
}

void dispatcher_refuse(struct dispatcher *d, const char *reason)
{
    snprintf(d->reason, sizeof d->reason, "%s", reason);
    d->refused = true;
}

void dispatcher_destroy(struct dispatcher *d)
{
    if (d->technique && d->technique->destroy)
        d->technique->destroy(d);
}

uint64_t dispatcher_time(const struct dispatcher *d)
{
    return d->running ? d->cpu->time : d->time;
}

uint64_t dispatcher_instructions(const struct dispatcher *d)
{
    return d->cpu->host_clock ? 0 : dispatcher_time(d) - d->idle;
}

/* ---- idling ---- */

/* Before the guest has initialized the controllers nothing gets through them either. */
static bool every_line_masked(const struct pic *pic)
{
    return !pic->chip[0].ready || pic->chip[0].imr == 0xff;
}

static void sleep_until(struct cpu *cpu, uint64_t time)
{
    enum { LONGEST = 1000000 }; /* nanoseconds: input is looked for as often */
    uint64_t now = cpu_now(cpu);
    if (now >= time)
        return;
    uint64_t wait = (time - now) * (1000000000u / CLOCK_HZ);
    struct timespec pause = {0, (long)(wait < LONGEST ? wait : LONGEST)};
    nanosleep(&pause, 0);
    cpu_now(cpu);
}

/* Passes the time to the next event. False if none can ever wake the guest. */
static bool idle(struct dispatcher *d)
{
    uint64_t next = d->board->clock.next;
    if (!d->technique->enabled(d) || every_line_masked(&d->board->pic) || next == CLOCK_NEVER)
        return false;
    if (!d->interactive && d->cpu->time - d->idle_since > IDLE_LIMIT)
        return false;
    if (d->cpu->host_clock) {
        sleep_until(d->cpu, next);
    } else if (next > d->cpu->time) {
        d->idle += next - d->cpu->time;
        d->cpu->time = next;
    }
    return true;
}

/* ---- the loop ---- */

static bool requested(struct dispatcher *d, enum dispatch_end *end)
{
    if (d->shutdown)
        *end = DISPATCH_SHUTDOWN;
    else if (d->diverged)
        *end = DISPATCH_DIVERGED;
    else if (d->refused)
        *end = DISPATCH_REFUSED;
    else if (d->board->request == BOARD_EXIT)
        *end = DISPATCH_EXIT;
    else if (d->board->request == BOARD_RESET)
        *end = DISPATCH_RESET;
    else if (dispatcher_watch_met(d, d->watch.at))
        *end = DISPATCH_WATCH;
    else if (d->recorder.stopped)
        *end = DISPATCH_TRAP;
    else if (d->interrupted)
        *end = DISPATCH_USER;
    else
        return false;
    return true;
}

static uint64_t next_deadline(const struct dispatcher *d, uint64_t instructions)
{
    uint64_t next = d->board->clock.next;
    if (d->cpu->host_clock || instructions == UINT64_MAX)
        return next;
    uint64_t limit = d->idle + instructions;
    return limit < next ? limit : next;
}

static void accept_interrupt(struct dispatcher *d)
{
    if (!d->board->intr || !d->technique->interruptible(d))
        return;
    d->halted = false;
    d->statistics.interrupts++;
    d->watch.at = linear_eip(d->guest);
    d->technique->interrupt(d, board_acknowledge(d->board));
}

/* A step of the loop that delivered an interrupt may have to end behind it. */
static bool stopped_by_interrupt(struct dispatcher *d, enum dispatch_end *end)
{
    bool watched = dispatcher_watch_met(d, d->watch.at);
    *end = d->shutdown  ? DISPATCH_SHUTDOWN
           : d->refused ? DISPATCH_REFUSED
           : watched    ? DISPATCH_WATCH
                        : DISPATCH_TRAP;
    return d->shutdown || d->refused || watched || d->recorder.stopped;
}

static enum dispatch_end run(struct dispatcher *d, uint64_t instructions)
{
    enum dispatch_end end;
    d->recorder.stopped = d->watch.hit = d->watch.stepping = false;
    for (;;) {
        board_advance(d->board, d->cpu->time);
        if (requested(d, &end))
            return end;
        accept_interrupt(d);
        if (stopped_by_interrupt(d, &end))
            return end;
        if (dispatcher_instructions(d) >= instructions)
            return DISPATCH_LIMIT;
        if (d->halted) {
            if (!idle(d))
                return DISPATCH_HALT;
            continue;
        }
        cpu_want_window(d->cpu,
                        d->board->intr && (!d->technique->window || d->technique->window(d)));
        uint64_t deadline = next_deadline(d, instructions);
        enum cpu_stop stop =
            d->technique->run ? d->technique->run(d, deadline) : cpu_run(d->cpu, deadline);
        if (d->technique->stopped)
            d->technique->stopped(d);
        if (d->cpu->watch_met)
            d->watch.at = d->cpu->watch_pc;
        switch (stop) {
        case CPU_STOP_BREAK: return DISPATCH_BREAK;
        case CPU_STOP_STUCK: return DISPATCH_STUCK;
        case CPU_STOP_FAILURE: return DISPATCH_FAILURE;
        default: break;
        }
        d->idle_since = d->cpu->time;
    }
}

enum dispatch_end dispatcher_run(struct dispatcher *d, uint64_t instructions)
{
    uint64_t patches = d->cpu->statistics.patches;
    d->running = true;
    enum dispatch_end end = run(d, instructions);
    d->patched += d->cpu->statistics.patches - patches;
    d->running = false;
    d->time = d->cpu->time;
    return end;
}
