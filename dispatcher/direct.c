/* What stops guest code that runs directly, and whose business it is. See direct.h. */
#include "direct.h"

#include <string.h>

#include "arch/x86/descriptor.h"
#include "arch/x86/walk.h"
#include "outcome.h"
#include "silent.h"
#include "vcpu.h"

/* For whoever watches: the guest's instruction, whatever it is that trapped. */
static void record_instruction(struct dispatcher *d)
{
    const struct cpu_state *guest = &d->vcpu->state;
    uint8_t bytes[X86_INSN_MAX];
    struct x86_instruction insn;
    size_t room = x86_peek(guest, &d->vcpu->quiet, d->recorder.open->linear, bytes, sizeof bytes);
    bool code32 = guest->seg[X86_CS].attributes & X86_SEG_DB;
    record_bytes(&d->recorder, bytes, x86_decode(bytes, (unsigned)room, code32, &insn));
}

void direct_record(struct dispatcher *d, unsigned cause)
{
    record_begin(&d->recorder, &d->vcpu->state, d->cpu->time, dispatcher_instructions(d));
    record_cause(&d->recorder, cause);
    record_step(&d->recorder, 'D');
    if (record_watched(&d->recorder))
        record_instruction(d);
}

/* The instruction at EIP; NULL if it cannot be read. */
static const struct x86_instruction *decode(struct dispatcher *d, const struct cpu_exit *exit,
                                            struct x86_instruction *insn)
{
    const struct cpu_state *guest = &d->vcpu->state;
    uint8_t bytes[X86_INSN_MAX];
    if (exit->known)
        return exit->known;
    unsigned room = cpu_fetch(d->cpu, guest->seg[X86_CS].base + guest->eip, bytes, sizeof bytes);
    bool code32 = guest->seg[X86_CS].attributes & X86_SEG_DB;
    return room && x86_decode(bytes, room, code32, insn) ? insn : 0;
}

/* ---- page faults ---- */

static enum cpu_action refuse(struct dispatcher *d, const char *reason)
{
    dispatcher_refuse(d, reason);
    return CPU_LEAVE;
}

/* A write to a page table or descriptor table in use: the interpreter executes the one instruction,
 * and the shadow is told what it changed. What the interpreter cannot is stepped with the page
 * open. */
static enum cpu_action traced_write(struct dispatcher *d, const struct x86_instruction *insn,
                                    uint32_t linear, uint32_t guest)
{
    enum cpu_action action;
    record_cause(&d->recorder, TRAP_TABLE_WRITE);
    record_address(&d->recorder, linear);
    record_result(&d->recorder, "trace", "emulated");
    if (insn && !d->vcpu->opened && outcome_execute(d, insn, &action))
        return action;
    record_result(&d->recorder, "trace", "stepped");
    if (!vcpu_open(d->vcpu, linear, guest))
        return refuse(d, "One instruction writes to more page tables than the VMM can follow");
    d->vcpu->step_eip = d->vcpu->state.eip;
    memcpy(d->vcpu->step_gpr, d->vcpu->state.gpr, sizeof d->vcpu->step_gpr);
    return CPU_STEP;
}

static enum cpu_action true_fault(struct dispatcher *d, const struct x86_event *event)
{
    record_cause(&d->recorder, TRAP_TRUE_FAULT);
    record_result(&d->recorder, "shadow_fault", "inject");
    record_event(&d->recorder, event);
    vcpu_close(d->vcpu);
    return outcome_inject(d, event);
}

enum cpu_action direct_page_fault(struct dispatcher *d, const struct cpu_exit *exit)
{
    const struct x86_event *event = &exit->event;
    struct x86_instruction buffer;
    struct vcpu *v = d->vcpu;
    record_event(&d->recorder, event);
    record_step(&d->recorder, 'A');
    struct shadow_result result =
        shadow_fault(v->shadow, &v->state, &v->quiet, event->cr2, event->error_code);
    if (result.flush & SHADOW_FLUSH_ALL)
        cpu_flush_tlb(d->cpu);
    if (result.slot_moved)
        vcpu_project(v);
    switch (result.end) {
    case SHADOW_FILLED:
        record_result(&d->recorder, "shadow_fault", "filled");
        return result.slot_moved ? CPU_RESUME : CPU_RETRY;
    case SHADOW_TRUE_FAULT: return true_fault(d, &result.event);
    case SHADOW_TRACED: return traced_write(d, decode(d, exit, &buffer), event->cr2, result.guest);
    case SHADOW_SLOT_TAKEN:
        return refuse(d, "The guest maps all of its 4 GB, and leaves no room for the VMM's own "
                         "tables");
    case SHADOW_REFUSED: record_result(&d->recorder, "shadow_fault", "refused"); return CPU_LEAVE;
    default: return refuse(d, "The allocator has no frame left for shadow page tables");
    }
}

/* ---- instructions ---- */

static enum cpu_action emulate(struct dispatcher *d, const struct x86_instruction *insn)
{
    record_cause(&d->recorder, TRAP_INSTRUCTION + insn->kind);
    vcpu_close(d->vcpu);
    return outcome_emulate(d, insn);
}

static enum cpu_action reflect(struct dispatcher *d, const struct x86_event *event)
{
    record_event(&d->recorder, event);
    record_result(&d->recorder, "deliver", "inject");
    vcpu_close(d->vcpu);
    return outcome_reflect(d, event);
}

/* Whether a page fault lies in the part of the address space that the VMM has for itself. */
static bool in_monitor(const struct dispatcher *d, const struct x86_event *event)
{
    return event->vector == X86_PAGE && event->cr2 >> 22 == shadow_slot(d->vcpu->shadow);
}

/* Whose is this trap? See decision.h. */
static bool decide(struct dispatcher *d, const struct cpu_exit *exit,
                   const struct x86_instruction **insn, struct x86_instruction *buffer,
                   enum decision *decision)
{
    const struct x86_event *event = &exit->event;
    const struct decision_policy *own = modules_own_decision;
    bool asked = d->modules.decision != SLOT_STANDARD, monitor = in_monitor(d, event);
    *insn = asked || own->looks(event, monitor) ? decode(d, exit, buffer) : 0;
    *decision = own ? own->decide(event, *insn, monitor) : DECIDE_REFLECT;
    return !asked || modules_decide(d, event, *insn, monitor, decision);
}

static enum cpu_action exception(struct dispatcher *d, const struct cpu_exit *exit)
{
    const struct x86_event *event = &exit->event;
    const struct x86_instruction *insn;
    struct x86_instruction buffer;
    enum decision decision;
    if (event->vector != X86_PAGE && vcpu_recall_tables(d->vcpu))
        return CPU_RETRY; /* it was a load from one, perhaps */
    direct_record(d, TRAP_EXCEPTION);
    if (!decide(d, exit, &insn, &buffer, &decision)) {
        record_result(&d->recorder, "decision", "refused");
        return CPU_LEAVE;
    }
    switch (decision) {
    case DECIDE_EMULATE: record_event(&d->recorder, event); return emulate(d, insn);
    case DECIDE_ALLOCATE:
        record_cause(&d->recorder, TRAP_HIDDEN_FAULT);
        return direct_page_fault(d, exit);
    default: return reflect(d, event);
    }
}

static enum cpu_action intercepted(struct dispatcher *d, const struct x86_instruction *insn)
{
    direct_record(d, TRAP_INSTRUCTION);
    return emulate(d, insn);
}

/* Would be, if there could be a patch at its place. The code there may be another by now. */
static bool patched(struct dispatcher *d, const struct x86_instruction *insn)
{
    return silent_kind(insn) && d->technique->patches &&
           d->technique->patches(d, &d->cpu->state, insn);
}

/* Gates and tasks are not present in the shadow tables: the transfer traps. */
static bool leaves_through_gate(const struct dispatcher *d, const struct x86_instruction *insn)
{
    const struct vcpu *v = d->vcpu;
    uint16_t selector = insn->immediate2;
    struct x86_descriptor descriptor;
    struct x86_event fault;
    uint32_t linear;
    if (insn->kind == X86_KIND_RET_FAR)
        return false;
    if (insn->kind == X86_KIND_IRET)
        return v->state.eflags & X86_NT;
    if (insn->flags & X86_INSN_MEMORY) {
        linear = x86_effective_address(&v->state, insn) + insn->operand_size;
        if (x86_peek(&v->state, &v->quiet, linear, &selector, sizeof selector) != sizeof selector)
            return false;
    }
    return !x86_selector_null(selector) &&
           x86_descriptor_fetch(&v->state, &v->quiet, selector, &descriptor, &linear, &fault) ==
               X86_OK &&
           !(descriptor.high & X86_SEG_S);
}

/* A supervisor's IRET traps because ring 1 may not return where its image leads; the engine would
 * enter virtual-8086 mode from any ring. */
static bool enters_virtual_8086(const struct dispatcher *d, const struct x86_instruction *insn)
{
    uint32_t flags;
    return insn->kind == X86_KIND_IRET && insn->operand_size == 4 &&
           vcpu_peek_stack(d->vcpu, 2 * sizeof flags, &flags) && (flags & X86_VM);
}

/* A marked instruction: one that the engine must not execute, or one that is silent. A user's far
 * transfer to code does not trap: it is the processor's own (cpu_transfers). */
static enum cpu_action site(struct dispatcher *d, const struct cpu_exit *exit)
{
    const struct x86_instruction *insn = &exit->insn;
    if (cpu_transfers(&d->cpu->state, insn) && d->vcpu->state.cpl == 3 &&
        !leaves_through_gate(d, insn))
        return outcome_microcode(d, exit);
    if (cpu_wants(&d->cpu->state, insn) || enters_virtual_8086(d, insn) || patched(d, insn))
        return intercepted(d, insn);
    if (!silent_differs(d->vcpu, insn))
        return CPU_RETRY;
    direct_record(d, TRAP_SILENT);
    record_result(&d->recorder, record_cause_name(TRAP_INSTRUCTION + insn->kind), "not trapped");
    return silent_found(d, insn) ? CPU_RETRY : CPU_LEAVE;
}

/* The step that a traced write asked for is over; or it was interrupted by another trap, and is
 * still to be made. */
enum cpu_action direct_stepped(struct dispatcher *d)
{
    struct vcpu *v = d->vcpu;
    if (v->opened && v->state.eip == v->step_eip &&
        !memcmp(v->state.gpr, v->step_gpr, sizeof v->step_gpr))
        return CPU_STEP;
    vcpu_close(v);
    return CPU_RETRY;
}

bool direct_enabled(const struct dispatcher *d)
{
    return d->vcpu->state.eflags & X86_IF;
}

enum cpu_action direct_exit(struct dispatcher *d, const struct cpu_exit *exit)
{
    enum cpu_action action;
    vcpu_absorb(d->vcpu);
    switch (exit->kind) {
    case CPU_EXCEPTION: action = exception(d, exit); break;
    case CPU_SOFTWARE_INTERRUPT:
        direct_record(d, TRAP_SOFTWARE_INTERRUPT);
        action = reflect(d, &exit->event);
        break;
    case CPU_INSTRUCTION:
    case CPU_PATCH: action = intercepted(d, &exit->insn); break;
    case CPU_SITE: action = site(d, exit); break;
    default: action = direct_stepped(d); break;
    }
    if (d->recorder.open)
        record_end(&d->recorder, &d->vcpu->state);
    /* Interrupts wait, and the guest has just let them: after this instruction, or its shadow. */
    if (d->board->intr && direct_enabled(d))
        cpu_want_window(d->cpu, true);
    return action;
}

bool direct_wants(struct dispatcher *d, const struct cpu_state *state,
                  const struct x86_instruction *insn)
{
    (void)d;
    return cpu_wants(state, insn) || silent_kind(insn) || insn->kind == X86_KIND_IRET ||
           (cpu_transfers(state, insn) && state->cpl == 3);
}

/* What outcome_emulate comes to, without the world switch; not if somebody wants to see it, or to
 * do it in another way. */
bool direct_reads_time(struct dispatcher *d, const struct engine_glance *now)
{
    struct cpu_state *guest = &d->vcpu->state;
    bool standard = d->vcpu->interpreter.routines[X86_KIND_RDTSC] ==
                    interpreter_standard.routines[X86_KIND_RDTSC];
    bool forbidden = (guest->cr4 & X86_CR4_TSD) && guest->cpl;
    if (record_watched(&d->recorder) || !standard || forbidden || d->vcpu->opened)
        return false;
    guest->eip = now->eip;
    guest->seg[X86_CS].base = now->cs_base;
    guest->seg[X86_CS].selector = now->cs & (guest->cpl ? 0xffff : ~X86_SELECTOR_RPL);
    direct_record(d, TRAP_INSTRUCTION + X86_KIND_RDTSC);
    record_step(&d->recorder, 'I');
    record_result(&d->recorder, record_cause_name(TRAP_INSTRUCTION + X86_KIND_RDTSC), "done");
    record_end(&d->recorder, guest);
    d->emulated++;
    return true;
}

/* ---- interrupts ---- */

bool direct_window(const struct dispatcher *d)
{
    const struct cpu_state *guest = &d->vcpu->state;
    return direct_enabled(d) || (vcpu_has_flags(guest) && x86_iopl(guest) == 3);
}

bool direct_interruptible(const struct dispatcher *d)
{
    return direct_enabled(d) && !d->vcpu->state.interrupt_shadow;
}

void direct_interrupt(struct dispatcher *d, uint8_t vector)
{
    const struct x86_event event = {.kind = X86_EXTERNAL_INTERRUPT, .vector = vector};
    direct_record(d, TRAP_INTERRUPT);
    cpu_modify(d->cpu);
    reflect(d, &event);
    record_end(&d->recorder, &d->vcpu->state);
}

/* ---- life ---- */

void direct_stopped(struct dispatcher *d)
{
    vcpu_absorb(d->vcpu);
}

void direct_modified(struct dispatcher *d)
{
    cpu_modify(d->cpu);
    vcpu_reset(d->vcpu);
}

/* ---- for debuggers ---- */

/* The shadow tables have 4 KB pages only, and lie in machine memory. */
void direct_walk(const struct dispatcher *d, struct vmm_walk *walk)
{
    const struct vcpu *v = d->vcpu;
    const struct cpu_state real = {.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP, .cr3 = v->root};
    struct x86_walk shadow = {0};
    if (x86_probe(&real, &d->cpu->physical, walk->linear, 0, &shadow) == X86_OK) {
        walk->shadowed = true;
        walk->shadow = technique_levels(&shadow);
    }
    uint32_t machine = frame_map_machine(v->map, walk->guest.physical);
    walk->has_machine = walk->guest.mapped && machine != FRAMES_NONE;
    walk->machine = (machine & X86_PAGE_MASK) | (walk->guest.physical & ~X86_PAGE_MASK);
}

struct interpreter *direct_interpreter(struct dispatcher *d)
{
    return &d->vcpu->interpreter;
}
