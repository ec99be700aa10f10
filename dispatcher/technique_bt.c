/* Binary translation (Adams and Agesen 2006, section 3; VMware Workstation): the guest's supervisor
 * runs from a code cache, in which every instruction is one that may be executed at ring 1 (see
 * interpreter/translate/translate.h); its user code runs directly.
 *
 *     ring 3, virtual-8086              the processor, as under trap-and-emulate
 *     ring 0, flat 32-bit segments      the processor, in the code cache
 *     ring 0, anything else             the interpreter, as in the hybrid VMM
 *
 * What connects the last two is the *call-out*: wherever the processor is in the cache, the guest's
 * state can be told exactly, so that the interpreter may take over for one instruction, whatever it
 * is, and the next one is looked up again. A fault, an instruction that has no translation, a write
 * to a traced page, the end of the guest's time in the middle of a unit: all of them are call-outs.
 *
 * In the cache the real EIP is the cache's and the real IOPL is 1, so that the real IF, which
 * nothing else uses, is the guest's: CLI and STI need no translation. */
#include <stdlib.h>
#include <string.h>

#include "codespace.h"
#include "direct.h"
#include "interpreted.h"
#include "interpreter/translate/translate.h"
#include "mixed.h"

/* Without a chance of translation the interpreter need not look again so soon. */
enum { INTERPRET_WHILE = 256 };

/* Pages that can be watched at a time while their writers run from the cache. */
enum { WATCHED = 64 };

struct bt {
    struct mixed mixed;
    struct translator *translator;
    struct codespace codespace;
    struct dispatcher *dispatcher;
    struct interpreter routines; /* as they are known to the translator */
    bool inside;                 /* the processor is in the cache */
    bool call_out;               /* the next instruction is the interpreter's */
    bool near;                   /* and all up to the deadline */
    enum cpu_stop stop;          /* what a call-out came to, CPU_STOP_LEFT: nothing */
    bool attend;                 /* ... that the dispatcher must look at */
    uint64_t called_out, flushes;
    uint32_t slot;               /* where the cache is mapped */
    uint32_t cr3;                /* of the address space that translations were verified in */
    uint32_t breaks[CPU_BREAKS]; /* that the translator knows of; linear addresses */
    unsigned break_count;
    uint32_t watched[WATCHED]; /* guest-physical pages that are traced because they are watched */
    unsigned watched_count;
};

/* ---- what the translator asks for ---- */

static void flushed(void *context)
{
    struct bt *b = context;
    b->flushes++;
}

static void remade(void *context, uint32_t offset, uint32_t size)
{
    struct bt *b = context;
    struct cpu *cpu = b->dispatcher->cpu;
    uint32_t machine = codespace_machine(&b->codespace, offset);
    if (size < MEMORY_FRAME_SIZE)
        cpu_remade(cpu, (b->slot << 22) + offset, machine, size);
    else
        cpu_written(cpu, machine >> MEMORY_FRAME_SHIFT);
}

static bool stops(void *context, uint32_t eip)
{
    const struct bt *b = context;
    unsigned i = 0;
    while (i < b->break_count && b->breaks[i] != eip)
        i++;
    return i < b->break_count;
}

static void perform_requests(struct dispatcher *d, struct bt *b)
{
    uint32_t guest;
    bool on;
    unsigned flush = 0;
    while (translator_request(b->translator, &guest, &on)) {
        if (on)
            flush |= shadow_trace(d->vcpu->shadow, guest);
        else
            shadow_untrace(d->vcpu->shadow, guest);
        b->mixed.stale = true;
    }
    if (flush & SHADOW_FLUSH_ALL)
        cpu_flush_tlb(d->cpu);
}

static void flush(struct dispatcher *d, struct bt *b)
{
    b->slot = shadow_slot(d->vcpu->shadow);
    translator_flush(b->translator, b->slot << 22);
    perform_requests(d, b);
}

/* Where the cache is now: the guest may have mapped something at its place. */
static void settle(struct dispatcher *d, struct bt *b)
{
    vcpu_settle(d->vcpu);
    vcpu_make_way(d->vcpu);
    if (b->slot != shadow_slot(d->vcpu->shadow))
        flush(d, b);
}

static uint32_t unit_at(struct dispatcher *d, struct bt *b, uint32_t eip)
{
    settle(d, b);
    uint32_t unit =
        translator_unit(b->translator, &d->vcpu->state, &d->vcpu->quiet, eip, d->cpu->time);
    perform_requests(d, b);
    return unit;
}

/* ---- what the translator hears of ---- */

static void written(void *context, uint32_t guest, uint32_t count)
{
    struct bt *b = context;
    translator_written(b->translator, guest, count, b->dispatcher->cpu->time);
}

static void remapped(struct dispatcher *d, bool all, uint32_t linear)
{
    struct bt *b = d->own;
    b->cr3 = d->vcpu->state.cr3;
    translator_verify(b->translator, &d->vcpu->state, &d->vcpu->quiet, all, linear);
    perform_requests(d, b);
}

/* ---- life ---- */

static void bt_free(struct bt *b)
{
    translator_destroy(b->translator);
    if (b->codespace.count)
        codespace_destroy(&b->codespace);
    if (b->mixed.context.cache)
        mixed_destroy(&b->mixed);
    free(b);
}

static struct bt *bt_of(struct dispatcher *d)
{
    struct bt *b = d->own;
    if (b)
        return b;
    b = calloc(1, sizeof *b);
    if (!b)
        return 0;
    b->dispatcher = d;
    b->slot = shadow_slot(d->vcpu->shadow);
    const struct translator_client client = {b, remade, flushed, stops};
    if (mixed_init(&b->mixed, d) && codespace_init(&b->codespace, &d->vcpu->tables, d->code_cache))
        b->translator = translator_create(&b->codespace.space, b->slot << 22, d->vcpu->map->pages,
                                          &b->routines, &client, d->modules.translate);
    if (!b->translator) {
        bt_free(b);
        return 0;
    }
    b->mixed.remapped = remapped;
    b->routines = d->vcpu->interpreter;
    d->vcpu->watch = written;
    d->vcpu->watch_context = b;
    return d->own = b;
}

static bool bt_create(struct dispatcher *d, const struct technique_options *options)
{
    (void)options;
    return bt_of(d);
}

static void bt_destroy(struct dispatcher *d)
{
    struct bt *b = d->own;
    if (!b)
        return;
    d->vcpu->watch = 0;
    bt_free(b);
    d->own = 0;
}

static unsigned bt_retires(void *context, uint32_t pc, uint32_t size)
{
    const struct dispatcher *d = context;
    const struct bt *b = d->own;
    return b && b->inside ? translator_retires(b->translator, pc, size) : CPU_NOT_MADE;
}

/* ---- into the cache, and out of it ---- */

/* A breakpoint's instruction is in no unit, so that the interpreter meets it, which looks before it
 * executes; everything else may run from the cache. */
static void follow_breaks(struct dispatcher *d, struct bt *b)
{
    const struct cpu *cpu = d->cpu;
    for (unsigned i = 0; i < cpu->break_count; i++)
        if (!stops(b, cpu->breaks[i].pc))
            translator_stop(b->translator, cpu->breaks[i].pc);
    b->break_count = cpu->break_count;
    for (unsigned i = 0; i < cpu->break_count; i++)
        b->breaks[i] = cpu->breaks[i].pc;
    perform_requests(d, b);
}

/* Memory that is watched is traced, so that a store to it is the interpreter's, which looks whether
 * it changed something. */
static void follow_watch(struct dispatcher *d, struct bt *b)
{
    unsigned flush = 0, count = d->watch.page_count;
    if (count > WATCHED)
        count = 0; /* see watch_permits */
    if (count == b->watched_count &&
        (!count || !memcmp(b->watched, d->watch.pages, count * sizeof *b->watched)))
        return;
    for (unsigned i = 0; i < b->watched_count; i++)
        shadow_untrace(d->vcpu->shadow, b->watched[i]);
    for (unsigned i = 0; i < count; i++)
        flush |= shadow_trace(d->vcpu->shadow, b->watched[i] = d->watch.pages[i]);
    b->watched_count = count;
    b->mixed.stale = true;
    if (flush & SHADOW_FLUSH_ALL)
        cpu_flush_tlb(d->cpu);
}

/* Is what is watched such that only the interpreter changes it? A watched page that is not traced
 * is left by the processor after each write to it, and that may be in the middle of what an
 * instruction was translated to, before which it would begin again. */
static bool watch_permits(const struct dispatcher *d, const struct bt *b)
{
    return !(d->watch.met && d->watch.closely) && b->watched_count == d->watch.page_count;
}

/* One at an address where the cache is now. */
static bool break_in_cache(const struct dispatcher *d)
{
    for (unsigned i = 0; i < d->cpu->break_count; i++)
        if (d->cpu->breaks[i].pc >> 22 == shadow_slot(d->vcpu->shadow))
            return true;
    return false;
}

static bool is_flat(const struct x86_segment *segment)
{
    return segment->base == 0 && segment->limit == UINT32_MAX &&
           (segment->attributes & X86_SEG_DB) && (segment->attributes & X86_SEG_PRESENT);
}

/* Translations are of 32-bit code in flat segments at ring 0; where flags ask for more than one
 * thing at a time, the interpreter is surer. */
static bool translatable(const struct dispatcher *d)
{
    const struct cpu_state *guest = &d->vcpu->state;
    const uint32_t odd = X86_VM | X86_TF | X86_RF | X86_IOPL;
    return (guest->cr0 & X86_CR0_PE) && guest->cpl == 0 && !(guest->eflags & odd) &&
           is_flat(&guest->seg[X86_CS]) && is_flat(&guest->seg[X86_SS]) &&
           (guest->seg[X86_SS].attributes & (X86_SEG_RW | X86_SEG_DC | X86_SEG_CODE)) ==
               X86_SEG_RW &&
           !guest->interrupt_shadow && !break_in_cache(d) && watch_permits(d, d->own);
}

/* The words that translations read instead of registers. */
static void show_state(const struct dispatcher *d, const struct bt *b)
{
    const struct cpu_state *guest = &d->vcpu->state;
    struct translator_state *state = (void *)b->codespace.space.state;
    state->cr[0] = guest->cr0;
    state->cr[2] = guest->cr2;
    state->cr[3] = guest->cr3;
    state->cr[4] = guest->cr4;
    for (unsigned i = 0; i < X86_SREGS; i++)
        state->selector[i] = guest->seg[i].selector;
}

static void enter(struct dispatcher *d, struct bt *b, uint32_t unit)
{
    struct cpu_state *real = &d->cpu->state;
    b->mixed.strayed = true;
    mixed_catch_up(d, &b->mixed);
    show_state(d, b);
    real->eip = unit;
    real->eflags = (real->eflags & ~(uint32_t)X86_IF) | (d->vcpu->state.eflags & X86_IF) |
                   1u << X86_IOPL_SHIFT;
    b->inside = true;
}

/* Where the guest is, into `where`; NULL: the processor is in no unit. */
static const struct translator_where *locate(const struct dispatcher *d, const struct bt *b,
                                             struct translator_where *where)
{
    return translator_where(b->translator, d->cpu->state.eip, where) ? where : 0;
}

/* The guest's state, from that of the processor in the cache, which is at `where`. */
static void recover(struct dispatcher *d, const struct bt *b, const struct translator_where *where)
{
    struct cpu_state *guest = &d->vcpu->state;
    const struct cpu_state *real = &d->cpu->state;
    const struct translator_words *words = (const void *)b->codespace.space.words;
    vcpu_absorb(d->vcpu);
    guest->eflags = (guest->eflags & ~(uint32_t)X86_IF) | (real->eflags & X86_IF);
    if (!where)
        return;
    guest->eip = where->eip;
    guest->gpr[X86_ESP] += (uint32_t)where->stack;
    if (where->borrow >> X86_EAX & 1)
        guest->gpr[X86_EAX] = words->eax;
    if (where->borrow >> X86_ECX & 1)
        guest->gpr[X86_ECX] = words->ecx;
    d->watch.at = guest->eip; /* whatever the exit comes to */
}

/* ---- exits from the cache ---- */

/* The interpreter takes over for one instruction, once the engine is left. */
static enum cpu_action leave(struct dispatcher *d, struct bt *b)
{
    struct translator_where where;
    recover(d, b, locate(d, b, &where));
    b->inside = false;
    b->call_out = true;
    return CPU_LEAVE;
}

/* Back into the cache from the exit's own call; the state that goes to the engine is whole. */
static enum cpu_action resume(struct dispatcher *d, struct bt *b, uint32_t unit)
{
    enter(d, b, unit);
    d->cpu->changed = false;
    return CPU_RESUME;
}

static bool may_go_on(const struct dispatcher *d)
{
    return d->cpu->time < d->cpu->deadline && !d->interrupted && !d->recorder.stopped &&
           !d->watch.hit && !(d->board->intr && direct_interruptible(d)) && translatable(d);
}

/* How many iterations the instruction at EIP has left: of REP MOVS, STOS and LODS; 1 for any other.
 * A page of traced tables that a kernel fills or empties so is one call-out. Not where somebody
 * looks at every instruction. */
static uint32_t iterations(const struct dispatcher *d)
{
    const struct cpu_state *guest = &d->vcpu->state;
    uint8_t bytes[X86_INSN_MAX];
    struct x86_instruction insn = {0};
    if (d->watch.met || d->cpu->break_count)
        return 1;
    size_t room =
        x86_peek(guest, &d->vcpu->quiet, guest->seg[X86_CS].base + guest->eip, bytes, sizeof bytes);
    if (!x86_decode(bytes, (unsigned)room, guest->seg[X86_CS].attributes & X86_SEG_DB, &insn) ||
        !(insn.flags & X86_INSN_REP) || (insn.flags & X86_INSN_IO))
        return 1;
    unsigned opcode = insn.opcode & 0xFE; /* but for the width */
    if (opcode == 0xA6 || opcode == 0xAE || insn.address_size != 4 || !guest->gpr[X86_ECX])
        return 1; /* CMPS and SCAS may end before */
    return guest->gpr[X86_ECX];
}

/* The same without leaving the engine, unless the instruction turns out to be the processor's. For
 * `count` instructions, or to the VM's deadline. */
static enum cpu_action call_out(struct dispatcher *d, struct bt *b, uint32_t count)
{
    b->inside = false;
    b->mixed.strayed = true;
    if (cpu_now(d->cpu) >= d->cpu->deadline)
        return CPU_LEAVE; /* before it */
    b->mixed.within = true;
    b->mixed.deferred = false;
    b->called_out++;
    uint64_t until = cpu_now(d->cpu) + count;
    b->attend = mixed_interpret(d, &b->mixed, until < d->cpu->deadline ? until : d->cpu->deadline,
                                &b->stop);
    b->mixed.within = false;
    if (!b->attend)
        b->stop = CPU_STOP_LEFT;
    b->call_out = b->mixed.deferred;
    if (b->attend || b->call_out || !may_go_on(d))
        return CPU_LEAVE;
    uint32_t unit = unit_at(d, b, d->vcpu->state.eip);
    return unit ? resume(d, b, unit) : CPU_LEAVE;
}

static enum cpu_action call_out_for(struct dispatcher *d, struct bt *b,
                                    const struct translator_where *where)
{
    const unsigned kind = where->kind;
    recover(d, b, where);
    direct_record(d, TRAP_INSTRUCTION + kind);
    record_step(&d->recorder, 'I');
    record_result(&d->recorder, record_cause_name(TRAP_INSTRUCTION + kind), "called out");
    enum cpu_action action = call_out(d, b, 1);
    record_end(&d->recorder, &d->vcpu->state);
    return d->recorder.stopped ? CPU_LEAVE : action;
}

/* A branch that is not chained. Where there is no unit for its target, the guest goes on from
 * there, or from the branch. */
static enum cpu_action branch(struct dispatcher *d, struct bt *b,
                              const struct translator_where *where)
{
    uint32_t pc = d->cpu->state.eip;
    uint64_t flushes = b->flushes;
    recover(d, b, where);
    direct_record(d, TRAP_CHAIN);
    record_step(&d->recorder, 'I');
    uint32_t to = 0;
    bool chained = false;
    if (unit_at(d, b, where->target) && flushes == b->flushes)
        to = translator_chain(b->translator, where, &chained);
    record_result(&d->recorder, "translator", chained ? "chained" : to ? "found" : "interpreted");
    record_end(&d->recorder, &d->vcpu->state);
    if (!to) {
        b->inside = false;
        b->call_out = true;
        return CPU_LEAVE;
    }
    if (to == pc)
        return CPU_RETRY;
    d->cpu->state.eip = to;
    return CPU_RESUME;
}

/* An indirect branch that has found no unit, or another's. The guest is at its target. */
static enum cpu_action miss(struct dispatcher *d, struct bt *b,
                            const struct translator_where *where)
{
    recover(d, b, where);
    direct_record(d, TRAP_MISS);
    record_step(&d->recorder, 'I');
    uint32_t to = translator_landing(b->translator, &d->vcpu->state, &d->vcpu->quiet,
                                     d->vcpu->state.eip, d->cpu->time);
    perform_requests(d, b);
    record_result(&d->recorder, "translator", to ? "found" : "interpreted");
    record_end(&d->recorder, &d->vcpu->state);
    if (!to) {
        b->inside = false;
        return CPU_LEAVE;
    }
    d->cpu->state.eip = to;
    return CPU_RESUME;
}

/* A store into a traced page, at an instruction that has made so many that its unit does not even
 * try. */
static enum cpu_action traced(struct dispatcher *d, struct bt *b,
                              const struct translator_where *where)
{
    uint64_t writes = d->vcpu->traced_writes;
    recover(d, b, where);
    direct_record(d, TRAP_TABLE_CALL_OUT);
    record_step(&d->recorder, 'I');
    record_result(&d->recorder, "translator", "called out");
    enum cpu_action action = call_out(d, b, iterations(d));
    translator_spared(b->translator, where, d->vcpu->traced_writes != writes);
    perform_requests(d, b);
    record_end(&d->recorder, &d->vcpu->state);
    return d->recorder.stopped ? CPU_LEAVE : action;
}

static enum cpu_action trap(struct dispatcher *d, struct bt *b)
{
    struct translator_where where;
    if (!translator_where(b->translator, d->cpu->state.eip, &where))
        return leave(d, b);
    switch (where.exit) {
    case TRANSLATOR_BRANCH:
    case TRANSLATOR_DEAD: return branch(d, b, &where);
    case TRANSLATOR_MISS: return miss(d, b, &where);
    case TRANSLATOR_CALL_OUT: return call_out_for(d, b, &where);
    case TRANSLATOR_TRACED: return traced(d, b, &where);
    default: return leave(d, b);
    }
}

/* Hidden faults are the allocator's, and the translation goes on; for all others the interpreter
 * meets the instruction, and whatever it comes to. */
static enum cpu_action resolve(struct dispatcher *d, struct bt *b, const struct x86_event *event,
                               const struct translator_where *where)
{
    struct vcpu *v = d->vcpu;
    static const struct {
        unsigned cause;
        const char *text;
    } ends[] = {[SHADOW_FILLED] = {TRAP_HIDDEN_FAULT, "filled"},
                [SHADOW_TRUE_FAULT] = {TRAP_TRUE_FAULT, "inject"},
                [SHADOW_TRACED] = {TRAP_TABLE_WRITE, "interpreted"},
                [SHADOW_NEED_PAGE] = {TRAP_HIDDEN_FAULT, "need page"},
                [SHADOW_NO_ROOM] = {TRAP_HIDDEN_FAULT, "no room"},
                [SHADOW_SLOT_TAKEN] = {TRAP_HIDDEN_FAULT, "no slot"}};
    record_step(&d->recorder, 'A');
    struct shadow_result result =
        shadow_fault(v->shadow, &v->state, &v->quiet, event->cr2, event->error_code);
    record_cause(&d->recorder, ends[result.end].cause);
    record_result(&d->recorder, "shadow_fault", ends[result.end].text);
    if (result.flush & SHADOW_FLUSH_ALL)
        cpu_flush_tlb(d->cpu);
    if (result.slot_moved) {
        b->inside = false;
        flush(d, b);
    }
    switch (result.end) {
    case SHADOW_FILLED:
        if (event->error_code & X86_PAGE_WRITE)
            interpreter_cache_share(b->mixed.context.cache, result.guest);
        return result.slot_moved ? CPU_LEAVE : CPU_RETRY;
    case SHADOW_TRUE_FAULT: return call_out(d, b, 1);
    case SHADOW_TRACED:
        if (where)
            translator_faulted(b->translator, where);
        perform_requests(d, b);
        return call_out(d, b, iterations(d));
    case SHADOW_SLOT_TAKEN:
        dispatcher_refuse(d, "The guest maps all of its 4 GB, and leaves no room for the VMM's own "
                             "tables");
        break;
    default: dispatcher_refuse(d, "The allocator has no frame left for shadow page tables"); break;
    }
    b->inside = false;
    return CPU_LEAVE;
}

static enum cpu_action fault(struct dispatcher *d, struct bt *b, const struct x86_event *event)
{
    struct translator_where place;
    const struct translator_where *where = locate(d, b, &place);
    if (event->cr2 >> 22 == b->slot && where && where->exit != TRANSLATOR_NONE)
        return where->exit == TRANSLATOR_MISS ? miss(d, b, where) : call_out_for(d, b, where);
    recover(d, b, where);
    direct_record(d, TRAP_HIDDEN_FAULT);
    record_event(&d->recorder, event);
    enum cpu_action action = resolve(d, b, event, where);
    record_end(&d->recorder, &d->vcpu->state);
    return action;
}

static enum cpu_action bt_exit(struct dispatcher *d, const struct cpu_exit *exit)
{
    struct bt *b = d->own;
    if (!b->inside)
        return mixed_exit(d, &b->mixed, exit);
    switch (exit->kind) {
    case CPU_SOFTWARE_INTERRUPT: return trap(d, b);
    case CPU_EXCEPTION:
        if (exit->event.vector == X86_PAGE)
            return fault(d, b, &exit->event);
        vcpu_recall_tables(d->vcpu); /* it may be a load from one: see choose_tables */
        return leave(d, b);
    case CPU_INSTRUCTION: return leave(d, b);
    default: return CPU_RETRY;
    }
}

/* In the cache an RDTSC is part of its unit, whoever watches: there is no record of it. */
static bool bt_reads_time(struct dispatcher *d, const struct engine_glance *now)
{
    const struct bt *b = d->own;
    return b->inside || direct_reads_time(d, now);
}

/* ---- the run loop ---- */

static bool over(const struct dispatcher *d, const struct bt *b, enum cpu_stop stop)
{
    return b->attend || (stop != CPU_STOP_LEFT && stop != CPU_STOP_NEAR) || d->refused ||
           d->shutdown || d->recorder.stopped || d->watch.hit;
}

static enum cpu_stop run_translated(struct dispatcher *d, struct bt *b, uint32_t unit,
                                    uint64_t deadline)
{
    uint64_t begin = cpu_now(d->cpu), others = d->interpreted + d->emulated;
    enter(d, b, unit);
    b->stop = CPU_STOP_LEFT;
    b->attend = false;
    enum cpu_stop stop = cpu_run(d->cpu, deadline);
    if (stop == CPU_STOP_LEFT)
        stop = b->stop;
    struct translator_where where;
    if (b->inside)
        recover(d, b, locate(d, b, &where));
    b->inside = false;
    b->mixed.strayed = true;
    b->near = stop == CPU_STOP_NEAR;
    if (!d->cpu->host_clock)
        d->translated += d->cpu->time - begin - (d->interpreted + d->emulated - others);
    mixed_ran(d, &b->mixed);
    return stop;
}

/* How far the interpreter goes when there is no unit to run. */
static uint64_t horizon(const struct dispatcher *d, const struct bt *b, uint64_t deadline)
{
    uint64_t look = interpreted_look(d, deadline), now = d->cpu->time;
    uint64_t far = b->near                          ? deadline
                   : b->call_out || translatable(d) ? now + 1
                                                    : now + INTERPRET_WHILE;
    return far < look ? far : look;
}

static enum cpu_stop run(struct dispatcher *d, struct bt *b, uint64_t deadline)
{
    enum cpu_stop stop;
    mixed_begin(d, &b->mixed);
    b->near = false;
    while (cpu_now(d->cpu) < deadline && !d->interrupted && !mixed_is_user(d)) {
        uint32_t unit = 0;
        if (d->vcpu->state.cr3 != b->cr3)
            remapped(d, true, 0);
        if (!b->call_out && !b->near && translatable(d))
            unit = unit_at(d, b, d->vcpu->state.eip);
        if (d->refused)
            return CPU_STOP_LEFT;
        if (unit) {
            stop = run_translated(d, b, unit, deadline);
            if (over(d, b, stop))
                return stop;
            continue;
        }
        bool end = mixed_interpret(d, &b->mixed, horizon(d, b, deadline), &stop);
        b->call_out = false;
        if (end)
            return stop;
    }
    return CPU_STOP_DEADLINE;
}

/* LAR, LSL, VERR and VERW are call-outs of our own translator. */
static void choose_tables(struct dispatcher *d)
{
    bool own = d->modules.translator == SLOT_STANDARD;
    if (!own)
        vcpu_recall_tables(d->vcpu);
    d->vcpu->lets_go = own;
}

static enum cpu_stop bt_run(struct dispatcher *d, uint64_t deadline)
{
    struct bt *b = bt_of(d);
    if (!b)
        return CPU_STOP_FAILURE;
    if (mixed_is_user(d))
        return mixed_run_user(d, &b->mixed, deadline);
    choose_tables(d);
    follow_breaks(d, b);
    follow_watch(d, b);
    if (translator_policy(b->translator) != d->modules.translate)
        translator_set_policy(b->translator, d->modules.translate);
    if (b->slot != shadow_slot(d->vcpu->shadow) ||
        memcmp(&b->routines, &d->vcpu->interpreter, sizeof b->routines)) {
        b->routines = d->vcpu->interpreter;
        flush(d, b);
    }
    enum cpu_stop stop = run(d, b, deadline);
    mixed_catch_up(d, &b->mixed);
    return stop;
}

/* ---- interrupts, and changes from outside ---- */

/* In the cache the real IF is the guest's. */
static bool bt_window(const struct dispatcher *d)
{
    return !mixed_is_user(d) || direct_window(d);
}

static void bt_interrupt(struct dispatcher *d, uint8_t vector)
{
    struct bt *b = bt_of(d);
    direct_interrupt(d, vector);
    if (b)
        b->mixed.stale = true;
}

static void bt_modified(struct dispatcher *d)
{
    struct bt *b = bt_of(d);
    direct_modified(d);
    if (!b)
        return;
    mixed_modified(d, &b->mixed);
    flush(d, b);
}

/* ---- for who looks on ---- */

static bool bt_translation(const struct dispatcher *d, struct vmm_translation *translation)
{
    const struct bt *b = d->own;
    if (!b)
        return false;
    *translation = translator_statistics(b->translator);
    translation->called_out = b->called_out;
    return true;
}

static uint32_t bt_frames(const struct dispatcher *d)
{
    const struct bt *b = d->own;
    return b ? b->codespace.count : 0;
}

/* translator_words says why the guest gains nothing by it. */
static bool bt_lends(const struct dispatcher *d, uint32_t offset)
{
    const struct bt *b = d->own;
    return b && offset == b->codespace.space.words_offset;
}

static const struct translator *bt_translator(const struct dispatcher *d)
{
    const struct bt *b = d->own;
    return b ? b->translator : 0;
}

const struct technique technique_bt = {
    .name = "bt",
    .virtualizes = true,
    .tells_control = true,
    .reserve = CODESPACE_PAGES,
    .create = bt_create,
    .exit = bt_exit,
    .wants = direct_wants,
    .reads_time = bt_reads_time,
    .retires = bt_retires,
    .enabled = direct_enabled,
    .interruptible = direct_interruptible,
    .window = bt_window,
    .interrupt = bt_interrupt,
    .run = bt_run,
    .modified = bt_modified,
    .walk = direct_walk,
    .frames = bt_frames,
    .lends = bt_lends,
    .translation = bt_translation,
    .translator = bt_translator,
    .interpreter = direct_interpreter,
    .destroy = bt_destroy,
};
