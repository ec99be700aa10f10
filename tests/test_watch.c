/* Watchpoints: each is met behind the very instruction that changes what is watched, as a run that
 * is stepped and compared instruction by instruction tells; and the guest does not notice. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/vmm.h>

#include "guest_vm.h"

static struct vmm_vm *start(const char *technique, const uint8_t *code, size_t size)
{
    const struct vmm_config config = {
        .memory_size = 4 << 20, .technique = technique, .keep_going = true};
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = code, .size = (uint32_t)size}};
    return create_vm(&config, &image);
}
#define START(technique, code) start(technique, code, sizeof(code))

static uint64_t instructions(const struct vmm_vm *vm)
{
    struct vmm_statistics statistics;
    vmm_statistics(vm, &statistics);
    return statistics.guest_instructions;
}

static unsigned watch(struct vmm_vm *vm, struct vmm_watchpoint point)
{
    struct vmm_error error;
    unsigned number = 0;
    cr_assert_eq(vmm_watch_add(vm, &point, &number, &error), VMM_OK, "%s", error.text);
    return number;
}

static uint32_t word(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

/* ---- one instruction ---- */

/* mov eax,7; mov [0x200000],eax; mov [0x200800],eax; inc dword [0x200000]; mov edi,0x200000;
 * mov ecx,3; rep stosd; mov [0x200000],eax (no change); push eax; out 0xf4,al */
static const uint8_t stores[] = {0xb8, 7,    0,    0,    0,    0xa3, 0,    0, 0x20, 0,
                                 0xa3, 0,    8,    0x20, 0,    0xff, 0x05, 0, 0,    0x20,
                                 0,    0xbf, 0,    0,    0x20, 0,    0xb9, 3, 0,    0,
                                 0,    0xf3, 0xab, 0xa3, 0,    0,    0x20, 0, 0xe6, 0xf4};

Test(watch, memory_is_met_behind_the_instruction_that_changes_it)
{
    const char *technique;
    for (size_t i = 0; (technique = technique_of_any_guest(i)); i++) {
        struct vmm_vm *vm = START(technique, stores), *plain = START(technique, stores);
        struct vmm_watch_hit hit;
        unsigned number = watch(vm, (struct vmm_watchpoint){VMM_WATCH_MEMORY, 0x200000, 4, NULL});
        cr_expect_not(vmm_watch_steps(vm, number));
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_WATCH, "%s: %s", technique, vmm_stop_text(vm));
        cr_expect_eq(instructions(vm), 2, "%s", technique);
        cr_assert(vmm_watch_hit(vm, &hit));
        cr_expect_eq(hit.number, number);
        cr_expect_eq(hit.linear, 0x100005, "%s", technique);
        cr_expect_eq(word(hit.before), 0);
        cr_expect_eq(word(hit.after), 7);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_WATCH, "%s: %s", technique, vmm_stop_text(vm));
        cr_expect_eq(instructions(vm), 4, "%s: another word of the page is of no interest",
                     technique);
        cr_assert(vmm_watch_hit(vm, &hit));
        cr_expect_eq(hit.linear, 0x10000f);
        cr_expect_eq(word(hit.before), 7);
        cr_expect_eq(word(hit.after), 8);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_WATCH, "%s: %s", technique, vmm_stop_text(vm));
        cr_expect_eq(instructions(vm), 7, "%s: the first iteration", technique);
        cr_assert(vmm_watch_hit(vm, &hit));
        cr_expect_eq(hit.linear, 0x10001f);
        cr_expect_eq(word(hit.after), 7);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT, "%s: a store of the same is no change",
                     technique);
        vmm_run(plain, 0);
        cr_expect_eq(vmm_digest(vm), vmm_digest(plain), "%s", technique);
        vmm_destroy(plain);
        vmm_destroy(vm);
    }
}

/* mov dx,0x3f8; mov al,'x'; out dx,al; in al,0x61; cli; sti; nop; in ax,0x40; out 0xf4,al */
static const uint8_t ports[] = {0x66, 0xba, 0xf8, 0x03, 0xb0, 'x',  0xee, 0xe4, 0x61,
                                0xfa, 0xfb, 0x90, 0x66, 0xe5, 0x40, 0xe6, 0xf4};

Test(watch, ports_are_met_by_every_access)
{
    const char *technique;
    for (size_t i = 0; (technique = technique_of_any_guest(i)); i++) {
        struct vmm_vm *vm = START(technique, ports), *plain = START(technique, ports);
        struct vmm_watch_hit hit;
        watch(vm, (struct vmm_watchpoint){VMM_WATCH_PORT, 0x3f8, 1, NULL});
        unsigned second = watch(vm, (struct vmm_watchpoint){VMM_WATCH_PORT, 0x60, 2, NULL});
        watch(vm, (struct vmm_watchpoint){VMM_WATCH_PORT, 0x41, 1, NULL});
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_WATCH, "%s: %s", technique, vmm_stop_text(vm));
        cr_expect_eq(instructions(vm), 3, "%s", technique);
        cr_assert(vmm_watch_hit(vm, &hit));
        cr_expect_eq(hit.linear, 0x100006, "%s: 0x%x", technique, hit.linear);
        cr_expect_eq(hit.port, 0x3f8);
        cr_expect_not(hit.in);
        cr_expect_eq(word(hit.after), 'x');
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_WATCH, "%s: %s", technique, vmm_stop_text(vm));
        cr_assert(vmm_watch_hit(vm, &hit));
        cr_expect_eq(instructions(vm), 4, "%s", technique);
        cr_expect(hit.in && hit.port == 0x61 && hit.number == second, "%s", technique);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_WATCH, "%s: %s", technique, vmm_stop_text(vm));
        cr_expect_eq(instructions(vm), 8, "%s: part of a wider access", technique);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT, "%s: %s", technique, vmm_stop_text(vm));
        vmm_run(plain, 0);
        cr_expect_eq(vmm_digest(vm), vmm_digest(plain), "%s", technique);
        vmm_destroy(plain);
        vmm_destroy(vm);
    }
}

Test(watch, the_interrupt_flag_and_control_registers)
{
    /* cli (off already); sti; nop; cli; mov eax,cr0; or eax,2; mov cr0,eax; clts; mov cr2,eax;
     * mov [0x200000],eax; hlt */
    static const uint8_t code[] = {0xfa, 0xfb, 0x90, 0xfa, 0x0f, 0x20, 0xc0, 0x83,
                                   0xc8, 0x02, 0x0f, 0x22, 0xc0, 0x0f, 0x06, 0x0f,
                                   0x22, 0xd0, 0xa3, 0x00, 0x00, 0x20, 0x00, 0xf4};
    const char *technique;
    for (size_t i = 0; (technique = technique_of_any_guest(i)); i++) {
        struct vmm_vm *vm = START(technique, code);
        struct vmm_watch_hit hit;
        unsigned flag = watch(vm, (struct vmm_watchpoint){VMM_WATCH_REGISTER, 0, 0, "IF"});
        unsigned cr0 = watch(vm, (struct vmm_watchpoint){VMM_WATCH_REGISTER, 0, 0, "cr0"});
        unsigned cr2 = watch(vm, (struct vmm_watchpoint){VMM_WATCH_REGISTER, 0, 0, "cr2"});
        const struct {
            unsigned number;
            uint64_t instructions;
            uint32_t linear;
        } met[] = {
            {flag, 2, 0x100001}, {flag, 4, 0x100003}, {cr0, 7, 0x10000a}, {cr2, 9, 0x10000f}};
        for (size_t k = 0; k < sizeof met / sizeof *met; k++) {
            cr_assert_eq(vmm_run(vm, 0), VMM_STOP_WATCH, "%s %zu: %s", technique, k,
                         vmm_stop_text(vm));
            cr_assert(vmm_watch_hit(vm, &hit));
            cr_expect_eq(hit.number, met[k].number, "%s %zu", technique, k);
            cr_expect_eq(instructions(vm), met[k].instructions, "%s %zu", technique, k);
            cr_expect_eq(hit.linear, met[k].linear, "%s %zu: 0x%x", technique, k, hit.linear);
        }
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_HALT, "%s: %s", technique, vmm_stop_text(vm));
        vmm_destroy(vm);
    }
}

Test(watch, general_registers_are_watched_by_stepping)
{
    struct vmm_vm *vm = START("trap", stores);
    struct vmm_watch_hit hit;
    unsigned number = watch(vm, (struct vmm_watchpoint){VMM_WATCH_REGISTER, 0, 0, "edi"});
    cr_expect(vmm_watch_steps(vm, number));
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_WATCH);
    cr_expect_eq(instructions(vm), 5);
    cr_assert(vmm_watch_hit(vm, &hit));
    cr_expect_eq(hit.linear, 0x100015);
    cr_expect_eq(word(hit.after), 0x200000);
    cr_assert_eq(vmm_run(vm, 1), VMM_STOP_LIMIT, "limits hold");
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_WATCH);
    cr_expect_eq(instructions(vm), 7);
    cr_assert(vmm_watch_delete(vm, number));
    cr_assert_not(vmm_watch_delete(vm, number));
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    vmm_destroy(vm);
}

Test(watch, mistakes_are_named)
{
    struct vmm_vm *vm = START("bare", stores);
    struct vmm_error error;
    struct vmm_watch_hit hit;
    const struct vmm_watchpoint nowhere = {VMM_WATCH_MEMORY, 0x10000000, 4, NULL},
                                nothing = {VMM_WATCH_MEMORY, 0x200000, 0, NULL},
                                much = {VMM_WATCH_MEMORY, 0x200000, 65, NULL},
                                end = {VMM_WATCH_READ, 0xffffffff, 4, NULL},
                                unknown = {VMM_WATCH_REGISTER, 0, 0, "rax"},
                                port = {VMM_WATCH_PORT, 0xffff, 2, NULL},
                                good = {VMM_WATCH_MEMORY, 0x200000, 1, NULL};
    cr_expect_eq(vmm_watch_add(vm, &nowhere, NULL, &error), VMM_E_STATE);
    cr_expect_eq(vmm_watch_add(vm, &nothing, NULL, &error), VMM_E_USAGE);
    cr_expect_eq(vmm_watch_add(vm, &much, NULL, &error), VMM_E_USAGE);
    cr_expect_eq(vmm_watch_add(vm, &end, NULL, &error), VMM_E_USAGE);
    cr_expect_not_null(strstr(error.text, "address space"));
    cr_expect_eq(vmm_watch_add(vm, &unknown, NULL, &error), VMM_E_USAGE);
    cr_expect_not_null(strstr(error.text, "rax"));
    cr_expect_eq(vmm_watch_add(vm, &port, NULL, &error), VMM_E_USAGE);
    for (unsigned i = 0; i < 32; i++)
        cr_expect_eq(vmm_watch_add(vm, &good, NULL, &error), VMM_OK, "%s", error.text);
    cr_expect_eq(vmm_watch_add(vm, &good, NULL, &error), VMM_E_UNSUPPORTED);
    cr_expect_not(vmm_watch_hit(vm, &hit));
    vmm_destroy(vm);
}

/* ---- a whole kernel ---- */

struct change {
    uint64_t instructions;
    uint8_t value[4];
};

/* Every change of four bytes in a stretch of the run, by stepping and comparing. */
static unsigned step_and_compare(struct vmm_vm *vm, uint32_t linear, uint64_t end,
                                 struct change *changes, unsigned room)
{
    uint8_t before[4], now[4];
    unsigned count = 0;
    vmm_read_linear(vm, linear, before, 4);
    while (instructions(vm) < end && count < room) {
        vmm_run(vm, 1);
        vmm_read_linear(vm, linear, now, 4);
        if (memcmp(before, now, 4) == 0)
            continue;
        changes[count] = (struct change){.instructions = instructions(vm)};
        memcpy(changes[count++].value, now, 4);
        memcpy(before, now, 4);
    }
    return count;
}

/* The word below the kernel stack's top: trap frames are written there, by the kernel's code, by
 * the processor, by the VMM. */
Test(watch, a_kernels_stack_is_met_as_by_stepping)
{
    enum { FROM = 800000, TO = 830000, ROOM = 400 };
    const char *technique;
    static struct change changes[ROOM];
    for (size_t i = 0; (technique = technique_of_a_kernel(i)); i++) {
        struct vmm_vm *vm = boot_kernel(technique), *stepped = boot_kernel(technique);
        struct vmm_watch_hit hit;
        uint32_t stack;
        vmm_stop_at_traps(stepped, NULL, NULL);
        vmm_run(stepped, FROM);
        vmm_run(vm, FROM);
        cr_assert(vmm_symbol_address(vm, "ticks", &stack) ||
                  vmm_symbol_address(vm, "tick", &stack) ||
                  vmm_symbol_address(vm, "current", &stack));
        unsigned count = step_and_compare(stepped, stack, TO, changes, ROOM);
        watch(vm, (struct vmm_watchpoint){VMM_WATCH_MEMORY, stack, 4, NULL});
        for (unsigned k = 0; k < count; k++) {
            cr_assert_eq(vmm_run(vm, TO - instructions(vm)), VMM_STOP_WATCH, "%s: %s", technique,
                         vmm_stop_text(vm));
            cr_assert(vmm_watch_hit(vm, &hit));
            cr_assert_eq(instructions(vm), changes[k].instructions, "%s: change %u", technique, k);
            cr_assert_arr_eq(hit.after, changes[k].value, 4, "%s: change %u", technique, k);
        }
        cr_assert_gt(count, 0, "%s", technique);
        if (count < ROOM)
            cr_assert_eq(vmm_run(vm, TO - instructions(vm)), VMM_STOP_LIMIT, "%s", technique);
        cr_assert_eq(vmm_digest(vm), vmm_digest(stepped), "%s", technique);
        vmm_destroy(vm);
        vmm_destroy(stepped);
    }
}

/* ---- reads ---- */

/* mov eax,[0x200000]; mov [0x200000],eax (no change); inc dword [0x200000]; mov eax,[0x200004];
 * mov esi,0x1ffffc; mov edi,0x201000; mov ecx,3; rep movsd; mov esp,0x200000; pop eax;
 * mov esp,0x200004; push eax; lea eax,[0x200000]; out 0xf4,al */
static const uint8_t reads[] = {
    0xa1, 0,    0,    0x20, 0,    0xa3, 0,    0,    0x20, 0,    0xff, 0x05, 0,   0,    0x20,
    0,    0xa1, 4,    0,    0x20, 0,    0xbe, 0xfc, 0xff, 0x1f, 0,    0xbf, 0,   0x10, 0x20,
    0,    0xb9, 3,    0,    0,    0,    0xf3, 0xa5, 0xbc, 0,    0,    0x20, 0,   0x58, 0xbc,
    4,    0,    0x20, 0,    0x50, 0x8d, 0x05, 0,    0,    0x20, 0,    0xe6, 0xf4};

/* Instructions that have retired behind each, and whether it read. */
struct access_met {
    uint64_t instructions;
    bool in;
};

static void expect_accesses(const char *technique, enum vmm_watch_kind kind,
                            const struct access_met *met, unsigned count)
{
    struct vmm_vm *vm = START(technique, reads);
    struct vmm_watch_hit hit;
    unsigned number = watch(vm, (struct vmm_watchpoint){kind, 0x200000, 4, NULL});
    cr_expect(vmm_watch_steps(vm, number));
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_WATCH, "%s %u: %s", technique, i, vmm_stop_text(vm));
        cr_expect_eq(instructions(vm), met[i].instructions, "%s: %u, not %u", technique,
                     (unsigned)instructions(vm), (unsigned)met[i].instructions);
        cr_assert(vmm_watch_hit(vm, &hit));
        cr_expect_eq(hit.in, met[i].in, "%s %u", technique, i);
        cr_expect_eq(hit.kind, kind);
        cr_expect_eq(hit.number, number);
    }
    cr_expect_eq(vmm_run(vm, 0), VMM_STOP_EXIT, "%s: %s", technique, vmm_stop_text(vm));
    cr_assert(vmm_watch_delete(vm, number));
    vmm_destroy(vm);
}

Test(watch, reads_are_met_and_what_is_written_again)
{
    static const struct access_met read[] = {{1, true}, {3, true}, {9, true}, {12, true}},
                                   all[] = {{1, true}, {2, false}, {3, true},
                                            {9, true}, {12, true}, {14, false}};
    const char *technique;
    for (size_t i = 0; (technique = technique_of_any_guest(i)); i++) {
        expect_accesses(technique, VMM_WATCH_READ, read, sizeof read / sizeof *read);
        expect_accesses(technique, VMM_WATCH_ACCESS, all, sizeof all / sizeof *all);
    }
}

/* What a fault keeps from being executed has read nothing, and an interrupt behind an instruction
 * takes nothing away from it: a kernel's clock is read as often as in the full interpreter, where
 * every instruction is looked at. */
Test(watch, a_kernels_reads_are_the_same_under_every_technique)
{
    enum { FROM = 1000000, TO = 1010000, ROOM = 200 };
    static uint64_t met[ROOM];
    const char *technique;
    unsigned expected = 0;
    for (size_t i = 0; (technique = technique_of_a_kernel(i)); i++) {
        struct vmm_vm *vm = boot_kernel(technique);
        const bool other = strcmp(technique, "para") == 0; /* its kernel is another program */
        unsigned count = 0;
        uint32_t ticks;
        vmm_stop_at_traps(vm, NULL, NULL);
        vmm_run(vm, FROM);
        cr_assert(vmm_symbol_address(vm, "current", &ticks) ||
                  vmm_symbol_address(vm, "ticks", &ticks));
        watch(vm, (struct vmm_watchpoint){VMM_WATCH_READ, ticks, 4, NULL});
        while (count < ROOM && vmm_run(vm, TO - instructions(vm)) == VMM_STOP_WATCH) {
            if (i && !other)
                cr_assert_eq(instructions(vm), met[count], "%s: read %u", technique, count);
            if (!i)
                met[count] = instructions(vm);
            count++;
        }
        expected = i ? expected : count;
        cr_assert_gt(count, 0);
        cr_assert(other || count == expected, "%s: %u reads, not %u", technique, count, expected);
        vmm_destroy(vm);
    }
}

/* A run that nobody looks at goes on with the pages protected: a call pushes there, too. */
Test(watch, a_stack_that_is_watched_is_no_obstacle_to_going_back)
{
    /* mov esp,0x200010; mov ebx,1000; again: call one; dec ebx; jnz again; mov [0x200004],ebx;
     * again2: jmp again2; one: inc eax; ret */
    static const uint8_t code[] = {0xbc, 0x10, 0x00, 0x20, 0x00, 0xbb, 0xe8, 0x03, 0x00, 0x00,
                                   0xe8, 0x0b, 0x00, 0x00, 0x00, 0x4b, 0x75, 0xf8, 0x89, 0x1d,
                                   0x04, 0x00, 0x20, 0x00, 0xeb, 0xfe, 0x40, 0xc3};
    const char *technique;
    struct vmm_error error;
    for (size_t i = 0; (technique = technique_of_any_guest(i)); i++) {
        struct vmm_vm *vm = START(technique, code);
        uint32_t eax;
        cr_assert_eq(vmm_history_start(vm, NULL, &error), VMM_OK);
        vmm_run(vm, 6000);
        watch(vm, (struct vmm_watchpoint){VMM_WATCH_MEMORY, 0x200020, 4, NULL});
        cr_assert_eq(vmm_goto(vm, 4002, &error), VMM_OK, "%s: %s", technique, error.text);
        cr_assert(vmm_register(vm, "eax", &eax));
        cr_expect_eq(instructions(vm), 4002, "%s", technique);
        cr_expect_eq(eax, 800, "%s: %u", technique, eax);
        vmm_destroy(vm);
    }
}

/* ---- backwards ---- */

Test(watch, back_to_the_change)
{
    const char *technique;
    struct vmm_error error;
    for (size_t i = 0; (technique = technique_of_any_guest(i)); i++) {
        struct vmm_vm *vm = START(technique, stores);
        struct vmm_watch_hit hit;
        cr_assert_eq(vmm_history_start(vm, NULL, &error), VMM_OK);
        vmm_run(vm, 9);
        watch(vm, (struct vmm_watchpoint){VMM_WATCH_MEMORY, 0x200000, 4, NULL});
        const uint64_t met[] = {6, 3, 1}; /* before each change */
        for (unsigned k = 0; k < 3; k++) {
            cr_assert_eq(vmm_reverse(vm, 1, NULL, NULL, &error), VMM_STOP_WATCH, "%s: %s",
                         technique, error.text);
            cr_expect_eq(instructions(vm), met[k], "%s", technique);
            cr_assert(vmm_watch_hit(vm, &hit));
        }
        cr_expect_eq(word(hit.after), 7);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_WATCH, "%s", technique);
        cr_assert_eq(vmm_reverse(vm, 1, NULL, NULL, &error), VMM_STOP_WATCH,
                     "%s: the change just made", technique);
        cr_expect_eq(instructions(vm), 1, "%s", technique);
        cr_assert_eq(vmm_reverse(vm, 1, NULL, NULL, &error), VMM_STOP_LIMIT, "%s", technique);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_WATCH, "%s: and forth", technique);
        cr_expect_eq(instructions(vm), 2);
        vmm_destroy(vm);
    }
}
