/* The dirty log: whoever writes a page, it is known from the epoch in which that happened, under
 * every technique; and the guest does not notice. */
#include <criterion/criterion.h>

#include <string.h>

#include "machine/dirty.h"
#include "vm/machine.h"
#include "vm/vm.h"
#include "vmm/debug.h"
#include "vmm/vmm.h"

/* mov byte [0x180000], 1; push eax (at 0x170000); stosd to 0x160000; nop, nop; jmp self */
static const uint8_t code[] = {0xc6, 0x05, 0x00, 0x00, 0x18, 0x00, 0x01, 0xbc, 0x00, 0x10,
                               0x17, 0x00, 0x50, 0xbf, 0x00, 0x00, 0x16, 0x00, 0xab, 0x90,
                               0x90, 0xc6, 0x05, 0x00, 0x00, 0x18, 0x00, 0x02, 0xeb, 0xfe};

static struct vmm_vm *guest(const char *technique)
{
    struct vmm_error error;
    const struct vmm_config config = {.technique = technique, .memory_size = 2 << 20};
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = code, .size = sizeof code}};
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    return vm;
}

static bool written(const struct vmm_vm *vm, uint32_t address, uint32_t epoch)
{
    return dirty_since(&vm->machine->cpu, vm_frame(vm, address), epoch);
}

Test(dirty, the_guests_stores_are_known_by_their_epoch)
{
    for (size_t t = 0; vmm_technique(t); t++) {
        struct vmm_vm *vm = guest(vmm_technique(t));
        uint32_t first = dirty_epoch(&vm->machine->cpu);
        cr_assert_not(written(vm, 0x180000, first));
        cr_assert_eq(vmm_run(vm, 1), VMM_STOP_LIMIT);
        cr_expect(written(vm, 0x180000, first), "%s", vmm_technique(t));
        cr_expect_not(written(vm, 0x170000, first), "%s", vmm_technique(t));
        uint32_t second = dirty_epoch(&vm->machine->cpu);
        cr_expect_not(written(vm, 0x180000, second), "%s", vmm_technique(t));
        cr_assert_eq(vmm_run(vm, 4), VMM_STOP_LIMIT);
        cr_expect(written(vm, 0x170000, second) && written(vm, 0x160000, second), "%s",
                  vmm_technique(t));
        cr_expect_not(written(vm, 0x180000, second), "%s", vmm_technique(t));
        uint32_t third = dirty_epoch(&vm->machine->cpu);
        cr_assert_eq(vmm_run(vm, 3), VMM_STOP_LIMIT);
        cr_expect(written(vm, 0x180000, third), "%s: a page that was dirty before",
                  vmm_technique(t));
        cr_expect_not(written(vm, 0x160000, third), "%s", vmm_technique(t));
        cr_expect(written(vm, 0x160000, second), "%s: an older epoch is still known",
                  vmm_technique(t));
        vmm_destroy(vm);
    }
}

Test(dirty, writes_from_outside_are_known)
{
    struct vmm_vm *vm = guest("bare");
    uint32_t epoch = dirty_epoch(&vm->machine->cpu), value = 7;
    cr_assert_eq(vmm_write_physical(vm, 0x150ffe, &value, sizeof value), sizeof value);
    cr_expect(written(vm, 0x150000, epoch) && written(vm, 0x151000, epoch));
    cr_expect_not(written(vm, 0x14f000, epoch));
    vmm_destroy(vm);
}

Test(dirty, everything_is_dirty_before_the_log_begins)
{
    struct vmm_vm *vm = guest("bare");
    cr_expect(written(vm, 0x150000, 0));
    uint32_t epoch = dirty_epoch(&vm->machine->cpu);
    cr_expect(dirty_since(&vm->machine->cpu, UINT32_MAX >> 12, epoch), "what is not memory is");
    vmm_destroy(vm);
}

Test(dirty, a_logged_run_is_the_same_run)
{
    uint64_t digests[2] = {0};
    for (unsigned log = 0; log < 2; log++) {
        struct vmm_vm *vm = guest("trap");
        for (unsigned i = 0; i < 40; i++) {
            if (log)
                dirty_epoch(&vm->machine->cpu);
            cr_assert_eq(vmm_run(vm, 1), VMM_STOP_LIMIT);
            digests[log] = digests[log] * 31 + vmm_digest(vm);
        }
        vmm_destroy(vm);
    }
    cr_assert_eq(digests[0], digests[1]);
}
