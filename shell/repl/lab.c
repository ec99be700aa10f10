/* `lab` at the prompt: the student's file is built and its functions take the place of the VMM's
 * own modules on this guest; from then on `trap` and `why` show what they do. Here the code is the
 * student's own affair: no sandbox. But a crash in it is a stop of the guest, with a sentence. */
#include "shell/repl/lab.h"

#include "labs/grader/install.h"
#include "labs/grader/kernel.h"
#include "shell/lab_find.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct repl_lab {
    struct lab lab;
    void *module;
    const struct lab_module *functions;
};

/* ---- a module that crashes ---- */

static sigjmp_buf back;
static volatile sig_atomic_t inside;
static const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
enum { CAUGHT = sizeof caught / sizeof *caught };
static struct sigaction before[CAUGHT];
static const char *crash; /* the last one's name, until it is told */

static void on_crash(int signal)
{
    if (inside) {
        inside = false;
        siglongjmp(back, signal);
    }
    abort(); /* not the module's: ours */
}

static void guard(bool on)
{
    const struct sigaction action = {.sa_handler = on_crash};
    for (int i = 0; i < CAUGHT; i++)
        sigaction(caught[i], on ? &action : &before[i], on ? &before[i] : NULL);
    inside = on;
}

static struct vmm_outcome routine(void *context, struct vmm_call *call)
{
    struct vmm_outcome outcome = {.kind = VMM_OUTCOME_MISSING};
    int signal = sigsetjmp(back, 1);
    if (signal == 0) {
        guard(true);
        outcome = lab_routine(context, call);
    } else {
        crash = strsignal(signal);
    }
    guard(false);
    return outcome;
}

/* A decision that nobody can carry out, so that the guest stops. */
static enum vmm_decision decide(void *context, const struct vmm_trap *trap)
{
    volatile enum vmm_decision decision = (enum vmm_decision)99;
    int signal = sigsetjmp(back, 1);
    if (signal == 0) {
        guard(true);
        decision = lab_decide(context, trap);
    } else {
        crash = strsignal(signal);
    }
    guard(false);
    return decision;
}

/* ---- a translator that crashes ---- */

static struct lab_translator translator; /* of the student's */

/* One question to it, and the answer that holds if there comes none. */
struct question {
    const struct vmm_code *code;
    struct vmm_draft *draft;
    const struct vmm_exit *exit;
    const struct vmm_unit *unit;
    struct vmm_exits *exits;
    uint32_t number, address, count;
    enum vmm_translate_end end;
    bool answer;
};

static void ask_translate(struct question *q)
{
    q->end = lab_translate(&translator, q->code, q->draft);
}

static void ask_link(struct question *q)
{
    q->answer = lab_link(&translator, q->exit);
}

static void ask_unlink(struct question *q)
{
    lab_unlink(&translator, q->number, q->exits);
}

static void ask_stale(struct question *q)
{
    q->answer = lab_stale(&translator, q->unit, q->address, q->count);
}

static void ask_flushed(struct question *q)
{
    (void)q;
    lab_flushed(&translator);
}

static void ask(void (*what)(struct question *), struct question *q)
{
    int signal = sigsetjmp(back, 1);
    if (signal == 0) {
        guard(true);
        what(q);
    } else {
        crash = strsignal(signal);
    }
    guard(false);
}

static enum vmm_translate_end translate(void *context, const struct vmm_code *code,
                                        struct vmm_draft *draft)
{
    struct question q = {.code = code, .draft = draft, .end = VMM_TRANSLATE_MISSING};
    (void)context;
    ask(ask_translate, &q);
    return q.end;
}

static bool link_exit(void *context, const struct vmm_exit *exit)
{
    struct question q = {.exit = exit};
    (void)context;
    ask(ask_link, &q);
    return q.answer;
}

static void unlink_unit(void *context, uint32_t unit, struct vmm_exits *exits)
{
    struct question q = {.number = unit, .exits = exits};
    (void)context;
    ask(ask_unlink, &q);
}

static bool stale(void *context, const struct vmm_unit *unit, uint32_t address, uint32_t count)
{
    struct question q = {.unit = unit, .address = address, .count = count, .answer = true};
    (void)context;
    ask(ask_stale, &q);
    return q.answer;
}

static void flushed(void *context)
{
    struct question q = {.answer = false};
    (void)context;
    ask(ask_flushed, &q);
}

static int fill_translator(struct vmm_vm *vm, const struct lab_module *module,
                           struct vmm_error *error)
{
    const struct vmm_translator *functions = module->translator;
    translator = (struct lab_translator){functions, false};
    const struct vmm_translator guarded = {
        .translate = translate,
        .link = functions->link ? link_exit : NULL,
        .unlink = functions->unlink ? unlink_unit : NULL,
        .stale = functions->stale ? stale : NULL,
        .flushed = functions->flushed ? flushed : NULL,
    };
    return vmm_module_replace_translator(vm, &guarded, NULL, error);
}

/* ---- hardware assist that crashes ---- */

/* An end that does not exist, so that the guest stops. */
static enum vmm_exit_end on_vmexit(void *context, struct vmm_vmexit *exit)
{
    volatile enum vmm_exit_end end = (enum vmm_exit_end)99;
    int signal = sigsetjmp(back, 1);
    if (signal == 0) {
        guard(true);
        end = lab_exit(context, exit);
    } else {
        crash = strsignal(signal);
    }
    guard(false);
    return end;
}

static struct vmm_nested_answer on_nested_fault(void *context, const struct vmm_nested_fault *fault)
{
    struct vmm_nested_answer answer = {.kind = (enum vmm_fill_kind)99};
    int signal = sigsetjmp(back, 1);
    if (signal == 0) {
        guard(true);
        answer = lab_fill_nested(context, fault);
    } else {
        crash = strsignal(signal);
    }
    guard(false);
    return answer;
}

void repl_lab_report(struct session *session)
{
    if (crash)
        repl_complain(session, "The module crashed: %s. What it was asked, 'why' says.", crash);
    crash = NULL;
}

/* ---- switching it in and out ---- */

/* The slots are filled as the grader fills them; those that can crash the prompt, guarded. */
static int fill(struct vmm_vm *vm, const struct lab_module *module, struct vmm_error *error)
{
    void *context = (void *)module;
    bool translates = strcmp(module->slot, "interpreter.translator") == 0;
    if (translates && module->translator && module->translator->translate)
        return fill_translator(vm, module, error);
    if (module->routine && !translates && strncmp(module->slot, "interpreter.", 12) == 0)
        return vmm_module_replace(vm, module->slot, routine, context, error);
    if (module->routine && strcmp(module->slot, "dispatcher.decision") == 0)
        return vmm_module_replace_decision(vm, decide, context, error);
    if (strcmp(module->slot, "dispatcher.hardware") == 0)
        return lab_fill_hardware_by(vm, module, on_vmexit, on_nested_fault, error);
    return lab_fill(vm, module, error);
}

bool repl_lab_install(struct session *session)
{
    struct vmm_error error;
    if (!session->lab || !session->guest.vm)
        return true;
    for (const struct lab_module *module = session->lab->functions; module->slot; module++)
        if (fill(session->guest.vm, module, &error) != VMM_OK)
            return repl_complain(session, "%s", error.text);
    return true;
}

void repl_lab_end(struct session *session)
{
    if (!session->lab)
        return;
    if (session->lab->module)
        dlclose(session->lab->module);
    free(session->lab);
    session->lab = NULL;
}

/* Builds and loads; the file is not needed any more when it is loaded. */
static bool load(struct session *session, struct repl_lab *new, const char *folder)
{
    char work[LAB_PATH], path[LAB_PATH], output[8192];
    if (!lab_make_folder(work))
        return repl_complain(session, "No temporary folder can be made.");
    bool built = lab_compile(&new->lab, folder, work, output, sizeof output);
    if (output[0])
        fprintf(stderr, "%s", output);
    if (built && lab_join(path, work, "module.so"))
        new->module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    lab_remove_folder(work);
    if (!built)
        return repl_complain(session, "'%s' in '%s' cannot be built.", new->lab.files[0], folder);
    new->functions = new->module ? dlsym(new->module, "lab_modules") : NULL;
    return new->functions || repl_complain(session, "%s", dlerror());
}

/* Makes FOLDER/kernel.elf, which is the guest from now on. */
static bool load_kernel(struct session *session, struct repl_lab *new, const char *folder)
{
    static const struct lab_module none[] = {{.slot = NULL}};
    char work[LAB_PATH], path[LAB_PATH], output[8192];
    if (!lab_make_folder(work))
        return repl_complain(session, "No temporary folder can be made.");
    bool built = lab_compile_kernel(&new->lab, folder, work, output, sizeof output);
    if (output[0])
        fprintf(stderr, "%s", output);
    bool copied = built && lab_copy_file(work, folder, "kernel.elf");
    lab_remove_folder(work);
    if (!copied)
        return repl_complain(session, "'%s' in '%s' cannot be %s.", new->lab.files[0], folder,
                             built ? "made into a kernel there" : "built");
    char *image = lab_join(path, folder, "kernel.elf") ? strdup(path) : NULL;
    if (!image)
        return repl_complain(session, "There is no memory left.");
    free(session->image_name);
    session->options.image = session->image_name = image;
    if (!session->options.config.memory_size)
        session->options.config.memory_size = KERNEL_MEMORY;
    new->functions = none;
    return true;
}

static bool start(struct session *session, const char *number, const char *folder)
{
    char why[LAB_SENTENCE];
    struct repl_lab *new = calloc(1, sizeof *new);
    if (!new)
        return repl_complain(session, "There is no memory left.");
    bool good = lab_find(&new->lab, number, why) == 0 || repl_complain(session, "%s", why);
    const bool kernel = good && strcmp(new->lab.runner, "kernel") == 0;
    if (good && !kernel && strcmp(new->lab.runner, "guest") != 0 &&
        strcmp(new->lab.runner, "translate") != 0)
        good = repl_complain(
            session, "Lab %s has no module of a virtual machine; see its README.md.", number);
    if (good && !folder)
        folder = access(new->lab.name, X_OK) == 0 ? new->lab.name : ".";
    if (!good || !(kernel ? load_kernel : load)(session, new, folder)) {
        if (new->module)
            dlclose(new->module);
        free(new);
        return false;
    }
    repl_lab_end(session);
    session->lab = new;
    if (strcmp(new->lab.technique, "trap") != 0 && guest_technique(new->lab.technique))
        session->options.config.technique = guest_technique(new->lab.technique);
    /* From the entry again: what the library's modules did before is not the student's. */
    if ((kernel || session->guest.vm) && !repl_load(session))
        return false;
    repl_say(session, "Lab %ld, from %s: %s%s.\n", new->lab.number, folder,
             kernel ? "its kernel is built" : "its modules are in place",
             session->guest.vm ? ", and the guest stands at its entry" : "");
    return true;
}

bool repl_lab(struct session *session, char *arguments)
{
    char *state, *word = strtok_r(arguments, " ", &state);
    char *number = word ? strtok_r(NULL, " ", &state) : NULL;
    char *folder = number ? strtok_r(NULL, "", &state) : NULL;
    if (word && number && strcmp(word, "start") == 0)
        return start(session, number, folder);
    if (word && !number && strcmp(word, "stop") == 0) {
        repl_lab_end(session);
        return !session->guest.vm || repl_load(session);
    }
    if (word)
        return repl_complain(session, "Write 'lab start N', 'lab start N FOLDER' or 'lab stop'.");
    if (session->lab)
        repl_say(session, "%s\n", session->lab->lab.title);
    else
        repl_say(session, "All modules are the library's own; 'lab start N' changes that.\n");
    return true;
}
