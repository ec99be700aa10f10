/* The hypercalls, one function each, by number. All that a guest hands over is looked at before it
 * is used: its addresses are walked with its own rights, its numbers held against limits, its
 * frames asked for at the allocator. See vmm/hypercall.h and para.h. */
#include <stddef.h>
#include <string.h>

#include "arch/x86/descriptor.h"
#include "arch/x86/walk.h"
#include "para.h"

struct call {
    struct dispatcher *d;
    struct para *p;
    struct cpu_state *s;
    uint32_t ebx, ecx, edx;
    enum cpu_action action; /* CPU_RESUME, unless the call says otherwise */
    bool returns;           /* EAX is to become the result */
};

enum { CHUNK = 256, CONSOLE_MOST = 65536 };

/* ---- guest memory ---- */

static bool read_guest(const struct call *c, uint32_t linear, void *bytes, uint32_t count)
{
    struct x86_event fault;
    return x86_read(c->s, c->d->linear, linear, bytes, count, false, &fault) == X86_OK;
}

static bool write_guest(const struct call *c, uint32_t linear, const void *bytes, uint32_t count)
{
    struct x86_event fault;
    return x86_write(c->s, c->d->linear, linear, bytes, count, false, &fault) == X86_OK;
}

/* ---- the virtual board, programmed for the guest ---- */

static void out(const struct call *c, uint16_t port, uint8_t value)
{
    board_out(c->d->board, cpu_now(c->d->cpu), port, 1, value);
}

/* Interrupt controllers with automatic end of interrupt, timer and serial line unmasked; the serial
 * port, which tells of what is received. */
static void program_board(const struct call *c)
{
    static const struct {
        uint16_t port;
        uint8_t value;
    } words[] = {
        {0x20, 0x11},
        {0x21, VMM_HC_EVENT_BASE},
        {0x21, 0x04},
        {0x21, 0x03},
        {0xa0, 0x11},
        {0xa1, VMM_HC_EVENT_BASE + 8},
        {0xa1, 0x02},
        {0xa1, 0x03},
        {0x21, 0xff & ~(1 << VMM_HC_EVENT_TIMER | 1 << VMM_HC_EVENT_CONSOLE)},
        {0xa1, 0xff},
        {0x3fb, 0x03},
        {0x3fa, 0x07},
        {0x3fc, 0x0b},
        {0x3f9, 0x01},
        {0x43, 0x30}, /* counter 0: mode 0, not counting */
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        out(c, words[i].port, words[i].value);
}

/* ---- calls ---- */

static int32_t attach(struct call *c)
{
    uint32_t machine = frame_map_machine(c->p->vcpu->map, c->ebx);
    if (c->p->shared)
        return VMM_HC_E_STATE;
    if ((c->ebx & ~X86_PAGE_MASK) || machine == FRAMES_NONE)
        return VMM_HC_E_ADDRESS;
    if (direct_paging_hold(&c->p->paging, machine) != DIRECT_OK)
        return VMM_HC_E_TYPE;
    c->p->shared = (void *)frame_map_page(c->p->vcpu->map, c->ebx);
    c->p->shared_frame = machine >> MEMORY_FRAME_SHIFT;
    *para_write_shared(c->d, c->p) = (struct vmm_hc_shared){.pages = c->p->vcpu->map->pages};
    program_board(c);
    return VMM_HC_VERSION;
}

static int32_t console_write(struct call *c)
{
    uint8_t bytes[CHUNK];
    if (c->ecx > CONSOLE_MOST)
        return VMM_HC_E_ARGUMENT;
    for (uint32_t done = 0; done < c->ecx;) {
        uint32_t count = c->ecx - done < CHUNK ? c->ecx - done : CHUNK;
        if (!read_guest(c, c->ebx + done, bytes, count))
            return done ? (int32_t)done : VMM_HC_E_ADDRESS;
        for (uint32_t i = 0; i < count; i++)
            out(c, 0xe9, bytes[i]);
        done += count;
    }
    return (int32_t)c->ecx;
}

static int32_t console_read(struct call *c)
{
    uint64_t now = cpu_now(c->d->cpu);
    uint32_t count = 0;
    if (c->ecx > CONSOLE_MOST)
        return VMM_HC_E_ARGUMENT;
    for (; count < c->ecx; count++) {
        struct x86_event fault;
        uint8_t byte;
        if (x86_writable(c->s, c->d->linear, c->ebx + count, 1, false, &fault) != X86_OK)
            return count ? (int32_t)count : VMM_HC_E_ADDRESS;
        if (!(board_in(c->d->board, now, 0x3fd, 1) & 1))
            break;
        byte = (uint8_t)board_in(c->d->board, now, 0x3f8, 1);
        write_guest(c, c->ebx + count, &byte, 1);
    }
    return (int32_t)count;
}

static bool acceptable(struct x86_descriptor entry)
{
    return !(entry.high & X86_SEG_PRESENT) ||
           ((entry.high & X86_SEG_S) && (entry.high & X86_SEG_ACCESSED));
}

static int32_t set_gdt(struct call *c)
{
    struct x86_descriptor table[PARA_GDT_ENTRIES];
    if (c->ecx == 0 || c->ecx > PARA_GDT_ENTRIES)
        return VMM_HC_E_ARGUMENT;
    if (!read_guest(c, c->ebx, table, c->ecx * (uint32_t)sizeof *table))
        return VMM_HC_E_ADDRESS;
    for (uint32_t i = 0; i < c->ecx; i++)
        if (!acceptable(table[i]))
            return VMM_HC_E_ENTRY;
    descriptors_set(&c->p->vcpu->tables, DESCRIPTORS_GDT, table, c->ecx);
    c->s->gdtr = (struct x86_table){c->ebx, (uint16_t)(c->ecx * sizeof(struct x86_descriptor) - 1)};
    return 0;
}

static int32_t set_traps(struct call *c)
{
    struct vmm_hc_trap traps[PARA_VECTORS];
    struct x86_segment segment;
    uint16_t code = (uint16_t)c->edx & ~X86_SELECTOR_RPL,
             stack = (uint16_t)(c->edx >> 16) & ~X86_SELECTOR_RPL;
    if (c->ecx > PARA_VECTORS)
        return VMM_HC_E_ARGUMENT;
    if (!read_guest(c, c->ebx, traps, c->ecx * (uint32_t)sizeof *traps))
        return VMM_HC_E_ADDRESS;
    if (!para_code_segment(c->p->vcpu, code, 0, &segment) ||
        !para_stack_segment(c->p->vcpu, stack, 0, &segment))
        return VMM_HC_E_ARGUMENT;
    c->p->code = code;
    c->p->stack = stack;
    memset(c->p->trap, 0, sizeof c->p->trap);
    for (uint32_t i = 0; i < c->ecx; i++)
        c->p->trap[traps[i].vector] = (struct para_trap){
            .handler = traps[i].handler, .ring = traps[i].ring == 3 ? 3 : 0, .mask = traps[i].mask};
    return 0;
}

/* ---- page tables ---- */

static int32_t error_of(enum direct_result result)
{
    static const int32_t errors[] = {[DIRECT_OK] = 0,
                                     [DIRECT_OWNER] = VMM_HC_E_OWNER,
                                     [DIRECT_TYPE] = VMM_HC_E_TYPE,
                                     [DIRECT_ENTRY] = VMM_HC_E_ENTRY};
    return errors[result];
}

/* A directory's entry of the VMM's slot is made as it comes into use, and taken away. */
static void wrote_slot(const struct call *c, uint32_t machine)
{
    cpu_written(c->d->cpu, machine >> MEMORY_FRAME_SHIFT);
}

static int32_t pin_directory(const struct call *c, uint32_t machine)
{
    int32_t error = error_of(direct_paging_pin(&c->p->paging, machine, DIRECT_DIRECTORY));
    if (!error)
        wrote_slot(c, machine);
    return error;
}

static int32_t unpin(const struct call *c, uint32_t machine)
{
    int32_t error = error_of(direct_paging_unpin(&c->p->paging, machine));
    if (!error)
        wrote_slot(c, machine);
    return error;
}

/* The guest leaves the flat space for good with the first switch. */
static int32_t switch_directory(struct call *c, uint32_t machine)
{
    struct vcpu *v = c->p->vcpu;
    if (!c->p->shared)
        return VMM_HC_E_STATE;
    const uint32_t old = c->p->paging.root;
    int32_t error = error_of(direct_paging_switch(&c->p->paging, machine));
    if (error)
        return error;
    wrote_slot(c, machine);
    if (old != FRAMES_NONE)
        wrote_slot(c, old);
    c->s->cr0 |= X86_CR0_PG | X86_CR0_WP;
    c->s->cr3 = v->root = c->p->paging.root;
    c->d->linear = &c->d->cpu->physical;
    cpu_flush(c->d->cpu);
    return 0;
}

static int32_t update(struct call *c, const struct vmm_hc_update *u, bool *flush)
{
    struct direct_paging *paging = &c->p->paging;
    switch (u->target) {
    case VMM_HC_SWITCH: return switch_directory(c, u->value);
    case VMM_HC_FLUSH:
    case VMM_HC_INVALIDATE: *flush = true; return 0;
    default: break;
    }
    if (!para_paged(c->p))
        return VMM_HC_E_STATE; /* all of memory is writable to it */
    switch (u->target) {
    case VMM_HC_PIN_TABLE: return error_of(direct_paging_pin(paging, u->value, DIRECT_TABLE));
    case VMM_HC_PIN_DIRECTORY: return pin_directory(c, u->value);
    case VMM_HC_UNPIN: return unpin(c, u->value);
    default: break;
    }
    if (u->target & 3)
        return VMM_HC_E_ARGUMENT;
    int32_t error = error_of(direct_paging_write(paging, u->target, u->value));
    if (!error)
        cpu_written(c->d->cpu, u->target >> MEMORY_FRAME_SHIFT);
    return error;
}

static int32_t mmu(struct call *c)
{
    struct vmm_hc_update updates[32];
    uint32_t count = c->ecx, done = 0;
    int32_t error = 0;
    bool flush = false;
    c->s->gpr[X86_ECX] = 0;
    if (count > VMM_HC_BATCH)
        return VMM_HC_E_ARGUMENT;
    while (done < count && !error) {
        uint32_t part = count - done < 32 ? count - done : 32, i = 0;
        /* Part by part: an update may change where the rest of the batch lies. */
        if (!read_guest(c, c->ebx + done * (uint32_t)sizeof *updates, updates,
                        part * (uint32_t)sizeof *updates))
            error = VMM_HC_E_ADDRESS;
        while (i < part && !error) {
            error = update(c, &updates[i], &flush);
            i += !error;
        }
        done += i;
    }
    c->s->gpr[X86_ECX] = done;
    if (flush || c->p->paging.flush)
        cpu_flush_tlb(c->d->cpu);
    c->p->paging.flush = false;
    return error;
}

/* ---- control ---- */

/* Data segments that the outer ring may not have are taken from it, as IRET does (SDM volume 2). */
static void drop_inner_segments(struct cpu_state *s)
{
    static const enum x86_sreg data[] = {X86_ES, X86_DS, X86_FS, X86_GS};
    for (unsigned i = 0; i < sizeof data / sizeof *data; i++) {
        const struct x86_segment *segment = &s->seg[data[i]];
        bool conforming = x86_is_code(segment->attributes) && (segment->attributes & X86_SEG_DC);
        if (!x86_selector_null(segment->selector) && !conforming &&
            X86_SEG_DPL(segment->attributes) < 3)
            s->seg[data[i]] = x86_segment_null(0);
    }
}

static int32_t iret(struct call *c)
{
    const uint32_t kept = X86_ARITHMETIC | X86_TF | X86_DF | X86_AC | X86_ID;
    struct {
        uint32_t eax, eip, cs, eflags, esp, ss;
    } frame;
    struct x86_segment code, stack = c->s->seg[X86_SS];
    uint32_t esp = c->s->gpr[X86_ESP];
    if (!read_guest(c, stack.base + esp, &frame, offsetof(__typeof__(frame), esp)))
        return VMM_HC_E_ADDRESS;
    bool outward = (frame.cs & X86_SELECTOR_RPL) == 3;
    if (!outward) {
        frame.cs &= ~X86_SELECTOR_RPL;
        frame.esp = esp + (uint32_t)offsetof(__typeof__(frame), esp);
    } else if (!read_guest(c, stack.base + esp, &frame, sizeof frame)) {
        return VMM_HC_E_ADDRESS;
    }
    if (!para_code_segment(c->p->vcpu, (uint16_t)frame.cs, outward ? 3 : 0, &code) ||
        (outward && ((frame.ss & X86_SELECTOR_RPL) != 3 ||
                     !para_stack_segment(c->p->vcpu, (uint16_t)frame.ss, 3, &stack))))
        return VMM_HC_E_ARGUMENT;
    c->s->gpr[X86_EAX] = frame.eax;
    c->s->gpr[X86_ESP] = frame.esp;
    c->s->eip = frame.eip;
    c->s->eflags = (frame.eflags & kept) | X86_FIXED;
    c->s->seg[X86_CS] = code;
    c->s->seg[X86_SS] = stack;
    c->s->cpl = outward ? 3 : 0;
    if (outward)
        drop_inner_segments(c->s);
    para_write_shared(c->d, c->p)->events_on = (frame.eflags & X86_IF) != 0;
    c->returns = false;
    return 0;
}

static int32_t yield(struct call *c)
{
    para_write_shared(c->d, c->p)->events_on = 1;
    c->d->halted = true;
    c->action = CPU_LEAVE;
    return 0;
}

static int32_t set_timer(struct call *c)
{
    if (c->ebx == 1 || c->ebx > 65535)
        return VMM_HC_E_ARGUMENT;
    out(c, 0x43, c->ebx ? 0x34 : 0x30);
    if (c->ebx) {
        out(c, 0x40, (uint8_t)c->ebx);
        out(c, 0x40, (uint8_t)(c->ebx >> 8));
    }
    return 0;
}

static int32_t shutdown(struct call *c)
{
    board_out(c->d->board, cpu_now(c->d->cpu), 0xf4, 4, c->ebx);
    c->action = CPU_LEAVE;
    return 0;
}

static int32_t events(struct call *c)
{
    (void)c; /* what waits comes on the way back */
    return 0;
}

/* ---- by number ---- */

static const struct {
    const char *name;
    int32_t (*perform)(struct call *call);
    char room;     /* who does it: the allocator, or the interpreter of calls */
    bool attached; /* not before ATTACH */
} calls[] = {
    [VMM_HC_ATTACH] = {"attach", attach, 'A', false},
    [VMM_HC_CONSOLE_WRITE] = {"console_write", console_write, 'A', false},
    [VMM_HC_CONSOLE_READ] = {"console_read", console_read, 'A', false},
    [VMM_HC_SET_GDT] = {"set_gdt", set_gdt, 'A', false},
    [VMM_HC_SET_TRAPS] = {"set_traps", set_traps, 'I', false},
    [VMM_HC_MMU] = {"mmu", mmu, 'A', true},
    [VMM_HC_IRET] = {"iret", iret, 'I', true},
    [VMM_HC_YIELD] = {"yield", yield, 'I', true},
    [VMM_HC_SET_TIMER] = {"set_timer", set_timer, 'A', true},
    [VMM_HC_SHUTDOWN] = {"shutdown", shutdown, 'A', false},
    [VMM_HC_EVENTS] = {"events", events, 'I', true},
};

static int32_t perform(struct call *c, uint32_t number)
{
    if (number >= sizeof calls / sizeof *calls) {
        record_result(&c->d->recorder, "hypercall", "refused");
        return VMM_HC_E_NUMBER;
    }
    record_step(&c->d->recorder, calls[number].room);
    if (calls[number].attached && !c->p->shared) {
        record_result(&c->d->recorder, calls[number].name, "refused");
        return VMM_HC_E_STATE;
    }
    int32_t result = calls[number].perform(c);
    record_result(&c->d->recorder, calls[number].name, result < 0 ? "refused" : "done");
    return result;
}

enum cpu_action hypercall(struct dispatcher *d, struct para *p)
{
    struct cpu_state *s = &p->vcpu->state;
    struct call c = {.d = d,
                     .p = p,
                     .s = s,
                     .ebx = s->gpr[X86_EBX],
                     .ecx = s->gpr[X86_ECX],
                     .edx = s->gpr[X86_EDX],
                     .action = CPU_RESUME,
                     .returns = true};
    s->interrupt_shadow = false;
    int32_t result = perform(&c, s->gpr[X86_EAX]);
    if (c.returns)
        s->gpr[X86_EAX] = (uint32_t)result;
    cpu_rearm(d->cpu, d->board->clock.next); /* a device may have set a timer */
    s->eflags &= ~(uint32_t)X86_IF;
    if (para_events_on(p))
        s->eflags |= X86_IF;
    vcpu_project(p->vcpu);
    return c.action;
}
