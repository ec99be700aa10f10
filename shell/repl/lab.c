/* `lab` at the prompt: the student's file is built and its functions take the place of the VMM's
 * own modules on this guest; from then on `trap` and `why` show what they do. Here the code is the
 * student's own affair: no sandbox. But a crash in it is a stop of the guest, with a sentence. */
#include "shell/repl/lab.h"

#include "labs/grader/kernel.h"
#include "shell/lab_find.h"
#include "shell/repl/lab_guard.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

struct repl_lab {
    struct lab lab;
    void *module;
    const struct lab_module *functions;
};

void repl_lab_report(struct session *session)
{
    const char *ending = lab_guard_told();
    if (ending)
        repl_complain(session, "The module %s. What it was asked, 'why' says.", ending);
}

/* ---- switching it in and out ---- */

bool repl_lab_install(struct session *session)
{
    struct vmm_error error;
    if (!session->lab || !session->guest.vm)
        return true;
    for (const struct lab_module *module = session->lab->functions; module->slot; module++)
        if (lab_guard_fill(session->guest.vm, module, &error) != VMM_OK)
            return repl_complain(session, "%s", error.text);
    repl_lab_report(session); /* which events exit was asked just now */
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

/* Those whose test's guest wants its writes logged (labs/grader/machine.h) get that here, too. */
static bool wants_log(const struct guest_options *options)
{
    uint8_t head[8] = {0};
    FILE *file = options->image && options->load && strncmp(options->load, "flat", 4) == 0
                     ? fopen(options->image, "re")
                     : NULL;
    bool wanted = file && fread(head, sizeof head, 1, file) == 1 && head[6] == 'L';
    if (file)
        fclose(file);
    return wanted;
}

/* Whether one VM has a slot for any of its modules. */
static bool fits_one(const struct repl_lab *new)
{
    for (const struct lab_module *module = new->functions; module->slot; module++)
        if (!lab_guard_of_machine(module))
            return true;
    return false;
}

static bool start(struct session *session, const char *number, const char *folder)
{
    char why[LAB_SENTENCE];
    struct repl_lab *new = calloc(1, sizeof *new);
    if (!new)
        return repl_complain(session, "There is no memory left.");
    bool good = lab_find(&new->lab, number, why) == 0 ||
                repl_complain(session, "%c%s.", toupper((unsigned char)*why), why + 1);
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
    if (!kernel && !fits_one(new)) {
        repl_complain(session,
                      "The modules of lab %ld are for a machine that several guests share; at the "
                      "prompt there is one, with the library's.",
                      new->lab.number);
        dlclose(new->module);
        free(new);
        return false;
    }
    repl_lab_end(session);
    session->lab = new;
    session->options.log_writes =
        strcmp(new->lab.technique, "hw") == 0 && wants_log(&session->options);
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
