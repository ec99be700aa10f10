/* The debugger's interface: breakpoints that leave no trace in state or time, stops behind traps,
 * registers and memory changed from outside, walks. Flag and table layouts: Intel SDM volume 3,
 * sections 2.3 and 4.3. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/vmm.h>

#include "guest_vm.h"

static struct vmm_vm *start(const uint8_t *code, size_t size)
{
    struct vmm_error error;
    const struct vmm_config config = {.memory_size = 4 << 20, .technique = "bare"};
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = code, .size = (uint32_t)size}};
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    return vm;
}
#define START(code) start(code, sizeof(code))

static uint64_t instructions(const struct vmm_vm *vm)
{
    struct vmm_statistics statistics;
    vmm_statistics(vm, &statistics);
    return statistics.guest_instructions;
}

static uint32_t get(const struct vmm_vm *vm, const char *name)
{
    uint32_t value = 0;
    cr_assert(vmm_register(vm, name, &value), "%s", name);
    return value;
}

/* mov ecx,5; again: inc eax; inc ebx; dec ecx; jnz again; mov al,0; out 0xf4,al */
static const uint8_t loop[] = {0xb9, 5, 0, 0, 0, 0x40, 0x43, 0x49, 0x75, 0xfb, 0xb0, 0, 0xe6, 0xf4};
enum { IN_LOOP = 0x100006 };

Test(vm_debug, a_breakpoint_is_met_each_time_and_leaves_no_trace)
{
    struct vmm_vm *plain = START(loop), *broken = START(loop);
    cr_assert_eq(vmm_break_add(broken, IN_LOOP, NULL), VMM_OK);
    for (unsigned round = 1; round <= 5; round++) {
        cr_assert_eq(vmm_run(broken, 0), VMM_STOP_BREAK, "round %u", round);
        cr_assert_eq(get(broken, "eip"), IN_LOOP);
        cr_assert_eq(get(broken, "eax"), round);
        cr_assert_eq(get(broken, "ebx"), round - 1, "before the instruction");
        cr_assert_eq(instructions(broken), 4 * round - 2);
    }
    cr_assert_eq(vmm_run(broken, 0), VMM_STOP_EXIT);
    cr_assert_eq(vmm_run(plain, 0), VMM_STOP_EXIT);
    cr_assert_eq(instructions(plain), instructions(broken));
    cr_assert_eq(vmm_digest(plain), vmm_digest(broken));
    vmm_destroy(plain);
    vmm_destroy(broken);
}

Test(vm_debug, a_deleted_breakpoint_is_gone)
{
    struct vmm_vm *vm = START(loop);
    cr_assert_eq(vmm_break_add(vm, IN_LOOP, NULL), VMM_OK);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_BREAK);
    cr_assert(vmm_break_delete(vm, IN_LOOP));
    cr_assert_not(vmm_break_delete(vm, IN_LOOP));
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    vmm_destroy(vm);
}

Test(vm_debug, steps_pass_the_breakpoint_that_they_start_at)
{
    struct vmm_vm *vm = START(loop);
    vmm_break_add(vm, IN_LOOP, NULL);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_BREAK);
    cr_assert_eq(vmm_run(vm, 1), VMM_STOP_LIMIT);
    cr_assert_eq(get(vm, "eip"), IN_LOOP + 1);
    cr_assert_eq(vmm_run(vm, 3), VMM_STOP_LIMIT, "the limit comes first");
    cr_assert_eq(get(vm, "eip"), IN_LOOP);
    cr_assert_eq(vmm_run(vm, 4), VMM_STOP_LIMIT, "stopped at it already");
    vmm_destroy(vm);
}

Test(vm_debug, a_repeated_instruction_is_stopped_at_once)
{
    /* mov ecx,100; mov edi,0x200000; rep stosb; mov al,0; out 0xf4,al */
    static const uint8_t code[] = {0xb9, 100, 0,    0,    0,    0xbf, 0,    0,
                                   0x20, 0,   0xf3, 0xaa, 0xb0, 0,    0xe6, 0xf4};
    struct vmm_vm *plain = START(code), *broken = START(code);
    vmm_break_add(broken, 0x10000a, NULL);
    cr_assert_eq(vmm_run(broken, 0), VMM_STOP_BREAK);
    cr_assert_eq(instructions(broken), 2);
    cr_assert_eq(get(broken, "ecx"), 100);
    cr_assert_eq(vmm_run(broken, 0), VMM_STOP_EXIT);
    vmm_run(plain, 0);
    cr_assert_eq(instructions(plain), instructions(broken));
    cr_assert_eq(vmm_digest(plain), vmm_digest(broken));
    vmm_destroy(plain);
    vmm_destroy(broken);
}

Test(vm_debug, there_is_a_bound_on_breakpoints)
{
    struct vmm_error error;
    struct vmm_vm *vm = START(loop);
    unsigned count = 0;
    while (count < 1000 && vmm_break_add(vm, 0x200000 + count, &error) == VMM_OK)
        count++;
    cr_assert_eq(count, 32);
    cr_assert_eq(error.code, VMM_E_UNSUPPORTED);
    cr_assert_not_null(strstr(error.text, "delete"));
    cr_assert(vmm_break_delete(vm, 0x200000));
    cr_assert_eq(vmm_break_add(vm, IN_LOOP, &error), VMM_OK);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_BREAK);
    vmm_destroy(vm);
}

/* ---- a kernel with interrupts, paging and processes ---- */

static bool any(void *context, const struct vmm_record *record)
{
    *(struct vmm_record *)context = *record;
    return true;
}

static bool page_fault(void *context, const struct vmm_record *record)
{
    (void)context;
    return record->has_vector && record->vector == 14;
}

Test(vm_debug, a_kernel_runs_the_same_through_breakpoints_and_stops)
{
    const char *technique;
    for (size_t i = 0; (technique = vmm_technique(i)); i++) {
        bool para = strcmp(technique, "para") == 0;
        size_t size;
        uint8_t *bytes = read_guest(para ? "kernel-para.elf" : "kernel-virt.elf", &size);
        struct vmm_vm *plain = boot(technique, bytes, size),
                      *stopped = boot(technique, bytes, size);
        const enum vmm_stop end = vmm_run(plain, 2000000);
        struct vmm_record seen;
        uint32_t linear;
        unsigned breaks = 0, traps = 0;
        enum vmm_stop stop;
        vmm_stop_at_traps(stopped, any, &seen);
        while ((stop = vmm_run(stopped, 0)) == VMM_STOP_TRAP && traps < 300)
            traps++;
        cr_assert_eq(traps, 300, "%s: %s", technique, vmm_stop_text(stopped));
        vmm_stop_at_traps(stopped, NULL, NULL);
        cr_assert(vmm_symbol_address(stopped, "syscall", &linear) ||
                  vmm_symbol_address(stopped, "trap", &linear));
        vmm_break_add(stopped, linear, NULL);
        while ((stop = vmm_run(stopped, 2000000 - instructions(stopped))) == VMM_STOP_BREAK &&
               breaks < 200) {
            cr_assert_eq(get(stopped, "eip"), linear);
            breaks++;
        }
        cr_assert_gt(breaks, 5, "%s: %s", technique, vmm_stop_text(stopped));
        vmm_break_delete(stopped, linear);
        if (stop == VMM_STOP_BREAK)
            stop = vmm_run(stopped, 2000000 - instructions(stopped));
        cr_assert_eq(stop, end, "%s: %s", technique, vmm_stop_text(stopped));
        cr_assert_eq(instructions(plain), instructions(stopped));
        cr_assert_eq(vmm_digest(plain), vmm_digest(stopped), "%s", technique);
        vmm_destroy(plain);
        vmm_destroy(stopped);
        free(bytes);
    }
}

Test(vm_debug, a_breakpoint_is_of_one_of_the_machines_vms)
{
    size_t size;
    uint32_t linear;
    struct vmm_error error;
    uint8_t *bytes = read_guest("kernel-virt.elf", &size);
    struct vmm_config config = {.memory_size = 16 << 20, .technique = "trap", .vms = 2};
    const struct vmm_image image = {.file = {.bytes = bytes, .size = (uint32_t)size}};
    struct vmm_vm *vms[2];
    vms[0] = vmm_create(&config, &error);
    config.vms = 0;
    config.beside = vms[0];
    vms[1] = vmm_create(&config, &error);
    cr_assert(vms[0] && vms[1], "%s", error.text);
    for (unsigned i = 0; i < 2; i++)
        cr_assert_eq(vmm_load(vms[i], &image, &error), VMM_OK, "%s", error.text);
    cr_assert(vmm_symbol_address(vms[0], "kernel_main", &linear));
    cr_assert_eq(vmm_break_add(vms[0], linear, &error), VMM_OK);
    cr_assert_eq(vmm_run(vms[1], 10000), VMM_STOP_LIMIT, "the other one's");
    cr_assert_eq(vmm_run(vms[0], 10000), VMM_STOP_BREAK);
    cr_assert_eq(get(vms[0], "eip"), linear);
    cr_assert_eq(vmm_set_register(vms[1], "eip", linear, &error), VMM_OK);
    cr_assert_eq(get(vms[0], "eip"), linear);
    vmm_destroy(vms[0]);
    cr_assert_eq(vmm_set_register(vms[1], "eip", linear - 1, &error), VMM_OK);
    cr_assert_neq(vmm_run(vms[1], 100), VMM_STOP_BREAK, "gone with its VM");
    vmm_destroy(vms[1]);
    free(bytes);
}

Test(vm_debug, a_stop_is_behind_the_trap_that_was_waited_for)
{
    size_t size;
    uint8_t *bytes = read_guest("kernel-virt.elf", &size);
    struct vmm_vm *vm = boot("bare", bytes, size);
    struct vmm_record record;
    vmm_stop_at_traps(vm, page_fault, NULL);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_TRAP);
    cr_assert(vmm_last_record(vm, 0, &record));
    cr_assert_eq(record.vector, 14);
    cr_assert_eq(record.address, get(vm, "cr2"));
    cr_assert_gt(record.length, 0, "records are complete while somebody waits for them");
    cr_assert_gt(record.change_count, 0);
    cr_assert_eq(get(vm, "cpl"), 0, "the handler is about to run");
    cr_assert_neq(get(vm, "eip"), record.eip);
    vmm_destroy(vm);
    free(bytes);
}

/* ---- changing things ---- */

Test(vm_debug, registers_are_changed_by_name)
{
    struct vmm_error error;
    struct vmm_vm *vm = START(loop);
    cr_assert_eq(vmm_set_register(vm, "eax", 1000, &error), VMM_OK);
    cr_assert_eq(vmm_set_register(vm, "EIP", 0x100005, &error), VMM_OK);
    cr_assert_eq(vmm_set_register(vm, "ecx", 2, &error), VMM_OK);
    cr_assert_eq(vmm_run(vm, 8), VMM_STOP_LIMIT);
    cr_assert_eq(get(vm, "eax"), 1002);
    cr_assert_eq(get(vm, "eip"), 0x10000a);
    cr_assert_eq(vmm_set_register(vm, "eflags", 0xffffffffu, &error), VMM_OK);
    cr_assert_eq(get(vm, "eflags") & 0x00020000, 0, "VM is not given");
    cr_assert_eq(get(vm, "eflags") & 0x8d5, 0x8d5);
    cr_assert_eq(vmm_set_register(vm, "rax", 1, &error), VMM_E_USAGE);
    cr_assert_eq(vmm_set_register(vm, "cs", 8, &error), VMM_E_UNSUPPORTED);
    cr_assert_not(vmm_register(vm, "", &(uint32_t){0}));
    vmm_destroy(vm);
}

Test(vm_debug, written_code_is_executed)
{
    static const uint8_t four[] = {4};
    uint32_t value;
    struct vmm_vm *vm = START(loop);
    vmm_break_add(vm, 0x10000a, NULL);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_BREAK);
    cr_assert_eq(vmm_write_linear(vm, 0x10000b, four, 1), 1);
    cr_assert_eq(vmm_run(vm, 1), VMM_STOP_LIMIT);
    cr_assert_eq(get(vm, "eax") & 0xff, 4);
    value = 0x12345678;
    cr_assert_eq(vmm_write_linear(vm, 0x200ffe, &value, 4), 4, "across a page");
    value = 0;
    vmm_read_physical(vm, 0x200ffe, &value, 4);
    cr_assert_eq(value, 0x12345678);
    cr_assert_eq(vmm_write_physical(vm, (4 << 20) - 1, &value, 4), 1, "memory ends");
    cr_assert_eq(vmm_write_physical(vm, 0xfffffffe, &value, 4), 0);
    vmm_destroy(vm);
}

Test(vm_debug, a_walk_without_paging_is_the_identity)
{
    struct vmm_vm *vm = START(loop);
    struct vmm_walk walk;
    vmm_walk(vm, 0x123456, &walk);
    cr_assert_not(walk.paging);
    cr_assert_eq(walk.guest.count, 0);
    cr_assert(walk.guest.mapped);
    cr_assert_eq(walk.guest.physical, 0x123456);
    cr_assert(walk.has_machine);
    cr_assert_eq(walk.machine, 0x123456);
    vmm_destroy(vm);
}

Test(vm_debug, a_walk_shows_the_entries_in_memory)
{
    size_t size;
    uint8_t *bytes = read_guest("kernel-virt.elf", &size);
    struct vmm_vm *vm = boot("bare", bytes, size);
    struct vmm_walk walk;
    vmm_stop_at_traps(vm, page_fault, NULL);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_TRAP);
    vmm_walk(vm, get(vm, "eip"), &walk);
    uint32_t pde, directory = get(vm, "cr3") & 0xfffff000;
    cr_assert(walk.paging);
    cr_assert(walk.guest.mapped);
    cr_assert_eq(walk.guest.pde_address, directory + (get(vm, "eip") >> 22) * 4);
    vmm_read_physical(vm, walk.guest.pde_address, &pde, 4);
    cr_assert_eq(walk.guest.pde, pde);
    vmm_walk(vm, get(vm, "cr2"), &walk);
    cr_assert_str_neq(walk.result, "");
    vmm_destroy(vm);
    free(bytes);
}

Test(vm_debug, every_device_describes_itself)
{
    struct vmm_vm *vm = START(loop);
    char text[1024];
    const char *name;
    for (size_t i = 0; (name = vmm_device(i)); i++) {
        size_t length = vmm_device_text(vm, name, text, sizeof text);
        cr_assert_gt(length, 0, "%s", name);
        cr_assert_eq(length, strlen(text));
        cr_assert_eq(text[length - 1], '\n');
        cr_assert_eq(vmm_device_text(vm, name, text, 4), length);
        cr_assert_eq(strlen(text), 3);
        cr_assert_eq(vmm_device_text(vm, name, NULL, 0), length);
    }
    cr_assert_eq(vmm_device_text(vm, "gpu", text, sizeof text), 0);
    vmm_destroy(vm);
}
