/* Paravirtualization (Whitaker et al., Denali, 2002; Barham et al., Xen, SOSP 2003; Magenheimer and
 * Christian, vBlades, 2004): the guest's kernel is changed, so that nothing sensitive is left in it
 * that does not trap or is not asked for.
 *
 *     hypercall            D-I, D-A for page tables
 *     exception, INT n     D: to the handler that the guest has named
 *     page fault           D: the processor walked the guest's own tables, so it is the guest's
 *     interrupt            D: an event, if the shared word lets events through
 *
 * No shadow tables, no traces, no decoding, and the interrupt flag is a word in memory. Before it
 * has page tables, the guest runs on a flat space, which is shadow.c's. A kernel that was not built
 * for this is told so at its first privileged instruction; one that was gets #GP there, and may use
 * CPUID and RDTSC, which are anybody's. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/descriptor.h"
#include "arch/x86/walk.h"
#include "direct.h"
#include "para.h"

/* Pages of the VMM's 4 MB: where P2M and M2P begin, and how many M2P may have. */
enum { P2M_PAGE = 0, M2P_PAGE = 0x280, M2P_PAGES = 0x180, PER_PAGE = MEMORY_FRAME_SIZE / 4 };

/* ---- life ---- */

static uint32_t pages_for(uint32_t words)
{
    return (words + PER_PAGE - 1) / PER_PAGE;
}

/* Takes `pages` frames and maps them, for the supervisor and read-only, from page `first` of the
 * VMM's slot on. */
static bool map_table(struct para *p, uint32_t first, uint32_t pages)
{
    struct frames *pool = p->vcpu->map->pool;
    uint32_t *slot = (uint32_t *)(void *)memory_frame(pool->memory, p->vcpu->tables.page_table);
    for (uint32_t i = 0; i < pages; i++) {
        uint32_t frame = frames_take(pool);
        if (frame == FRAMES_NONE)
            return false;
        p->tables[p->table_count++] = frame;
        slot[first + i] = frame | X86_PTE_P | X86_PTE_A;
    }
    return true;
}

static uint32_t *word(struct para *p, uint32_t table, uint32_t index)
{
    uint32_t frame = p->tables[table + index / PER_PAGE];
    return (uint32_t *)(void *)memory_frame(p->vcpu->map->pool->memory, frame) + index % PER_PAGE;
}

/* P2M and M2P: which machine frames are whose never changes while a VM lives. */
static bool make_tables(struct para *p)
{
    const struct frame_map *map = p->vcpu->map;
    uint32_t machine = memory_frames(map->pool->memory), p2m = pages_for(map->pages),
             m2p = pages_for(machine);
    p->tables = calloc(p2m + m2p, sizeof *p->tables);
    if (!p->tables || m2p > M2P_PAGES || !map_table(p, P2M_PAGE, p2m) ||
        !map_table(p, M2P_PAGE, m2p))
        return false;
    for (uint32_t frame = 0; frame < m2p * PER_PAGE; frame++)
        *word(p, p2m, frame) = UINT32_MAX;
    for (uint32_t page = 0; page < map->pages; page++) {
        *word(p, 0, page) = map->frame[page] << MEMORY_FRAME_SHIFT;
        *word(p, p2m, map->frame[page]) = page << MEMORY_FRAME_SHIFT;
    }
    return true;
}

static void para_destroy(struct dispatcher *d)
{
    struct para *p = d->own;
    if (!p)
        return;
    for (uint32_t i = 0; i < p->table_count; i++)
        frames_give_back(p->vcpu->map->pool, p->tables[i]);
    direct_paging_destroy(&p->paging);
    free(p->tables);
    free(p);
    d->own = 0;
}

static bool para_create(struct dispatcher *d, const struct technique_options *options)
{
    struct para *p = d->own = calloc(1, sizeof *p);
    (void)options;
    if (!p)
        return false;
    p->vcpu = d->vcpu;
    if (make_tables(p) && direct_paging_init(&p->paging, p->vcpu->map, VMM_HC_SLOT,
                                             descriptors_slot_entry(&p->vcpu->tables)))
        return true;
    para_destroy(d);
    return false;
}

/* ---- segments ---- */

bool para_code_segment(const struct vcpu *v, uint16_t selector, unsigned ring,
                       struct x86_segment *segment)
{
    struct x86_descriptor found = descriptors_guest(&v->tables, selector);
    *segment = x86_descriptor_segment(selector, found);
    return !(selector & X86_SELECTOR_TI) && x86_is_code(found.high) && !(found.high & X86_SEG_DC) &&
           (found.high & X86_SEG_PRESENT) && X86_SEG_DPL(found.high) == ring;
}

bool para_stack_segment(const struct vcpu *v, uint16_t selector, unsigned ring,
                        struct x86_segment *segment)
{
    struct x86_descriptor found = descriptors_guest(&v->tables, selector);
    *segment = x86_descriptor_segment(selector, found);
    return !(selector & X86_SELECTOR_TI) && x86_is_writable_data(found.high) &&
           (found.high & X86_SEG_PRESENT) && X86_SEG_DPL(found.high) == ring;
}

/* ---- events for the guest ---- */

/* The guest sees its interrupt flag nowhere but in frames and registers; the word is what counts.
 */
static void show_flag(struct vcpu *v, const struct para *p)
{
    v->state.eflags &= ~(uint32_t)X86_IF;
    if (para_events_on(p))
        v->state.eflags |= X86_IF;
}

static enum cpu_action refuse(struct dispatcher *d, const char *reason)
{
    dispatcher_refuse(d, reason);
    return CPU_LEAVE;
}

static enum cpu_action no_handler(struct dispatcher *d, uint8_t vector)
{
    char text[128];
    snprintf(text, sizeof text, "The paravirtual guest has named no handler for vector %u", vector);
    return refuse(d, text);
}

/* Enters the handler of `event` as an interrupt gate does, on the stack that the guest has named
 * where it comes from ring 3 (SDM volume 3, section 6.12.1). */
static enum cpu_action deliver(struct dispatcher *d, struct para *p, const struct x86_event *event)
{
    struct vcpu *v = d->vcpu;
    struct cpu_state *s = &v->state;
    const struct para_trap *trap = &p->trap[event->vector];
    struct x86_segment code, stack = s->seg[X86_SS];
    struct x86_event fault;
    bool outer = s->cpl == 3;
    uint32_t frame[6], words = 0, esp = s->gpr[X86_ESP];
    if (!p->shared || !trap->handler || !para_code_segment(v, p->code, 0, &code) ||
        (outer && !para_stack_segment(v, p->stack, 0, &stack)))
        return no_handler(d, event->vector);
    if (outer)
        esp = p->shared->kernel_stack;
    if (event->has_error_code)
        frame[words++] = event->error_code;
    frame[words++] = s->eip;
    frame[words++] = s->seg[X86_CS].selector;
    frame[words++] = s->eflags;
    if (outer) {
        frame[words++] = s->gpr[X86_ESP];
        frame[words++] = s->seg[X86_SS].selector;
    }
    esp -= words * 4;
    if (x86_write(s, d->linear, stack.base + esp, frame, words * 4, false, &fault) != X86_OK) {
        d->shutdown = true;
        d->lost = *event;
        return CPU_LEAVE;
    }
    if (event->vector == X86_PAGE && event->kind == X86_EXCEPTION)
        para_write_shared(d, p)->fault_address = s->cr2 = event->cr2;
    if (trap->mask)
        para_write_shared(d, p)->events_on = 0;
    s->gpr[X86_ESP] = esp;
    s->eip = trap->handler;
    s->eflags &= ~(uint32_t)(X86_TF | X86_NT | X86_RF | X86_VM);
    s->seg[X86_CS] = code;
    s->seg[X86_SS] = stack;
    s->cpl = 0;
    s->interrupt_shadow = false;
    show_flag(v, p);
    record_injected(&d->recorder, event->vector);
    vcpu_project(v);
    return CPU_RESUME;
}

static enum cpu_action general_protection(struct dispatcher *d, struct para *p, uint32_t error)
{
    const struct x86_event event = {
        .kind = X86_EXCEPTION, .vector = X86_GP, .has_error_code = true, .error_code = error};
    return deliver(d, p, &event);
}

/* INT n of the guest's own: a trap, if its handler lets that ring. */
static enum cpu_action software_interrupt(struct dispatcher *d, struct para *p,
                                          const struct x86_event *event)
{
    if (d->vcpu->state.cpl > p->trap[event->vector].ring)
        return general_protection(d, p, event->vector * 8u + 2);
    d->vcpu->state.eip += event->length;
    d->emulated++;
    if (!d->cpu->host_clock)
        d->cpu->time++;
    return deliver(d, p, event);
}

/* ---- exits ---- */

static bool decode(struct dispatcher *d, const struct cpu_exit *exit, struct x86_instruction *insn)
{
    const struct cpu_state *s = &d->vcpu->state;
    uint8_t bytes[X86_INSN_MAX];
    if (exit->kind == CPU_INSTRUCTION || exit->kind == CPU_SITE) {
        *insn = exit->insn;
        return true;
    }
    unsigned room = cpu_fetch(d->cpu, s->seg[X86_CS].base + s->eip, bytes, sizeof bytes);
    return room && x86_decode(bytes, room, s->seg[X86_CS].attributes & X86_SEG_DB, insn);
}

/* A kernel that has never called us meets an instruction that is not its own any more. */
static enum cpu_action not_for_us(struct dispatcher *d, const struct cpu_exit *exit)
{
    struct x86_instruction insn;
    char text[160];
    const char *what = "an exception";
    if (decode(d, exit, &insn) && insn.kind != X86_KIND_OTHER)
        what = record_cause_name(TRAP_INSTRUCTION + insn.kind);
    snprintf(text, sizeof text,
             "This kernel is not built for a paravirtual machine: it met %s before its first "
             "hypercall; run a para build, or another technique",
             what);
    record_result(&d->recorder, "para", "refused");
    return refuse(d, text);
}

/* CPUID and RDTSC, which are allowed at every ring; and the leaf that says who we are. */
static enum cpu_action emulate(struct dispatcher *d, struct para *p,
                               const struct x86_instruction *insn)
{
    struct cpu_state *s = &d->vcpu->state;
    struct interpreter_context context = {.cpu = s, .memory = d->linear, .time = cpu_now(d->cpu)};
    bool asks = insn->kind == X86_KIND_CPUID && s->gpr[X86_EAX] == VMM_HC_LEAF;
    record_step(&d->recorder, 'I');
    struct outcome outcome = interpreter_run(&d->vcpu->interpreter, &context, insn);
    record_result(&d->recorder, record_cause_name(TRAP_INSTRUCTION + insn->kind), "done");
    if (outcome.kind == OUTCOME_INJECT)
        return deliver(d, p, &outcome.event);
    if (outcome.kind != OUTCOME_DONE)
        return refuse(d, "Module missing: this virtual machine has no interpreter routine for it");
    if (asks) {
        s->gpr[X86_EAX] = VMM_HC_LEAF;
        s->gpr[X86_EBX] = VMM_HC_EBX;
        s->gpr[X86_ECX] = VMM_HC_ECX;
        s->gpr[X86_EDX] = VMM_HC_EDX;
    }
    d->emulated++;
    if (!d->cpu->host_clock)
        d->cpu->time++;
    vcpu_project(d->vcpu);
    return CPU_RESUME;
}

/* An instruction that the processor wants somebody to answer for. */
static enum cpu_action instruction(struct dispatcher *d, struct para *p,
                                   const struct cpu_exit *exit)
{
    enum x86_kind kind = exit->insn.kind;
    record_cause(&d->recorder, TRAP_INSTRUCTION + kind);
    if (kind == X86_KIND_CPUID || kind == X86_KIND_RDTSC)
        return emulate(d, p, &exit->insn);
    return p->shared ? general_protection(d, p, 0) : not_for_us(d, exit);
}

/* The guest lives on a flat space still: frames come as they are used. */
static enum cpu_action fill_flat(struct dispatcher *d, const struct x86_event *event)
{
    struct vcpu *v = d->vcpu;
    record_cause(&d->recorder, TRAP_HIDDEN_FAULT);
    record_step(&d->recorder, 'A');
    if (event->cr2 >> 22 == VMM_HC_SLOT)
        return refuse(d, "A paravirtual guest touched the VMM's 4 MB before it had page tables");
    struct shadow_result result =
        shadow_fault(v->shadow, &v->state, &v->quiet, event->cr2, event->error_code);
    record_result(&d->recorder, "shadow_fault", "filled");
    if (result.end != SHADOW_FILLED)
        return refuse(d, "The allocator has no frame left for shadow page tables");
    if (result.flush & SHADOW_FLUSH_ALL)
        cpu_flush_tlb(d->cpu);
    return CPU_RETRY;
}

static enum cpu_action exception(struct dispatcher *d, struct para *p, const struct cpu_exit *exit)
{
    const struct x86_event *event = &exit->event;
    record_event(&d->recorder, event);
    if (event->vector == X86_PAGE && !para_paged(p))
        return fill_flat(d, event);
    if (!p->shared)
        return not_for_us(d, exit);
    record_result(&d->recorder, "deliver", "inject");
    if (event->vector == X86_PAGE)
        record_cause(&d->recorder, TRAP_TRUE_FAULT);
    return deliver(d, p, event);
}

static void begin(struct dispatcher *d, unsigned cause)
{
    struct recorder *r = &d->recorder;
    record_begin(r, &d->vcpu->state, d->cpu->time, dispatcher_instructions(d));
    record_cause(r, cause);
    record_step(r, 'D');
    if (record_watched(r)) {
        uint8_t bytes[X86_INSN_MAX];
        record_bytes(r, bytes, cpu_fetch(d->cpu, r->open->linear, bytes, sizeof bytes));
    }
}

static enum cpu_action interrupt_instruction(struct dispatcher *d, struct para *p,
                                             const struct cpu_exit *exit)
{
    struct cpu_state *s = &d->vcpu->state;
    record_event(&d->recorder, &exit->event);
    if (exit->event.vector == VMM_HC_VECTOR && s->cpl == 0 && x86_protected(s)) {
        record_cause(&d->recorder, TRAP_HYPERCALL);
        s->eip += exit->event.length;
        d->emulated++;
        if (!d->cpu->host_clock)
            d->cpu->time++;
        return hypercall(d, p);
    }
    record_result(&d->recorder, "deliver", "inject");
    return p->shared ? software_interrupt(d, p, &exit->event) : not_for_us(d, exit);
}

static enum cpu_action para_exit(struct dispatcher *d, const struct cpu_exit *exit)
{
    struct para *p = d->own;
    enum cpu_action action;
    vcpu_absorb(d->vcpu);
    show_flag(d->vcpu, p);
    begin(d, exit->kind == CPU_SOFTWARE_INTERRUPT ? TRAP_SOFTWARE_INTERRUPT : TRAP_EXCEPTION);
    switch (exit->kind) {
    case CPU_EXCEPTION: action = exception(d, p, exit); break;
    case CPU_SOFTWARE_INTERRUPT: action = interrupt_instruction(d, p, exit); break;
    case CPU_INSTRUCTION:
    case CPU_SITE: action = instruction(d, p, exit); break;
    default: action = CPU_RETRY; break;
    }
    record_end(&d->recorder, &d->vcpu->state);
    if (d->board->intr && para_events_on(p))
        cpu_want_window(d->cpu, true);
    return action;
}

static bool para_wants(struct dispatcher *d, const struct cpu_state *state,
                       const struct x86_instruction *insn)
{
    (void)d;
    return cpu_wants(state, insn);
}

/* ---- interrupts ---- */

static bool para_enabled(const struct dispatcher *d)
{
    return para_events_on(d->own);
}

static bool para_interruptible(const struct dispatcher *d)
{
    return para_enabled(d) && !d->vcpu->state.interrupt_shadow;
}

/* An interrupt waits: a guest that masks events learns of it from the shared page. */
static bool para_window(const struct dispatcher *d)
{
    struct para *p = d->own;
    if (p->shared && !p->shared->event_waits)
        para_write_shared(d, p)->event_waits = 1;
    return para_enabled(d);
}

static void para_interrupt(struct dispatcher *d, uint8_t vector)
{
    const struct x86_event event = {.kind = X86_EXTERNAL_INTERRUPT, .vector = vector};
    struct para *p = d->own;
    begin(d, TRAP_INTERRUPT);
    record_event(&d->recorder, &event);
    record_result(&d->recorder, "deliver", "inject");
    cpu_modify(d->cpu);
    para_write_shared(d, p)->event_waits = 0;
    show_flag(d->vcpu, p);
    deliver(d, p, &event);
    record_end(&d->recorder, &d->vcpu->state);
}

/* ---- changes from outside, and for debuggers ---- */

static void para_stopped(struct dispatcher *d)
{
    vcpu_absorb(d->vcpu);
    show_flag(d->vcpu, d->own);
}

/* The guest's own tables, or the flat ones before it has any. */
static void use_space(struct vcpu *v, const struct para *p)
{
    if (para_paged(p)) {
        v->root = p->paging.root;
        return;
    }
    int what = shadow_switch(v->shadow, &v->state, &v->root);
    assert(what >= 0); /* a pool that vcpu_init accepted holds one table at least */
    (void)what;
}

static void para_modified(struct dispatcher *d)
{
    struct vcpu *v = d->vcpu;
    cpu_modify(d->cpu);
    use_space(v, d->own);
    vcpu_project(v);
    cpu_flush_tlb(d->cpu);
}

/* The guest's tables are the processor's, and what they hold are machine addresses. */
static void para_walk(const struct dispatcher *d, struct vmm_walk *walk)
{
    const struct para *p = d->own;
    if (para_paged(p)) {
        walk->has_machine = walk->guest.mapped;
        walk->machine = walk->guest.physical;
        return;
    }
    direct_walk(d, walk);
}

/* ---- snapshots ----
 *
 * What the guest says by hypercalls it says once: it is not in its memory. */

struct kept {
    struct vmm_hc_shared *shared;
    uint32_t shared_frame;
    struct para_trap trap[PARA_VECTORS];
    uint16_t code, stack;
    struct direct_paging paging; /* its frames are behind this */
    bool named;                  /* a GDT: `gdt`; else it is in memory, where GDTR says */
    uint32_t entries;
    struct x86_descriptor gdt[PARA_GDT_ENTRIES];
    struct direct_frame frame[];
};

static void *para_keep(const struct dispatcher *d)
{
    const struct para *p = d->own;
    const struct shadow_descriptor_table *gdt = &d->vcpu->tables.table[DESCRIPTORS_GDT];
    struct kept *kept = calloc(1, sizeof *kept + p->paging.frames * sizeof *kept->frame);
    if (!kept)
        return 0;
    kept->shared = p->shared;
    kept->shared_frame = p->shared_frame;
    memcpy(kept->trap, p->trap, sizeof kept->trap);
    kept->code = p->code;
    kept->stack = p->stack;
    kept->paging = p->paging;
    memcpy(kept->frame, p->paging.frame, p->paging.frames * sizeof *kept->frame);
    kept->named = gdt->base == 0 && gdt->size;
    kept->entries = kept->named ? gdt->size / (uint32_t)sizeof *kept->gdt : 0;
    assert(kept->entries <= PARA_GDT_ENTRIES);
    memcpy(kept->gdt, gdt->guest, kept->entries * sizeof *kept->gdt);
    return kept;
}

static void para_put_back(struct dispatcher *d, const void *context)
{
    const struct kept *kept = context;
    struct para *p = d->own;
    struct vcpu *v = d->vcpu;
    struct direct_frame *frame = p->paging.frame;
    p->shared = kept->shared;
    p->shared_frame = kept->shared_frame;
    memcpy(p->trap, kept->trap, sizeof p->trap);
    p->code = kept->code;
    p->stack = kept->stack;
    p->paging = kept->paging;
    p->paging.frame = frame;
    memcpy(frame, kept->frame, kept->paging.frames * sizeof *frame);
    descriptors_set(&v->tables, DESCRIPTORS_GDT, kept->gdt, kept->entries);
    use_space(v, p);
    if (!kept->named)
        vcpu_switch_tables(v);
}

const struct technique technique_para = {
    .name = "para",
    .virtualizes = true,
    .create = para_create,
    .exit = para_exit,
    .wants = para_wants,
    .enabled = para_enabled,
    .interruptible = para_interruptible,
    .window = para_window,
    .interrupt = para_interrupt,
    .stopped = para_stopped,
    .modified = para_modified,
    .walk = para_walk,
    .interpreter = direct_interpreter,
    .keep = para_keep,
    .put_back = para_put_back,
    .destroy = para_destroy,
};
