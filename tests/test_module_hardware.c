/* The slot "dispatcher.hardware": a module that leaves everything to the library, and answers that
 * cannot be (AMD APM volume 2, sections 15.5, 15.20, 15.21 and 15.25). Whether a whole module is
 * right, labs/09-hardware compares instruction by instruction. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/vmm.h>

enum { P = 1, RW = 2, US = 4, ALL = P | RW | US };

/* CPUID; a read of 0x200000; OUT 0x80; a read where there is no memory; exit code 5. */
static const uint8_t code[] = {
    0x31, 0xc0, 0x0f, 0xa2,       /* xor %eax, %eax; cpuid */
    0xa1, 0x00, 0x00, 0x20, 0x00, /* mov 0x200000, %eax */
    0xe6, 0x80,                   /* out %al, $0x80 */
    0xa1, 0x00, 0x00, 0x40, 0x00, /* mov 0x400000, %eax */
    0xb0, 0x05, 0xe6, 0xf4, 0xf4, /* mov $5, %al; out %al, $0xf4; hlt */
};

static struct vmm_vm *create(const char *technique, enum vmm_mmu mmu)
{
    const struct vmm_config config = {.memory_size = 4 << 20, .technique = technique, .mmu = mmu};
    struct vmm_error error;
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    return vm;
}

static void load(struct vmm_vm *vm)
{
    const struct vmm_image flat = {.kind = "flat@0x100000",
                                   .file = {.bytes = code, .size = sizeof code}};
    struct vmm_error error;
    cr_assert_eq(vmm_load(vm, &flat, &error), VMM_OK, "%s", error.text);
}

static uint32_t exit_code(const struct vmm_vm *vm)
{
    struct vmm_statistics statistics;
    vmm_statistics(vm, &statistics);
    return statistics.exit_code;
}

static uint64_t exits(const struct vmm_vm *vm)
{
    struct vmm_cause_count cause;
    uint64_t sum = 0;
    for (size_t i = 0; vmm_cause(vm, i, &cause); i++)
        sum += cause.count;
    return sum;
}

/* ---- a module whose answers are given to it ---- */

struct module {
    enum vmm_exit_end cpuid; /* what CPUID comes to */
    uint64_t event;
    uint8_t size; /* of the port access */
    uint32_t eip; /* is added */
    bool flags;   /* are changed */
    enum vmm_fill_kind fill;
    uint32_t directory, table, more; /* entries, where they are not 0; bits that are added */
    bool deaf;                       /* nothing is intercepted */
    bool nothing;                    /* where there is no memory a frame is mapped */
    unsigned asked, filled;
};

static bool intercept(void *context, unsigned exit)
{
    const struct module *module = context;
    return exit == VMM_EXIT_VMRUN ||
           (!module->deaf && (exit == VMM_EXIT_CPUID || exit == VMM_EXIT_IOIO));
}

static enum vmm_exit_end on_exit_of(void *context, struct vmm_vmexit *exit)
{
    struct module *module = context;
    module->asked++;
    if (exit->code == VMM_EXIT_NPF)
        return VMM_EXIT_FILL;
    if (exit->code != VMM_EXIT_CPUID)
        return VMM_EXIT_STANDARD;
    cr_assert_eq(exit->length, 2);
    cr_assert_eq(exit->bytes[1], 0xa2, "CPUID");
    exit->registers.gpr[0] = exit->cpuid[0];
    exit->registers.eip += module->eip;
    exit->registers.eflags ^= module->flags ? 1 : 0;
    exit->event = module->event;
    exit->port.size = module->size;
    return module->cpuid;
}

static struct vmm_nested_answer fill(void *context, const struct vmm_nested_fault *fault)
{
    struct module *module = context;
    struct vmm_nested_answer answer = {.kind = module->fill};
    cr_assert(fault->error_code & US, "a guest's accesses are a user's (section 15.25.6)");
    module->filled++;
    if (fault->frame == VMM_NO_FRAME && !module->nothing) {
        answer.kind = module->fill == VMM_FILL_STANDARD ? VMM_FILL_STANDARD : VMM_FILL_NOTHING;
        return answer;
    }
    answer.directory_entry =
        fault->directory_entry & P ? fault->directory_entry : fault->new_table | ALL;
    answer.table_entry = fault->frame | ALL;
    answer.directory_entry |= module->more;
    if (module->directory)
        answer.directory_entry = module->directory;
    if (module->table)
        answer.table_entry = module->table;
    return answer;
}

static uint64_t window(void *context, const struct vmm_window *asked)
{
    (void)context;
    return asked->v_intr | VMM_V_IRQ;
}

static const struct vmm_hardware hardware = {intercept, on_exit_of, fill, window};

static struct vmm_vm *run(struct module *module)
{
    struct vmm_vm *vm = create("hw", VMM_MMU_DEFAULT);
    struct vmm_error error;
    cr_assert_eq(vmm_module_replace_hardware(vm, &hardware, module, &error), VMM_OK, "%s",
                 error.text);
    cr_assert_eq(vmm_module_state(vm, "dispatcher.hardware"), VMM_MODULE_REPLACED);
    load(vm);
    vmm_run(vm, 100);
    return vm;
}

Test(module_hardware, answers_that_are_right)
{
    struct module standard = {.cpuid = VMM_EXIT_STANDARD, .fill = VMM_FILL_STANDARD};
    struct module own = {.cpuid = VMM_EXIT_RESUME, .eip = 2, .fill = VMM_FILL_MAP};
    struct vmm_vm *a = run(&standard), *b = run(&own);
    cr_assert_eq(exit_code(a), 5, "%s", vmm_stop_text(a));
    cr_assert_eq(exit_code(b), 5, "%s", vmm_stop_text(b));
    cr_assert_eq(standard.filled, 3, "code, memory, nothing");
    cr_assert_eq(standard.asked, 6, "and CPUID, two OUTs");
    cr_assert_eq(exits(a), 6);
    cr_assert_eq(exits(b), 6);
    vmm_destroy(a);
    vmm_destroy(b);
}

Test(module_hardware, what_is_not_intercepted_is_the_hardwares)
{
    struct module deaf = {.deaf = true, .fill = VMM_FILL_MAP};
    struct vmm_vm *vm = run(&deaf);
    cr_assert_eq(exit_code(vm), 5, "%s", vmm_stop_text(vm));
    cr_assert_eq(deaf.asked, 3);
    vmm_destroy(vm);
}

Test(module_hardware, missing_and_restored)
{
    struct module module = {.cpuid = VMM_EXIT_STANDARD, .fill = VMM_FILL_MISSING};
    struct vmm_vm *vm = run(&module);
    cr_assert(strstr(vmm_stop_text(vm), "Module missing: this virtual machine has no "
                                        "dispatcher.hardware"),
              "%s", vmm_stop_text(vm));
    vmm_destroy(vm);
    vm = create("hw", VMM_MMU_DEFAULT);
    cr_assert_eq(vmm_module_remove(vm, "dispatcher.hardware", NULL), VMM_OK);
    load(vm);
    vmm_run(vm, 100);
    cr_assert(strstr(vmm_stop_text(vm), "dispatcher.hardware"), "%s", vmm_stop_text(vm));
    vmm_destroy(vm);
    vm = create("hw", VMM_MMU_DEFAULT);
    cr_assert_eq(vmm_module_replace_hardware(vm, &hardware, &module, NULL), VMM_OK);
    cr_assert_eq(vmm_module_restore(vm, "dispatcher.hardware", NULL), VMM_OK);
    load(vm);
    vmm_run(vm, 100);
    cr_assert_eq(exit_code(vm), 5, "%s", vmm_stop_text(vm));
    cr_assert_eq(module.filled, 1, "by the first of the three");
    vmm_destroy(vm);
}

Test(module_hardware, where_there_is_no_such_slot)
{
    static const struct vmm_hardware half = {intercept, on_exit_of, NULL, window};
    struct vmm_vm *trap = create("trap", VMM_MMU_DEFAULT), *shadow = create("hw", VMM_MMU_SHADOW);
    struct module module = {0};
    struct vmm_error error;
    cr_assert_eq(vmm_module_replace_hardware(trap, &hardware, &module, &error), VMM_E_UNSUPPORTED);
    cr_assert_eq(vmm_module_replace_hardware(shadow, &hardware, &module, &error),
                 VMM_E_UNSUPPORTED);
    cr_assert_eq(vmm_module_replace_hardware(trap, &half, &module, &error), VMM_E_USAGE);
    cr_assert_eq(vmm_log_writes(shadow, true, &error), VMM_E_UNSUPPORTED);
    cr_assert_eq(vmm_module_state(shadow, "dispatcher.hardware"), VMM_MODULE_UNKNOWN);
    vmm_destroy(trap);
    vmm_destroy(shadow);
}

/* ---- what cannot be ---- */

Test(module_hardware, impossible_answers_stop_the_guest)
{
    static const struct {
        const char *says;
        struct module module;
    } odd[] = {
        {"which would exit again", {.cpuid = VMM_EXIT_RESUME}},
        {"changed more of the guest's registers",
         {.cpuid = VMM_EXIT_RESUME, .eip = 2, .flags = true}},
        {"let the guest wait", {.cpuid = VMM_EXIT_IDLE}},
        {"that is no IN and no OUT", {.cpuid = VMM_EXIT_IO, .size = 1}},
        {"took EXITCODE 0x72 for a nested page fault", {.cpuid = VMM_EXIT_FILL}},
        {"came to end 77", {.cpuid = (enum vmm_exit_end)77}},
        {"no event of section 15.20", {.cpuid = VMM_EXIT_INJECT, .event = 0x306}},
        {"no event of section 15.20", {.cpuid = VMM_EXIT_INJECT, .event = 0x80001306}},
        {"no event of section 15.20", {.cpuid = VMM_EXIT_INJECT, .event = 0x80000202}},
        {"which no device asked for", {.cpuid = VMM_EXIT_INJECT, .event = 0x80000020}},
        {"exception 13 without an error code", {.cpuid = VMM_EXIT_INJECT, .event = 0x8000030d}},
        {"exception 6 with an error code", {.cpuid = VMM_EXIT_INJECT, .event = 0x80000b06}},
        {"exception 9 without", {.cpuid = VMM_EXIT_INJECT, .event = 0x80000309}},
        {"the guest did not execute", {.cpuid = VMM_EXIT_INJECT, .event = 0x80000430}},
        {"which is the monitor's", {.table = 0x00000007}},
        {"outside of the machine's memory", {.table = 0xfee00007}},
        {"not present", {.table = 0x00001000}},
        {"its table is at", {.directory = 0x00001007}},
        {"tables of 4 KB pages only", {.more = 0x80}},
        {"where this virtual machine has no memory",
         {.cpuid = VMM_EXIT_RESUME, .eip = 2, .nothing = 1}},
        {"there is none of that kind", {.fill = (enum vmm_fill_kind)77}},
        {"it is the virtual machine's", {.fill = VMM_FILL_NOTHING}},
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct module module = odd[i].module;
        struct vmm_vm *vm = run(&module);
        const char *text = vmm_stop_text(vm);
        cr_expect(strstr(text, "Module dispatcher.hardware misbehaved: it "), "%zu: %s", i, text);
        cr_expect(strstr(text, odd[i].says), "%zu: '%s' is not in '%s'", i, odd[i].says, text);
        vmm_destroy(vm);
    }
}

/* Of the tables themselves: no page of the guest's may show them, no entry lead to the directory.
 */
static struct vmm_nested_answer to_itself(void *context, const struct vmm_nested_fault *fault)
{
    const uint32_t root = *(const uint32_t *)context;
    return (struct vmm_nested_answer){.directory_entry = (root ? root : fault->new_table) | ALL,
                                      .table_entry = (root ? root : fault->new_table) | ALL};
}

Test(module_hardware, tables_are_nobodys_page)
{
    const struct vmm_hardware self = {intercept, on_exit_of, to_itself, window};
    struct vmm_vm *vm = create("hw", VMM_MMU_DEFAULT);
    struct vmm_vmcb_field field;
    uint32_t root = 0;
    load(vm);
    for (size_t i = 0; vmm_vmcb_field(vm, i, &field); i++)
        if (strcmp(field.name, "N_CR3") == 0)
            root = (uint32_t)field.value;
    cr_assert_neq(root, 0);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t target = i ? root : 0;
        struct vmm_vm *each = create("hw", VMM_MMU_DEFAULT);
        struct {
            uint32_t target;
            struct module rest;
        } context = {.target = target};
        vmm_module_replace_hardware(each, &self, &context, NULL);
        load(each);
        vmm_run(each, 100);
        cr_expect(strstr(vmm_stop_text(each), i ? "to the directory itself" : "the monitor's"),
                  "%s", vmm_stop_text(each));
        vmm_destroy(each);
    }
    vmm_destroy(vm);
}

/* ---- logged writes ---- */

static struct vmm_nested_answer writable(void *context, const struct vmm_nested_fault *fault)
{
    (void)context;
    cr_assert(fault->log);
    return (struct vmm_nested_answer){.directory_entry = fault->new_table | ALL,
                                      .table_entry = fault->frame | ALL};
}

Test(module_hardware, the_log_is_kept)
{
    const struct vmm_hardware rash = {intercept, on_exit_of, writable, window};
    struct vmm_vm *vm = create("hw", VMM_MMU_DEFAULT);
    struct module module = {0};
    struct vmm_error error;
    cr_assert_eq(vmm_log_writes(vm, true, &error), VMM_OK);
    cr_assert_eq(vmm_module_replace_hardware(vm, &rash, &module, &error), VMM_OK);
    load(vm);
    cr_assert_eq(vmm_log_writes(vm, false, &error), VMM_E_STATE);
    vmm_run(vm, 100);
    cr_assert(strstr(vmm_stop_text(vm), "writable by a read, while writes are logged"), "%s",
              vmm_stop_text(vm));
    vmm_destroy(vm);
}
