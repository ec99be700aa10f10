/* Hardware assist: the guest's kernel in ring 0 of the processor's guest mode (AMD-V: APM volume 2,
 * chapter 15; Intel's VT-x; KVM and Hyper-V are of this kind). Nothing is sensitive and
 * unprivileged any more, because the trap does not depend on the ring: what the VMCB intercepts
 * comes to the VMM, from every ring; everything else is the hardware's to do, on state that is the
 * guest's own.
 *
 *     guest ---#VMEXIT---> dispatcher ---- nested page fault ---> allocator: nested tables
 *       ^                       |  \------ CPUID, HLT, IN ... --> interpreter: the routine
 *       |                       |   \----- exception -----------> back to the guest: EVENTINJ
 *       +-------VMRUN-----------+
 *
 * Two ways to memory: nested page tables, which the processor walks beneath the guest's own; or
 * shadow page tables, as before 2008, when there was no other: then CR3, INVLPG and every page
 * fault exit. */
#include <stdio.h>
#include <string.h>

#include "arch/x86/descriptor.h"
#include "direct.h"
#include "hw.h"
#include "outcome.h"
#include "vcpu.h"

/* ---- the two halves of a world switch ---- */

/* The save area is filled in when the processor stops: nobody looks at it before. */
static void note_exit(struct hw *hw, unsigned code, uint64_t info1, uint64_t info2,
                      const struct x86_event *delivering)
{
    vmcb_put(hw->vmcb, VMCB_EXITCODE, 8, vmcb_exit_number(code));
    vmcb_put(hw->vmcb, VMCB_EXITINFO1, 8, info1);
    vmcb_put(hw->vmcb, VMCB_EXITINFO2, 8, info2);
    vmcb_put(hw->vmcb, VMCB_EXITINTINFO, 8, delivering ? vmcb_event(delivering) : 0);
}

static void begin(struct dispatcher *d, unsigned code, uint64_t info1, uint64_t info2,
                  const struct x86_event *delivering)
{
    note_exit(d->own, code, info1, info2, delivering);
    vcpu_absorb(d->vcpu);
    direct_record(d, TRAP_VMEXIT + code);
    record_exit(&d->recorder, code, info1, info2);
}

static enum cpu_action ended(struct dispatcher *d, const struct cpu_hardware *end,
                             enum cpu_action action)
{
    struct hw *hw = d->own;
    d->halted |= end->halted;
    if (!end->shutdown)
        return action;
    if (!d->shutdown)
        d->lost = end->lost;
    d->shutdown = true;
    if (!hw->nested)
        vcpu_project(d->vcpu); /* CR2 of the last fault */
    if (!vmcb_intercepts(hw->vmcb, VMCB_EXIT_SHUTDOWN))
        return CPU_LEAVE;
    begin(d, VMCB_EXIT_SHUTDOWN, 0, 0, 0);
    record_result(&d->recorder, "shutdown", "stop");
    record_end(&d->recorder, &d->vcpu->state);
    return CPU_LEAVE;
}

/* Back to the guest: an event that waits in EVENTINJ is delivered first, by the hardware. */
static enum cpu_action enter(struct dispatcher *d, enum cpu_action action)
{
    struct hw *hw = d->own;
    struct cpu_hardware end = {0};
    if (d->shutdown)
        end.shutdown = true; /* delivered on shadow tables, and not to be */
    if (!hw->injecting)
        return ended(d, &end, action);
    hw->injecting = false;
    enum cpu_action delivered = cpu_deliver(d->cpu, &hw->event, &end);
    vmcb_put(hw->vmcb, VMCB_EVENTINJ, 8, 0);
    return ended(d, &end, action == CPU_LEAVE ? CPU_LEAVE : delivered);
}

/* ---- what is no exit ---- */

/* On shadow page tables delivery and the rest of the microcode would meet faults that are none of
 * the guest's; so they are done on the guest's own tables. */
static enum cpu_action hardware_on_shadows(struct dispatcher *d, const struct cpu_exit *exit)
{
    vcpu_absorb(d->vcpu);
    vcpu_close(d->vcpu);
    enum cpu_action action = outcome_microcode(d, exit);
    if (d->shutdown) {
        const struct cpu_hardware end = {.shutdown = true};
        return ended(d, &end, action);
    }
    return action;
}

static enum cpu_action hw_exit(struct dispatcher *d, const struct cpu_exit *exit);

/* An exception that the instruction raises may be intercepted in its turn. */
static enum cpu_action hardware(struct dispatcher *d, const struct cpu_exit *exit)
{
    const struct hw *hw = d->own;
    bool site = exit->kind == CPU_SITE;
    bool microcode = !site || cpu_transfers(&d->cpu->state, &exit->insn) ||
                     cpu_wants(&d->cpu->state, &exit->insn);
    if (!hw->nested && microcode)
        return hardware_on_shadows(d, exit);
    struct cpu_hardware end = {.keep_fault = true};
    enum cpu_action action = cpu_hardware(d->cpu, exit, &end);
    if (!end.faulted)
        return ended(d, &end, action);
    const struct cpu_exit fault = {.kind = CPU_EXCEPTION, .event = end.fault};
    return hw_exit(d, &fault);
}

/* ---- what is one ---- */

static enum cpu_action nested_page_fault(struct dispatcher *d, const struct cpu_exit *exit)
{
    struct hw *hw = d->own;
    record_step(&d->recorder, 'A');
    record_address(&d->recorder, exit->physical);
    switch (nested_fault(hw->nested, exit->physical, exit->error)) {
    case NESTED_FILLED: record_result(&d->recorder, "nested_fault", "filled"); return CPU_RETRY;
    case NESTED_REFUSED: record_result(&d->recorder, "nested_fault", "refused"); return CPU_LEAVE;
    default: break;
    }
    record_result(&d->recorder, "nested_fault", "no room");
    dispatcher_refuse(d, "The allocator has no frame left for nested page tables");
    return CPU_LEAVE;
}

static bool hw_inject(struct dispatcher *d, const struct x86_event *event)
{
    struct hw *hw = d->own;
    if (!hw->nested)
        return false;
    hw->injecting = true;
    hw->event = *event;
    vmcb_put(hw->vmcb, VMCB_EVENTINJ, 8, vmcb_event(event));
    record_injected(&d->recorder, event->vector);
    vcpu_project(d->vcpu);
    return true;
}

static enum cpu_action reflect(struct dispatcher *d, const struct x86_event *event)
{
    record_event(&d->recorder, event);
    record_result(&d->recorder, "event_injection", "inject");
    return outcome_reflect(d, event);
}

/* On shadow page tables nobody but the library answers. */
static enum cpu_action handle_on_shadows(struct dispatcher *d, const struct cpu_exit *exit)
{
    if (exit->kind == CPU_EXCEPTION && exit->event.vector == X86_PAGE) {
        /* Statistics tell the three apart that Adams and Agesen do. */
        record_cause(&d->recorder, TRAP_HIDDEN_FAULT);
        return direct_page_fault(d, exit);
    }
    vcpu_close(d->vcpu);
    if (exit->kind == CPU_EXCEPTION || exit->kind == CPU_SOFTWARE_INTERRUPT)
        return reflect(d, &exit->event);
    return outcome_emulate(d, &exit->insn);
}

static bool ask(struct dispatcher *d, const struct assist_question *question,
                struct assist_answer *answer)
{
    const struct assist_policy *policy = d->modules.assist;
    if (policy)
        return policy->exit(policy->context, question, answer);
    dispatcher_refuse(d, "Module missing: this virtual machine has no dispatcher.hardware");
    return false;
}

/* A policy that does what a routine of the interpreter would. Flags: SDM volume 3, 17.3.1.1. */
static enum cpu_action done_by_policy(struct dispatcher *d, const struct x86_instruction *insn,
                                      const struct assist_answer *answer)
{
    struct cpu_state *guest = &d->vcpu->state;
    const char *name = record_cause_name(TRAP_INSTRUCTION + insn->kind);
    struct outcome outcome = {.kind = OUTCOME_DONE};
    if (answer->end == ASSIST_PORT) {
        outcome = (struct outcome){.kind = OUTCOME_PORT, .port = answer->port};
        return outcome_perform(d, insn, name, &outcome);
    }
    if (answer->end == ASSIST_IDLE)
        outcome.kind = OUTCOME_IDLE;
    memcpy(guest->gpr, answer->gpr, sizeof guest->gpr);
    guest->eip = answer->eip;
    guest->interrupt_shadow = false;
    guest->eflags &= ~(uint32_t)X86_RF;
    return outcome_perform(d, insn, name, &outcome);
}

static enum cpu_action handle(struct dispatcher *d, const struct assist_question *question)
{
    const struct cpu_exit *exit = question->exit;
    const struct hw *hw = d->own;
    struct assist_answer answer = {0};
    if (!hw->nested)
        return handle_on_shadows(d, exit);
    if (!ask(d, question, &answer)) {
        record_result(&d->recorder, "exit handler", "refused");
        return CPU_LEAVE;
    }
    switch (answer.end) {
    case ASSIST_ALLOCATE: return nested_page_fault(d, exit);
    case ASSIST_INJECT:
        answer.event.step = exit && exit->event.step && answer.event.vector == X86_DB;
        return reflect(d, &answer.event);
    case ASSIST_EMULATE: return outcome_emulate(d, &exit->insn);
    default: return done_by_policy(d, &exit->insn, &answer);
    }
}

/* Port instructions are refused by IOPL and the task's bitmap first. */
static bool refused_port(struct dispatcher *d, const struct cpu_exit *exit, unsigned code,
                         enum cpu_action *action)
{
    if (code != VMCB_EXIT_IOIO || !cpu_wants(&d->cpu->state, &exit->insn))
        return false;
    const struct hw *hw = d->own;
    if (!hw->nested)
        return false; /* the routine looks itself */
    *action = hardware(d, exit);
    return *action != CPU_RETRY;
}

/* What is not in the nested table cannot be in the TLB: a miss that the VMM sees. */
static struct hw_fault count_walk(struct dispatcher *d, const struct cpu_exit *exit)
{
    struct hw_fault fault = hw_fault(d, exit);
    d->walks.tables += fault.table;
    d->walks.pages += !fault.table;
    d->walks.references += fault.table ? 0 : fault.references;
    return fault;
}

static enum cpu_action hw_exit(struct dispatcher *d, const struct cpu_exit *exit)
{
    unsigned code = hw_exit_code(exit);
    struct hw_fault fault = {0};
    enum cpu_action action;
    uint64_t info1, info2;
    if (exit->kind == CPU_STEPPED) {
        vcpu_absorb(d->vcpu);
        return direct_stepped(d);
    }
    if (!hw_intercepts(d, exit, code))
        return hardware(d, exit);
    if (refused_port(d, exit, code, &action))
        return action;
    code = hw_reported(d, code);
    if (code == VMCB_EXIT_NPF)
        fault = count_walk(d, exit);
    hw_exit_info(d, exit, code, &fault, &info1, &info2);
    begin(d, code, info1, info2, exit->kind == CPU_NESTED_FAULT ? exit->delivering : 0);
    const struct assist_question question = {
        .exit = exit, .code = code, .info1 = info1, .info2 = info2};
    action = handle(d, &question);
    record_end(&d->recorder, &d->vcpu->state);
    return enter(d, action);
}

/* ---- which instructions are to be seen ---- */

/* The machine layer intercepts these for itself: they come without being asked for. */
static bool comes_anyway(const struct x86_instruction *insn)
{
    switch (insn->kind) {
    case X86_KIND_MOV_TO_CR: return insn->reg == 0 || insn->reg == 4;
    case X86_KIND_LMSW:
    case X86_KIND_CLTS:
    case X86_KIND_MOV_FROM_DR:
    case X86_KIND_MOV_TO_DR:
    case X86_KIND_LTR:
    case X86_KIND_RDTSC:
    case X86_KIND_RDPMC:
    case X86_KIND_CPUID:
    case X86_KIND_RSM:
    case X86_KIND_INT:
    case X86_KIND_INT3:
    case X86_KIND_INTO:
    case X86_KIND_ICEBP:
    case X86_KIND_HLT:
    case X86_KIND_RDMSR:
    case X86_KIND_WRMSR:
    case X86_KIND_VMMCALL:
    case X86_KIND_SVM: return true;
    default: return false;
    }
}

static bool hw_wants(struct dispatcher *d, const struct cpu_state *state,
                     const struct x86_instruction *insn)
{
    const struct hw *hw = d->own;
    unsigned code = vmcb_instruction_exit(insn);
    if (cpu_wants(state, insn) || cpu_transfers(state, insn))
        return true;
    return code != VMCB_EXIT_NONE && !comes_anyway(insn) && vmcb_intercepts(hw->vmcb, code);
}

/* Patches cost less to meet, and there may be any number of them; a patched instruction is never
 * the processor's. */
static bool hw_patches(struct dispatcher *d, const struct cpu_state *state,
                       const struct x86_instruction *insn)
{
    return !comes_anyway(insn) && hw_always_intercepts(d, state, insn);
}

/* What the hardware answers by itself it need not stop for. */
static bool hw_reads_time(struct dispatcher *d, const struct engine_glance *now)
{
    const struct hw *hw = d->own;
    (void)now;
    return !vmcb_intercepts(hw->vmcb, VMCB_EXIT_RDTSC);
}

/* ---- interrupts ---- */

static bool hw_enabled(const struct dispatcher *d)
{
    return d->vcpu->state.eflags & X86_IF;
}

static bool hw_interruptible(const struct dispatcher *d)
{
    return hw_enabled(d) && !d->vcpu->state.interrupt_shadow;
}

/* The interrupt waits until the guest can take it: a virtual interrupt is pending, whose delivery
 * is intercepted (VINTR; "interrupt window"), because the vector is not known before the controller
 * is asked. */
static bool hw_window(const struct dispatcher *d)
{
    struct hw *hw = d->own;
    const struct assist_policy *policy = hw->nested ? d->modules.assist : 0;
    bool wanted = true;
    if (policy && policy->window && !policy->window(policy->context, &wanted))
        wanted = false;
    vmcb_put(hw->vmcb, VMCB_V_INTR, 8, VMCB_V_INTR_MASKING | (wanted ? VMCB_V_IRQ : 0u));
    return wanted;
}

/* An interrupt has come to the VMM, which gives it back to the guest. */
static void take_interrupt(struct dispatcher *d, unsigned code, const struct x86_event *event)
{
    const struct hw *hw = d->own;
    const struct assist_question question = {.code = code, .vector = event->vector};
    begin(d, code, 0, 0, 0);
    if (hw->nested)
        handle(d, &question);
    else
        reflect(d, event);
    record_end(&d->recorder, &d->vcpu->state);
}

static void hw_interrupt(struct dispatcher *d, uint8_t vector)
{
    struct hw *hw = d->own;
    const struct x86_event event = {.kind = X86_EXTERNAL_INTERRUPT, .vector = vector};
    bool waited = vmcb_get(hw->vmcb, VMCB_V_INTR, 8) & VMCB_V_IRQ;
    unsigned code = waited ? VMCB_EXIT_VINTR : VMCB_EXIT_INTR;
    vmcb_put(hw->vmcb, VMCB_V_INTR, 8, VMCB_V_INTR_MASKING);
    cpu_modify(d->cpu);
    if (!vmcb_intercepts(hw->vmcb, code))
        outcome_inject(d, &event);
    else
        take_interrupt(d, code, &event);
    enter(d, CPU_RESUME);
    vcpu_absorb(d->vcpu);
}

/* ---- running, and changes from outside ---- */

static void install(struct dispatcher *d)
{
    struct hw *hw = d->own;
    uint32_t root = hw->nested ? nested_root(hw->nested) : NESTING_FLAT;
    if (d->cpu->nesting->root != root)
        cpu_nest(d->cpu, root);
}

static void hw_modified(struct dispatcher *d)
{
    const struct hw *hw = d->own;
    vmcb_save(hw->vmcb, &d->vcpu->state);
    install(d);
    cpu_modify(d->cpu);
    if (d->vcpu->assist == VCPU_NESTED) {
        vcpu_project(d->vcpu);
        cpu_flush_tlb(d->cpu);
    } else {
        vcpu_reset(d->vcpu);
    }
}

/* VMRUN with a VMCB that somebody has changed. */
static bool load(struct dispatcher *d)
{
    struct hw *hw = d->own;
    char reason[sizeof d->reason];
    const char *illegal = vmcb_check(hw->vmcb, d->vcpu->map->pool->memory->size);
    hw->changed = false;
    if (!illegal) {
        vmcb_load(hw->vmcb, &d->vcpu->state);
        hw_modified(d);
        return true;
    }
    begin(d, VMCB_EXIT_INVALID, 0, 0, 0);
    record_result(&d->recorder, "consistency", "refused");
    record_end(&d->recorder, &d->vcpu->state);
    snprintf(reason, sizeof reason, "VMEXIT_INVALID: the VMCB is illegal, %s", illegal);
    dispatcher_refuse(d, reason);
    return false;
}

static enum cpu_stop hw_run(struct dispatcher *d, uint64_t deadline)
{
    const struct hw *hw = d->own;
    if (hw->changed && !load(d))
        return CPU_STOP_LEFT;
    return cpu_run(d->cpu, deadline);
}

static void hw_stopped(struct dispatcher *d)
{
    struct hw *hw = d->own;
    vcpu_absorb(d->vcpu);
    if (!hw->changed)
        vmcb_save(hw->vmcb, &d->vcpu->state);
}

/* ---- for debuggers ---- */

/* The nested walk for one guest-physical address: two-dimensional page walks make one for each
 * level of the guest's, and one for the page (Bhargava et al. 2008, figure 2). */
static const struct vmm_levels *add_nested(const struct hw *hw, struct vmm_walk *walk,
                                           uint32_t guest)
{
    struct nested_walk nested;
    struct vmm_levels *levels = &walk->nested[walk->nested_count++];
    nested_walk(hw->nested, guest, &nested);
    *levels = (struct vmm_levels){
        .count = nested.levels,
        .pde_address = nested.pde_address,
        .pde = nested.pde,
        .pte_address = nested.pte_address,
        .pte = nested.pte,
        .mapped = nested.mapped,
        .physical = nested.machine,
    };
    walk->references += nested.levels;
    return levels;
}

static void hw_walk(const struct dispatcher *d, struct vmm_walk *walk)
{
    const struct hw *hw = d->own;
    if (!hw->nested) {
        direct_walk(d, walk);
        return;
    }
    walk->references = walk->guest.count;
    if (walk->guest.count >= 1)
        add_nested(hw, walk, walk->guest.pde_address);
    if (walk->guest.count >= 2)
        add_nested(hw, walk, walk->guest.pte_address);
    if (!walk->guest.mapped)
        return;
    const struct vmm_levels *page = add_nested(hw, walk, walk->guest.physical);
    walk->has_machine = page->mapped;
    walk->machine = page->physical;
}

const struct technique technique_hw = {
    .name = "hw",
    .virtualizes = true,
    .assisted = true,
    .create = hw_create,
    .inject = hw_inject,
    .exit = hw_exit,
    .wants = hw_wants,
    .patches = hw_patches,
    .reads_time = hw_reads_time,
    .enabled = hw_enabled,
    .interruptible = hw_interruptible,
    .window = hw_window,
    .interrupt = hw_interrupt,
    .run = hw_run,
    .stopped = hw_stopped,
    .modified = hw_modified,
    .walk = hw_walk,
    .interpreter = direct_interpreter,
    .frames = hw_frames,
    .destroy = hw_destroy,
};
