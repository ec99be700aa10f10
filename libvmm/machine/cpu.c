/* Running the processor: from the calls of the engine to exits with exact state and time, and from
 * deadlines in the middle of a block to single steps.
 *
 * A step uses what the architecture itself offers: in the interrupt shadow of STI the engine
 * translates one instruction at a time. Setting the shadow before a run makes the next instruction
 * a block of its own, and the block call after it stops the engine; nothing is translated twice,
 * and the guest cannot see it, as it could see TF. (Where nothing is executed twice, and so the
 * block that is called is translated for nothing, it is TF after all: see go_or_crawl.) */
#include "cpu.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "approach.h"
#include "arch/x86/deliver.h"
#include "blocks.h"
#include "codepages.h"
#include "crossing.h"
#include "dirty.h"
#include "host.h"
#include "inline.h"
#include "patches.h"
#include "svm.h"

/* Exits without progress in time after which the guest is taken for stuck. */
#define CPU_PATIENCE 100000u
/* So few instructions are stepped sooner than code is translated anew with a mark in it. */
#define CPU_NEAR              4u
#define NANOSECONDS_PER_CYCLE 10u
#define DR6_AT_RESET          0xffff0ff0u
#define DR7_AT_RESET          0x400u

/* ---- the host's clock ----
 *
 * The engine must not be stopped from another thread; so the alarm's thread only sets a flag, which
 * every block's entry reads. */

static uint64_t host_cycles(const struct cpu *cpu)
{
    return (host_nanoseconds() - cpu->host_start) / NANOSECONDS_PER_CYCLE;
}

uint64_t cpu_now(struct cpu *cpu)
{
    if (cpu->host_clock)
        cpu->time = host_cycles(cpu);
    return cpu->time;
}

static void *alarm_main(void *context)
{
    struct cpu_alarm *alarm = context;
    pthread_mutex_lock(&alarm->lock);
    while (!alarm->quit) {
        if (!alarm->armed) {
            pthread_cond_wait(&alarm->wake, &alarm->lock);
            continue;
        }
        struct timespec until = {(time_t)(alarm->at / 1000000000u),
                                 (long)(alarm->at % 1000000000u)};
        if (pthread_cond_timedwait(&alarm->wake, &alarm->lock, &until) == ETIMEDOUT) {
            alarm->armed = false;
            *alarm->tick = 1;
        }
    }
    pthread_mutex_unlock(&alarm->lock);
    return 0;
}

static bool start_alarm(struct cpu *cpu)
{
    struct cpu_alarm *alarm = &cpu->alarm;
    pthread_condattr_t monotonic;
    cpu->host_start = host_nanoseconds();
    alarm->tick = &cpu->entry.tick;
    pthread_mutex_init(&alarm->lock, 0);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&alarm->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    alarm->running = pthread_create(&alarm->thread, 0, alarm_main, alarm) == 0;
    return alarm->running;
}

static void stop_alarm(struct cpu *cpu)
{
    struct cpu_alarm *alarm = &cpu->alarm;
    if (!alarm->running)
        return;
    pthread_mutex_lock(&alarm->lock);
    alarm->quit = true;
    pthread_cond_signal(&alarm->wake);
    pthread_mutex_unlock(&alarm->lock);
    pthread_join(alarm->thread, 0);
    alarm->running = false;
}

static void arm_alarm(struct cpu *cpu)
{
    struct cpu_alarm *alarm = &cpu->alarm;
    if (!cpu->host_clock)
        return;
    pthread_mutex_lock(&alarm->lock);
    alarm->armed = cpu->deadline < UINT64_MAX / NANOSECONDS_PER_CYCLE / 2;
    alarm->at = cpu->host_start + cpu->deadline * NANOSECONDS_PER_CYCLE;
    pthread_cond_signal(&alarm->wake);
    pthread_mutex_unlock(&alarm->lock);
}

/* ---- exits ---- */

static uint32_t linear_eip(const struct cpu *cpu)
{
    return cpu->state.seg[X86_CS].base + cpu->state.eip;
}

static bool decode_at(struct cpu *cpu, uint32_t eip, struct x86_instruction *insn)
{
    uint8_t bytes[X86_INSN_MAX];
    uint32_t pc = cpu->state.seg[X86_CS].base + eip;
    unsigned room = cpu_fetch(cpu, pc, bytes, sizeof bytes);
    bool code32 = cpu->state.seg[X86_CS].attributes & X86_SEG_DB;
    return room && x86_decode(bytes, room, code32, insn);
}

static void describe_exception(struct cpu *cpu, uint8_t vector, struct cpu_exit *exit)
{
    exit->kind = CPU_EXCEPTION;
    exit->event = (struct x86_event){.kind = X86_EXCEPTION, .vector = vector};
    /* No other debug exception does the engine raise by itself. TF need not be set any more: the
     * instruction may have cleared it (SDM volume 3, section 17.3.1.4). */
    exit->event.step = vector == X86_DB;
    exit->event.has_error_code = x86_has_error_code(vector);
    if (exit->event.has_error_code)
        exit->event.error_code = engine_error_code(cpu->engine);
    if (vector == X86_PAGE)
        exit->event.cr2 = engine_fault_address(cpu->engine);
}

/* `known` is the instruction, if it is known already. */
static void describe_instruction(struct cpu *cpu, const struct x86_instruction *known,
                                 struct cpu_exit *exit)
{
    exit->kind = CPU_INSTRUCTION;
    if (known)
        exit->insn = *known;
    else if (!decode_at(cpu, cpu->state.eip, &exit->insn))
        exit->insn = (struct x86_instruction){.kind = X86_KIND_INVALID};
}

static void describe_software_interrupt(struct cpu *cpu, const struct x86_instruction *known,
                                        struct cpu_exit *exit)
{
    struct x86_instruction *insn = &exit->insn;
    describe_instruction(cpu, known, exit);
    exit->kind = CPU_SOFTWARE_INTERRUPT;
    exit->event = (struct x86_event){.kind = X86_SOFTWARE_INTERRUPT, .length = insn->length};
    switch (insn->kind) {
    case X86_KIND_INT3: exit->event.vector = X86_BP; break;
    case X86_KIND_INTO: exit->event.vector = X86_OVERFLOW; break;
    case X86_KIND_ICEBP: exit->event.vector = X86_DB; break;
    default: exit->event.vector = (uint8_t)insn->immediate; break;
    }
}

static void engine_halt(struct cpu *cpu, enum cpu_halt why)
{
    if (cpu->halt == HALT_NONE)
        cpu->halt = why;
    engine_stop(cpu->engine);
}

/* The engine never gets RF: it clears the flag at the ends of some blocks only, and PUSHF shows it.
 * It holds while no instruction has retired (SDM volume 3, section 17.3.1.1). */
static void store_state(struct cpu *cpu)
{
    const uint32_t eflags = cpu->state.eflags;
    cpu->resume_time = eflags & X86_RF ? cpu->time : UINT64_MAX;
    cpu->state.eflags &= ~(uint32_t)X86_RF;
    engine_store(cpu->engine, &cpu->state);
    cpu->state.eflags = eflags;
}

static void perform(struct cpu *cpu, enum cpu_action action)
{
    if (action == CPU_RESUME && cpu->step == STEP_NO) {
        store_state(cpu);
        return;
    }
    if (action != CPU_RETRY)
        cpu->changed = true;
    if (action == CPU_STEP)
        cpu->client_step = true;
    if (action == CPU_LEAVE)
        engine_halt(cpu, HALT_LEFT);
    else if (action == CPU_STEP && cpu->step == STEP_NO)
        engine_halt(cpu, HALT_AGAIN);
    else if (cpu->step != STEP_NO)
        engine_halt(cpu, HALT_STEP);
}

/* During a step the shadow in the engine, or TF, is ours; what the guest sees is its own. */
static void load_state(struct cpu *cpu)
{
    engine_load(cpu->engine, &cpu->state);
    memcpy(cpu->state.dr, cpu->dr, sizeof cpu->dr);
    if (cpu->step != STEP_NO)
        cpu->state.interrupt_shadow = cpu->step_shadow;
    if (cpu->step != STEP_NO && cpu->step_traps)
        cpu->state.eflags &= ~(uint32_t)X86_TF;
    cpu_now(cpu);
}

/* A guest whose every instruction faults never advances time, and so never reaches a limit. */
static bool stuck(struct cpu *cpu)
{
    if (cpu->time != cpu->stall_time) {
        cpu->stall_time = cpu->time;
        cpu->stalls = 0;
    }
    return ++cpu->stalls > CPU_PATIENCE;
}

/* With the host's clock there is nothing to step towards: its deadlines are not exact. */
static bool due(const struct cpu *cpu)
{
    return cpu->time >= cpu->deadline;
}

static bool interrupted(const struct cpu *cpu)
{
    return cpu->client.interrupted && *cpu->client.interrupted;
}

static bool window_open(const struct cpu *cpu)
{
    return cpu->window && (cpu->state.eflags & X86_IF) && !cpu->state.interrupt_shadow;
}

/* Is it a fault of fetching the instruction at EIP, from its first byte or where it crosses into
 * another page? */
static bool fetch_fault(struct cpu *cpu, const struct x86_event *event)
{
    enum { FAULT_WRITE = 1 << 1 }; /* of the error code */
    uint32_t pc = linear_eip(cpu), left = event->cr2 - pc;
    if (event->vector != X86_PAGE || (event->error_code & FAULT_WRITE) || left >= X86_INSN_MAX)
        return false;
    return !left || (!(event->cr2 & ~X86_PAGE_MASK) && !crossing_whole(cpu, pc));
}

/* At the boundary between two instructions interrupts, and whatever else ends a run, come before
 * the faults of fetching the second (SDM volume 3, table 6-2). The engine raises those first; in a
 * step, too, when it looks for the block behind it. */
static bool comes_later(struct cpu *cpu, const struct x86_event *event)
{
    if (cpu->step == STEP_NO)
        return (due(cpu) || window_open(cpu)) && fetch_fault(cpu, event);
    return cpu->step == STEP_ENTERED && event->vector == X86_PAGE &&
           linear_eip(cpu) != cpu->step_pc;
}

/* What refused the access: the client's table, or the machine's own protection. When the client has
 * given the page, the processor needs not miss it again to have it. */
static void nested_fault(struct cpu *cpu, const struct x86_instruction *known)
{
    uint32_t physical = engine_fault_address(cpu->engine), machine = physical;
    /* The flat tables refuse nothing but writes. */
    bool write =
        cpu->nesting->root == NESTING_FLAT || (engine_error_code(cpu->engine) & NESTING_WRITE);
    struct cpu_exit exit = {.kind = CPU_NESTED_FAULT, .physical = physical, .known = known};
    enum nesting_end end = nesting_fault(cpu->nesting, physical, write, &machine, &exit.error);
    if (end == NESTING_REFUSED) {
        enum cpu_action action = cpu->client.exit(cpu->client.context, &exit);
        if (action == CPU_RETRY)
            end = nesting_fault(cpu->nesting, physical, write, &machine, &exit.error);
        if (action != CPU_RETRY || end == NESTING_REFUSED) {
            perform(cpu, action);
            return;
        }
    }
    if (end == NESTING_PROTECTED && !codepages_fault(cpu, physical, machine))
        engine_halt(cpu, HALT_AGAIN);
    else if (cpu->step != STEP_NO)
        engine_halt(cpu, HALT_STEP);
}

bool cpu_supply(struct cpu *cpu, const struct x86_event *event, bool finish)
{
    const struct cpu_exit exit = {.kind = CPU_NESTED_FAULT,
                                  .physical = cpu->missing_page,
                                  .error = cpu->missing_error,
                                  .delivering = event};
    uint32_t machine, error;
    if (cpu->client.exit(cpu->client.context, &exit) == CPU_LEAVE && !finish)
        return false;
    /* A client that does not give it finds itself asked again, by an exit, and at last stuck. */
    return nesting_translate(cpu->nesting, exit.physical, exit.error & NESTING_WRITE, &machine,
                             &error);
}

void cpu_nest(struct cpu *cpu, uint32_t root)
{
    nesting_use(cpu->nesting, root);
    cpu_flush_tlb(cpu);
}

static void handle(struct cpu *cpu, uint32_t code, const struct x86_instruction *known)
{
    struct cpu_exit exit;
    if (stuck(cpu)) {
        engine_halt(cpu, HALT_STUCK);
        return;
    }
    if (code == SVM_EXIT_SWINT && known && patches_find(cpu, cpu->block, linear_eip(cpu))) {
        exit = (struct cpu_exit){.kind = CPU_PATCH, .insn = *known};
        enum cpu_action action = cpu->client.exit(cpu->client.context, &exit);
        assert(action != CPU_RETRY);
        perform(cpu, action);
        return;
    }
    if (code == SVM_EXIT_NPF) {
        nested_fault(cpu, known);
        return;
    }
    if (code >= SVM_EXIT_EXCEPTION && code < SVM_EXIT_EXCEPTION + 32)
        describe_exception(cpu, (uint8_t)(code - SVM_EXIT_EXCEPTION), &exit);
    else if (code == SVM_EXIT_SWINT)
        describe_software_interrupt(cpu, known, &exit);
    else
        describe_instruction(cpu, known, &exit);
    exit.known = known;
    if (exit.kind == CPU_EXCEPTION &&
        (crossing_met(cpu, &exit.event) || comes_later(cpu, &exit.event))) {
        engine_halt(cpu, HALT_AGAIN);
        return;
    }
    perform(cpu, cpu->client.exit(cpu->client.context, &exit));
}

/* RF in the loaded state, at the time that it is of: as stored, if no instruction has retired
 * since, or as an IRET has set it, which the engine has just executed. `behind` is the block
 * before, if the state is that between two. Returns whether the engine's own state has to be put
 * right. */
static bool settle_resume_flag(struct cpu *cpu, uint32_t behind)
{
    bool stale = cpu->state.eflags & X86_RF;
    bool holds = cpu->resume_time == cpu->time || (stale && blocks_ends_in_iret(cpu, behind));
    cpu->state.eflags &= ~(uint32_t)X86_RF;
    cpu->state.eflags |= holds ? X86_RF : 0;
    return stale;
}

/* A kernel that waits for time to pass reads it by the million. */
static bool answer_time(struct cpu *cpu)
{
    struct engine_glance now;
    if (!cpu->client.reads_time || cpu->step != STEP_NO)
        return false;
    engine_glance(cpu->engine, &now);
    if (((now.cr4 & X86_CR4_TSD) && now.cpl) || now.traps)
        return false;
    const struct x86_instruction *insn = blocks_leave(cpu, now.cs_base + now.eip, false);
    if (!insn || insn->kind != X86_KIND_RDTSC || (insn->flags & X86_INSN_LOCK) ||
        !cpu->client.reads_time(cpu->client.context, &now))
        return false;
    uint64_t time = cpu_now(cpu);
    engine_step_over(cpu->engine, now.eip + insn->length, (uint32_t)time, (uint32_t)(time >> 32));
    if (!cpu->host_clock)
        cpu->time++;
    return true;
}

static void on_intercept(void *context, uint32_t code)
{
    struct cpu *cpu = context;
    patches_restore(cpu);
    patches_entered(cpu);
    if (cpu->frozen || cpu->halt != HALT_NONE) {
        engine_stop(cpu->engine);
        return;
    }
    blocks_collect(cpu);
    if (code == SVM_EXIT_RDTSC && answer_time(cpu)) {
        blocks_arm(cpu);
        return;
    }
    load_state(cpu);
    /* The single step's: its block is one instruction. */
    bool trap = code == SVM_EXIT_EXCEPTION + X86_DB;
    uint32_t pc = linear_eip(cpu);
    const struct x86_instruction *known = blocks_leave(cpu, pc, trap);
    if (settle_resume_flag(cpu, 0))
        store_state(cpu);
    if (trap && cpu->step != STEP_NO && cpu->step_traps) {
        cpu->changed = true;
        engine_halt(cpu, HALT_STEP);
        blocks_arm(cpu);
        return;
    }
    cpu->step_exited = true;
    handle(cpu, code, known);
    blocks_arm(cpu);
}

/* Once the instruction has been stopped at, it is executed, however often it is begun: a fault that
 * the guest never sees does not advance time, and a repeated instruction is begun for each
 * iteration. Needs `state` loaded. */
static bool pass_break(struct cpu *cpu, uint32_t pc, uint64_t time)
{
    if (pc != cpu->break_pass)
        return false;
    if (!cpu->host_clock)
        return time - cpu->break_pass_time ==
               (cpu->break_pass_repeats ? cpu->break_pass_count - cpu->state.gpr[X86_ECX] : 0);
    bool pass = cpu->break_pass_once;
    cpu->break_pass_once = false;
    return pass;
}

void cpu_break_pass(struct cpu *cpu)
{
    struct x86_instruction insn = {0};
    if (!cpu->break_count)
        return;
    decode_at(cpu, cpu->state.eip, &insn);
    cpu->break_pass = linear_eip(cpu);
    cpu->break_pass_time = cpu->time;
    cpu->break_pass_count = cpu->state.gpr[X86_ECX];
    cpu->break_pass_repeats = insn.flags & (X86_INSN_REP | X86_INSN_REPNE);
    cpu->break_pass_once = true;
}

bool cpu_break_here(struct cpu *cpu)
{
    uint32_t pc = linear_eip(cpu);
    return !cpu->breaks_off && blocks_break(cpu, pc) && !pass_break(cpu, pc, cpu->time);
}

/* Whether the run ends before the instruction at `pc`, which is marked. */
static bool meet_break(struct cpu *cpu, uint32_t pc)
{
    blocks_collect(cpu);
    load_state(cpu);
    if (pass_break(cpu, pc, blocks_time(cpu, pc)))
        return false;
    blocks_leave(cpu, pc, false);
    engine_halt(cpu, HALT_BREAK);
    blocks_arm(cpu);
    return true;
}

/* The same instruction may be executed in the course of something else first. */
static void meet_deadline(struct cpu *cpu, uint32_t pc)
{
    blocks_collect(cpu);
    if (blocks_time(cpu, pc) != cpu->deadline)
        return;
    blocks_leave(cpu, pc, false);
    engine_halt(cpu, HALT_DEADLINE);
    blocks_arm(cpu);
}

/* A marked instruction: the engine is stopped before it, and the client asked between runs. */
static void on_site(void *context, uint32_t pc)
{
    struct cpu *cpu = context;
    if (cpu->frozen || cpu->halt != HALT_NONE) {
        engine_stop(cpu->engine);
        return;
    }
    cpu->state.gpr[X86_ECX] = engine_gpr(cpu->engine, X86_ECX); /* for blocks_leave */
    if (approach_is(cpu, pc)) {
        meet_deadline(cpu, pc);
        return;
    }
    if (!blocks_marked(cpu, pc))
        return;
    if (cpu->passing && cpu->site_pass == pc) {
        cpu->passing = false;
        return;
    }
    const struct cpu_break *point = blocks_break(cpu, pc);
    if (point && ((!cpu->breaks_off && meet_break(cpu, pc)) || !point->wanted))
        return;
    /* It does nothing, and the engine may be here only to find that out. */
    if (blocks_repeats_never(cpu, pc))
        return;
    for (unsigned i = 0; i < CPU_SITES; i++)
        if (cpu->sites[i].handle && cpu->sites[i].pc == pc)
            cpu->sites[i].used = ++cpu->statistics.sites;
    blocks_collect(cpu);
    blocks_leave(cpu, pc, false);
    engine_halt(cpu, HALT_SITE);
    blocks_arm(cpu);
}

static void ask_about_site(struct cpu *cpu)
{
    struct cpu_exit exit;
    uint32_t pc = linear_eip(cpu);
    describe_instruction(cpu, 0, &exit);
    exit.kind = CPU_SITE;
    enum cpu_action action = cpu->client.exit(cpu->client.context, &exit);
    if (action == CPU_RETRY) {
        cpu->passing = true;
        cpu->site_pass = pc;
        return;
    }
    cpu->changed = true;
    cpu->client_step = action == CPU_STEP;
    cpu->halt = action == CPU_LEAVE ? HALT_LEFT : HALT_AGAIN;
}

bool cpu_wants(const struct cpu_state *state, const struct x86_instruction *insn)
{
    const unsigned vex2 = 0xc5, vex3 = 0xc4; /* the engine skips these prefixes, and most LOCKs */
    switch (insn->kind) {
    case X86_KIND_INVALID:
        return !(insn->flags & X86_INSN_TOO_LONG) &&
               ((insn->flags & X86_INSN_LOCK) ||
                (insn->map == 0 && (insn->opcode == vex2 || insn->opcode == vex3)));
    case X86_KIND_ICEBP: return true;
    case X86_KIND_IN_IMMEDIATE:
    case X86_KIND_IN_DX:
    case X86_KIND_OUT_IMMEDIATE:
    case X86_KIND_OUT_DX:
    case X86_KIND_INS:
    case X86_KIND_OUTS: return state->cpl > 0;
    case X86_KIND_SYSENTER:
    case X86_KIND_SYSEXIT:
    case X86_KIND_SYSCALL:
    case X86_KIND_SYSRET:
    case X86_KIND_RDTSCP:
    case X86_KIND_XGETBV:
    case X86_KIND_XSETBV: return true;
    default: return false;
    }
}

bool cpu_transfers(const struct cpu_state *state, const struct x86_instruction *insn)
{
    switch (insn->kind) {
    case X86_KIND_JMP_FAR:
    case X86_KIND_CALL_FAR:
    case X86_KIND_JMP_FAR_INDIRECT:
    case X86_KIND_CALL_FAR_INDIRECT:
    case X86_KIND_RET_FAR:
    case X86_KIND_IRET: return x86_protected(state);
    default: return false;
    }
}

/* ---- ports ---- */

static uint32_t on_in(void *context, uint16_t port, unsigned size)
{
    struct cpu *cpu = context;
    uint32_t pc;
    uint64_t now;
    unsigned length;
    if (cpu->frozen)
        return UINT32_MAX;
    blocks_collect(cpu);
    blocks_port(cpu, &pc, &now, &length);
    return cpu->client.in(cpu->client.context, pc, now, port, size);
}

/* What follows the instruction in its block is executed before the engine stops; it is without
 * effect on devices and on the state that counts, and at its first access to memory it ends. */
static void freeze(struct cpu *cpu, uint32_t pc, uint64_t now)
{
    load_state(cpu);
    cpu->state.eip = pc - cpu->state.seg[X86_CS].base;
    cpu->state.eflags &= ~(uint32_t)(X86_ARITHMETIC | X86_RF);
    cpu->time = now;
    cpu->changed = true;
    cpu->frozen = true;
    cpu->entry.block = 0;
    cpu->kept = engine_image_new(cpu->engine);
    nesting_hide(cpu->nesting, true);
    engine_flush_tlb(cpu->engine);
    engine_halt(cpu, HALT_LEFT);
    blocks_arm(cpu);
}

static void thaw(struct cpu *cpu)
{
    nesting_hide(cpu->nesting, false);
    engine_flush_tlb(cpu->engine);
    if (cpu->kept)
        engine_image_restore(cpu->engine, cpu->kept);
    engine_image_free(cpu->kept);
    cpu->kept = 0;
}

static void on_out(void *context, uint16_t port, unsigned size, uint32_t value)
{
    struct cpu *cpu = context;
    uint32_t pc;
    uint64_t now;
    unsigned length;
    if (cpu->frozen)
        return;
    blocks_collect(cpu);
    blocks_port(cpu, &pc, &now, &length);
    cpu->client.out(cpu->client.context, pc, now, port, size, value);
    if (cpu->freezing)
        freeze(cpu, pc + length, now + 1);
    cpu->freezing = false;
}

void cpu_freeze(struct cpu *cpu)
{
    cpu->freezing = true;
}

void cpu_rearm(struct cpu *cpu, uint64_t deadline)
{
    if (deadline >= cpu->deadline)
        return;
    cpu->deadline = deadline;
    blocks_arm(cpu);
    arm_alarm(cpu);
}

/* ---- running ---- */

/* STI, and loads of SS, hold interrupts off for one instruction; unless they are in a shadow. */
static bool starts_shadow(const struct x86_instruction *insn)
{
    return insn->kind == X86_KIND_STI ||
           ((insn->kind == X86_KIND_MOV_TO_SREG || insn->kind == X86_KIND_POP_SREG) &&
            insn->sreg == X86_SS);
}

static bool go(struct cpu *cpu)
{
    if (cpu->full || (cpu->translate_anew && !codepages_drop_all(cpu))) {
        engine_flush_code(cpu->engine);
        blocks_reset(cpu);
        cpu->statistics.flushes++;
    }
    cpu->translate_anew = false;
    if (cpu->changed) {
        store_state(cpu);
        memcpy(cpu->dr, cpu->state.dr, sizeof cpu->dr);
    }
    cpu->changed = false;
    cpu->step_exited = false;
    cpu->entry.block = 0;
    cpu->inside = false;
    cpu->halt = HALT_NONE;
    cpu->stopped_at_block = false;
    blocks_arm(cpu);
    patches_place(cpu);
    bool good = engine_run(cpu->engine);
    if (cpu->frozen)
        thaw(cpu);
    patches_restore(cpu);
    blocks_collect(cpu);
    if (!cpu->changed) {
        load_state(cpu);
        cpu->changed = settle_resume_flag(cpu, cpu->stopped_at_block ? cpu->entry.block : 0);
        if (cpu->stopped_at_block) {
            cpu->state.eip = cpu->stop_pc - cpu->state.seg[X86_CS].base;
            cpu->changed = true;
        }
    }
    return good;
}

/* The block call that ends a step comes when the block behind it is translated. TF ends one without
 * that, but not unseen by every instruction. */
static bool can_trap(const struct cpu *cpu, const struct x86_instruction *insn)
{
    const unsigned odd = X86_INSN_LOCK | X86_INSN_REP | X86_INSN_REPNE;
    return insn->kind == X86_KIND_OTHER && !(insn->flags & odd) && !(cpu->state.eflags & X86_TF) &&
           !cpu->state.interrupt_shadow;
}

/* Executes one instruction, or part of one: what makes it exit is handled as ever, and ends the
 * attempt. */
static bool attempt(struct cpu *cpu)
{
    struct x86_instruction insn = {0};
    uint64_t before = cpu->time;
    decode_at(cpu, cpu->state.eip, &insn);
    cpu->step = STEP_ARMED;
    cpu->step_pc = linear_eip(cpu);
    cpu->step_loops = insn.flags & (X86_INSN_BRANCH | X86_INSN_REP | X86_INSN_REPNE);
    cpu->step_shadow = cpu->state.interrupt_shadow;
    cpu->step_traps = cpu->crawl && can_trap(cpu, &insn);
    if (cpu->step_traps)
        cpu->state.eflags |= X86_TF;
    else
        cpu->state.interrupt_shadow = true;
    cpu->changed = true;
    cpu->statistics.steps++;
    bool good = go(cpu);
    if (!cpu->frozen && !cpu->step_exited && cpu->time != before)
        cpu->state.interrupt_shadow = starts_shadow(&insn) && !cpu->step_shadow;
    cpu->step = STEP_NO;
    cpu->changed = true; /* the engine still has our shadow */
    return good;
}

/* A marked instruction that is to be executed as it is gets a second attempt: in between it could
 * not keep both its pass and the page that is open for it. */
static bool step(struct cpu *cpu)
{
    bool good = attempt(cpu);
    if (!good || cpu->halt != HALT_SITE)
        return good;
    ask_about_site(cpu);
    return cpu->passing ? attempt(cpu) : true;
}

/* Code that stores to its own page is left at every store, and the engine translates what follows,
 * up to 512 instructions, for the sake of the few until the next one. Straight-line code, of which
 * nothing is executed twice, gets further step by step. (With the host's clock nobody knows how few
 * they are.) */
static bool go_or_crawl(struct cpu *cpu)
{
    enum { FEW = 16, MANY = 64, PATIENCE = 4, CRAWL = 128 };
    const bool crawls = cpu->crawl;
    bool good = crawls ? step(cpu) : go(cpu);
    if (!crawls && cpu->halt == HALT_DEADLINE)
        return good; /* on the way to one, before anything else */
    const uint64_t learned = cpu->statistics.blocks_learned;
    const bool few = cpu->time - cpu->wasted_time <= FEW && !cpu->host_clock,
               many =
                   learned != cpu->wasted_learned && cpu->blocks[cpu->blocks_known].count >= MANY;
    if (crawls)
        cpu->crawl--;
    else if (!cpu->open || !few || !many)
        cpu->wasted = 0;
    else if (cpu->wasted < PATIENCE)
        cpu->wasted++;
    else
        cpu->crawl = CRAWL;
    cpu->wasted_time = cpu->time;
    cpu->wasted_learned = learned;
    return good;
}

static bool step_open(struct cpu *cpu)
{
    uint32_t pc = linear_eip(cpu);
    bool watched = codepages_watched(cpu);
    codepages_open(cpu);
    bool good = step(cpu);
    codepages_close(cpu);
    if (watched) {
        cpu->watch_met = true;
        cpu->watch_pc = pc;
    }
    return good;
}

/* A step that the client asked for; it may need a code page open, too. What the client wants next
 * may be another one. */
static bool step_for_client(struct cpu *cpu)
{
    static const struct cpu_exit stepped = {.kind = CPU_STEPPED};
    cpu->client_step = false;
    bool good = cpu->open ? step_open(cpu) : step(cpu);
    if (!good || cpu->halt == HALT_LEFT || cpu->halt == HALT_STUCK || cpu->client_step)
        return good;
    switch (cpu->client.exit(cpu->client.context, &stepped)) {
    case CPU_STEP: cpu->client_step = true; break;
    case CPU_LEAVE: cpu->halt = HALT_LEFT; break;
    default: break;
    }
    cpu->changed = true;
    return true;
}

enum cpu_stop cpu_run(struct cpu *cpu, uint64_t deadline)
{
    bool near = false;
    cpu->watch_met = false;
    cpu->deadline = deadline;
    cpu->frozen = false;
    cpu->entry.tick = 0;
    cpu->crossing = false;
    arm_alarm(cpu);
    for (;;) {
        if ((due(cpu) || interrupted(cpu)) && !cpu->open && !cpu->client_step)
            return CPU_STOP_DEADLINE;
        if (window_open(cpu) && !cpu->client_step)
            return CPU_STOP_WINDOW;
        bool good = cpu->client_step                ? step_for_client(cpu)
                    : cpu->open                     ? step_open(cpu)
                    : near || crossing_goes_on(cpu) ? step(cpu)
                                                    : go_or_crawl(cpu);
        approach_end(cpu);
        if (cpu->halt == HALT_SITE)
            ask_about_site(cpu);
        if (!good)
            return CPU_STOP_FAILURE;
        switch (cpu->halt) {
        case HALT_LEFT: return CPU_STOP_LEFT;
        case HALT_WINDOW: return CPU_STOP_WINDOW;
        case HALT_STUCK: return CPU_STOP_STUCK;
        case HALT_BREAK: return CPU_STOP_BREAK;
        case HALT_DEADLINE:
            if (!due(cpu) && !cpu->host_clock && blocks_late_in_made(cpu))
                return CPU_STOP_NEAR;
            near = !due(cpu) && !cpu->host_clock &&
                   (cpu->deadline - cpu->time <= CPU_NEAR || !approach_begin(cpu));
            break;
        case HALT_NONE: /* the engine stopped by itself: tolerated while time advances */
            if (stuck(cpu))
                return CPU_STOP_FAILURE;
            break;
        default: break;
        }
        if (cpu->watch_met)
            return CPU_STOP_LEFT;
    }
}

enum cpu_stop cpu_step(struct cpu *cpu)
{
    cpu->client_step = true;
    return cpu_run(cpu, cpu->time + 1);
}

const char *cpu_failure(const struct cpu *cpu)
{
    return engine_failure(cpu->engine);
}

struct cpu_state *cpu_modify(struct cpu *cpu)
{
    cpu->changed = true;
    return &cpu->state;
}

void cpu_want_window(struct cpu *cpu, bool want)
{
    cpu->window = want;
    blocks_arm(cpu);
}

void cpu_retire(struct cpu *cpu, unsigned length)
{
    cpu->state.eip += length;
    cpu->state.interrupt_shadow = false;
    cpu->state.eflags &= ~(uint32_t)X86_RF; /* SDM volume 3, section 17.3.1.1 */
    if (!cpu->host_clock)
        cpu->time++;
}

void cpu_flush_tlb(struct cpu *cpu)
{
    cpu_flush(cpu);
    engine_flush_tlb(cpu->engine);
}

/* ---- taking turns ---- */

struct cpu_context {
    struct engine_image *image;
    struct cpu_client client;
    uint64_t time, stall_time;
    uint32_t stalls;
    uint32_t nested_root;
    uint32_t dr[8];
    bool resume; /* RF */
};

struct cpu_context *cpu_context_new(struct cpu *cpu, const struct cpu_client *client)
{
    struct cpu_context *context = calloc(1, sizeof *context);
    if (!context)
        return 0;
    context->client = *client;
    context->nested_root = NESTING_FLAT;
    context->dr[6] = DR6_AT_RESET;
    context->dr[7] = DR7_AT_RESET;
    struct engine_image *now = engine_image_new(cpu->engine);
    context->image = engine_image_new(cpu->engine);
    if (now && context->image) {
        engine_image_restore(cpu->engine, cpu->reset);
        engine_image_save(cpu->engine, context->image);
        engine_image_restore(cpu->engine, now);
        engine_image_free(now);
        return context;
    }
    engine_image_free(now);
    cpu_context_free(context);
    return 0;
}

void cpu_context_free(struct cpu_context *context)
{
    if (!context)
        return;
    engine_image_free(context->image);
    free(context);
}

static void park(struct cpu *cpu, struct cpu_context *context)
{
    if (cpu->changed)
        store_state(cpu);
    engine_image_save(cpu->engine, context->image);
    context->resume = cpu->state.eflags & X86_RF;
    context->time = cpu->time;
    context->stall_time = cpu->stall_time;
    context->stalls = cpu->stalls;
    context->nested_root = cpu->nesting->root;
    memcpy(context->dr, cpu->dr, sizeof cpu->dr);
}

struct cpu_context *cpu_context_save(struct cpu *cpu)
{
    struct cpu_context *context = calloc(1, sizeof *context);
    if (!context)
        return 0;
    context->client = cpu->client;
    context->image = engine_image_new(cpu->engine);
    if (!context->image) {
        cpu_context_free(context);
        return 0;
    }
    park(cpu, context);
    /* The engine takes a state only on top of one that was looked at. */
    struct cpu_state stored;
    engine_load(cpu->engine, &stored);
    return context;
}

void cpu_switch(struct cpu *cpu, struct cpu_context *from, const struct cpu_context *to)
{
    if (from)
        park(cpu, from);
    patches_cancel(cpu);
    engine_image_restore(cpu->engine, to->image);
    cpu->client = to->client;
    cpu->time = to->time;
    cpu->stall_time = to->stall_time;
    cpu->stalls = to->stalls;
    memcpy(cpu->dr, to->dr, sizeof cpu->dr);
    if (to->nested_root != NESTING_FLAT || cpu->nesting->root != NESTING_FLAT)
        nesting_use(cpu->nesting, to->nested_root);
    cpu->passing = false;
    cpu->break_pass_repeats = cpu->break_pass_once = false;
    cpu->break_pass_time = UINT64_MAX; /* the same time may come again */
    cpu->entry.block = 0;
    cpu->changed = true;
    load_state(cpu);
    if (to->resume)
        cpu->state.eflags |= X86_RF;
    cpu_flush_tlb(cpu);
}

/* ---- life ---- */

static uint8_t *physical_page(void *context, uint32_t physical, bool write)
{
    struct cpu *cpu = context;
    uint32_t machine, error;
    if (!nesting_translate(cpu->nesting, physical, write, &machine, &error)) {
        cpu->missing_page = physical;
        cpu->missing_error = error;
        return 0;
    }
    uint8_t *frame = memory_frame(cpu->memory, machine);
    if (!frame) {
        /* What is written where there is no memory is lost. */
        memset(cpu->nowhere, 0xff, sizeof cpu->nowhere);
        return cpu->nowhere;
    }
    if (write)
        cpu_written(cpu, machine >> MEMORY_FRAME_SHIFT);
    return frame;
}

bool cpu_init(struct cpu *cpu, struct memory *memory, const struct cpu_client *client,
              bool host_clock, char *why, size_t room)
{
    memset(cpu, 0, sizeof *cpu);
    cpu->memory = memory;
    cpu->client = *client;
    cpu->host_clock = host_clock;
    cpu->generation = 1;
    cpu->resume_time = UINT64_MAX;
    cpu->physical = (struct x86_memory){cpu, physical_page};
    cpu->dr[6] = DR6_AT_RESET;
    cpu->dr[7] = DR7_AT_RESET;
    const struct engine_calls calls = {.context = cpu,
                                       .block = host_clock ? blocks_enter_uncounted : blocks_enter,
                                       .exit = on_intercept,
                                       .in = on_in,
                                       .out = on_out,
                                       .site = on_site};
    snprintf(why, room, "The host has no memory for another processor.");
    if (blocks_init(cpu) && codepages_init(cpu) && (!host_clock || start_alarm(cpu)))
        cpu->engine = engine_open(memory, &calls, why, room);
    if (cpu->engine) {
        cpu->nesting = engine_nesting(cpu->engine);
        cpu->reset = engine_image_new(cpu->engine);
    }
    if (!cpu->reset) {
        cpu_destroy(cpu);
        return false;
    }
    load_state(cpu);
    return true;
}

void cpu_destroy(struct cpu *cpu)
{
    stop_alarm(cpu);
    engine_image_free(cpu->reset);
    engine_close(cpu->engine);
    codepages_destroy(cpu);
    dirty_destroy(cpu);
    blocks_destroy(cpu);
    inline_destroy(cpu);
    patches_destroy(cpu);
    memset(cpu, 0, sizeof *cpu);
}
