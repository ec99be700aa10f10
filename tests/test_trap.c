/* Trap-and-emulate: Popek and Goldberg's virtual machine map, observed. Whether whole guests do the
 * same as on the bare machine is tests/test_techniques.sh; here is how a trap walks through the
 * rooms, what the guest's kernel cannot reach, and that several VMs live side by side. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <vmm/vmm.h>

struct output {
    char text[4096];
    size_t length;
};

static void collect(void *context, const uint8_t *bytes, size_t count)
{
    struct output *output = context;
    for (size_t i = 0; i < count && output->length + 1 < sizeof output->text; i++)
        output->text[output->length++] = (char)bytes[i];
}

static struct vmm_vm *start_with(struct vmm_config config, const uint8_t *code, size_t size,
                                 struct output *output)
{
    struct vmm_error error;
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = code, .size = (uint32_t)size}};
    memset(output, 0, sizeof *output);
    config.memory_size = 4 << 20;
    config.console = (struct vmm_console){.context = output, .output = collect};
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    return vm;
}

#define START(code, output)                                                                        \
    start_with((struct vmm_config){.technique = "trap"}, code, sizeof(code), output)

/* ---- the walk of a trap ---- */

struct seen {
    char walks[64][8];
    const char *causes[64];
    unsigned count;
    struct vmm_record last;
};

static void note(void *context, const struct vmm_record *record)
{
    struct seen *seen = context;
    cr_assert_leq(strlen(record->walk), 1 + VMM_RECORD_STEPS, "%s", record->cause);
    cr_assert_eq(record->walk[0], 'D', "every trap enters the dispatcher");
    if (seen->count < 64) {
        memcpy(seen->walks[seen->count], record->walk, sizeof record->walk);
        seen->causes[seen->count++] = record->cause;
    }
    seen->last = *record;
}

static const char *walk_of(const struct seen *seen, const char *cause)
{
    for (unsigned i = 0; i < seen->count; i++)
        if (strcmp(seen->causes[i], cause) == 0)
            return seen->walks[i];
    return "no such trap";
}

Test(trap, each_trap_walks_through_the_rooms_that_it_needs)
{
    /* cli; mov cr3,eax (paging is off); in al,0x60; out 0xe9,al; rdtsc; mov ebx,[0x200000];
       out 0xf4,al */
    static const uint8_t code[] = {0xfa, 0x31, 0xc0, 0x0f, 0x22, 0xd8, 0xe4, 0x60, 0xe6, 0xe9,
                                   0x0f, 0x31, 0x8b, 0x1d, 0,    0,    0x20, 0,    0xe6, 0xf4};
    struct output output;
    struct seen seen = {0};
    struct vmm_vm *vm = START(code, &output);
    vmm_watch(vm, note, &seen);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    cr_assert_str_eq(walk_of(&seen, "cli"), "DI");
    cr_assert_str_eq(walk_of(&seen, "mov_to_cr"), "DIA");
    cr_assert_str_eq(walk_of(&seen, "in"), "DIAI");
    cr_assert_str_eq(walk_of(&seen, "out"), "DIAI");
    cr_assert_str_eq(walk_of(&seen, "rdtsc"), "DI");
    cr_assert_str_eq(walk_of(&seen, "hidden_fault"), "DA");
    vmm_destroy(vm);
}

Test(trap, a_record_says_what_changed)
{
    /* mov eax,cr0; or eax,8 (TS); mov cr0,eax; hlt */
    static const uint8_t code[] = {0x0f, 0x20, 0xc0, 0x83, 0xc8, 0x08,
                                   0x0f, 0x22, 0xc0, 0xfa, 0xf4};
    struct output output;
    struct seen seen = {0};
    struct vmm_vm *vm = START(code, &output);
    vmm_watch(vm, note, &seen);
    vmm_run(vm, 3);
    cr_assert_str_eq(seen.last.cause, "mov_to_cr");
    cr_assert_eq(seen.last.linear, 0x100006);
    cr_assert_eq(seen.last.length, 3);
    cr_assert_eq(seen.last.ring, 0, "the guest believes to be at ring 0");
    cr_assert_str_eq(seen.last.changes[0].what, "cr0");
    cr_assert_eq(seen.last.changes[0].before ^ seen.last.changes[0].after, 8);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_HALT);
    vmm_destroy(vm);
}

static void interrupt_it(void *context, const struct vmm_record *record)
{
    (void)record;
    vmm_interrupt(context);
}

/* Also where the next event of a device is far, and nothing but traps happens. */
Test(trap, an_interrupted_vm_stops_at_its_next_trap)
{
    /* again: clts; jmp again */
    static const uint8_t code[] = {0x0f, 0x06, 0xeb, 0xfc};
    struct output output;
    struct vmm_statistics statistics;
    struct vmm_vm *vm = START(code, &output);
    vmm_watch(vm, interrupt_it, vm);
    cr_assert_eq(vmm_run(vm, 1000000), VMM_STOP_USER);
    vmm_statistics(vm, &statistics);
    cr_assert_lt(statistics.guest_instructions, 10);
    vmm_destroy(vm);
}

/* The sum of what was executed directly and what was emulated is all that retired. */
Test(trap, instructions_are_direct_or_emulated)
{
    /* mov ecx,100; again: clts; dec ecx; jnz again; out 0xf4,al */
    static const uint8_t code[] = {0xb9, 100, 0, 0, 0, 0x0f, 0x06, 0x49, 0x75, 0xfb, 0xe6, 0xf4};
    struct output output;
    struct vmm_statistics statistics;
    struct vmm_cause_count cause;
    struct vmm_vm *vm = START(code, &output);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    vmm_statistics(vm, &statistics);
    cr_assert_eq(statistics.guest_instructions, 1 + 300 + 1);
    cr_assert_eq(statistics.emulated, 101, "CLTS, and the OUT");
    cr_assert_eq(statistics.direct, 201);
    bool found = false;
    for (size_t i = 0; vmm_cause(vm, i, &cause); i++)
        if (strcmp(cause.cause, "clts") == 0) {
            found = true;
            cr_assert_eq(cause.count, 100);
        }
    cr_assert(found);
    vmm_destroy(vm);
}

/* An instruction that traps is a step as any other, in the middle of a block or at its start. */
Test(trap, every_step_is_one_instruction)
{
    /* inc eax; mov eax,0x10; mov cr4,eax; inc eax; cli; inc ecx; sti; inc eax; mov eax,cr0; clts;
       inc eax; cli; hlt */
    static const uint8_t code[] = {0x40, 0xb8, 0x10, 0,    0,    0,    0x0f, 0x22,
                                   0xe0, 0x40, 0xfa, 0x41, 0xfb, 0x40, 0x0f, 0x20,
                                   0xc0, 0x0f, 0x06, 0x40, 0xfa, 0xf4};
    static const uint8_t ends[] = {1, 6, 9, 0xa, 0xb, 0xc, 0xd, 0xe, 0x11, 0x13, 0x14, 0x15, 0x16};
    struct output output;
    struct vmm_vm *vm = START(code, &output);
    for (unsigned i = 0; i < sizeof ends; i++) {
        struct vmm_registers registers;
        struct vmm_statistics statistics;
        vmm_run(vm, 1);
        vmm_registers(vm, &registers);
        vmm_statistics(vm, &statistics);
        cr_assert_eq(registers.eip, 0x100000u + ends[i], "step %u: %#x", i, registers.eip);
        cr_assert_eq(statistics.guest_instructions, i + 1);
    }
    vmm_destroy(vm);
}

/* ---- random guests ---- */

static uint32_t seed;

static uint32_t dice(uint32_t sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % sides;
}

/* What a supervisor does, sensitive or not; nothing that is silent at ring 1, and no far transfer.
 */
static const struct {
    uint8_t length, bytes[7];
} fragments[] = {
    {1, {0xfa}},
    {1, {0xfb}},
    {3, {0x0f, 0x20, 0xc0}},
    {3, {0x0f, 0x20, 0xd0}},
    {3, {0x0f, 0x20, 0xd8}},
    {3, {0x0f, 0x22, 0xd0}},
    {2, {0x0f, 0x06}},
    {2, {0x8c, 0xd8}},
    {2, {0xe4, 0x60}},
    {2, {0xe6, 0xe9}},
    {1, {0xec}},
    {1, {0xee}},
    {2, {0x0f, 0x31}},
    {2, {0x0f, 0xa2}},
    {1, {0x40}},
    {1, {0x50}},
    {1, {0x58}},
    {2, {0xcd, 0x40}},
    {1, {0xcc}},
    {2, {0x01, 0xd8}},
    {2, {0xf7, 0xf1}},
    {1, {0xa4}},
    {1, {0xaa}},
    {2, {0x0f, 0x0b}},
    {3, {0x0f, 0x21, 0xf0}},
    {2, {0x0f, 0x32}},
    {2, {0x0f, 0x30}},
    {3, {0x0f, 0x00, 0xd8}},
    {1, {0x6c}},
    {1, {0x6e}},
    {3, {0x0f, 0x01, 0x38}},
    {2, {0x89, 0x03}},
    {2, {0x87, 0x03}},
    {2, {0x0f, 0x09}},
    {5, {0xb8, 0x10}},
    {4, {0xc8, 0x10}},
};

enum { RANDOM_SIZE = 0x1000, RANDOM_GUESTS = 60, RANDOM_STEPS = 2000 };

/* Each gate leads to a handler that goes on one byte behind the instruction that raised it. */
static void make_guest(uint8_t *image)
{
    static const uint8_t prologue[] = {
        0x0f, 0x01, 0x1d, 0xf0, 7,    0x10, 0,             /* lidt */
        0xbc, 0,    0,    0x18, 0,    0xbb, 0,    0, 0x19, /* esp, ebx */
        0,    0xbe, 0,    0,    0x1a, 0,    0xbf, 0, 0,    /* esi, edi */
        0x1b, 0,    0xba, 0x21, 0,    0,    0};            /* edx */
    static const uint8_t plain[] = {0xff, 0x04, 0x24, 0xcf}, with_code[] = {0x83, 0xc4, 4};
    unsigned at = sizeof prologue;
    memset(image, 0x90, RANDOM_SIZE);
    memcpy(image, prologue, sizeof prologue);
    while (at < 0x600) {
        unsigned i = dice(sizeof fragments / sizeof *fragments);
        memcpy(image + at, fragments[i].bytes, fragments[i].length);
        at += fragments[i].length;
    }
    memcpy(image + 0x7f0, (uint8_t[]){0xff, 7, 0, 8, 0x10, 0}, 6);
    memcpy(image + 0x7e0, plain, sizeof plain);
    memcpy(image + 0x7e4, with_code, sizeof with_code);
    memcpy(image + 0x7e7, plain, sizeof plain);
    for (unsigned vector = 0; vector < 256; vector++) {
        bool code = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
        const uint8_t gate[] = {code ? 0xe4 : 0xe0, 7, 8, 0, 0, 0x8e, 0x10, 0};
        memcpy(image + 0x800 + vector * 8, gate, sizeof gate);
    }
}

Test(trap, random_guests_do_as_on_the_bare_machine)
{
    static uint8_t image[RANDOM_SIZE];
    for (seed = 1; seed <= RANDOM_GUESTS; seed++) {
        uint32_t number = seed;
        static const char *const techniques[] = {"bare", "trap", "interp", "hybrid", "bt"};
        struct output output[5];
        uint64_t digests[5];
        seed *= 2654435761u;
        make_guest(image);
        seed = number;
        for (unsigned i = 0; i < 5; i++) {
            struct vmm_vm *vm = start_with((struct vmm_config){.technique = techniques[i]}, image,
                                           sizeof image, &output[i]);
            vmm_run(vm, RANDOM_STEPS);
            digests[i] = vmm_digest(vm);
            vmm_destroy(vm);
            cr_assert_str_eq(output[0].text, output[i].text, "guest %u: %s", number, techniques[i]);
            cr_assert_eq(digests[0], digests[i], "guest %u: %s", number, techniques[i]);
        }
    }
}

/* ---- silent sensitive instructions (Robin and Irvine 2000) ---- */

Test(trap, a_silent_instruction_stops_the_guest_where_its_result_differs)
{
    /* sti; nop; pushf; popf (nothing changes); pushf; and dword [esp],~0x200 (IF); popf; hlt */
    static const uint8_t code[] = {0xbc, 0,    0,    0x20, 0,    0xfb, 0x90, 0x9c, 0x9d, 0x9c,
                                   0x81, 0x24, 0x24, 0xff, 0xfd, 0xff, 0xff, 0x9d, 0xf4};
    struct output output;
    struct vmm_registers registers;
    struct vmm_silent silent;
    struct vmm_vm *vm = START(code, &output);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_DIVERGENCE);
    vmm_registers(vm, &registers);
    cr_assert_eq(registers.eip, 0x100011, "before it is executed");
    cr_assert(vmm_silent(vm, 0, &silent));
    cr_assert_str_eq(silent.mnemonic, "popf");
    cr_assert_eq(silent.linear, 0x100011);
    cr_assert_eq(silent.ring, 0);
    cr_assert_not(vmm_silent(vm, 1, &silent));
    cr_assert_eq(strncmp(vmm_stop_text(vm), "trap: popf at 0x00100011", 24), 0, "%s",
                 vmm_stop_text(vm));
    vmm_destroy(vm);
}

Test(trap, keep_going_counts_every_place)
{
    /* mov ecx,5; again: sgdt [0x200000]; smsw eax; str ax; dec ecx; jnz again; out 0xf4,al */
    static const uint8_t code[] = {0xb9, 5, 0,    0,    0,    0x0f, 0x01, 0x05, 0,    0,
                                   0x20, 0, 0x0f, 0x00, 0xc8, 0x49, 0x75, 0xf3, 0xe6, 0xf4};
    struct output output;
    struct vmm_silent silent;
    struct vmm_vm *vm = start_with((struct vmm_config){.technique = "trap", .keep_going = true},
                                   code, sizeof code, &output);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    cr_assert(vmm_silent(vm, 0, &silent));
    cr_assert_str_eq(silent.mnemonic, "sgdt");
    cr_assert_eq(silent.count, 5);
    cr_assert(vmm_silent(vm, 1, &silent));
    cr_assert_str_eq(silent.mnemonic, "str");
    cr_assert_eq(silent.count, 5);
    vmm_destroy(vm);
}

/* ---- several VMs ---- */

/* Writes its letter ten times, with a loop between that takes longer than a slice. */
static const uint8_t letters[] = {0xbb, 10, 0, 0,    0,    0xb0, 'a',  0xe6, 0xe9, 0xb9, 0,
                                  4,    0,  0, 0x49, 0x75, 0xfd, 0x4b, 0x75, 0xf1, 0xe6, 0xf4};

Test(trap, vms_side_by_side_are_as_each_alone)
{
    enum { VMS = 3 };
    uint8_t code[sizeof letters];
    struct output alone[VMS], output[VMS];
    uint64_t digest[VMS];
    struct vmm_vm *vm[VMS];
    for (unsigned i = 0; i < VMS; i++) {
        memcpy(code, letters, sizeof code);
        code[6] = (uint8_t)('a' + i);
        struct vmm_vm *single = START(code, &alone[i]);
        cr_assert_eq(vmm_run(single, 0), VMM_STOP_EXIT);
        digest[i] = vmm_digest(single);
        vmm_destroy(single);
        vm[i] = start_with(
            (struct vmm_config){.technique = "trap", .vms = VMS, .beside = i ? vm[0] : NULL}, code,
            sizeof code, &output[i]);
    }
    cr_assert(vmm_run_together(vm, VMS, 300, 0));
    for (unsigned i = 0; i < VMS; i++) {
        struct vmm_statistics statistics;
        vmm_statistics(vm[i], &statistics);
        cr_assert_eq(statistics.stop, VMM_STOP_EXIT);
        cr_assert_str_eq(output[i].text, alone[i].text);
        cr_assert_eq(output[i].length, 10);
        cr_assert_eq(vmm_digest(vm[i]), digest[i], "VM %u", i);
    }
    vmm_destroy(vm[1]);
    vmm_destroy(vm[0]);
    vmm_destroy(vm[2]);
}

Test(trap, a_machine_that_is_full_takes_no_other_vm)
{
    struct vmm_error error;
    struct vmm_config config = {.technique = "trap", .memory_size = 4 << 20};
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm);
    config.beside = vm;
    cr_assert_null(vmm_create(&config, &error));
    cr_assert_eq(error.code, VMM_E_MEMORY);
    config.technique = "bare";
    cr_assert_null(vmm_create(&config, &error));
    cr_assert_eq(error.code, VMM_E_USAGE);
    vmm_destroy(vm);
}
