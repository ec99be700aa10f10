/* The slots "dispatcher.delivery" and "dispatcher.nested": a module that does what the manual says
 * (Intel SDM volume 3, chapter 6) runs the guest as the library does; one that comes to what cannot
 * be stops it with a sentence. Whole deliveries are the reference solution's business, which
 * labs/04-inject compares with the library's instruction by instruction. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/vmm.h>

enum { ESP = 4, CS = 1, SS = 2, ES = 0, HANDLER = 0x100080, CODE = 0x08 };
enum { IF = 1 << 9, VM = 1 << 17 };

static const char *const techniques[] = {"trap", "hybrid", "interp", NULL};
#define FOR_EACH_TECHNIQUE(technique)                                                              \
    for (const char *const *at = techniques, *technique = *at; technique; technique = *++at)

/* LGDT; INT 0x30; then exit code 1. The handler at 0x80 exits with code 2. The GDT: null, code of
 * ring 0, data of ring 0, code of ring 3, code that is not present. */
static struct vmm_vm *start(const char *technique)
{
    static const uint64_t gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff,
                                   0x00cf1b000000ffff};
    static const uint8_t code[] = {0x0f, 0x01, 0x15, 0x00, 0x01, 0x10, 0x00,
                                   0xcd, 0x30, 0xb0, 0x01, 0xe6, 0xf4, 0xf4};
    static const uint8_t handler[] = {0xb0, 0x02, 0xe6, 0xf4, 0xf4};
    static const uint8_t pointer[] = {sizeof gdt - 1, 0, 0x08, 0x01, 0x10, 0x00};
    static uint8_t image[0x140];
    const struct vmm_config config = {.memory_size = 4 << 20, .technique = technique};
    const struct vmm_image flat = {.kind = "flat@0x100000",
                                   .file = {.bytes = image, .size = 0x140}};
    struct vmm_error error;
    memcpy(image, code, sizeof code);
    memcpy(image + 0x80, handler, sizeof handler);
    memcpy(image + 0x100, pointer, sizeof pointer);
    memcpy(image + 0x108, gdt, sizeof gdt);
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &flat, &error), VMM_OK, "%s", error.text);
    return vm;
}

static uint32_t exit_code(const struct vmm_vm *vm)
{
    struct vmm_statistics statistics;
    vmm_statistics(vm, &statistics);
    return statistics.exit_code;
}

/* ---- a good one ---- */

static enum vmm_delivery_end enter(void *context, struct vmm_delivery *delivery,
                                   struct vmm_event *fault)
{
    struct vmm_registers *r = &delivery->registers;
    uint32_t frame[] = {r->eip + delivery->event.length, r->segment[CS], r->eflags}, back[3] = {0};
    ++*(unsigned *)context;
    cr_assert_eq(delivery->event.kind, VMM_EVENT_SOFTWARE);
    cr_assert_eq(delivery->event.vector, 0x30);
    cr_assert_eq(delivery->event.length, 2);
    cr_assert_not(delivery->event.has_error_code);
    r->gpr[ESP] = 0x180000 - sizeof frame;
    cr_assert(vmm_delivery_write(delivery, 0, r->gpr[ESP], frame, sizeof frame, fault));
    cr_assert(vmm_delivery_read(delivery, r->gpr[ESP], back, sizeof back, fault));
    cr_assert_arr_eq(frame, back, sizeof frame);
    r->segment[CS] = CODE;
    r->eip = HANDLER;
    r->eflags &= ~(uint32_t)IF;
    return VMM_DELIVERED;
}

Test(module_deliver, an_event_goes_where_the_module_says)
{
    FOR_EACH_TECHNIQUE(technique)
    {
        struct vmm_vm *vm = start(technique);
        unsigned calls = 0;
        uint32_t frame[3];
        cr_assert_eq(vmm_module_replace_delivery(vm, enter, &calls, NULL), VMM_OK);
        cr_assert_eq(vmm_module_state(vm, "dispatcher.delivery"), VMM_MODULE_REPLACED);
        cr_assert_eq(vmm_module_state(vm, "dispatcher.nested"), VMM_MODULE_STANDARD);
        cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_EXIT, "%s: %s", technique, vmm_stop_text(vm));
        cr_assert_eq(exit_code(vm), 2);
        cr_assert_eq(calls, 1);
        cr_assert_eq(vmm_read_physical(vm, 0x180000 - 12, frame, sizeof frame), sizeof frame);
        cr_assert_eq(frame[0], 0x100009, "behind INT n");
        vmm_destroy(vm);
    }
}

/* ---- watching a kernel ---- */

struct seen {
    unsigned exceptions, software, external, page_faults, nested;
};

static enum vmm_delivery_end watch(void *context, struct vmm_delivery *delivery,
                                   struct vmm_event *fault)
{
    struct seen *seen = context;
    const struct vmm_event *event = &delivery->event;
    (void)fault;
    seen->exceptions += event->kind == VMM_EVENT_EXCEPTION;
    seen->software += event->kind == VMM_EVENT_SOFTWARE;
    seen->external += event->kind == VMM_EVENT_EXTERNAL;
    if (event->kind == VMM_EVENT_EXCEPTION && event->vector == 14) {
        seen->page_faults++;
        cr_assert(event->has_error_code);
    }
    cr_assert_geq(delivery->tss_limit, 103);
    delivery->registers.eip = 0xdeadbeef; /* a copy, which the library does not read */
    return VMM_DELIVERY_STANDARD;
}

static void run_kernel(const char *technique, struct seen *seen, uint64_t *digest)
{
    static uint8_t bytes[1 << 20];
    char path[512];
    const char *build = getenv("VMM_BUILD");
    snprintf(path, sizeof path, "%s/guests/kernel-virt.elf", build ? build : "build");
    FILE *file = fopen(path, "rb");
    if (!file)
        cr_skip("%s is not built", path);
    const struct vmm_config config = {.memory_size = 4 << 20, .technique = technique};
    const struct vmm_image image = {
        .file = {.bytes = bytes, .size = (uint32_t)fread(bytes, 1, sizeof bytes, file)}};
    struct vmm_error error;
    fclose(file);
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    if (seen)
        cr_assert_eq(vmm_module_replace_delivery(vm, watch, seen, NULL), VMM_OK);
    vmm_run(vm, 600000);
    *digest = vmm_digest(vm);
    vmm_destroy(vm);
}

Test(module_deliver, a_watched_kernel_does_not_notice)
{
    struct seen seen = {0};
    uint64_t alone, watched;
    run_kernel("trap", NULL, &alone);
    run_kernel("trap", &seen, &watched);
    cr_assert_eq(alone, watched);
    cr_assert_gt(seen.software, 100, "system calls");
    cr_assert_gt(seen.external, 2, "the timer");
    cr_assert_gt(seen.page_faults, 10);
}

/* ---- nonsense ---- */

struct nonsense {
    const char *says;
    enum vmm_delivery_end end;
    uint32_t eflags, cr0, cr3;
    uint16_t cs, es, ss, tr;
    uint8_t cpl, vector;
    uint32_t error_code;
    bool greedy;
};

static enum vmm_delivery_end spoil(void *context, struct vmm_delivery *delivery,
                                   struct vmm_event *fault)
{
    static uint8_t much[5000];
    const struct nonsense *n = context;
    struct vmm_registers *r = &delivery->registers;
    r->segment[CS] = n->cs ? n->cs : CODE;
    r->eip = HANDLER;
    r->eflags ^= n->eflags;
    r->cr0 ^= n->cr0;
    r->cr3 ^= n->cr3;
    r->segment[ES] ^= n->es;
    r->segment[SS] ^= n->ss;
    r->tr ^= n->tr;
    r->cpl = n->cpl;
    if (n->greedy)
        cr_assert_not(vmm_delivery_read(delivery, 0, much, sizeof much, fault));
    *fault = (struct vmm_event){.vector = n->vector, .error_code = n->error_code};
    return n->end;
}

Test(module_deliver, what_cannot_be_stops_the_guest)
{
    static const struct nonsense cases[] = {
        {"changed EFLAGS", .eflags = VM},
        {"changed EFLAGS", .eflags = 1},
        {"changed CR0, CR3 or CR4", .cr0 = 1},
        {"changed CR0, CR3 or CR4", .cr3 = 0x1000},
        {"changed a data segment", .es = 0x18},
        {"changed a system table or the task", .tr = 0x28},
        {"entered CS 0x0003 at CPL 0", .cs = 3},
        {"entered CS 0x0010 at CPL 0", .cs = 0x10},
        {"entered CS 0x001b at CPL 3", .cs = 0x1b, .cpl = 3},
        {"entered CS 0x0020 at CPL 0", .cs = 0x20},
        {"entered CS 0x0009 at CPL 0", .cs = 0x09},
        {"entered CS 0x0008 at CPL 3", .cpl = 3},
        {"entered CS 0xfff8 at CPL 0", .cs = 0xfff8},
        {"entered CS 0x000c at CPL 0", .cs = 0x0c},
        {"which is no stack of this ring", .ss = 0x1230},
        {"more than 4096 bytes", .greedy = true},
        {"raised vector 2 ", .end = VMM_DELIVERY_FAULT, .vector = 2},
        {"raised vector 48 ", .end = VMM_DELIVERY_FAULT, .vector = 48},
        {"raised vector 6 with error code 0x1", .end = VMM_DELIVERY_FAULT, .vector = 6,
         .error_code = 1},
        {"raised vector 13 with error code 0x10000", .end = VMM_DELIVERY_FAULT, .vector = 13,
         .error_code = 0x10000},
        {"came to end 77", .end = (enum vmm_delivery_end)77},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        FOR_EACH_TECHNIQUE(technique)
        {
            struct vmm_vm *vm = start(technique);
            cr_assert_eq(vmm_module_replace_delivery(vm, spoil, (void *)&cases[i], NULL), VMM_OK);
            cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_FAILURE, "%s: %s", cases[i].says,
                         vmm_stop_text(vm));
            cr_assert(strstr(vmm_stop_text(vm), "Module dispatcher.delivery misbehaved: it ") &&
                          strstr(vmm_stop_text(vm), cases[i].says),
                      "%s: %s", cases[i].says, vmm_stop_text(vm));
            vmm_destroy(vm);
        }
}

Test(module_deliver, without_a_module_the_guest_stops)
{
    const struct nonsense missing = {.end = VMM_DELIVERY_MISSING};
    FOR_EACH_TECHNIQUE(technique)
    {
        struct vmm_vm *vm = start(technique);
        cr_assert_eq(vmm_module_remove(vm, "dispatcher.delivery", NULL), VMM_OK);
        cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_FAILURE);
        cr_assert(strstr(vmm_stop_text(vm),
                         "Module missing: this virtual machine has no dispatcher.delivery"));
        vmm_destroy(vm);
        vm = start(technique);
        cr_assert_eq(vmm_module_replace_delivery(vm, spoil, (void *)&missing, NULL), VMM_OK);
        cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_FAILURE);
        cr_assert(strstr(vmm_stop_text(vm), "Module missing"));
        vmm_destroy(vm);
    }
    struct vmm_vm *bare = start("bare");
    cr_assert_eq(vmm_module_replace_delivery(bare, spoil, NULL, NULL), VMM_E_UNSUPPORTED);
    cr_assert_eq(vmm_module_replace_nested(bare, NULL, NULL, NULL), VMM_E_USAGE);
    vmm_destroy(bare);
}

/* ---- nested ---- */

struct nest {
    enum vmm_nested end;
    unsigned calls;
};

static enum vmm_nested nest(void *context, const struct vmm_event *first,
                            const struct vmm_event *second)
{
    struct nest *n = context;
    if (!n->calls++)
        cr_assert_eq(first->vector, 0x30);
    cr_assert_eq(second->vector, 13);
    cr_assert_eq(second->error_code, 0x182);
    cr_assert(second->has_error_code);
    return n->end;
}

/* Exception 8 is delivered well, everything else is #GP(0x182). */
static enum vmm_delivery_end only_double(void *context, struct vmm_delivery *delivery,
                                         struct vmm_event *fault)
{
    (void)context;
    delivery->registers.segment[CS] = CODE;
    delivery->registers.eip = HANDLER;
    *fault = (struct vmm_event){.vector = 13, .error_code = 0x182};
    if (delivery->event.vector == 8)
        cr_assert(delivery->event.has_error_code && delivery->event.error_code == 0);
    return delivery->event.vector == 8 ? VMM_DELIVERED : VMM_DELIVERY_FAULT;
}

Test(module_deliver, an_exception_on_the_way_is_somebody_elses_decision)
{
    static const struct {
        enum vmm_nested end;
        enum vmm_stop stop;
        const char *says;
        unsigned calls;
    } cases[] = {
        {VMM_NESTED_DOUBLE_FAULT, VMM_STOP_EXIT, "exit code 2", 1},
        {VMM_NESTED_SHUTDOWN, VMM_STOP_SHUTDOWN, "triple fault", 1},
        {VMM_NESTED_MISSING, VMM_STOP_FAILURE,
         "Module missing: this virtual machine has no "
         "dispatcher.nested",
         1},
        {VMM_NESTED_SECOND, VMM_STOP_FAILURE,
         "Module dispatcher.nested misbehaved: exceptions "
         "follow each other for ever",
         12},
        {(enum vmm_nested)9, VMM_STOP_FAILURE, "Module dispatcher.nested misbehaved", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        FOR_EACH_TECHNIQUE(technique)
        {
            struct nest n = {.end = cases[i].end};
            struct vmm_vm *vm = start(technique);
            cr_assert_eq(vmm_module_replace_delivery(vm, only_double, NULL, NULL), VMM_OK);
            cr_assert_eq(vmm_module_replace_nested(vm, nest, &n, NULL), VMM_OK);
            cr_assert_eq(vmm_run(vm, 1000), cases[i].stop, "%zu: %s", i, vmm_stop_text(vm));
            cr_assert(strstr(vmm_stop_text(vm), cases[i].says), "%s", vmm_stop_text(vm));
            cr_assert_eq(n.calls, cases[i].calls);
            vmm_destroy(vm);
        }
}
