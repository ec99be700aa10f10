/* The hybrid virtual machine monitor (Popek and Goldberg 1974, section 6, theorem 3): every
 * instruction of the guest's supervisor is interpreted; its user code runs directly.
 *
 *     real mode, rings 0 to 2    the interpreter, on the virtual processor
 *     ring 3, virtual-8086       the processor, under shadow page tables
 *
 * A machine that cannot be virtualized by trap-and-emulate may still have a hybrid VMM, if every
 * user sensitive instruction is privileged: then nothing that runs directly can be silent. On x86
 * SGDT, SIDT, SLDT, STR and SMSW are not, so that theorem 3 fails too, but for few guests: such an
 * instruction is found as under trap-and-emulate, and its place named.
 *
 * The two share one virtual processor and one memory. What the interpreter writes to page tables
 * and descriptor tables in use, the shadows must hear; what user code writes, the interpreter's
 * decoded code must follow. */
#include <stdlib.h>

#include "arch/x86/walk.h"
#include "direct.h"
#include "interpreted.h"
#include "outcome.h"
#include "vcpu.h"

struct hybrid {
    struct interpreter_context context;
    struct x86_memory below; /* the virtual processor's own accessor */
    struct vcpu *vcpu;
    uint64_t event_time; /* of the last event that the interpreter met */
    unsigned events;     /* without progress */
    bool alone;          /* the processor executes one instruction for the interpreter */
    bool strayed;        /* the virtual processor is ahead of its stand-in */
    bool stale;          /* others than the interpreter have changed state or memory */
    uint32_t cr3;        /* of the cached translations */
    uint32_t epoch;      /* of the dirty log */
};

/* ---- memory that both see ---- */

/* Traced pages are never written past the accessor. When it has told the shadows of a write,
 * other pages may be traced. */
static uint8_t *hybrid_page(void *context, uint32_t physical, bool write)
{
    struct hybrid *h = context;
    if (h->vcpu->written != FRAMES_NONE)
        interpreter_cache_ask(h->context.cache);
    uint8_t *page = h->below.page(h->below.context, physical, write);
    if (write && shadow_traced(h->vcpu->shadow, physical))
        interpreter_cache_watch(h->context.cache, physical);
    return page;
}

/* Created when the guest is loaded. From then on whoever writes the guest's memory does so under
 * the eyes of the interpreter. */
static struct hybrid *hybrid_of(struct dispatcher *d)
{
    struct hybrid *h = d->own;
    if (h)
        return h;
    h = calloc(1, sizeof *h);
    if (!h)
        return 0;
    const struct x86_memory memory = {h, hybrid_page};
    h->vcpu = d->vcpu;
    h->below = d->vcpu->memory;
    h->context.cache = interpreter_cache_create(&memory, d->vcpu->map->pages << MEMORY_FRAME_SHIFT);
    if (!h->context.cache) {
        free(h);
        return 0;
    }
    d->vcpu->memory = *interpreter_cache_memory(h->context.cache);
    h->context.cpu = &d->vcpu->state;
    h->context.memory = &d->vcpu->memory;
    h->context.supervisor = true;
    return d->own = h;
}

static void hybrid_destroy(struct dispatcher *d)
{
    struct hybrid *h = d->own;
    if (!h)
        return;
    h->vcpu->memory = h->below;
    interpreter_cache_destroy(h->context.cache);
    free(h);
    d->own = 0;
}

/* ---- direct execution ---- */

static bool runs_directly(const struct dispatcher *d)
{
    return d->vcpu->state.cpl == 3;
}

/* A page that user code may write from now on. */
static void share(const struct dispatcher *d, struct hybrid *h, uint32_t linear)
{
    struct x86_walk walk;
    if (x86_probe(&d->vcpu->state, &d->vcpu->quiet, linear, X86_ACCESS_USER | X86_ACCESS_WRITE,
                  &walk) == X86_OK &&
        walk.end == X86_WALK_MAPPED)
        interpreter_cache_share(h->context.cache, walk.physical);
}

/* A fault that the allocator has settled leaves the one instruction still to be executed. None of
 * those that the processor gets is a jump: elsewhere, it is done, or came to an event. */
static enum cpu_action alone_exit(const struct dispatcher *d, enum cpu_action action)
{
    bool waits = d->vcpu->state.eip == d->vcpu->step_eip;
    return action != CPU_LEAVE && waits ? CPU_STEP : CPU_LEAVE;
}

static enum cpu_action hybrid_exit(struct dispatcher *d, const struct cpu_exit *exit)
{
    struct hybrid *h = d->own;
    enum cpu_action action = direct_exit(d, exit);
    if (exit->kind == CPU_EXCEPTION && exit->event.vector == X86_PAGE)
        share(d, h, exit->event.cr2);
    if (h->alone)
        return alone_exit(d, action);
    return runs_directly(d) ? action : CPU_LEAVE;
}

/* The stand-in becomes what the virtual processor is. */
static void catch_up(struct dispatcher *d, struct hybrid *h)
{
    if (!h->strayed)
        return;
    cpu_modify(d->cpu);
    vcpu_settle(d->vcpu);
    vcpu_switch_tables(d->vcpu);
    vcpu_project(d->vcpu);
    h->strayed = false;
}

static enum cpu_stop run_directly(struct dispatcher *d, struct hybrid *h, uint64_t deadline)
{
    catch_up(d, h);
    enum cpu_stop stop = cpu_run(d->cpu, deadline);
    vcpu_absorb(d->vcpu);
    h->stale = true;
    return stop;
}

/* Floating point and its kin, whose registers only the processor has. */
static enum cpu_stop execute_alone(struct dispatcher *d, struct hybrid *h)
{
    uint32_t linear;
    bool memory = interpreted_operand(d, &linear);
    h->strayed = true;
    catch_up(d, h);
    cpu_want_window(d->cpu, false);
    h->alone = true;
    h->vcpu->step_eip = d->vcpu->state.eip;
    enum cpu_stop stop = cpu_step(d->cpu);
    h->alone = false;
    vcpu_absorb(d->vcpu);
    h->stale = true;
    if (memory)
        interpreted_stores(d, h->context.cache, linear);
    return stop;
}

/* ---- events of interpreted code ---- */

static const struct x86_event single_step = {.kind = X86_EXCEPTION, .vector = X86_DB};

static void inject(struct dispatcher *d, struct hybrid *h, const struct x86_event *event)
{
    bool software = event->kind == X86_SOFTWARE_INTERRUPT;
    direct_record(d, software ? TRAP_SOFTWARE_INTERRUPT : TRAP_EXCEPTION);
    record_event(&d->recorder, event);
    record_result(&d->recorder, "interpreter", "inject");
    *(software ? &d->statistics.software_interrupts : &d->statistics.exceptions) += 1;
    if (d->cpu->time != h->event_time)
        h->events = 0;
    h->event_time = d->cpu->time;
    h->events++;
    uint64_t emulated = d->emulated;
    cpu_modify(d->cpu);
    outcome_inject(d, event);
    d->interpreted += d->emulated - emulated; /* INT n is the interpreter's here */
    d->emulated = emulated;
    h->stale = true;
    record_end(&d->recorder, &d->vcpu->state);
}

/* The address space is another one: the shadow's, too. */
static void switch_space(struct dispatcher *d, struct hybrid *h)
{
    vcpu_settle(d->vcpu);
    vcpu_switch_space(d->vcpu);
    h->stale = true;
}

/* What an instruction asks others for. */
static enum cpu_stop perform(struct dispatcher *d, struct hybrid *h,
                             const struct x86_instruction *insn, const struct outcome *outcome)
{
    enum cpu_stop stop = CPU_STOP_LEFT;
    bool trap = outcome->single_step;
    if (outcome->task_switched)
        switch_space(d, h);
    switch (outcome->kind) {
    case OUTCOME_INJECT: inject(d, h, &outcome->event); break;
    case OUTCOME_CR3:
    case OUTCOME_PAGING: switch_space(d, h); break;
    case OUTCOME_INVLPG: vcpu_invalidate(d->vcpu, outcome->linear); break;
    case OUTCOME_PORT: trap |= interpreted_port(d, &h->context, insn, &outcome->port); break;
    case OUTCOME_PROCESSOR: stop = execute_alone(d, h); break;
    case OUTCOME_IDLE: d->halted = true; break;
    case OUTCOME_MISSING:
    case OUTCOME_REFUSED: outcome_refuse(d, insn, outcome); break;
    case OUTCOME_NEED_PAGE: return CPU_STOP_FAILURE; /* all of this VM's memory is at hand */
    default: break;                                  /* tables are loaded on the way back */
    }
    if (trap && !d->shutdown) {
        d->halted = false;
        inject(d, h, &single_step);
    }
    return h->events > INTERPRETED_PATIENCE ? CPU_STOP_STUCK : stop;
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
    if (!d->cpu->break_count)
        return false;
    real->eip = d->vcpu->state.eip;
    real->seg[X86_CS] = d->vcpu->state.seg[X86_CS];
    real->gpr[X86_ECX] = d->vcpu->state.gpr[X86_ECX];
    return cpu_break_here(d->cpu);
}

/* Pages may be traced that were not, and the processor may have translated code from others: the
 * next write to each has to be noticed. An event may have switched tasks. */
static void refresh(struct hybrid *h)
{
    if (!h->stale)
        return;
    interpreter_cache_ask(h->context.cache);
    if (h->vcpu->state.cr3 != h->cr3)
        interpreter_cache_flush(h->context.cache);
    h->cr3 = h->vcpu->state.cr3;
    h->stale = false;
}

static enum cpu_stop interpret(struct dispatcher *d, struct hybrid *h, uint64_t deadline)
{
    struct cpu *cpu = d->cpu;
    h->context.window = d->board->intr;
    h->context.modules = d->modules.routines;
    interpreted_epoch(d, h->context.cache, &h->epoch);
    while (cpu_now(cpu) < deadline && !d->interrupted && !runs_directly(d)) {
        uint64_t begin = cpu->time, look = interpreted_look(d, deadline);
        struct x86_instruction insn;
        if (h->context.window && direct_interruptible(d))
            return CPU_STOP_WINDOW;
        h->strayed = true;
        if (at_break(d))
            return CPU_STOP_BREAK;
        refresh(h);
        h->context.time = begin;
        struct outcome outcome = interpreter_steps(&d->vcpu->interpreter, &h->context, look, &insn);
        d->interpreted += h->context.time - begin;
        cpu->time = h->context.time;
        if (outcome.kind == OUTCOME_DONE && !outcome.single_step && !outcome.task_switched)
            continue;
        enum cpu_stop stop = perform(d, h, &insn, &outcome);
        if (attention(d, &outcome, stop))
            return stop;
    }
    return CPU_STOP_DEADLINE;
}

static enum cpu_stop hybrid_run(struct dispatcher *d, uint64_t deadline)
{
    struct hybrid *h = hybrid_of(d);
    if (!h)
        return CPU_STOP_FAILURE;
    if (runs_directly(d))
        return run_directly(d, h, deadline);
    enum cpu_stop stop = interpret(d, h, deadline);
    catch_up(d, h);
    return stop;
}

/* ---- interrupts, and changes from outside ---- */

static void hybrid_interrupt(struct dispatcher *d, uint8_t vector)
{
    struct hybrid *h = hybrid_of(d);
    direct_interrupt(d, vector);
    if (h)
        h->stale = true;
}

static void hybrid_modified(struct dispatcher *d)
{
    struct hybrid *h = hybrid_of(d);
    direct_modified(d);
    if (h)
        interpreter_cache_clear(h->context.cache);
}

const struct technique technique_hybrid = {
    .name = "hybrid",
    .virtualizes = true,
    .exit = hybrid_exit,
    .wants = direct_wants,
    .reads_time = direct_reads_time,
    .enabled = direct_enabled,
    .interruptible = direct_interruptible,
    .window = direct_window,
    .interrupt = hybrid_interrupt,
    .run = hybrid_run,
    .modified = hybrid_modified,
    .walk = direct_walk,
    .interpreter = direct_interpreter,
    .destroy = hybrid_destroy,
};
