/* Patching in place: each sensitive instruction that does not trap outside ring 0 (Robin and Irvine
 * 2000, table 3) comes to what the manual's volume 2 says of it in ring 0, which is what the bare
 * machine does; the guest sees its own bytes, whether it reads them or writes others; and the
 * places may be as many as they like. Whole guests are tests/test_techniques.sh. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <vmm/vmm.h>

#include "vm/vm.h"

enum { BASE = 0x100000, ROOM = 0x3000, GDT = 0x2800, EAX = 0, EDX = 2 };

struct guest {
    uint8_t bytes[ROOM];
    unsigned length;
};

static void emit(struct guest *guest, const void *bytes, size_t count)
{
    cr_assert_leq(guest->length + count, GDT);
    memcpy(guest->bytes + guest->length, bytes, count);
    guest->length += (unsigned)count;
}

/* A flat code and a flat data segment, 8 and 0x10, and a stack. */
static void begin(struct guest *guest)
{
    static const uint8_t descriptors[] = {0, 0,    0,    0, 0,    0,    0, 0, 0xff, 0xff, 0,    0,
                                          0, 0x9b, 0xcf, 0, 0xff, 0xff, 0, 0, 0,    0x93, 0xcf, 0};
    static const uint8_t pointer[] = {0x17, 0, GDT & 0xff, GDT >> 8, BASE >> 16, 0};
    static const uint8_t load[] = {0x0f, 0x01, 0x15, 0x20, GDT >> 8, BASE >> 16, 0, /* lgdt */
                                   0xbc, 0,    0,    0x20, 0};                      /* mov esp */
    memset(guest, 0, sizeof *guest);
    memcpy(guest->bytes + GDT, descriptors, sizeof descriptors);
    memcpy(guest->bytes + GDT + 0x20, pointer, sizeof pointer);
    emit(guest, load, sizeof load);
}

static void end(struct guest *guest)
{
    emit(guest, "\xe6\xf4", 2); /* out 0xf4, al */
}

static struct vmm_vm *load(const char *technique, const struct guest *guest)
{
    struct vmm_error error;
    const struct vmm_config config = {.technique = technique, .memory_size = 4 << 20};
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = guest->bytes, .size = ROOM}};
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    return vm;
}

/* Runs it to its exit under both, compares, and leaves what patch came to. */
static void same(const char *what, const struct guest *guest, struct vmm_statistics *statistics,
                 struct vmm_registers *registers)
{
    struct vmm_vm *bare = load("bare", guest), *vm = load("patch", guest);
    struct vmm_statistics reference;
    cr_assert_eq(vmm_run(bare, 100000), VMM_STOP_EXIT, "%s", what);
    cr_assert_eq(vmm_run(vm, 100000), VMM_STOP_EXIT, "%s: %s", what, vmm_stop_text(vm));
    vmm_statistics(bare, &reference);
    vmm_statistics(vm, statistics);
    vmm_registers(vm, registers);
    cr_assert_eq(statistics->guest_instructions, reference.guest_instructions, "%s", what);
    cr_assert_eq(vmm_digest(vm), vmm_digest(bare), "%s", what);
    vmm_destroy(bare);
    vmm_destroy(vm);
}

Test(patch, what_is_silent_traps)
{
    static const struct {
        const char *name;
        const char *code;
        uint8_t length, before; /* instructions that trap before it: LGDT */
    } cases[] = {
        {"pushf", "\xfa\x9c\x58", 3, 2},
        {"pushfw", "\xfb\x66\x9c\x66\x58", 5, 2},
        {"popf", "\x68\x02\x32\x00\x00\x9d", 6, 1}, /* IF, IOPL 3 */
        {"popfw", "\x66\x68\x02\x02\x66\x9d", 6, 1},
        {"sgdt", "\x0f\x01\x05\x00\x00\x20\x00", 7, 1},
        {"sidt", "\x0f\x01\x0d\x00\x00\x20\x00", 7, 1},
        {"sldt", "\x0f\x00\xc0", 3, 1},
        {"str", "\x0f\x00\xc8", 3, 1},
        {"smsw", "\x0f\x01\xe0", 3, 1},
        {"mov from cs", "\x8c\xc8", 2, 1},
        {"mov from ss", "\x8c\x15\x00\x00\x20\x00", 6, 1},
        {"push cs", "\x0e\x58", 2, 1},
        {"push ss", "\x66\x16\x66\x58", 4, 1},
        {"lar", "\xb8\x08\x00\x00\x00\x0f\x02\xd0", 8, 1},
        {"lsl", "\xb8\x10\x00\x00\x00\x0f\x03\xd0", 8, 1},
        {"verr", "\xb8\x10\x00\x00\x00\x0f\x00\xe0", 8, 1},
        {"verw", "\xb8\x08\x00\x00\x00\x0f\x00\xe8", 8, 1},
        {"far call", "\x9a\x13\x00\x10\x00\x08\x00", 7, 1},
        {"far call, indirect", "\xff\x1d\x2e\x00\x10\x00", 6, 1},
        {"far return", "\x6a\x08\x68\x14\x00\x10\x00\xcb", 8, 1},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        static const uint8_t pointer[] = {0x12, 0, 0x10, 0, 8, 0};
        struct vmm_statistics statistics;
        struct vmm_registers registers;
        struct guest guest;
        begin(&guest);
        emit(&guest, cases[i].code, cases[i].length);
        end(&guest);
        memcpy(guest.bytes + 0x2e, pointer, sizeof pointer);
        same(cases[i].name, &guest, &statistics, &registers);
        cr_assert_eq(statistics.emulated, cases[i].before + 2u, "%s, and OUT: %llu", cases[i].name,
                     (unsigned long long)statistics.emulated);
        cr_assert_eq(statistics.patched, 2, "%s, and OUT", cases[i].name);
    }
}

/* The instruction's bytes go through the data side, before and after it was executed. */
Test(patch, the_guest_reads_its_own_bytes)
{
    /* call 1f; call 1f; jmp 2f; 1: pushf; pop eax; mov edx, [1b]; ret; 2: */
    static const uint8_t code[] = {0xe8, 7,    0,    0,    0,    0xe8, 2, 0,    0, 0,   0xeb,
                                   9,    0x9c, 0x58, 0x8b, 0x15, 0x18, 0, 0x10, 0, 0xc3};
    struct vmm_statistics statistics;
    struct vmm_registers registers;
    struct guest guest;
    begin(&guest);
    emit(&guest, code, sizeof code);
    end(&guest);
    same("reads", &guest, &statistics, &registers);
    cr_assert_eq(registers.gpr[EDX], 0x158b589cu, "0x%x", registers.gpr[EDX]);
    cr_assert_eq(registers.gpr[EAX] & 0x202, 2, "interrupts are off");
    cr_assert_eq(statistics.emulated, 1 + 2 + 1);
    cr_assert_eq(statistics.patched, 2, "one PUSHF, and OUT");
}

/* So does whoever looks from outside, at every instruction. */
Test(patch, memory_never_shows_the_trap)
{
    static const uint8_t code[] = {0xb9, 3, 0, 0, 0, 0x9c, 0x58, 0x49, 0x75, 0xfb};
    struct guest guest;
    begin(&guest);
    emit(&guest, code, sizeof code);
    end(&guest);
    struct vmm_vm *vm = load("patch", &guest);
    uint8_t bytes[ROOM];
    while (vmm_run(vm, 1) == VMM_STOP_LIMIT) {
        cr_assert_eq(vmm_read_physical(vm, BASE, bytes, sizeof bytes), sizeof bytes);
        cr_assert_arr_eq(bytes, guest.bytes, 0x100);
    }
    vmm_destroy(vm);
}

Test(patch, what_the_guest_writes_over_it_is_executed)
{
    /* mov ecx,2; 1: pushf; pop eax; mov byte [1b],0x50 (push eax); dec ecx; jnz 1b; push cs */
    static const uint8_t code[] = {0xb9, 2,    0, 0,    0,    0x9c, 0x58, 0xc6, 0x05, 0x11,
                                   0,    0x10, 0, 0x50, 0x49, 0x75, 0xf4, 0x0e, 0x5a};
    struct vmm_statistics statistics;
    struct vmm_registers registers;
    struct guest guest;
    begin(&guest);
    emit(&guest, code, sizeof code);
    end(&guest);
    same("overwritten", &guest, &statistics, &registers);
    cr_assert_eq(registers.gpr[EDX], 8, "CS, without the ring");
}

/* The bytes behind the first are in no translation, and followed all the same. */
Test(patch, its_later_bytes_are_followed_too)
{
    /* mov ecx,2; 1: sldt ax; mov byte [1b+2],0xe0 (smsw eax); dec ecx; jnz 1b */
    static const uint8_t code[] = {0xb9, 2,    0, 0,    0,    0x0f, 0x00, 0xc0, 0xc6,
                                   0x05, 0x12, 0, 0x10, 0,    1,    0xc6, 0x05, 0x13,
                                   0,    0x10, 0, 0xe0, 0x49, 0x75, 0xec};
    struct vmm_statistics statistics;
    struct vmm_registers registers;
    struct guest guest;
    begin(&guest);
    emit(&guest, code, sizeof code);
    end(&guest);
    same("later bytes", &guest, &statistics, &registers);
    cr_assert_eq(registers.gpr[EAX], 0x11, "SMSW: PE and ET");
}

/* One that goes on in the next page cannot be patched, and is met all the same. */
Test(patch, across_a_page_boundary)
{
    for (unsigned split = 1; split < 7; split++) {
        static const uint8_t sgdt[] = {0x0f, 0x01, 0x05, 0, 0, 0x20, 0};
        struct vmm_statistics statistics;
        struct vmm_registers registers;
        struct guest guest;
        begin(&guest);
        while (guest.length < 0x1000 - split)
            emit(&guest, "\x90", 1);
        emit(&guest, sgdt, sizeof sgdt);
        end(&guest);
        same("across pages", &guest, &statistics, &registers);
        cr_assert_eq(statistics.emulated, 3);
        cr_assert_eq(statistics.patched, 1, "OUT alone");
    }
}

/* More than the engine has marks for (CPU_SITES), each met twice: the second time as it was. */
Test(patch, places_are_not_limited)
{
    enum { PLACES = 500 };
    static const uint8_t loop[] = {0xb9, 2, 0, 0, 0};
    struct vmm_statistics statistics;
    struct vmm_registers registers;
    struct guest guest;
    begin(&guest);
    emit(&guest, loop, sizeof loop);
    unsigned top = guest.length;
    for (unsigned i = 0; i < PLACES; i++)
        emit(&guest, "\x8c\xc8\x01\xc2", 4); /* mov eax,cs; add edx,eax */
    uint8_t back[] = {0x49, 0x0f, 0x85, 0, 0, 0, 0};
    uint32_t distance = top - (guest.length + sizeof back);
    memcpy(back + 3, &distance, sizeof distance);
    emit(&guest, back, sizeof back);
    end(&guest);
    same("many places", &guest, &statistics, &registers);
    cr_assert_eq(statistics.emulated, 1 + 2 * PLACES + 1);
    cr_assert_eq(statistics.patched, PLACES + 1);
    cr_assert_eq(registers.gpr[EDX], 2 * PLACES * 8);
}

/* Blocks that begin at different places and end at the same patch: each is made once. */
Test(patch, blocks_share_a_patch)
{
    /* mov ecx,1000; 1: test cl,1; jz 2f; nop; 2: nop; pushf; pop eax; dec ecx; jnz 1b */
    static const uint8_t code[] = {0xb9, 0xe8, 3,    0,    0,    0xf6, 0xc1, 1,   0x74,
                                   1,    0x90, 0x90, 0x9c, 0x58, 0x49, 0x75, 0xf4};
    struct guest guest;
    begin(&guest);
    emit(&guest, code, sizeof code);
    end(&guest);
    struct vmm_vm *vm = load("patch", &guest);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    cr_assert_leq(vm->dispatcher.cpu->statistics.blocks_learned, 20, "%llu",
                  (unsigned long long)vm->dispatcher.cpu->statistics.blocks_learned);
    vmm_destroy(vm);
}

Test(patch, breakpoints_where_patches_are)
{
    static const uint8_t code[] = {0xb9, 4, 0, 0, 0, 0x9c, 0x58, 0x49, 0x75, 0xfb};
    enum { PUSHF = BASE + 0x11 };
    struct guest guest;
    struct vmm_error error;
    struct vmm_registers registers;
    struct vmm_statistics statistics;
    begin(&guest);
    emit(&guest, code, sizeof code);
    end(&guest);
    struct vmm_vm *vm = load("patch", &guest);
    vmm_run(vm, 5); /* LGDT, MOV, MOV, PUSHF, POP */
    cr_assert_eq(vmm_break_add(vm, PUSHF, &error), VMM_OK);
    for (unsigned left = 3; left > 1; left--) {
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_BREAK);
        vmm_registers(vm, &registers);
        cr_assert_eq(registers.eip, PUSHF);
        cr_assert_eq(registers.gpr[1], left);
    }
    cr_assert(vmm_break_delete(vm, PUSHF));
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    vmm_statistics(vm, &statistics);
    cr_assert_eq(statistics.emulated, 1 + 4 + 1);
    vmm_destroy(vm);
}

/* Nothing is patched that the guest's user runs; there the VMM shows, and is found. */
Test(patch, user_code_is_left_alone)
{
    /* push 0x23; push esp; push 2; push 0x1b; push 1f; iret; 1: smsw eax (equal); sgdt [0x200000]
     */
    static const uint8_t code[] = {0x0f, 0x01, 0x15, 0x20, 0x28, 0x10, 0, 0x6a, 0x23, 0x54,
                                   0x6a, 2,    0x6a, 0x1b, 0x68, 0x28, 0, 0x10, 0,    0xcf};
    static const uint8_t user[] = {0xff, 0xff, 0, 0, 0, 0xfb, 0xcf, 0,
                                   0xff, 0xff, 0, 0, 0, 0xf3, 0xcf, 0};
    struct guest guest;
    struct vmm_silent silent;
    struct vmm_statistics statistics;
    begin(&guest);
    emit(&guest, code, sizeof code);
    memset(guest.bytes + guest.length, 0x90, 0x28 - guest.length);
    memcpy(guest.bytes + 0x28, "\x0f\x01\x05\x00\x00\x20\x00", 7);
    memcpy(guest.bytes + GDT + 0x18, user, sizeof user);
    memcpy(guest.bytes + GDT + 0x30, "\x2f\x00\x00\x28\x10\x00", 6);
    guest.bytes[0x0c + 3] = 0x30; /* the second LGDT finds its operand behind them */
    guest.bytes[3] = 0x30;
    struct vmm_vm *vm = load("patch", &guest);
    cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_DIVERGENCE, "%s", vmm_stop_text(vm));
    cr_assert(vmm_silent(vm, 0, &silent));
    cr_assert_str_eq(silent.mnemonic, "sgdt");
    cr_assert_eq(silent.linear, BASE + 0x28);
    cr_assert_eq(silent.ring, 3);
    vmm_statistics(vm, &statistics);
    cr_assert_eq(statistics.patched, 1, "the kernel's IRET, and nothing of the user's");
    vmm_destroy(vm);
}

/* RDTSC is answered without a world switch, and yet is a trap like any other: recorded, counted,
 * and its routine's where somebody wants to see it. */
static void ignore(void *context, const struct vmm_record *record)
{
    unsigned *count = context;
    *count += strcmp(record->cause, "rdtsc") == 0 && record->length == 2;
}

Test(patch, time_is_read_by_the_routines_rules)
{
    enum { TIMES = 100 };
    /* mov ecx,100; 1: rdtsc; mov ebx,eax; rdtsc; sub eax,ebx; dec ecx; jnz 1b */
    static const uint8_t code[] = {0xb9, TIMES, 0,    0,    0,    0x0f, 0x31, 0x89,
                                   0xc3, 0x0f,  0x31, 0x29, 0xd8, 0x49, 0x75, 0xf5};
    struct guest guest;
    begin(&guest);
    emit(&guest, code, sizeof code);
    end(&guest);
    for (unsigned watched = 0; watched < 2; watched++) {
        struct vmm_statistics statistics;
        struct vmm_registers registers;
        unsigned seen = 0, found = 0;
        struct vmm_cause_count cause;
        struct vmm_record record;
        struct vmm_vm *vm = load("patch", &guest);
        if (watched)
            vmm_watch(vm, ignore, &seen);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
        vmm_statistics(vm, &statistics);
        vmm_registers(vm, &registers);
        for (size_t i = 0; vmm_cause(vm, i, &cause); i++)
            if (strcmp(cause.cause, "rdtsc") == 0)
                found = (unsigned)cause.count;
        cr_assert_eq(found, 2 * TIMES);
        cr_assert_eq(statistics.emulated, 1 + 2 * TIMES + 1);
        cr_assert_eq(registers.gpr[EAX], 2, "RDTSC and MOV lie between the two");
        cr_assert_eq(seen, watched ? 2 * TIMES : 0);
        cr_assert(vmm_last_record(vm, 1, &record));
        cr_assert_str_eq(record.cause, "rdtsc");
        cr_assert_eq(record.eip, BASE + 0x15u, "0x%x", record.eip);
        vmm_destroy(vm);
    }
}

/* In real mode, which runs in virtual-8086 mode, too. */
Test(patch, real_mode_is_patched)
{
    /* sgdt [0x500]; sidt [0x508]; smsw ax; mov dx,0xf4; out dx,al */
    static uint8_t sector[512] = {0x31, 0xc0, 0x8e, 0xd8, 0x0f, 0x01, 0x06, 0,    5, 0x0f, 0x01,
                                  0x0e, 8,    5,    0x0f, 0x01, 0xe0, 0xba, 0xf4, 0, 0xee};
    uint64_t digests[2];
    sector[510] = 0x55;
    sector[511] = 0xaa;
    for (unsigned i = 0; i < 2; i++) {
        struct vmm_error error;
        const struct vmm_config config = {.technique = i ? "patch" : "bare",
                                          .memory_size = 4 << 20};
        const struct vmm_image image = {.kind = "boot",
                                        .file = {.bytes = sector, .size = sizeof sector}};
        struct vmm_vm *vm = vmm_create(&config, &error);
        cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
        cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_EXIT, "%s", vmm_stop_text(vm));
        digests[i] = vmm_digest(vm);
        vmm_destroy(vm);
    }
    cr_assert_eq(digests[0], digests[1]);
}
