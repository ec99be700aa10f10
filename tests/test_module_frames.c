/* The slot "allocator.frames": pages that get their frames one by one, as an allocator from outside
 * says, are no different to the guest (Popek and Goldberg 1974: equivalence); and no answer gives a
 * VM a frame that is somebody else's (resource control). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/vmm.h>

enum { PAGE = 4096, MEMORY = 2 << 20 };

static struct vmm_vm *create(struct vmm_vm *beside)
{
    struct vmm_error error;
    const struct vmm_config config = {
        .memory_size = MEMORY, .technique = "trap", .vms = 2, .beside = beside};
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    return vm;
}

/* Writes to 0x180000 and 0x190000, exits with what it reads at 0x1a0000 (zeros) + 3. */
static int load(struct vmm_vm *vm)
{
    static const uint8_t code[] = {
        0xa3, 0x00, 0x00, 0x18, 0x00, /* mov %eax, 0x180000 */
        0xa3, 0x00, 0x00, 0x19, 0x00, /* mov %eax, 0x190000 */
        0xa0, 0x00, 0x00, 0x1a, 0x00, /* mov 0x1a0000, %al */
        0x04, 0x03, 0xe6, 0xf4, 0xf4, /* add $3, %al; out %al, $0xf4 */
    };
    const struct vmm_image flat = {.kind = "flat@0x100000",
                                   .file = {.bytes = code, .size = sizeof code}};
    struct vmm_error error;
    return vmm_load(vm, &flat, &error);
}

struct lender {
    unsigned calls;
    uint32_t pages[16], frames[16];
};

static uint32_t lend(void *context, const struct vmm_frame_request *request)
{
    struct lender *lender = context;
    cr_assert_eq(request->pages, MEMORY / PAGE);
    cr_assert_lt(request->page, request->pages);
    cr_assert_gt(request->available, 0);
    cr_assert_eq(vmm_frame_owner(request, request->frames), VMM_FRAME_VMM);
    for (uint32_t frame = request->frames; frame-- > 0;)
        if (vmm_frame_owner(request, frame) == VMM_FRAME_FREE) {
            for (unsigned i = 0; i < lender->calls; i++)
                cr_assert(lender->pages[i] != request->page && lender->frames[i] != frame);
            lender->pages[lender->calls] = request->page;
            lender->frames[lender->calls++] = frame;
            return frame;
        }
    return VMM_NO_FRAME;
}

Test(module_frames, pages_get_frames_when_they_are_touched)
{
    struct vmm_vm *alone = create(NULL), *vm = create(NULL);
    struct lender lender = {0};
    struct vmm_walk walk;
    uint8_t byte = 1;
    cr_assert_eq(vmm_module_replace_frames(vm, lend, &lender, NULL), VMM_OK);
    cr_assert_eq(vmm_module_state(vm, "allocator.frames"), VMM_MODULE_REPLACED);
    cr_assert_eq(lender.calls, 0);
    cr_assert_eq(load(alone), VMM_OK);
    cr_assert_eq(load(vm), VMM_OK);
    unsigned before = lender.calls; /* the pages that the loader wrote to */
    cr_assert_geq(before, 1);
    cr_assert_eq(vmm_read_physical(vm, 0x1b0000, &byte, 1), 1);
    cr_assert_eq(byte, 0);
    cr_assert_eq(vmm_digest(vm), vmm_digest(alone));
    cr_assert_eq(lender.calls, before, "nobody but the guest makes it ask");
    cr_assert_eq(vmm_run(vm, 100), VMM_STOP_EXIT, "%s", vmm_stop_text(vm));
    cr_assert_eq(vmm_run(alone, 100), VMM_STOP_EXIT);
    cr_assert_eq(lender.calls, before + 3);
    cr_assert_eq(vmm_digest(vm), vmm_digest(alone));
    vmm_walk(vm, 0x190000, &walk);
    cr_assert(walk.has_machine);
    cr_assert_eq(walk.machine / PAGE, lender.frames[before + 1]);
    cr_assert_eq(lender.pages[before + 1], 0x190);
    vmm_destroy(vm);
    vmm_destroy(alone);
}

static uint32_t fixed(void *context, const struct vmm_frame_request *request)
{
    const uint32_t *frame = context;
    (void)request;
    return *frame;
}

Test(module_frames, no_frame_of_anybody_else)
{
    struct vmm_vm *first = create(NULL);
    struct lender lender = {0};
    cr_assert_eq(vmm_module_replace_frames(first, lend, &lender, NULL), VMM_OK);
    cr_assert_eq(load(first), VMM_OK);
    const struct {
        uint32_t frame;
        const char *says;
    } cases[] = {
        {lender.frames[0], "which is VM 0's"},
        {0x7fffffff, "which is the monitor's"},
        {VMM_NO_FRAME, "The machine has no frame for page 0x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vmm_vm *second = create(first);
        cr_assert_eq(vmm_module_replace_frames(second, fixed, (void *)&cases[i].frame, NULL),
                     VMM_OK);
        load(second);
        cr_assert_eq(vmm_run(second, 100), VMM_STOP_FAILURE, "%s", vmm_stop_text(second));
        cr_assert(strstr(vmm_stop_text(second), cases[i].says), "%s", vmm_stop_text(second));
        vmm_destroy(second);
    }
    cr_assert_eq(vmm_run(first, 100), VMM_STOP_EXIT, "the other one is as it was");
    vmm_destroy(first);
}

Test(module_frames, only_before_there_is_a_guest)
{
    struct vmm_vm *vm = create(NULL);
    struct lender lender = {0};
    cr_assert_eq(vmm_module_replace_frames(vm, NULL, NULL, NULL), VMM_E_USAGE);
    cr_assert_eq(load(vm), VMM_OK);
    cr_assert_eq(vmm_module_replace_frames(vm, lend, &lender, NULL), VMM_E_STATE);
    cr_assert_eq(vmm_module_state(vm, "allocator.frames"), VMM_MODULE_STANDARD);
    cr_assert_eq(vmm_run(vm, 100), VMM_STOP_EXIT);
    vmm_destroy(vm);
    vm = create(NULL);
    cr_assert_eq(vmm_module_remove(vm, "allocator.frames", NULL), VMM_OK);
    load(vm);
    cr_assert_eq(vmm_run(vm, 100), VMM_STOP_FAILURE);
    cr_assert(strstr(vmm_stop_text(vm), "Module missing: this virtual machine has no "
                                        "allocator.frames"));
    cr_assert_eq(vmm_module_restore(vm, "allocator.frames", NULL), VMM_E_UNSUPPORTED);
    vmm_destroy(vm);
    const struct vmm_config config = {.memory_size = MEMORY, .technique = "interp"};
    vm = vmm_create(&config, NULL);
    cr_assert_eq(vmm_module_replace_frames(vm, lend, &lender, NULL), VMM_E_UNSUPPORTED);
    vmm_destroy(vm);
}
