/* A student's module at the prompt is in the prompt's own process. What would end that - a wild
 * pointer, a stack that is used up, abort() - ends one call of the module instead: the signal's
 * handler, on a stack of its own, goes back to before the call (sigsetjmp), and the answer is one
 * that stops the guest, so that registers, `trap` and `why` show what was asked. What a module has
 * spoilt by then in the process stays spoilt; the grader's sandbox is where crashes are contained.
 */
#include "shell/repl/lab_guard.h"

#include "labs/grader/install.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sigjmp_buf back;
static volatile sig_atomic_t inside, interrupts;
static const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGINT};
enum { CAUGHT = sizeof caught / sizeof *caught, HANDLER_STACK = 64 << 10 };
static struct sigaction before[CAUGHT];
static struct vmm_vm *asking;
static char ending[64]; /* the last one's, until it is told */

/* ^C stops the guest when the module is through; the second one does not wait for that. */
static void on_interrupt(int number)
{
    if (inside && ++interrupts > 1) {
        inside = false;
        siglongjmp(back, number);
    }
    vmm_interrupt(asking);
}

static void on_crash(int number)
{
    if (inside) {
        inside = false;
        siglongjmp(back, number);
    }
    signal(number, SIG_DFL); /* not the module's: ours */
    raise(number);
}

static void guard(bool on)
{
    static char room[HANDLER_STACK];
    const stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
    struct sigaction action = {.sa_flags = SA_ONSTACK};
    if (on)
        sigaltstack(&stack, NULL);
    for (int i = 0; i < CAUGHT; i++) {
        action.sa_handler = caught[i] == SIGINT ? on_interrupt : on_crash;
        sigaction(caught[i], on ? &action : &before[i], on ? &before[i] : NULL);
    }
    interrupts = 0;
    inside = on;
}

/* The guest stops also where the slot has no answer that says so. */
static void ended_by(int number)
{
    if (number == SIGINT)
        snprintf(ending, sizeof ending, "did not return and was interrupted");
    else
        snprintf(ending, sizeof ending, "crashed: %s", strsignal(number));
    vmm_interrupt(asking);
}

/* A macro, as the frame to which a signal goes back must not have returned. */
#define GUARDED(call)                                                                              \
    do {                                                                                           \
        const int number = sigsetjmp(back, 1);                                                     \
        if (number == 0) {                                                                         \
            guard(true);                                                                           \
            call;                                                                                  \
        } else {                                                                                   \
            ended_by(number);                                                                      \
        }                                                                                          \
        guard(false);                                                                              \
    } while (0)

const char *lab_guard_told(void)
{
    static char told[sizeof ending];
    memcpy(told, ending, sizeof told);
    ending[0] = '\0';
    return told[0] ? told : NULL;
}

/* ---- the interpreter's routines, the dispatcher's decisions ---- */

static struct vmm_outcome routine(void *context, struct vmm_call *call)
{
    struct vmm_outcome outcome = {.kind = VMM_OUTCOME_MISSING};
    GUARDED(outcome = lab_routine(context, call));
    return outcome;
}

/* A decision that nobody can carry out, so that the guest stops. */
static enum vmm_decision decide(void *context, const struct vmm_trap *trap)
{
    volatile enum vmm_decision decision = (enum vmm_decision)99;
    GUARDED(decision = lab_decide(context, trap));
    return decision;
}

static enum vmm_delivery_end deliver(void *context, struct vmm_delivery *delivery,
                                     struct vmm_event *fault)
{
    volatile enum vmm_delivery_end end = VMM_DELIVERY_MISSING;
    GUARDED(end = lab_deliver(context, delivery, fault));
    return end;
}

static enum vmm_nested nest(void *context, const struct vmm_event *first,
                            const struct vmm_event *second)
{
    const struct lab_module *module = context;
    volatile enum vmm_nested nested = VMM_NESTED_MISSING;
    GUARDED(nested = module->nest(NULL, first, second));
    return nested;
}

/* ---- the allocator's shadow page tables ---- */

static struct vmm_shadow_answer ask(void *context, const struct vmm_shadow_fault *fault)
{
    struct vmm_shadow_answer answer = {.kind = VMM_SHADOW_MISSING};
    GUARDED(answer = lab_ask(context, fault));
    return answer;
}

static uint32_t keep(void *context, const struct vmm_shadow_change *change)
{
    volatile uint32_t rights = 0;
    GUARDED(rights = lab_keep(context, change));
    return rights;
}

/* ---- a translator ---- */

static enum vmm_translate_end translate(void *context, const struct vmm_code *code,
                                        struct vmm_draft *draft)
{
    volatile enum vmm_translate_end end = VMM_TRANSLATE_MISSING;
    GUARDED(end = lab_translate(context, code, draft));
    return end;
}

static bool link_exit(void *context, const struct vmm_exit *exit)
{
    volatile bool linked = false;
    GUARDED(linked = lab_link(context, exit));
    return linked;
}

static void unlink_unit(void *context, uint32_t unit, struct vmm_exits *exits)
{
    GUARDED(lab_unlink(context, unit, exits));
}

static bool stale(void *context, const struct vmm_unit *unit, uint32_t address, uint32_t count)
{
    volatile bool is_stale = true;
    GUARDED(is_stale = lab_stale(context, unit, address, count));
    return is_stale;
}

static void flushed(void *context)
{
    GUARDED(lab_flushed(context));
}

static int fill_translator(struct vmm_vm *vm, const struct lab_module *module,
                           struct vmm_error *error)
{
    static struct lab_translator translator;
    const struct vmm_translator *functions = module->translator;
    translator = (struct lab_translator){functions, false};
    const struct vmm_translator guarded = {
        .translate = translate,
        .link = functions->link ? link_exit : NULL,
        .unlink = functions->unlink ? unlink_unit : NULL,
        .stale = functions->stale ? stale : NULL,
        .flushed = functions->flushed ? flushed : NULL,
    };
    return vmm_module_replace_translator(vm, &guarded, &translator, error);
}

/* ---- hardware assist ---- */

static bool intercept(void *context, unsigned code)
{
    volatile bool intercepted = false;
    GUARDED(intercepted = lab_intercept(context, code));
    return intercepted;
}

static enum vmm_exit_end vmexit(void *context, struct vmm_vmexit *exit)
{
    volatile enum vmm_exit_end end = VMM_EXIT_MISSING;
    GUARDED(end = lab_exit(context, exit));
    return end;
}

static struct vmm_nested_answer fill_nested(void *context, const struct vmm_nested_fault *fault)
{
    struct vmm_nested_answer answer = {.kind = VMM_FILL_MISSING};
    GUARDED(answer = lab_fill_nested(context, fault));
    return answer;
}

static uint64_t window(void *context, const struct vmm_window *shown)
{
    volatile uint64_t v_intr = shown->v_intr;
    GUARDED(v_intr = lab_window(context, shown));
    return v_intr;
}

static int fill_hardware(struct vmm_vm *vm, const struct lab_module *module,
                         struct vmm_error *error)
{
    static const struct vmm_hardware guarded = {intercept, vmexit, fill_nested, window};
    const struct vmm_hardware *h = module->hardware;
    if (!h->intercept || !h->exit || !h->fill || !h->window)
        return vmm_module_remove(vm, module->slot, error);
    return vmm_module_replace_hardware(vm, &guarded, (void *)module, error);
}

/* ---- slots ---- */

bool lab_guard_of_machine(const struct lab_module *module)
{
    return lab_of_machine(module);
}

int lab_guard_fill(struct vmm_vm *vm, const struct lab_module *module, struct vmm_error *error)
{
    void *context = (void *)module;
    const char *slot = module->slot;
    asking = vm;
    if (!module->routine) /* of whichever type it is */
        return lab_fill(vm, module, error);
    if (strcmp(slot, "interpreter.translator") == 0)
        return module->translator->translate ? fill_translator(vm, module, error)
                                             : lab_fill(vm, module, error);
    if (strcmp(slot, "dispatcher.hardware") == 0)
        return fill_hardware(vm, module, error);
    if (strcmp(slot, "dispatcher.decision") == 0)
        return vmm_module_replace_decision(vm, decide, context, error);
    if (strcmp(slot, "dispatcher.delivery") == 0)
        return vmm_module_replace_delivery(vm, deliver, context, error);
    if (strcmp(slot, "dispatcher.nested") == 0)
        return vmm_module_replace_nested(vm, nest, context, error);
    if (strcmp(slot, "allocator.shadow") == 0)
        return vmm_module_replace_shadow(vm, ask, keep, context, error);
    if (strncmp(slot, "interpreter.", 12) == 0)
        return vmm_module_replace(vm, slot, routine, context, error);
    return lab_fill(vm, module, error);
}
