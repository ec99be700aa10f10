/* Runs one guest with a student's module, one instruction at a time, and sends the machine's state
 * to the scorer. Student code shares this process, so nothing here is to be trusted once it is
 * loaded; what it can reach then, sandbox.c says. The VMM in this program lacks the modules that
 * the student writes.
 *
 *     runner TECHNIQUE NONCE CPU-SECONDS    a flat guest comes in by standard input, the module is
 *                                           module.so in the current folder */
#include "labs/grader/evidence.h"
#include "labs/grader/install.h"
#include "labs/grader/sandbox.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

/* The module; what it leaves of its constructors' doing is its own affair. */
static const struct lab_module *load(void)
{
    void *module = dlopen("./module.so", RTLD_NOW | RTLD_LOCAL);
    return module ? dlsym(module, "lab_modules") : NULL;
}

int main(int argc, char **argv)
{
    static uint8_t guest[LAB_GUEST_ROOM];
    static struct lab_machine machine;
    struct lab_evidence evidence = {0};
    struct vmm_error error;
    if (argc != 4)
        return LAB_NO_MACHINE;
    size_t size = fread(guest, 1, sizeof guest, stdin);
    const struct lab_hello hello = {strtoull(argv[2], NULL, 16)};
    memset(argv[2], 'x', strlen(argv[2]));
    /* The library is trusted, and made ready first: the sandbox need not let it through. */
    if (!lab_machine_create(&machine, argv[1], guest, size, &error) ||
        !sandbox_enter((unsigned)strtoul(argv[3], NULL, 10)) ||
        write(LAB_CHANNEL, &hello, sizeof hello) != sizeof hello)
        return LAB_NO_MACHINE;
    const struct lab_module *modules = load();
    if (!modules)
        return LAB_NO_MODULE;
    if (lab_install_machine(&machine, modules, &error) != VMM_OK ||
        !lab_machine_load(&machine, guest, size, &error))
        return LAB_NO_SLOT;
    const uint64_t predicted = lab_prediction(modules, guest, size);
    bool more = true;
    for (unsigned step = 0; more && step < LAB_STEPS; step++) {
        more = lab_machine_step(&machine, &evidence);
        evidence.nonce = hello.nonce;
        evidence.predicted = predicted;
        if (write(LAB_CHANNEL, &evidence, sizeof evidence) != sizeof evidence)
            return LAB_NO_CHANNEL;
    }
    return 0;
}
