/* Runs one guest with a student's binary translator (translate.h), and sends the states to the
 * scorer. Student code shares this process, so nothing here is to be trusted once it is loaded;
 * what it can reach then, sandbox.c says. The VMM in this program lacks the library's own plan of a
 * translation.
 *
 *     runner TECHNIQUE NONCE CPU-SECONDS    a guest comes in by standard input, the module is
 *                                           module.so in the current folder */
#include "labs/grader/install.h"
#include "labs/grader/sandbox.h"
#include "labs/grader/translate.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static struct lab_run runs[LAB_PASSES];
static struct lab_translator translators[LAB_PASSES];

static bool create(const char *technique, const uint8_t *guest, size_t size)
{
    struct vmm_error error;
    for (unsigned pass = 0; pass < LAB_PASSES; pass++)
        if (!lab_run_create(&runs[pass], pass, technique, guest, size, &error))
            return false;
    return true;
}

static const struct lab_module *load(void)
{
    void *module = dlopen("./module.so", RTLD_NOW | RTLD_LOCAL);
    const struct lab_module *modules = module ? dlsym(module, "lab_modules") : NULL;
    return modules && modules->slot && strcmp(modules->slot, "interpreter.translator") == 0
               ? modules
               : NULL;
}

static bool run(unsigned pass, const struct lab_module *module, uint64_t nonce)
{
    struct vmm_error error;
    if (lab_fill_translator(runs[pass].vm, module, pass == LAB_SINGLE, &translators[pass],
                            &error) != VMM_OK)
        return false;
    for (bool more = true; more;) {
        more = lab_run_step(&runs[pass]);
        runs[pass].now.state.nonce = nonce;
        if (write(LAB_CHANNEL, &runs[pass].now, sizeof runs[pass].now) != sizeof runs[pass].now)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static uint8_t guest[LAB_GUEST_ROOM];
    if (argc != 4)
        return LAB_NO_MACHINE;
    size_t size = fread(guest, 1, sizeof guest, stdin);
    const struct lab_hello hello = {strtoull(argv[2], NULL, 16)};
    memset(argv[2], 'x', strlen(argv[2]));
    /* The library is trusted, and made ready first: the sandbox need not let it through. */
    if (!create(argv[1], guest, size) || !sandbox_enter((unsigned)strtoul(argv[3], NULL, 10)) ||
        write(LAB_CHANNEL, &hello, sizeof hello) != sizeof hello)
        return LAB_NO_MACHINE;
    const struct lab_module *module = load();
    if (!module)
        return LAB_NO_MODULE;
    for (unsigned pass = lab_is_kernel(guest, size) ? LAB_TRAPS : LAB_SINGLE; pass < LAB_PASSES;
         pass++)
        if (!run(pass, module, hello.nonce))
            return LAB_NO_CHANNEL;
    return 0;
}
