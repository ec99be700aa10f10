/* The loop of the full interpreter: fetch, decode, execute, retire (SDM volume 3, section 6.5: an
 * instruction that faults has changed nothing and is at EIP; one that retires has moved it). */
#include "execute.h"

#include <stddef.h>

#include "fetch.h"

static struct execution begin(struct interpreter_context *context)
{
    return (struct execution){
        .cpu = context->cpu, .memory = context->memory, .cache = context->cache};
}

static struct outcome failed(const struct execution *x, enum x86_status status)
{
    if (status == X86_NEED_PAGE) {
        return (struct outcome){.kind = OUTCOME_NEED_PAGE};
    }
    return (struct outcome){.kind = OUTCOME_INJECT, .event = x->fault};
}

/* An interrupt shadow, and a masked breakpoint (RF), last for one instruction: for one that repeats
 * until its last iteration. */
static inline void retire(struct execution *x)
{
    struct cpu_state *cpu = x->cpu;

    if (x->repeats) {
        return;
    }
    cpu->eip = x->next;
    cpu->interrupt_shadow = false;
    cpu->eflags &= ~(uint32_t)X86_RF;
}

static inline enum x86_status run_handler(struct execution *x, execute *run,
                                          const struct x86_instruction *insn)
{
    enum x86_status status;

    x->next = x->cpu->eip + insn->length;
    x->repeats = false;
    status = run(x, insn);
    if (status == X86_OK) {
        retire(x);
    }
    return status;
}

static struct outcome run_other(const struct interpreter *interpreter,
                                struct interpreter_context *context,
                                const struct x86_instruction *insn)
{
    return execute_by_routine(insn) ? interpreter_run(interpreter, context, insn)
                                    : (struct outcome){.kind = OUTCOME_PROCESSOR};
}

struct outcome interpreter_execute(const struct interpreter *interpreter,
                                   struct interpreter_context *context,
                                   const struct x86_instruction *insn)
{
    struct execution x = begin(context);
    execute *run = execute_find(insn);
    enum x86_status status;

    if (!run) {
        return run_other(interpreter, context, insn);
    }
    status = run_handler(&x, run, insn);
    return status == X86_OK ? (struct outcome){.kind = OUTCOME_DONE} : failed(&x, status);
}

/* What has been remembered must follow, whoever else has to. */
static void follow(struct interpreter_context *context, const struct outcome *outcome)
{
    if (!context->cache) {
        return;
    }
    switch (outcome->kind) {
    case OUTCOME_CR3:
    case OUTCOME_PAGING: interpreter_cache_flush(context->cache); break;
    case OUTCOME_INVLPG: interpreter_cache_flush_page(context->cache, outcome->linear); break;
    default:
        if (outcome->task_switched) {
            interpreter_cache_flush(context->cache);
        }
    }
}

static bool has_retired(const struct outcome *outcome)
{
    switch (outcome->kind) {
    case OUTCOME_INJECT: return outcome->retired;
    case OUTCOME_NEED_PAGE:
    case OUTCOME_MISSING:
    case OUTCOME_REFUSED:
    case OUTCOME_PORT:
    case OUTCOME_PROCESSOR: return false;
    default: return true;
    }
}

static bool loads_ss(const struct x86_instruction *insn)
{
    return (insn->kind == X86_KIND_MOV_TO_SREG || insn->kind == X86_KIND_POP_SREG) &&
           insn->sreg == X86_SS;
}

static struct outcome single_step(struct interpreter_context *context, struct outcome outcome)
{
    context->cpu->dr[6] |= X86_DR6_BS;
    outcome.single_step = true;
    return outcome;
}

static bool window_open(const struct interpreter_context *context)
{
    return context->window && (context->cpu->eflags & X86_IF) && !context->cpu->interrupt_shadow;
}

struct outcome interpreter_steps(const struct interpreter *interpreter,
                                 struct interpreter_context *context, uint64_t deadline,
                                 struct x86_instruction *insn)
{
    struct execution x = begin(context);
    struct cpu_state *cpu = context->cpu;
    struct outcome outcome = {.kind = OUTCOME_DONE};
    struct cache_code spare;

    while (context->time < deadline) {
        const struct cache_code *code = NULL;
        bool trap = cpu->eflags & X86_TF, left = false;
        enum x86_status status = execute_fetch(&x, &spare, &code);

        if (status == X86_OK && code->run) {
            status = run_handler(&x, code->run, &code->insn);
            context->time += status == X86_OK;
            context->repeats += x.repeats;
        } else if (status == X86_OK) {
            *insn = code->insn;
            outcome = run_other(interpreter, context, insn);
            follow(context, &outcome);
            context->time += has_retired(&outcome);
            trap = trap && !loads_ss(insn);
            left = context->supervisor && cpu->cpl == 3;
            if (outcome.kind != OUTCOME_DONE) {
                trap = trap && has_retired(&outcome) && outcome.kind != OUTCOME_INJECT;
                return trap ? single_step(context, outcome) : outcome;
            }
        }
        if (status != X86_OK) {
            return failed(&x, status);
        }
        if (trap) {
            return single_step(context, outcome);
        }
        if (left || window_open(context)) {
            break;
        }
    }
    return outcome;
}
