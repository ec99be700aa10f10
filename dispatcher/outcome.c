/* Performing outcomes. See outcome.h. */
#include "outcome.h"

#include <stdio.h>

#include "arch/x86/descriptor.h"
#include "technique.h"
#include "vcpu.h"

static enum cpu_action resume(struct dispatcher *d)
{
    vcpu_settle(d->vcpu);
    vcpu_switch_tables(d->vcpu); /* a change of CR0.PE lets them come and go, too */
    vcpu_project(d->vcpu);
    return CPU_RESUME;
}

static void retired(struct dispatcher *d)
{
    d->emulated++;
    if (!d->cpu->host_clock)
        d->cpu->time++;
}

/* A task switch replaces CR3 and LDTR, too. */
static void follow_task(struct dispatcher *d)
{
    vcpu_settle(d->vcpu);
    vcpu_switch_space(d->vcpu);
}

/* ---- events ---- */

enum cpu_action outcome_inject(struct dispatcher *d, const struct x86_event *event)
{
    struct cpu_state *guest = &d->vcpu->state;
    uint16_t task = guest->tr.selector;
    struct x86_delivery log;
    bool own = d->modules.delivery == SLOT_STANDARD;
    if (own && d->technique->inject && d->technique->inject(d, event))
        return CPU_RESUME;
    switch (modules_deliver(d, guest, &d->vcpu->memory, event, &log)) {
    case X86_OK: break;
    case X86_SHUTDOWN:
        d->shutdown = true;
        d->lost = *event;
        record_result(&d->recorder, "deliver", "shutdown");
        return CPU_LEAVE;
    default: record_result(&d->recorder, "deliver", "refused"); return CPU_LEAVE;
    }
    /* INT n retires if its gate let it through; otherwise a fault was delivered in its place. */
    if (event->kind == X86_SOFTWARE_INTERRUPT && log.count == 1)
        retired(d);
    record_injected(&d->recorder, log.events[log.count - 1].vector);
    if (guest->tr.selector != task)
        follow_task(d);
    return resume(d);
}

enum cpu_action outcome_reflect(struct dispatcher *d, const struct x86_event *event)
{
    if (event->step)
        d->vcpu->state.dr[6] |= X86_DR6_BS;
    return outcome_inject(d, event);
}

static enum cpu_action inject(struct dispatcher *d, const struct x86_instruction *insn,
                              const struct outcome *outcome)
{
    (void)insn;
    if (outcome->task_switched)
        follow_task(d);
    if (outcome->retired)
        retired(d);
    return outcome_inject(d, &outcome->event);
}

/* ---- the instruction is done ---- */

static enum cpu_action done(struct dispatcher *d, const struct x86_instruction *insn,
                            const struct outcome *outcome)
{
    (void)insn;
    retired(d);
    if (outcome->task_switched)
        follow_task(d);
    return resume(d);
}

static enum cpu_action idle(struct dispatcher *d, const struct x86_instruction *insn,
                            const struct outcome *outcome)
{
    done(d, insn, outcome);
    d->halted = true;
    return CPU_LEAVE;
}

/* ---- what belongs to the allocator ---- */

static enum cpu_action switch_space(struct dispatcher *d, const struct x86_instruction *insn,
                                    const struct outcome *outcome)
{
    record_step(&d->recorder, 'A');
    vcpu_settle(d->vcpu);
    vcpu_switch_space(d->vcpu);
    return done(d, insn, outcome);
}

/* The shadow of the tables is made on the way back to the guest. */
static enum cpu_action switch_tables(struct dispatcher *d, const struct x86_instruction *insn,
                                     const struct outcome *outcome)
{
    record_step(&d->recorder, 'A');
    return done(d, insn, outcome);
}

static enum cpu_action invalidate(struct dispatcher *d, const struct x86_instruction *insn,
                                  const struct outcome *outcome)
{
    record_step(&d->recorder, 'A');
    record_address(&d->recorder, outcome->linear);
    vcpu_invalidate(d->vcpu, outcome->linear);
    return done(d, insn, outcome);
}

static enum cpu_action port(struct dispatcher *d, const struct x86_instruction *insn,
                            const struct outcome *outcome)
{
    struct interpreter_context context = {
        .cpu = &d->vcpu->state, .memory = &d->vcpu->memory, .time = d->cpu->time};
    record_step(&d->recorder, 'A');
    record_address(&d->recorder, outcome->port.port);
    uint32_t value;
    if (!modules_access_port(d, &outcome->port, cpu_now(d->cpu), &value))
        return CPU_LEAVE;
    cpu_rearm(d->cpu, d->board->clock.next);
    record_step(&d->recorder, 'I');
    struct outcome end = interpreter_port_complete(&context, insn, &outcome->port, value);
    enum cpu_action action = end.kind == OUTCOME_DONE ? done(d, insn, &end) : inject(d, insn, &end);
    if (d->board->request == BOARD_RUN)
        return action;
    d->vcpu->state.eflags &= ~(uint32_t)X86_ARITHMETIC; /* as the bare machine stops: cpu_freeze */
    vcpu_project(d->vcpu);
    return CPU_LEAVE;
}

/* ---- what ends the guest ---- */

void outcome_refuse(struct dispatcher *d, const struct x86_instruction *insn,
                    const struct outcome *outcome)
{
    char text[sizeof d->reason];
    snprintf(text, sizeof text,
             "Module missing: this virtual machine has no interpreter routine for %s",
             record_cause_name(TRAP_INSTRUCTION + insn->kind));
    dispatcher_refuse(d, outcome->kind == OUTCOME_REFUSED ? outcome->why : text);
}

static enum cpu_action refuse(struct dispatcher *d, const struct x86_instruction *insn,
                              const struct outcome *outcome)
{
    outcome_refuse(d, insn, outcome);
    return CPU_LEAVE;
}

/* ---- the table ---- */

static const struct {
    const char *name;
    enum cpu_action (*perform)(struct dispatcher *, const struct x86_instruction *,
                               const struct outcome *);
} table[] = {
    [OUTCOME_DONE] = {"done", done},
    [OUTCOME_INJECT] = {"inject", inject},
    [OUTCOME_NEED_PAGE] = {"need page", refuse}, /* all of this VM's memory is at hand */
    [OUTCOME_MISSING] = {"missing", refuse},
    [OUTCOME_REFUSED] = {"refused", refuse},
    [OUTCOME_CR3] = {"address space", switch_space},
    [OUTCOME_PAGING] = {"paging", switch_space},
    [OUTCOME_INVLPG] = {"invalidate", invalidate},
    [OUTCOME_TABLES] = {"tables", switch_tables},
    [OUTCOME_IDLE] = {"idle", idle},
    [OUTCOME_PORT] = {"port", port},
};

static struct interpreter_context context_of(struct dispatcher *d)
{
    return (struct interpreter_context){.cpu = &d->vcpu->state,
                                        .memory = &d->vcpu->memory,
                                        .time = cpu_now(d->cpu),
                                        .modules = d->modules.routines};
}

/* EFLAGS.TF was set before an instruction that has retired (SDM volume 3, section 17.3.1.4); the
 * processor does not know of it. Loads of SS by MOV and POP do not trap. */
static enum cpu_action single_step(struct dispatcher *d, const struct x86_instruction *insn,
                                   const struct outcome *outcome, enum cpu_action action)
{
    static const struct x86_event trap = {.kind = X86_EXCEPTION, .vector = X86_DB};
    bool loads_ss = (insn->kind == X86_KIND_MOV_TO_SREG || insn->kind == X86_KIND_POP_SREG) &&
                    insn->sreg == X86_SS;
    if (loads_ss || outcome->kind == OUTCOME_INJECT ||
        (action != CPU_RESUME && outcome->kind != OUTCOME_IDLE))
        return action;
    d->halted = false;
    d->vcpu->state.dr[6] |= X86_DR6_BS;
    return outcome_inject(d, &trap);
}

static enum cpu_action perform(struct dispatcher *d, const struct x86_instruction *insn,
                               const char *name, const struct outcome *outcome, bool traps)
{
    record_result(&d->recorder, name, table[outcome->kind].name);
    enum cpu_action action = table[outcome->kind].perform(d, insn, outcome);
    return traps ? single_step(d, insn, outcome, action) : action;
}

enum cpu_action outcome_emulate(struct dispatcher *d, const struct x86_instruction *insn)
{
    bool traps = d->vcpu->state.eflags & X86_TF;
    struct interpreter_context context = context_of(d);
    record_step(&d->recorder, 'I');
    struct outcome outcome = interpreter_run(&d->vcpu->interpreter, &context, insn);
    return perform(d, insn, record_cause_name(TRAP_INSTRUCTION + insn->kind), &outcome, traps);
}

enum cpu_action outcome_microcode(struct dispatcher *d, const struct cpu_exit *exit)
{
    uint64_t emulated = d->emulated;
    bool event = exit->kind == CPU_EXCEPTION || exit->kind == CPU_SOFTWARE_INTERRUPT;
    enum cpu_action action =
        event ? outcome_reflect(d, &exit->event) : outcome_emulate(d, &exit->insn);
    d->emulated = emulated;
    return action;
}

enum cpu_action outcome_perform(struct dispatcher *d, const struct x86_instruction *insn,
                                const char *name, const struct outcome *outcome)
{
    record_step(&d->recorder, 'I');
    return perform(d, insn, name, outcome, d->vcpu->state.eflags & X86_TF);
}

/* BT and its kin leave flags as the engine's lazy evaluation has them. */
static bool tests_bits(const struct x86_instruction *insn)
{
    enum { BT = 0xa3, BTS = 0xab, BTR = 0xb3, GROUP_8 = 0xba, BTC = 0xbb };
    if (insn->map != 1)
        return false;
    switch (insn->opcode) {
    case BT:
    case BTS:
    case BTR:
    case GROUP_8:
    case BTC: return true;
    default: return false;
    }
}

/* May the next iteration follow at once, that stays where the last one was? */
static bool goes_on(struct dispatcher *d, uint32_t eip)
{
    const struct cpu_state *guest = &d->vcpu->state;
    return guest->eip == eip && !d->cpu->host_clock && d->cpu->time < d->cpu->deadline &&
           !(d->board->intr && (guest->eflags & X86_IF));
}

bool outcome_execute(struct dispatcher *d, const struct x86_instruction *insn,
                     enum cpu_action *action)
{
    struct interpreter_context context = context_of(d);
    struct outcome outcome;
    uint32_t eip = context.cpu->eip;
    if (interpreter_simulates(insn) || tests_bits(insn) || (context.cpu->eflags & X86_TF))
        return false;
    do {
        outcome = interpreter_execute(&d->vcpu->interpreter, &context, insn);
        if (outcome.kind == OUTCOME_PROCESSOR)
            return false;
        if (outcome.kind == OUTCOME_DONE)
            retired(d);
    } while (outcome.kind == OUTCOME_DONE && (insn->flags & X86_INSN_STRING) && goes_on(d, eip));
    record_step(&d->recorder, 'I');
    *action =
        outcome.kind == OUTCOME_DONE ? resume(d) : table[outcome.kind].perform(d, insn, &outcome);
    return true;
}
