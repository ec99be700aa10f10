/* A guest whose supervisor is interpreted and whose user code runs directly, on one virtual
 * processor and one memory. See mixed.h. */
#include "mixed.h"

#include "arch/x86/walk.h"
#include "direct.h"
#include "interpreted.h"
#include "outcome.h"

/* ---- memory that both see ---- */

/* If other pages are traced now, the next write to each has to be noticed. */
static void follow_traces(struct mixed *m)
{
    uint64_t traces = shadow_statistics(m->vcpu->shadow).traces;
    if (traces != m->traces)
        interpreter_cache_ask(m->context.cache);
    m->traces = traces;
}

/* Traced pages are never written past the accessor. When it has told the shadows of a write,
 * other pages may be traced. */
static uint8_t *mixed_page(void *context, uint32_t physical, bool write)
{
    struct mixed *m = context;
    if (m->vcpu->written != FRAMES_NONE) {
        vcpu_settle(m->vcpu);
        follow_traces(m);
    }
    uint8_t *page = m->below.page(m->below.context, physical, write);
    if (write && shadow_traced(m->vcpu->shadow, physical))
        interpreter_cache_watch(m->context.cache, physical);
    return page;
}

bool mixed_init(struct mixed *m, struct dispatcher *d)
{
    const struct x86_memory memory = {m, mixed_page};
    m->vcpu = d->vcpu;
    m->below = d->vcpu->memory;
    m->context.cache = interpreter_cache_create(&memory, d->vcpu->map->pages << MEMORY_FRAME_SHIFT);
    if (!m->context.cache)
        return false;
    d->vcpu->memory = *interpreter_cache_memory(m->context.cache);
    m->context.cpu = &d->vcpu->state;
    m->context.memory = &d->vcpu->memory;
    m->context.supervisor = true;
    return true;
}

void mixed_destroy(struct mixed *m)
{
    m->vcpu->memory = m->below;
    interpreter_cache_destroy(m->context.cache);
}

/* ---- direct execution ---- */

bool mixed_is_user(const struct dispatcher *d)
{
    return d->vcpu->state.cpl == 3;
}

void mixed_share(const struct dispatcher *d, struct mixed *m, uint32_t linear, bool user)
{
    struct x86_walk walk;
    if (x86_probe(&d->vcpu->state, &d->vcpu->quiet, linear,
                  (user ? X86_ACCESS_USER : 0) | X86_ACCESS_WRITE, &walk) == X86_OK &&
        walk.end == X86_WALK_MAPPED)
        interpreter_cache_share(m->context.cache, walk.physical);
}

/* A fault that the allocator has settled leaves the one instruction still to be executed. None of
 * those that the processor gets is a jump: elsewhere, it is done, or came to an event. */
static enum cpu_action alone_exit(const struct dispatcher *d, enum cpu_action action)
{
    bool waits = d->vcpu->state.eip == d->vcpu->step_eip;
    return action != CPU_LEAVE && waits ? CPU_STEP : CPU_LEAVE;
}

enum cpu_action mixed_exit(struct dispatcher *d, struct mixed *m, const struct cpu_exit *exit)
{
    enum cpu_action action = direct_exit(d, exit);
    if (exit->kind == CPU_EXCEPTION && exit->event.vector == X86_PAGE)
        mixed_share(d, m, exit->event.cr2, true);
    if (m->alone)
        return alone_exit(d, action);
    return mixed_is_user(d) ? action : CPU_LEAVE;
}

/* The stand-in becomes what the virtual processor is. */
void mixed_catch_up(struct dispatcher *d, struct mixed *m)
{
    if (!m->strayed)
        return;
    cpu_modify(d->cpu);
    vcpu_settle(d->vcpu);
    vcpu_switch_tables(d->vcpu);
    vcpu_project(d->vcpu);
    m->strayed = false;
}

void mixed_ran(struct dispatcher *d, struct mixed *m)
{
    uint64_t traces = shadow_statistics(m->vcpu->shadow).traces;
    uint64_t learned = d->cpu->statistics.blocks_learned;
    if (traces == m->traces && learned == m->learned)
        return;
    m->traces = traces;
    m->learned = learned;
    m->stale = true;
}

enum cpu_stop mixed_run_user(struct dispatcher *d, struct mixed *m, uint64_t deadline)
{
    mixed_catch_up(d, m);
    enum cpu_stop stop = cpu_run(d->cpu, deadline);
    vcpu_absorb(d->vcpu);
    mixed_ran(d, m);
    return stop;
}

/* Floating point and its kin, whose registers only the processor has. */
static enum cpu_stop execute_alone(struct dispatcher *d, struct mixed *m)
{
    uint32_t linear;
    bool memory = interpreted_operand(d, &linear);
    m->strayed = true;
    mixed_catch_up(d, m);
    cpu_want_window(d->cpu, false);
    m->alone = true;
    m->vcpu->step_eip = d->vcpu->state.eip;
    enum cpu_stop stop = cpu_step(d->cpu);
    m->alone = false;
    vcpu_absorb(d->vcpu);
    m->stale = true;
    if (memory)
        interpreted_stores(d, m->context.cache, linear);
    return stop;
}

/* ---- events of interpreted code ---- */

static const struct x86_event single_step = {.kind = X86_EXCEPTION, .vector = X86_DB};

static void inject(struct dispatcher *d, struct mixed *m, const struct x86_event *event)
{
    bool software = event->kind == X86_SOFTWARE_INTERRUPT;
    bool part = d->recorder.open; /* of a trap that has come to this */
    if (!part)
        direct_record(d, software ? TRAP_SOFTWARE_INTERRUPT : TRAP_EXCEPTION);
    record_event(&d->recorder, event);
    record_result(&d->recorder, "interpreter", "inject");
    *(software ? &d->statistics.software_interrupts : &d->statistics.exceptions) += 1;
    if (d->cpu->time != m->event_time)
        m->events = 0;
    m->event_time = d->cpu->time;
    m->events++;
    uint64_t emulated = d->emulated;
    cpu_modify(d->cpu);
    outcome_inject(d, event);
    d->interpreted += d->emulated - emulated; /* INT n is the interpreter's here */
    d->emulated = emulated;
    m->stale = true;
    if (!part)
        record_end(&d->recorder, &d->vcpu->state);
}

/* The address space is another one: the shadow's, too. */
static void switch_space(struct dispatcher *d, struct mixed *m)
{
    if (d->recorder.open)
        record_step(&d->recorder, 'A');
    vcpu_settle(d->vcpu);
    vcpu_switch_space(d->vcpu);
    m->stale = true;
    if (m->remapped)
        m->remapped(d, true, 0);
}

static void invalidate(struct dispatcher *d, struct mixed *m, uint32_t linear)
{
    vcpu_invalidate(d->vcpu, linear);
    if (m->remapped)
        m->remapped(d, false, linear);
}

/* What an instruction asks others for. */
static enum cpu_stop perform(struct dispatcher *d, struct mixed *m,
                             const struct x86_instruction *insn, const struct outcome *outcome)
{
    enum cpu_stop stop = CPU_STOP_LEFT;
    bool trap = outcome->single_step;
    if (outcome->task_switched)
        switch_space(d, m);
    switch (outcome->kind) {
    case OUTCOME_INJECT: inject(d, m, &outcome->event); break;
    case OUTCOME_CR3:
    case OUTCOME_PAGING: switch_space(d, m); break;
    case OUTCOME_INVLPG: invalidate(d, m, outcome->linear); break;
    case OUTCOME_PORT: trap |= interpreted_port(d, &m->context, insn, &outcome->port); break;
    case OUTCOME_PROCESSOR:
        if (m->within)
            m->deferred = true;
        else
            stop = execute_alone(d, m);
        break;
    case OUTCOME_IDLE: d->halted = true; break;
    case OUTCOME_MISSING:
    case OUTCOME_REFUSED: outcome_refuse(d, insn, outcome); break;
    case OUTCOME_NEED_PAGE: return CPU_STOP_FAILURE; /* all of this VM's memory is at hand */
    default: break;                                  /* tables are loaded on the way back */
    }
    if (trap && !d->shutdown && !d->refused) {
        d->halted = false;
        inject(d, m, &single_step);
    }
    return m->events > INTERPRETED_PATIENCE ? CPU_STOP_STUCK : stop;
}

/* ---- the run loop ---- */

/* Has the guest done something that the dispatcher must look at? The board may want something
 * after an access; whoever watches the traps may, too. */
static bool attention(const struct dispatcher *d, const struct outcome *outcome, enum cpu_stop stop)
{
    return outcome->kind == OUTCOME_PORT || d->halted || d->shutdown || d->refused || d->diverged ||
           d->recorder.stopped || stop == CPU_STOP_FAILURE || stop == CPU_STOP_STUCK;
}

static bool at_break(struct dispatcher *d)
{
    struct cpu_state *real = &d->cpu->state;
    if (!d->cpu->break_count || d->cpu->breaks_off)
        return false;
    real->eip = d->vcpu->state.eip;
    real->seg[X86_CS] = d->vcpu->state.seg[X86_CS];
    real->gpr[X86_ECX] = d->vcpu->state.gpr[X86_ECX];
    return cpu_break_here(d->cpu);
}

/* Pages may be traced that were not, and the processor may have translated code from others: the
 * next write to each has to be noticed. An event may have switched tasks. */
static void refresh(struct mixed *m)
{
    if (m->vcpu->state.cr3 != m->cr3)
        interpreter_cache_flush(m->context.cache);
    else if (m->stale)
        interpreter_cache_ask(m->context.cache);
    m->cr3 = m->vcpu->state.cr3;
    m->stale = false;
}

void mixed_begin(struct dispatcher *d, struct mixed *m)
{
    m->context.window = d->board->intr;
    m->context.modules = d->modules.routines;
    interpreted_epoch(d, m->context.cache, &m->epoch);
}

bool mixed_interpret(struct dispatcher *d, struct mixed *m, uint64_t until, enum cpu_stop *stop)
{
    struct cpu *cpu = d->cpu;
    uint64_t begin = cpu->time;
    struct x86_instruction insn;
    *stop = CPU_STOP_WINDOW;
    if (m->context.window && direct_interruptible(d))
        return true;
    m->strayed = true;
    *stop = CPU_STOP_BREAK;
    if (at_break(d))
        return true;
    refresh(m);
    uint32_t at = d->watch.at = d->guest->seg[X86_CS].base + d->guest->eip;
    m->context.time = begin;
    struct outcome outcome = interpreter_steps(&d->vcpu->interpreter, &m->context, until, &insn);
    interpreted_ran(d, &m->context, begin);
    *stop = CPU_STOP_LEFT;
    if (outcome.kind == OUTCOME_DONE && !outcome.single_step && !outcome.task_switched)
        return d->watch.met && dispatcher_watch_met(d, at);
    *stop = perform(d, m, &insn, &outcome);
    if (attention(d, &outcome, *stop))
        return true;
    return d->watch.met && dispatcher_watch_met(d, at);
}

void mixed_modified(struct dispatcher *d, struct mixed *m)
{
    (void)d;
    interpreter_cache_clear(m->context.cache);
    m->stale = true;
}
