/* The fuzzers' guest. See fuzz.h. */
#include "fuzz.h"

enum { USES = 500 };

uint64_t fuzz_retired(const struct vmm_vm *vm)
{
    struct vmm_statistics statistics;
    vmm_statistics(vm, &statistics);
    return statistics.guest_instructions;
}

static bool can_run(const struct vmm_vm *vm)
{
    struct vmm_statistics s;
    vmm_statistics(vm, &s);
    return s.stop == VMM_STOP_NONE || s.stop == VMM_STOP_LIMIT || s.stop == VMM_STOP_BREAK ||
           s.stop == VMM_STOP_TRAP || s.stop == VMM_STOP_USER;
}

static bool begin_again(struct vmm_vm *vm)
{
    static const char *const names[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    struct vmm_error error;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (vmm_set_register(vm, names[i], 0, &error) != VMM_OK)
            return false;
    return vmm_set_register(vm, "eip", FUZZ_ORIGIN, &error) == VMM_OK &&
           vmm_set_register(vm, "eflags", 2, &error) == VMM_OK &&
           vmm_write_physical(vm, FUZZ_ORIGIN, fuzz_code, sizeof fuzz_code) == sizeof fuzz_code;
}

static struct vmm_vm *make(bool trap)
{
    struct vmm_error error;
    const struct vmm_config config = {.technique = trap ? "trap" : "bare", .memory_size = 2 << 20};
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = fuzz_code, .size = sizeof fuzz_code}};
    struct vmm_vm *vm = vmm_create(&config, &error);
    if (vm && vmm_load(vm, &image, &error) == VMM_OK)
        return vm;
    vmm_destroy(vm);
    return NULL;
}

struct vmm_vm *fuzz_vm(bool trap)
{
    static struct vmm_vm *vms[2];
    static unsigned uses[2];
    struct vmm_vm **vm = &vms[trap];
    if (*vm && uses[trap]++ < USES && can_run(*vm) && begin_again(*vm))
        return *vm;
    vmm_destroy(*vm);
    uses[trap] = 0;
    return *vm = make(trap);
}
