/* Hardware assist: what the VMCB says is what comes to the VMM (AMD APM volume 2, chapter 15 and
 * appendices B and C), and nothing of it comes to the guest. Whether whole guests do the same as on
 * the bare machine is tests/test_techniques.sh. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/vmm.h>

#include "allocator/nested.h"
#include "arch/x86/walk.h"
#include "dispatcher/hw.h"
#include "vm/vm.h"

enum { BASE = 0x100000, ROOM = 0x3000, DATA = 0x2000, TABLES = 0x200000, EAX = 0, EBX = 3 };

TestSuite(hw);

/* ---- guests ---- */

struct guest {
    uint8_t bytes[ROOM];
    unsigned length;
};

static void emit(struct guest *guest, const void *bytes, size_t count)
{
    cr_assert_leq(guest->length + count, DATA);
    memcpy(guest->bytes + guest->length, bytes, count);
    guest->length += (unsigned)count;
}

#define EMIT(guest, ...)                                                                           \
    emit(guest, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void put_word(struct guest *guest, unsigned offset, uint32_t value)
{
    memcpy(guest->bytes + offset, &value, sizeof value);
}

/* Loads a GDT with flat segments 8 and 0x10, an IDT whose 32 gates lead to `handler` (an offset in
 * the guest), and a stack. */
enum { GDT = DATA, GDTR = DATA + 0x20, IDTR = DATA + 0x28, IDT = DATA + 0x100, HANDLER = 0x1f00 };

static void begin(struct guest *guest)
{
    static const uint8_t descriptors[] = {0, 0,    0,    0, 0,    0,    0, 0, 0xff, 0xff, 0,    0,
                                          0, 0x9b, 0xcf, 0, 0xff, 0xff, 0, 0, 0,    0x93, 0xcf, 0};
    memset(guest, 0, sizeof *guest);
    memcpy(guest->bytes + GDT, descriptors, sizeof descriptors);
    put_word(guest, GDTR, 0x17 | (uint32_t)(BASE + GDT) << 16);
    put_word(guest, GDTR + 4, (BASE + GDT) >> 16);
    put_word(guest, IDTR, (256 * 8 - 1) | (uint32_t)(BASE + IDT) << 16);
    put_word(guest, IDTR + 4, (BASE + IDT) >> 16);
    for (unsigned vector = 0; vector < 0x90; vector++) {
        put_word(guest, IDT + 8 * vector, ((BASE + HANDLER) & 0xffff) | 8 << 16);
        put_word(guest, IDT + 8 * vector + 4, ((BASE + HANDLER) & 0xffff0000u) | 0x8e00);
    }
    EMIT(guest, 0x0f, 0x01, 0x15, GDTR & 0xff, GDTR >> 8, BASE >> 16, 0); /* lgdt */
    EMIT(guest, 0x0f, 0x01, 0x1d, IDTR & 0xff, IDTR >> 8, BASE >> 16, 0); /* lidt */
    EMIT(guest, 0xbc, 0, 0, 0x20, 0);                                     /* mov esp, 0x200000 */
    EMIT(guest, 0xea, 0x1a, 0, BASE >> 16, 0, 8, 0);                      /* jmp 8:next */
    /* The handler: inc ebx; out 0xf4, al. */
    memcpy(guest->bytes + HANDLER, "\x43\xe6\xf4", 3);
    cr_assert_eq(guest->length, 0x1a);
}

static void end(struct guest *guest)
{
    EMIT(guest, 0xe6, 0xf4); /* out 0xf4, al */
}

struct output {
    char text[64];
    size_t length;
};

static void collect(void *context, const uint8_t *bytes, size_t count)
{
    struct output *output = context;
    for (size_t i = 0; i < count && output->length + 1 < sizeof output->text; i++)
        output->text[output->length++] = (char)bytes[i];
}

static struct vmm_vm *create(struct vmm_config config, const struct guest *guest)
{
    struct vmm_error error;
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = guest->bytes, .size = ROOM}};
    config.memory_size = 4 << 20;
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    return vm;
}

static struct vmm_vm *under(const char *intercepts, enum vmm_mmu mmu, const struct guest *guest)
{
    return create((struct vmm_config){.technique = "hw", .intercepts = intercepts, .mmu = mmu},
                  guest);
}

static struct vmm_vm *bare(const struct guest *guest)
{
    return create((struct vmm_config){.technique = "bare"}, guest);
}

static uint64_t exits_of(const struct vmm_vm *vm, const char *name)
{
    struct vmm_cause_count cause;
    for (size_t i = 0; vmm_cause(vm, i, &cause); i++)
        if (strcmp(cause.cause, name) == 0)
            return cause.count;
    return 0;
}

static uint64_t all_exits(const struct vmm_vm *vm)
{
    struct vmm_cause_count cause;
    uint64_t count = 0;
    for (size_t i = 0; vmm_cause(vm, i, &cause); i++)
        count += cause.count;
    return count;
}

/* The last record of that exit. */
struct wanted {
    const char *exit;
    uint32_t address; /* EXITINFO2; 0: any */
    struct vmm_record record;
    unsigned count;
};

static void look_for(void *context, const struct vmm_record *record)
{
    struct wanted *wanted = context;
    if (!record->exit || strcmp(record->exit, wanted->exit) != 0 ||
        (wanted->address && record->exit_info2 != wanted->address))
        return;
    wanted->record = *record;
    wanted->count++;
}

/* ---- what is intercepted is an exit, and nothing else is ---- */

static const struct {
    const char *intercept, *exit;
    unsigned code;
    uint8_t length, bytes[12];
} instructions[] = {
    {"cr0-read", "VMEXIT_CR0_READ", 0x00, 3, {0x0f, 0x20, 0xc0}},
    {"cr2-read", "VMEXIT_CR2_READ", 0x02, 3, {0x0f, 0x20, 0xd0}},
    {"cr3-read", "VMEXIT_CR3_READ", 0x03, 3, {0x0f, 0x20, 0xd8}},
    {"cr4-read", "VMEXIT_CR4_READ", 0x04, 3, {0x0f, 0x20, 0xe0}},
    {"cr0-read", "VMEXIT_CR0_READ", 0x00, 3, {0x0f, 0x01, 0xe0}}, /* smsw eax */
    {"cr0-write", "VMEXIT_CR0_WRITE", 0x10, 2, {0x0f, 0x06}},     /* clts */
    {"cr2-write", "VMEXIT_CR2_WRITE", 0x12, 3, {0x0f, 0x22, 0xd1}},
    {"cr3-write", "VMEXIT_CR3_WRITE", 0x13, 3, {0x0f, 0x22, 0xd9}},
    {"cr4-write", "VMEXIT_CR4_WRITE", 0x14, 3, {0x0f, 0x22, 0xe1}},
    {"dr7-read", "VMEXIT_DR7_READ", 0x27, 3, {0x0f, 0x21, 0xf8}},
    {"dr0-write", "VMEXIT_DR0_WRITE", 0x30, 3, {0x0f, 0x23, 0xc1}},
    {"idtr-read", "VMEXIT_IDTR_READ", 0x66, 7, {0x0f, 0x01, 0x0d, 0, 0, 0x28, 0}},
    {"gdtr-read", "VMEXIT_GDTR_READ", 0x67, 7, {0x0f, 0x01, 0x05, 0, 0, 0x28, 0}},
    {"ldtr-read", "VMEXIT_LDTR_READ", 0x68, 3, {0x0f, 0x00, 0xc0}},
    {"tr-read", "VMEXIT_TR_READ", 0x69, 3, {0x0f, 0x00, 0xc8}},
    {"idtr-write",
     "VMEXIT_IDTR_WRITE",
     0x6a,
     7,
     {0x0f, 0x01, 0x1d, IDTR & 0xff, IDTR >> 8, 0x10, 0}},
    {"gdtr-write",
     "VMEXIT_GDTR_WRITE",
     0x6b,
     7,
     {0x0f, 0x01, 0x15, GDTR & 0xff, GDTR >> 8, 0x10, 0}},
    {"ldtr-write", "VMEXIT_LDTR_WRITE", 0x6c, 3, {0x0f, 0x00, 0xd1}},
    {"rdtsc", "VMEXIT_RDTSC", 0x6e, 2, {0x0f, 0x31}},
    {"pushf", "VMEXIT_PUSHF", 0x70, 1, {0x9c}},
    {"popf", "VMEXIT_POPF", 0x71, 2, {0x51, 0x9d}}, /* push ecx; popf */
    {"cpuid", "VMEXIT_CPUID", 0x72, 2, {0x0f, 0xa2}},
    {"invd", "VMEXIT_INVD", 0x76, 2, {0x0f, 0x08}},
    {"pause", "VMEXIT_PAUSE", 0x77, 2, {0xf3, 0x90}},
    {"invlpg", "VMEXIT_INVLPG", 0x79, 3, {0x0f, 0x01, 0x39}},
    {"ioio", "VMEXIT_IOIO", 0x7b, 2, {0xe4, 0x80}},
    {"msr", "VMEXIT_MSR", 0x7c, 9, {0xb9, 0x10, 0, 0, 0, 0x0f, 0x32, 0x31, 0xc9}}, /* rdmsr */
    {"wbinvd", "VMEXIT_WBINVD", 0x89, 2, {0x0f, 0x09}},
};
#define INSTRUCTIONS (sizeof instructions / sizeof *instructions)

/* xor ecx, ecx; the instruction, three times; the end. */
static void make(struct guest *guest, size_t i)
{
    begin(guest);
    EMIT(guest, 0x31, 0xc9);
    for (unsigned n = 0; n < 3; n++)
        emit(guest, instructions[i].bytes, instructions[i].length);
    end(guest);
}

Test(hw, each_intercept_is_an_exit_of_its_own)
{
    for (size_t i = 0; i < INSTRUCTIONS; i++) {
        struct guest guest;
        struct vmm_statistics none, all;
        make(&guest, i);
        struct wanted wanted = {.exit = instructions[i].exit};
        struct vmm_vm *with = under(instructions[i].intercept, VMM_MMU_NESTED, &guest);
        struct vmm_vm *without = under("none", VMM_MMU_NESTED, &guest), *real = bare(&guest);
        vmm_watch(with, look_for, &wanted);
        cr_assert_eq(vmm_run(with, 0), VMM_STOP_EXIT, "%s", vmm_stop_text(with));
        cr_assert_eq(vmm_run(without, 0), VMM_STOP_EXIT, "%s", vmm_stop_text(without));
        cr_assert_eq(vmm_run(real, 0), VMM_STOP_EXIT);
        /* The port of the end belongs to the guest. IDT and GDT are loaded at the start, too. */
        bool table = strstr(instructions[i].exit, "DTR_WRITE") && instructions[i].code != 0x6c;
        unsigned expected = 3 + table + (instructions[i].code == 0x7b);
        cr_assert_eq(wanted.count, expected, "%s: %u", wanted.exit, wanted.count);
        cr_assert_eq(wanted.record.exit_code, instructions[i].code, "%s", wanted.exit);
        cr_assert_eq(exits_of(without, wanted.exit), 0, "%s", wanted.exit);
        cr_assert_eq(vmm_digest(with), vmm_digest(real), "%s", wanted.exit);
        cr_assert_eq(vmm_digest(without), vmm_digest(real), "%s", wanted.exit);
        vmm_statistics(with, &all);
        vmm_statistics(without, &none);
        cr_assert_eq(all.guest_instructions, none.guest_instructions);
        cr_assert_eq(all.emulated, none.emulated + expected);
        vmm_destroy(with);
        vmm_destroy(without);
        vmm_destroy(real);
    }
}

/* All of them, one after the other, under every set and both kinds of paging. */
Test(hw, the_set_of_intercepts_changes_exits_and_nothing_else)
{
    static const char *const sets[] = {"none", "default", "all", "cr3,pushf,exceptions"};
    struct guest guest;
    begin(&guest);
    EMIT(&guest, 0x31, 0xc9);
    for (size_t i = 0; i < INSTRUCTIONS; i++)
        emit(&guest, instructions[i].bytes, instructions[i].length);
    EMIT(&guest, 0x0f, 0x0b); /* ud2: the handler ends it */
    struct vmm_vm *real = bare(&guest);
    cr_assert_eq(vmm_run(real, 0), VMM_STOP_EXIT);
    struct vmm_registers registers;
    vmm_registers(real, &registers);
    cr_assert_eq(registers.gpr[EBX], 1, "the handler ran");
    uint64_t last = 0;
    for (size_t i = 0; i < 2 * sizeof sets / sizeof *sets; i++) {
        enum vmm_mmu mmu = i % 2 ? VMM_MMU_SHADOW : VMM_MMU_NESTED;
        struct vmm_vm *vm = under(sets[i / 2], mmu, &guest);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT, "%s: %s", sets[i / 2], vmm_stop_text(vm));
        cr_assert_eq(vmm_digest(vm), vmm_digest(real), "%s", sets[i / 2]);
        if (mmu == VMM_MMU_NESTED) {
            uint64_t exits = all_exits(vm);
            cr_assert_neq(exits, last, "%s: as many as before", sets[i / 2]);
            last = exits;
        }
        vmm_destroy(vm);
    }
    vmm_destroy(real);
}

/* ---- what is told of an exit ---- */

/* APM volume 2, section 15.10.2, figure 15-2. */
Test(hw, exit_information_of_a_port_access)
{
    static const struct {
        uint8_t length, bytes[4];
        uint64_t info1, qualification; /* the latter by SDM volume 3, table 28-5 */
    } accesses[] = {
        {2,
         {0xe4, 0x80},
         0x80u << 16 | 1 << 4 | 1,
         0x80u << 16 | 1 << 6 | 1 << 3},                                   /* in al, 0x80 */
        {2, {0xe7, 0x80}, 0x80u << 16 | 4 << 4, 0x80u << 16 | 1 << 6 | 3}, /* out 0x80, eax */
        {3, {0x66, 0xef, 0x90}, 0x80u << 16 | 2 << 4, 0x80u << 16 | 1},    /* out dx, ax */
        {2,
         {0xf3, 0x6e},
         0x80u << 16 | 3 << 10 | 1 << 8 | 1 << 4 | 1 << 3 | 1 << 2,
         0x80u << 16 | 1 << 5 | 1 << 4}, /* rep outsb */
        /* rep outsd from FS, 16-bit addresses; insw: ES whatever the prefix */
        {4,
         {0xf3, 0x64, 0x67, 0x6f},
         0x80u << 16 | 4 << 10 | 1 << 7 | 4 << 4 | 1 << 3 | 1 << 2,
         0x80u << 16 | 1 << 5 | 1 << 4 | 3},
        {3,
         {0x66, 0x65, 0x6d},
         0x80u << 16 | 1 << 8 | 2 << 4 | 1 << 2 | 1,
         0x80u << 16 | 1 << 4 | 1 << 3 | 1},
    };
    for (size_t i = 0; i < sizeof accesses / sizeof *accesses; i++) {
        struct guest guest;
        struct wanted wanted = {.exit = "VMEXIT_IOIO"};
        uint64_t qualification;
        char text[160];
        begin(&guest);
        /* mov edx, 0x80; mov ecx, 1; mov esi, BASE */
        EMIT(&guest, 0xba, 0x80, 0, 0, 0, 0xb9, 1, 0, 0, 0, 0xbe, 0, 0, 0x10, 0);
        unsigned at = guest.length;
        emit(&guest, accesses[i].bytes, accesses[i].length);
        EMIT(&guest, 0x0f, 0x0b);
        memcpy(guest.bytes + HANDLER, "\xfa\xf4", 2); /* cli; hlt */
        struct vmm_vm *vm = under("ioio", VMM_MMU_NESTED, &guest);
        vmm_watch(vm, look_for, &wanted);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_HALT);
        cr_assert_eq(wanted.count, 1);
        cr_assert_eq(wanted.record.exit_info1, accesses[i].info1, "0x%llx",
                     (unsigned long long)wanted.record.exit_info1);
        cr_assert_geq(wanted.record.exit_info2, BASE + at + 2, "the next instruction's address");
        cr_assert(vmm_exit_qualification(&wanted.record, &qualification));
        cr_assert_eq(qualification, accesses[i].qualification, "%zu: 0x%llx", i,
                     (unsigned long long)qualification);
        cr_assert_gt(vmm_exit_bits(&wanted.record, text, sizeof text), 0);
        cr_assert(strstr(text, "port 0x80"), "%s", text);
        cr_assert_str_eq(wanted.record.walk, "DIAI");
        vmm_destroy(vm);
    }
}

static struct vmm_record nested_fault_of(const uint8_t *code, unsigned length, uint32_t physical)
{
    struct guest guest;
    struct wanted wanted = {.exit = "VMEXIT_NPF", .address = physical};
    begin(&guest);
    emit(&guest, code, length);
    end(&guest);
    struct vmm_vm *vm = under("none", VMM_MMU_NESTED, &guest);
    vmm_watch(vm, look_for, &wanted);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    cr_assert_eq(wanted.count, 1, "0x%x: %u", physical, wanted.count);
    vmm_destroy(vm);
    return wanted.record;
}

/* Section 15.25.6: P, R/W, U/S of the error code, the bits above it, and the guest-physical
 * address. SDM volume 3, table 28-7: read 0, write 1, allowed 3 to 5, linear address valid 7,
 * final 8. */
Test(hw, exit_information_of_a_nested_fault)
{
    static const struct {
        uint8_t code[5];
        uint64_t info1, qualification;
        const char *bits;
    } accesses[] = {
        {{0xa3, 0x34, 0x12, 0x30, 0},
         NESTING_USER | NESTING_WRITE | VMCB_NPF_FINAL,
         1 << 1 | 1 << 7 | 1 << 8,
         "P=0 (the entry is not present), W=1 (a write), U=1, bit 32"}, /* mov [0x301234], eax */
        {{0xa1, 0x34, 0x12, 0x30, 0},
         NESTING_USER | VMCB_NPF_FINAL,
         1 << 0 | 1 << 7 | 1 << 8,
         "W=0 (a read or fetch)"}, /* mov eax, [0x301234] */
    };
    for (size_t i = 0; i < 2; i++) {
        struct vmm_record record = nested_fault_of(accesses[i].code, 5, 0x301234);
        uint64_t qualification;
        char text[160];
        cr_assert_eq(record.exit_code, 0x400);
        cr_assert_eq(record.exit_info1, accesses[i].info1, "0x%llx",
                     (unsigned long long)record.exit_info1);
        cr_assert_eq(record.exit_info2, 0x301234);
        cr_assert_str_eq(record.walk, "DA");
        cr_assert_str_eq(record.exit_intel, "EPT violation");
        cr_assert(vmm_exit_qualification(&record, &qualification));
        cr_assert_eq(qualification, accesses[i].qualification, "0x%llx",
                     (unsigned long long)qualification);
        vmm_exit_bits(&record, text, sizeof text);
        cr_assert(strstr(text, accesses[i].bits), "%s", text);
    }
}

/* P, and what an entry that is there allows, as no VMM of ours has them: read-only. */
Test(hw, qualification_of_an_entry_that_refuses)
{
    const struct vmm_record record = {.exit = "VMEXIT_NPF",
                                      .exit_info1 = NESTING_USER | NESTING_WRITE | NESTING_PRESENT |
                                                    VMCB_NPF_TABLE},
                            other = {.exit = "VMEXIT_CPUID"};
    uint64_t qualification;
    char text[160];
    cr_assert(vmm_exit_qualification(&record, &qualification));
    cr_assert_eq(qualification, 1 << 1 | 1 << 3 | 1 << 5 | 1 << 7);
    vmm_exit_bits(&record, text, sizeof text);
    cr_assert(strstr(text, "P=1 (the entry is there, and refuses)"), "%s", text);
    cr_assert(strstr(text, "bit 33"), "%s", text);
    cr_assert_not(vmm_exit_qualification(&other, &qualification));
    cr_assert_eq(vmm_exit_bits(&other, text, sizeof text), 0);
    cr_assert_str_eq(text, "");
}

/* SDM volume 3, table 28-3: the register's number, the kind of access, the general register. */
Test(hw, qualification_of_control_registers)
{
    static const struct {
        const char *exit;
        uint8_t length, bytes[4];
        uint64_t qualification;
    } accesses[] = {{"VMEXIT_CR3_WRITE", 3, {0x0f, 0x22, 0xdb}, 3 | 0 << 4 | 3 << 8},
                    {"VMEXIT_CR4_READ", 3, {0x0f, 0x20, 0xe6}, 4 | 1 << 4 | 6 << 8},
                    {"VMEXIT_CR0_WRITE", 2, {0x0f, 0x06}, 2 << 4},
                    {"VMEXIT_CR0_SEL_WRITE", 3, {0x0f, 0x01, 0x30}, 3 << 4 | 1 << 6}};
    for (size_t i = 0; i < sizeof accesses / sizeof *accesses; i++) {
        struct vmm_record record = {.exit = accesses[i].exit, .length = accesses[i].length};
        uint64_t qualification;
        memcpy(record.bytes, accesses[i].bytes, sizeof accesses[i].bytes);
        cr_assert(vmm_exit_qualification(&record, &qualification));
        cr_assert_eq(qualification, accesses[i].qualification, "%zu: 0x%llx", i,
                     (unsigned long long)qualification);
    }
}

/* Each page of guest-physical memory faults once, however often it is used. */
Test(hw, nested_entries_are_made_on_demand)
{
    struct guest guest;
    begin(&guest);
    /* mov edi, 0x200000; mov ecx, 0x40000; rep stosd: 256 pages; twice */
    for (unsigned n = 0; n < 2; n++)
        EMIT(&guest, 0xbf, 0, 0, 0x20, 0, 0xb9, 0, 0, 4, 0, 0xf3, 0xab);
    end(&guest);
    struct vmm_vm *vm = under("none", VMM_MMU_NESTED, &guest);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    uint64_t faults = exits_of(vm, "VMEXIT_NPF");
    cr_assert_geq(faults, 256 + 2, "%llu", (unsigned long long)faults);
    cr_assert_leq(faults, 256 + 6, "%llu", (unsigned long long)faults);
    vmm_destroy(vm);
}

/* ---- events ---- */

/* Intercepted or not, the guest's handler sees the same; intercepted, the VMM injects it. */
Test(hw, an_intercepted_exception_is_injected)
{
    static const struct {
        const char *intercept, *exit;
        uint8_t length, bytes[8], vector;
        uint64_t info1, info2;
    } events[] = {
        {"ud", "VMEXIT_EXCP6", 2, {0x0f, 0x0b}, 6, 0, 0},
        {"de", "VMEXIT_EXCP0", 4, {0x31, 0xc0, 0xf7, 0xf0}, 0, 0, 0},
        {"gp", "VMEXIT_EXCP13", 5, {0x66, 0xb8, 0x28, 0, 0x8e}, 13, 0x28, 0}, /* mov ds, ax */
        {"bp", "VMEXIT_EXCP3", 1, {0xcc}, 3, 0, 0},
        {"swint", "VMEXIT_SWINT", 2, {0xcd, 0x30}, 0x30, 0, 0},
        /* WRMSR to a register that there is not: the microcode raises it. */
        {"gp", "VMEXIT_EXCP13", 7, {0xb9, 0x99, 0x99, 0, 0, 0x0f, 0x30}, 13, 0, 0},
    };
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        struct guest guest;
        struct wanted wanted = {.exit = events[i].exit};
        begin(&guest);
        emit(&guest, events[i].bytes, events[i].length);
        if (events[i].bytes[4] == 0x8e)
            EMIT(&guest, 0xd8);
        struct vmm_vm *vm = under(events[i].intercept, VMM_MMU_NESTED, &guest),
                      *real = bare(&guest);
        vmm_watch(vm, look_for, &wanted);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT, "%s: %s", wanted.exit, vmm_stop_text(vm));
        cr_assert_eq(vmm_run(real, 0), VMM_STOP_EXIT);
        cr_assert_eq(wanted.count, 1, "%s", wanted.exit);
        cr_assert(wanted.record.injected);
        cr_assert_eq(wanted.record.injected_vector, events[i].vector);
        cr_assert_eq(wanted.record.exit_info1, events[i].info1);
        cr_assert_eq(vmm_digest(vm), vmm_digest(real), "%s", wanted.exit);
        vmm_destroy(vm);
        vmm_destroy(real);
    }
}

/* Page tables for the first 4 MB, in one 4 KB page each: for `page_fault` and the walk. */
static void turn_paging_on(struct guest *guest, uint8_t entry)
{
    /* mov edi, TABLES+0x1000; mov eax, entry; 1: stosd; add eax, 0x1000; cmp eax, 0x400000;
       jb 1b; mov dword [TABLES], TABLES+0x1000 | 7; mov eax, TABLES; mov cr3, eax;
       mov eax, cr0; or eax, 0x80000000; mov cr0, eax */
    EMIT(guest, 0xbf, 0, 0x10, 0x20, 0, 0xb8, entry, 0, 0, 0, 0xab, 0x05, 0, 0x10, 0, 0, 0x3d, 0, 0,
         0x40, 0, 0x72, 0xf3, 0xc7, 0x05, 0, 0, 0x20, 0, 7, 0x10, 0x20, 0, 0xb8, 0, 0, 0x20, 0,
         0x0f, 0x22, 0xd8, 0x0f, 0x20, 0xc0, 0x0d, 0, 0, 0, 0x80, 0x0f, 0x22, 0xc0);
}

/* EXITINFO2 has the address, CR2 is the VMM's to load (section 15.12.15). */
Test(hw, a_page_fault_is_the_guests)
{
    for (unsigned shadow = 0; shadow < 2; shadow++) {
        struct guest guest;
        struct vmm_registers registers;
        struct wanted wanted = {.exit = "VMEXIT_EXCP14"};
        begin(&guest);
        turn_paging_on(&guest, 7);
        EMIT(&guest, 0xa1, 0x78, 0x56, 0x34, 0x12); /* mov eax, [0x12345678] */
        struct vmm_vm *real = bare(&guest);
        struct vmm_vm *vm = under("pf", shadow ? VMM_MMU_SHADOW : VMM_MMU_NESTED, &guest);
        vmm_watch(vm, look_for, &wanted);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT, "%s", vmm_stop_text(vm));
        cr_assert_eq(vmm_run(real, 0), VMM_STOP_EXIT);
        cr_assert_eq(wanted.record.exit_code, 0x4e);
        vmm_registers(vm, &registers);
        cr_assert_eq(registers.cr2, 0x12345678);
        cr_assert_eq(vmm_digest(vm), vmm_digest(real));
        cr_assert_eq(exits_of(vm, "true_fault"), shadow);
        vmm_destroy(vm);
        vmm_destroy(real);
    }
}

/* ---- two dimensions ---- */

/* Page tables that nobody has touched are missed by the processor itself: bit 33 of EXITINFO1, and
 * bit 8 of the qualification clear; a walk of the guest's tables may set A and D, and so is a
 * write. The page behind them costs the eight references of a walk in two dimensions. */
Test(hw, the_processors_own_accesses_are_told_apart)
{
    static const struct {
        uint32_t address;
        bool table;
    } faults[] = {{TABLES, true}, {TABLES + 0x1000 + 4 * 0x100, true}, {0x310008, false}};
    for (size_t i = 0; i < 3; i++) {
        struct guest guest;
        struct wanted wanted = {.exit = "VMEXIT_NPF", .address = faults[i].address};
        struct vmm_nested_walks before, after;
        uint32_t entry = (TABLES + 0x1000) | 7;
        uint64_t qualification;
        begin(&guest);
        /* mov eax, TABLES; mov cr3, eax; mov eax, cr0; or eax, 1 << 31; mov cr0, eax */
        EMIT(&guest, 0xb8, 0, 0, 0x20, 0, 0x0f, 0x22, 0xd8, 0x0f, 0x20, 0xc0, 0x0d, 0, 0, 0, 0x80,
             0x0f, 0x22, 0xc0);
        EMIT(&guest, 0xa1, 8, 0, 0x31, 0); /* mov eax, [0x310008] */
        end(&guest);
        struct vmm_vm *vm = under("none", VMM_MMU_NESTED, &guest);
        cr_assert_eq(vmm_write_physical(vm, TABLES, &entry, 4), 4);
        for (uint32_t page = 0; page < 1024; page++) {
            entry = page << 12 | 7;
            cr_assert_eq(vmm_write_physical(vm, TABLES + 0x1000 + 4 * page, &entry, 4), 4);
        }
        cr_assert_eq(vmm_run(vm, 8), VMM_STOP_LIMIT); /* paging is on, and nothing done with it */
        vmm_watch(vm, look_for, &wanted);
        cr_assert(vmm_nested_walks(vm, &before));
        cr_assert_eq(before.references, 2 * before.pages, "paging off: the nested table alone");
        cr_assert_eq(before.tables, 0);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT, "%s", vmm_stop_text(vm));
        cr_assert_eq(wanted.count, 1, "0x%x", faults[i].address);
        cr_expect_eq(wanted.record.exit_info1,
                     faults[i].table ? NESTING_USER | NESTING_WRITE | VMCB_NPF_TABLE
                                     : NESTING_USER | VMCB_NPF_FINAL,
                     "0x%llx", (unsigned long long)wanted.record.exit_info1);
        cr_assert(vmm_exit_qualification(&wanted.record, &qualification));
        cr_expect_eq(qualification >> 8 & 1, !faults[i].table);
        cr_assert(vmm_nested_walks(vm, &after));
        cr_expect_eq(after.tables, 2);
        cr_expect_eq(after.pages - before.pages, 1);
        cr_expect_eq(after.references - before.references, 8, "(2 + 1) (2 + 1) - 1");
        vmm_destroy(vm);
    }
    struct guest guest;
    struct vmm_nested_walks none;
    begin(&guest);
    end(&guest);
    struct vmm_vm *shadow = under("none", VMM_MMU_SHADOW, &guest), *real = bare(&guest);
    cr_assert_not(vmm_nested_walks(shadow, &none));
    cr_assert_not(vmm_nested_walks(real, &none));
    vmm_destroy(shadow);
    vmm_destroy(real);
}

/* Bhargava et al., ASPLOS 2008: (n + 1)(m + 1) - 1 references, 8 for two levels each. */
Test(hw, a_walk_in_two_dimensions_reads_eight_entries)
{
    struct guest guest;
    struct vmm_walk walk;
    begin(&guest);
    EMIT(&guest, 0xa1, 0, 0, 0x30, 0); /* mov eax, [0x300000], paging off */
    turn_paging_on(&guest, 7);
    EMIT(&guest, 0xa1, 0, 0, 0x31, 0); /* mov eax, [0x310000] */
    end(&guest);
    struct vmm_vm *vm = under("none", VMM_MMU_NESTED, &guest), *real = bare(&guest);
    vmm_run(vm, 5);
    vmm_walk(vm, 0x300000, &walk);
    cr_assert_eq(walk.references, 2, "paging off: the nested walk alone");
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    vmm_run(real, 0);
    vmm_walk(vm, 0x310004, &walk);
    cr_assert_eq(walk.guest.count, 2);
    cr_assert_eq(walk.nested_count, VMM_WALK_NESTED);
    cr_assert_eq(walk.references, 8);
    cr_assert(walk.has_machine);
    cr_assert_eq(walk.machine, frame_map_machine(&vm->map, 0x310004));
    cr_assert_eq(walk.nested[0].physical, frame_map_machine(&vm->map, TABLES));
    vmm_walk(vm, 0x320000, &walk);
    cr_assert_eq(walk.references, 8, "in a table that is there: an entry that is not present");
    cr_assert_not(walk.has_machine);
    vmm_walk(real, 0x310004, &walk);
    cr_assert_eq(walk.references, 0);
    vmm_destroy(vm);
    vmm_destroy(real);
}

/* ---- bitmaps ---- */

Test(hw, the_port_bitmap_says_which_ports)
{
    struct guest guest;
    struct output output = {.length = 0};
    begin(&guest);
    EMIT(&guest, 0xb0, 'h', 0xe6, 0xe9, 0xb0, 'i', 0xe6, 0xe9, 0xe4, 0x80, 0xb0, 0);
    end(&guest);
    struct vmm_vm *vm = create(
        (struct vmm_config){.technique = "hw", .console = {.context = &output, .output = collect}},
        &guest);
    struct hw *hw = vm->dispatcher.own;
    vmm_run(vm, 4);
    hw->iopm[0xe9 / 8] &= (uint8_t) ~(1u << (0xe9 % 8));
    hw_changed(&vm->dispatcher);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT, "%s", vmm_stop_text(vm));
    cr_assert_eq(exits_of(vm, "VMEXIT_IOIO"), 2, "ports 80 and F4");
    cr_assert_str_eq(output.text, "hi", "the device is there all the same");
    vmm_destroy(vm);
}

/* A port that the allocator did not give to the VM is always intercepted, whatever is configured:
 * it reads as ones. */
Test(hw, a_port_of_nobody_is_never_the_hardwares)
{
    struct guest guest;
    struct vmm_registers registers;
    begin(&guest);
    EMIT(&guest, 0x31, 0xc0, 0xba, 0x34, 0x12, 0, 0, 0xec, 0x89, 0xc3); /* in al,dx; mov ebx,eax */
    end(&guest);
    struct vmm_vm *vm = under("none", VMM_MMU_NESTED, &guest);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    vmm_registers(vm, &registers);
    cr_assert_eq(registers.gpr[EBX], 0xff);
    cr_assert_eq(exits_of(vm, "VMEXIT_IOIO"), 1, "and F4 is the guest's own");
    vmm_destroy(vm);
}

Test(hw, the_msr_bitmap_says_which_registers_and_which_way)
{
    struct guest guest;
    begin(&guest);
    for (unsigned n = 0; n < 2; n++) /* mov ecx, 0x10; rdmsr; wrmsr */
        EMIT(&guest, 0xb9, 0x10, 0, 0, 0, 0x0f, 0x32, 0x0f, 0x30);
    end(&guest);
    struct vmm_vm *vm = under("msr", VMM_MMU_NESTED, &guest), *real = bare(&guest);
    struct hw *hw = vm->dispatcher.own;
    vmm_run(vm, 1);
    hw->msrpm[0x10 / 4] &= (uint8_t)~1u; /* reads of MSR 0x10: two bits each, from bit 0x20 on */
    hw_changed(&vm->dispatcher);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    cr_assert_eq(vmm_run(real, 0), VMM_STOP_EXIT);
    cr_assert_eq(exits_of(vm, "VMEXIT_MSR"), 2, "the writes");
    cr_assert_eq(vmm_digest(vm), vmm_digest(real));
    vmm_destroy(vm);
    vmm_destroy(real);
}

/* Section 15.11: three ranges of 8192, and whatever lies outside is intercepted. */
Test(hw, the_msr_bitmap_has_three_ranges)
{
    static uint8_t map[VMCB_MSRPM_FRAMES * MEMORY_FRAME_SIZE];
    cr_assert_not(vmcb_msrpm_intercepts(map, 0, false));
    cr_assert_not(vmcb_msrpm_intercepts(map, 0xc0011fff, true));
    cr_assert(vmcb_msrpm_intercepts(map, 0x2000, false));
    cr_assert(vmcb_msrpm_intercepts(map, 0xc0012000, false));
    map[0x800] = 2; /* writes of C0000000 */
    cr_assert(vmcb_msrpm_intercepts(map, 0xc0000000, true));
    cr_assert_not(vmcb_msrpm_intercepts(map, 0xc0000000, false));
}

/* ---- the VMCB ---- */

Test(hw, every_field_is_shown_once)
{
    struct guest guest;
    struct vmm_vmcb_field field;
    struct vmm_registers registers;
    unsigned beyond = 0;
    size_t i;
    begin(&guest);
    end(&guest);
    struct vmm_vm *vm = under(NULL, VMM_MMU_DEFAULT, &guest), *real = bare(&guest);
    cr_assert_not(vmm_vmcb_field(real, 0, &field), "there is no VMCB on the bare machine");
    vmm_run(vm, 4);
    vmm_registers(vm, &registers);
    for (i = 0; vmm_vmcb_field(vm, i, &field); i++) {
        cr_assert_geq(field.offset, beyond, "%s", field.name);
        beyond = field.offset + field.bytes;
        if (strcmp(field.name, "RIP") == 0)
            cr_assert_eq(field.value, registers.eip);
        if (strcmp(field.name, "N_CR3") == 0)
            cr_assert_eq(field.value, nested_root(((const struct hw *)vm->dispatcher.own)->nested));
        if (strcmp(field.name, "GDTR.base") == 0)
            cr_assert_eq(field.value, BASE + GDT);
        if (strcmp(field.name, "CS.attrib") == 0)
            cr_assert_eq(field.value, 0xc9b, "G, D, P, code: packed to twelve bits");
    }
    cr_assert_geq(i, 60);
    vmm_destroy(vm);
    vmm_destroy(real);
}

/* Section 15.5.1: each of these makes VMRUN fail with VMEXIT_INVALID. */
Test(hw, an_impossible_vmcb_is_refused)
{
    static const struct {
        unsigned offset, bytes;
        uint64_t set, clear;
    } wrong[] = {
        {VMCB_EFER, 8, 0, VMCB_EFER_SVME},
        {VMCB_EFER, 8, 1u << 8, 0},  /* LME: no long mode here */
        {VMCB_EFER, 8, 1u << 10, 0}, /* LMA */
        {VMCB_EFER, 8, 1ull << 63, 0},
        {VMCB_CR0, 8, X86_CR0_NW, X86_CR0_CD}, /* CD 0, NW 1 */
        {VMCB_CR0, 8, 1ull << 32, 0},
        {VMCB_CR0, 8, 1ull << 63, 0},
        {VMCB_CR3, 8, 1ull << 32, 0},
        {VMCB_CR3, 8, 1ull << 52, 0},
        {VMCB_CR4, 8, 1u << 11, 0},
        {VMCB_CR4, 8, 1ull << 40, 0},
        {VMCB_CR4, 8, 1u << 31, 0},
        {VMCB_DR6, 8, 1ull << 32, 0},
        {VMCB_DR6, 8, 1ull << 63, 0},
        {VMCB_DR7, 8, 1ull << 32, 0},
        {VMCB_DR7, 8, 1ull << 63, 0},
        {VMCB_ASID, 4, 0, UINT32_MAX},
        {VMCB_INTERCEPTS + 16, 4, 0, 1}, /* VMRUN's own intercept */
        {VMCB_IOPM_BASE, 8, 1ull << 40, 0},
        {VMCB_MSRPM_BASE, 8, 0xfffff000u, 0},
        {VMCB_N_CR3, 8, 0xe0000000u, 0},
        {VMCB_EVENTINJ, 8, 1u << 31 | 1u << 8, 0},      /* type 1 */
        {VMCB_EVENTINJ, 8, 1u << 31 | 3u << 8 | 2, 0},  /* exception 2 */
        {VMCB_EVENTINJ, 8, 1u << 31 | 3u << 8 | 32, 0}, /* exception 32 */
        {VMCB_EVENTINJ, 8, 1u << 31 | 3u << 8 | 255, 0},
        {VMCB_EVENTINJ, 8, 1u << 31 | 5u << 8, 0},
        {VMCB_EVENTINJ, 8, 1u << 31 | 6u << 8, 0},
        {VMCB_EVENTINJ, 8, 1u << 31 | 7u << 8, 0},
    };
    struct guest guest;
    begin(&guest);
    end(&guest);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct wanted wanted = {.exit = "VMEXIT_INVALID"};
        struct vmm_vm *vm = under(NULL, VMM_MMU_DEFAULT, &guest);
        vmm_watch(vm, look_for, &wanted);
        cr_assert_eq(vmm_run(vm, 2), VMM_STOP_LIMIT);
        struct vmcb *vmcb = hw_look(&vm->dispatcher);
        uint64_t value = vmcb_get(vmcb, wrong[i].offset, wrong[i].bytes);
        vmcb_put(vmcb, wrong[i].offset, wrong[i].bytes, (value & ~wrong[i].clear) | wrong[i].set);
        hw_changed(&vm->dispatcher);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_FAILURE, "case %zu", i);
        cr_assert(strstr(vmm_stop_text(vm), "VMEXIT_INVALID"), "%s", vmm_stop_text(vm));
        cr_assert_eq(wanted.count, 1);
        cr_assert_eq(wanted.record.exit_code, UINT64_MAX);
        vmm_destroy(vm);
    }
}

/* VMRUN loads the guest's state from the save area. */
Test(hw, the_save_area_is_the_guests_state)
{
    struct guest guest;
    struct vmm_registers registers;
    begin(&guest);
    EMIT(&guest, 0x0f, 0x0b, 0x89, 0xc3); /* ud2, skipped; mov ebx, eax */
    end(&guest);
    struct vmm_vm *vm = under(NULL, VMM_MMU_DEFAULT, &guest);
    cr_assert_eq(vmm_run(vm, 4), VMM_STOP_LIMIT);
    struct vmcb *vmcb = hw_look(&vm->dispatcher);
    vmcb_put(vmcb, VMCB_RIP, 8, vmcb_get(vmcb, VMCB_RIP, 8) + 2);
    vmcb_put(vmcb, VMCB_RAX, 8, 0x1234);
    hw_changed(&vm->dispatcher);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT, "%s", vmm_stop_text(vm));
    vmm_registers(vm, &registers);
    cr_assert_eq(registers.gpr[EBX], 0x1234);
    vmm_destroy(vm);
}

/* ---- names ---- */

Test(hw, names_of_intercepts)
{
    struct vmcb_intercepts set;
    const char *bad, *name;
    size_t length, names = 0;
    while ((name = vmm_intercept(names)) != NULL) {
        cr_assert(vmcb_parse_intercepts(name, &set, &bad, &length), "%s", name);
        cr_assert(set.word[4] & 1, "VMRUN is always in");
        names++;
    }
    cr_assert_geq(names, 50);
    cr_assert(vmcb_parse_intercepts("hlt,cr3", &set, &bad, &length));
    cr_assert_eq(set.word[0], 1u << 3 | 1u << 19, "reads and writes");
    cr_assert_eq(set.word[3], 1u << 24);
    cr_assert_not(vmcb_parse_intercepts("hlt,,cr3", &set, &bad, &length));
    cr_assert_eq(length, 0);
    cr_assert_not(vmcb_parse_intercepts("hlt,cr33", &set, &bad, &length));
    cr_assert_eq(length, 4);
    cr_assert_not(strncmp(bad, "cr33", 4));
    cr_assert_not(vmcb_parse_intercepts("", &set, &bad, &length));
}

Test(hw, what_it_is_not_for_is_refused)
{
    static const struct vmm_config wrong[] = {
        {.technique = "hw", .intercepts = "cr5"},     {.technique = "hw", .intercepts = "default,"},
        {.technique = "trap", .intercepts = "cpuid"}, {.technique = "bare", .mmu = VMM_MMU_SHADOW},
        {.technique = "trap", .mmu = VMM_MMU_NESTED},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct vmm_error error;
        cr_assert_null(vmm_create(&wrong[i], &error));
        cr_assert_eq(error.code, VMM_E_USAGE);
        cr_assert_gt(strlen(error.text), 20);
    }
}

/* ---- guests that mean no good ---- */

/* Every field in turn full of ones, of zeros, and with its highest bit set: VMRUN refuses it, or
 * the guest runs into whatever that means; it comes to an end or to its limit, and the host to no
 * harm. */
Test(hw, any_field_may_hold_anything, .timeout = 120)
{
    struct guest guest;
    struct vmm_vmcb_field field;
    unsigned refused = 0, fields = 0;
    begin(&guest);
    EMIT(&guest, 0x0f, 0xa2, 0xa3, 0, 0, 0x30, 0, 0xcd, 0x30, 0xe4, 0x80); /* cpuid; mov; int; in */
    end(&guest);
    for (bool more = true; more; fields++) {
        for (unsigned kind = 0; kind < 3 && more; kind++) {
            struct vmm_vm *vm = under("default,pf", VMM_MMU_NESTED, &guest);
            cr_assert_eq(vmm_run(vm, 2), VMM_STOP_LIMIT);
            more = vmm_vmcb_field(vm, fields, &field);
            const uint64_t values[] = {UINT64_MAX, 0, 1ull << (more ? 8 * field.bytes - 1 : 0)};
            if (more) {
                vmcb_put(hw_look(&vm->dispatcher), field.offset, field.bytes, values[kind]);
                hw_changed(&vm->dispatcher);
                enum vmm_stop stop = vmm_run(vm, 2000);
                cr_assert_neq(stop, VMM_STOP_NONE);
                cr_assert_gt(strlen(vmm_stop_text(vm)), 10, "%s", field.name);
                bool invalid = strstr(vmm_stop_text(vm), "VMEXIT_INVALID") != NULL;
                cr_assert(!invalid || stop == VMM_STOP_FAILURE, "%s", field.name);
                refused += invalid;
            }
            vmm_destroy(vm);
        }
    }
    cr_assert_gt(fields, 60);
    cr_assert_geq(refused, 12,
                  "CR0, CR3, CR4, EFER, DR6, DR7, ASID, the bitmaps, N_CR3, EVENTINJ: %u", refused);
}

static uint32_t draw(uint32_t *random)
{
    *random = *random * 1664525u + 1013904223u;
    return *random >> 8;
}

static const uint32_t places[] = {0,           0x3ff000, 0x400000,    0xfffff000,
                                  0xf0000000,  TABLES,   0xffffffffu, 0xe0000000,
                                  0x80000000u, BASE,     0x00100fffu, 0x3fffff};

static uint32_t any_word(uint32_t *random)
{
    if (draw(random) & 1)
        return places[draw(random) % (sizeof places / sizeof *places)];
    return draw(random) << 16 ^ draw(random);
}

/* A page of entries, some of which lead to where no table should be; the last page of memory, which
 * is one of `places`, has such a page, too. */
static void write_wild_table(struct vmm_vm *vm, uint32_t address, uint32_t *random)
{
    for (unsigned i = 0; i < 1024; i++) {
        uint32_t entry = (any_word(random) & 0xfffff000u) | (draw(random) & 0x1ff);
        vmm_write_physical(vm, address + 4 * i, &entry, sizeof entry);
    }
}

/* Several fields at a time, with numbers, the ends of memory, the machine's firmware, page tables
 * of random words; and random code. VMM_VMCBS=N: so many. */
Test(hw, vmcbs_full_of_anything, .timeout = 3000)
{
    const char *chosen = getenv("VMM_VMCBS");
    const unsigned rounds = chosen ? (unsigned)atoi(chosen) : 60;
    static const char *const sets[] = {"default", "none", "all", "default,exceptions", "cr3,intr"};
    uint32_t random = chosen ? rounds : 1;
    struct guest guest;
    struct vmm_vmcb_field field;
    unsigned invalid = 0, fields = 0;
    begin(&guest);
    for (unsigned i = 0; i < 200; i++)
        EMIT(&guest, (uint8_t)draw(&random));
    end(&guest);
    for (unsigned round = 0; round < rounds; round++) {
        struct vmm_vm *vm = under(sets[draw(&random) % 5],
                                  draw(&random) & 1 ? VMM_MMU_SHADOW : VMM_MMU_NESTED, &guest);
        while (!fields || vmm_vmcb_field(vm, fields, &field))
            fields++;
        write_wild_table(vm, TABLES, &random);
        write_wild_table(vm, 0x3ff000, &random);
        uint8_t code = (uint8_t)draw(&random);
        vmm_write_physical(vm, BASE + 0x1a + draw(&random) % 64, &code, 1);
        cr_assert_eq(vmm_run(vm, 2), VMM_STOP_LIMIT);
        for (unsigned n = draw(&random) % 4 + 1; n > 0; n--) {
            vmm_vmcb_field(vm, draw(&random) % fields, &field);
            vmcb_put(hw_look(&vm->dispatcher), field.offset, field.bytes,
                     (uint64_t)(draw(&random) % 8 ? 0 : any_word(&random)) << 32 |
                         any_word(&random));
        }
        hw_changed(&vm->dispatcher);
        cr_assert_neq(vmm_run(vm, 3000), VMM_STOP_NONE);
        cr_assert_gt(strlen(vmm_stop_text(vm)), 10, "round %u", round);
        invalid += strstr(vmm_stop_text(vm), "VMEXIT_INVALID") != NULL;
        vmm_destroy(vm);
    }
    cr_assert(invalid > rounds / 20 && invalid < rounds, "%u of %u", invalid, rounds);
}

/* Page tables that point at themselves, or at each other, or beyond all memory, mean the same as on
 * the bare machine, whoever walks them. */
Test(hw, guest_page_tables_that_point_at_themselves)
{
    static const uint32_t entries[] = {TABLES | 7, TABLES | 0x1007, 0xfffff007, 0x00400007,
                                       0xe0000007, 0xf0000007,      0,          TABLES | 0x87,
                                       0x003ff007, 0x003ff087};
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        struct guest guest;
        begin(&guest);
        turn_paging_on(&guest, 7);
        /* mov dword [TABLES], entry; mov eax, cr3; mov cr3, eax; mov [0x345678], eax */
        EMIT(&guest, 0xc7, 0x05, 0, 0, 0x20, 0);
        emit(&guest, &entries[i], sizeof entries[i]);
        EMIT(&guest, 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8, 0xa3, 0x78, 0x56, 0x34, 0);
        end(&guest);
        struct vmm_vm *real = bare(&guest);
        enum vmm_stop stop = vmm_run(real, 1000000);
        for (unsigned shadow = 0; shadow < 2; shadow++) {
            struct vmm_vm *vm = under(NULL, shadow ? VMM_MMU_SHADOW : VMM_MMU_NESTED, &guest);
            cr_assert_eq(vmm_run(vm, 1000000), stop, "0x%x: %s; bare: %s", entries[i],
                         vmm_stop_text(vm), vmm_stop_text(real));
            /* How long the processor still believes the old entry is nobody's promise. */
            if (!shadow)
                cr_assert_eq(vmm_digest(vm), vmm_digest(real), "0x%x", entries[i]);
            vmm_destroy(vm);
        }
        vmm_destroy(real);
    }
}

/* A VMM that loses its head: random words in its nested tables, while the guest runs. Whatever the
 * guest then meets, it ends or goes on; nothing reaches the host. */
Test(hw, nested_tables_gone_wild)
{
    uint32_t random = 7;
    for (unsigned round = 0; round < 40; round++) {
        struct guest guest;
        begin(&guest);
        /* 1: mov edi, 0x200000; mov ecx, 0x4000; rep stosd; jmp 1b */
        EMIT(&guest, 0xbf, 0, 0, 0x20, 0, 0xb9, 0, 0x40, 0, 0, 0xf3, 0xab, 0xeb, 0xf2);
        struct vmm_vm *vm = under("none", VMM_MMU_NESTED, &guest);
        const struct hw *hw = vm->dispatcher.own;
        vmm_run(vm, 10000);
        for (unsigned n = 0; n < 8; n++) {
            struct nested_walk walk;
            random = random * 1664525u + 1013904223u;
            nested_walk(hw->nested, random % (4u << 20), &walk);
            uint32_t *entry = (uint32_t *)(void *)memory_frame(&vm->machine->memory, walk.pde);
            random = random * 1664525u + 1013904223u;
            /* Frames of the VM, or none of the machine's: VMCB and tables are not the question. */
            uint32_t frame = random & 1 ? vm->map.frame[random % vm->map.pages] << 12 : 0xe0000000u;
            entry[random >> 8 & 1023] = frame | (random >> 3 & 7);
        }
        cpu_nest(vm->dispatcher.cpu, nested_root(hw->nested));
        vmm_run(vm, 300000);
        vmm_destroy(vm);
    }
}

/* ---- side by side ---- */

Test(hw, several_guests_take_turns)
{
    struct guest guest;
    begin(&guest);
    /* mov ecx, 50000; 1: add [0x300000], ecx; cpuid; mov eax, cr3; mov cr3, eax; pop ecx; ... */
    EMIT(&guest, 0xbd, 0x50, 0xc3, 0, 0, 0x01, 0x2d, 0, 0, 0x30, 0, 0x31, 0xc0, 0x0f, 0xa2, 0x4d,
         0x75, 0xf3);
    end(&guest);
    struct vmm_vm *real = bare(&guest);
    cr_assert_eq(vmm_run(real, 0), VMM_STOP_EXIT);
    static const enum vmm_mmu kinds[4] = {VMM_MMU_NESTED, VMM_MMU_SHADOW, VMM_MMU_NESTED,
                                          VMM_MMU_DEFAULT};
    struct vmm_vm *vms[4];
    struct vmm_config config = {.technique = "hw", .vms = 4};
    for (unsigned i = 0; i < 4; i++) {
        config.mmu = kinds[i];
        config.technique = i == 3 ? "patch" : "hw"; /* other techniques share the machine */
        vms[i] = create(config, &guest);
        config.beside = vms[0];
    }
    cr_assert(vmm_run_together(vms, 4, 1777, 0));
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_str_eq(vmm_stop_name(VMM_STOP_EXIT), "exit");
        cr_assert_eq(vmm_digest(vms[i]), vmm_digest(real), "VM %u", i);
    }
    for (unsigned i = 4; i-- > 0;)
        vmm_destroy(vms[i]);
    vmm_destroy(real);
}
