/* Replaceable modules: a routine of one's own does what the library's does, and then nobody can
 * tell (the state digest); a wrong one can be told; a missing one, and one that comes to nonsense,
 * stops the guest with a sentence. What each instruction does: Intel SDM volume 2. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/vmm.h>

#include "guest_vm.h"

enum { EAX, ECX, EDX, EBX, CF = 1, IF = 1 << 9, VM = 1 << 17 };

static const char *const with_routines[] = {"trap", "hybrid", "bt", "interp", NULL};
#define FOR_EACH_TECHNIQUE(technique)                                                              \
    for (const char *const *at = with_routines, *technique = *at; technique; technique = *++at)

static struct vmm_vm *load(const char *technique, const char *kind, const uint8_t *bytes,
                           size_t size)
{
    struct vmm_error error;
    const struct vmm_config config = {.memory_size = 16 << 20, .technique = technique};
    const struct vmm_image image = {.kind = kind, .file = {.bytes = bytes, .size = (uint32_t)size}};
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    return vm;
}
#define START(technique, code) load(technique, "flat@0x100000", code, sizeof(code))

static void replace(struct vmm_vm *vm, const char *name, vmm_routine *routine, void *context)
{
    struct vmm_error error;
    cr_assert_eq(vmm_module_replace(vm, name, routine, context, &error), VMM_OK, "%s", error.text);
    cr_assert_eq(vmm_module_state(vm, name), VMM_MODULE_REPLACED, "%s", name);
}

static uint64_t instructions(const struct vmm_vm *vm)
{
    struct vmm_statistics statistics;
    vmm_statistics(vm, &statistics);
    return statistics.guest_instructions;
}

/* ---- routines by the manual ---- */

#define DONE    ((struct vmm_outcome){0})
#define FAULT13 ((struct vmm_outcome){.kind = VMM_OUTCOME_INJECT, .vector = 13})

static bool may_change_if(const struct vmm_registers *r)
{
    return !(r->cr0 & 1) || r->cpl <= (r->eflags >> 12 & 3);
}

static bool privileged(const struct vmm_registers *r)
{
    return (r->cr0 & 1) && r->cpl;
}

static struct vmm_outcome my_cli(void *context, struct vmm_call *call)
{
    ++*(unsigned *)context;
    cr_assert_str_eq(call->module, "interpreter.cli");
    cr_assert_eq(call->instruction.bytes[0], 0xfa);
    cr_assert_eq(call->instruction.length, 1);
    if (!may_change_if(&call->registers))
        return FAULT13;
    call->registers.eflags &= ~(uint32_t)IF;
    return DONE;
}

static struct vmm_outcome my_sti(void *context, struct vmm_call *call)
{
    ++*(unsigned *)context;
    if (!may_change_if(&call->registers))
        return FAULT13;
    call->registers.eflags |= IF;
    return (struct vmm_outcome){.shadow = true};
}

static struct vmm_outcome my_mov_to_cr(void *context, struct vmm_call *call)
{
    struct vmm_registers *r = &call->registers;
    uint32_t value = r->gpr[call->instruction.rm];
    ++*(unsigned *)context;
    if (privileged(r))
        return FAULT13;
    switch (call->instruction.reg) {
    case 0: r->cr0 = value | 1 << 4; break;
    case 2: r->cr2 = value; break;
    case 3: r->cr3 = value; break;
    case 4: r->cr4 = value; break;
    default: return (struct vmm_outcome){.kind = VMM_OUTCOME_INJECT, .vector = 6};
    }
    return (struct vmm_outcome){.kind = VMM_OUTCOME_ADDRESS_SPACE};
}

static struct vmm_outcome my_invlpg(void *context, struct vmm_call *call)
{
    ++*(unsigned *)context;
    if (privileged(&call->registers))
        return FAULT13;
    return (struct vmm_outcome){.kind = VMM_OUTCOME_INVALIDATE,
                                .address = call->instruction.address};
}

static struct vmm_outcome my_hlt(void *context, struct vmm_call *call)
{
    ++*(unsigned *)context;
    return privileged(&call->registers) ? FAULT13 : (struct vmm_outcome){.kind = VMM_OUTCOME_IDLE};
}

static struct vmm_outcome my_port(void *context, struct vmm_call *call)
{
    const struct vmm_instruction *i = &call->instruction;
    uint8_t opcode = i->bytes[i->bytes[0] == 0x66];
    ++*(unsigned *)context;
    if (!may_change_if(&call->registers)) /* the bitmap: the library's own */
        return (struct vmm_outcome){.kind = VMM_OUTCOME_STANDARD};
    return (struct vmm_outcome){
        .kind = VMM_OUTCOME_PORT,
        .port = {.port = (uint16_t)(opcode & 8 ? call->registers.gpr[EDX] : i->immediate & 0xff),
                 .size = i->width,
                 .in = !(opcode & 2),
                 .value = call->registers.gpr[EAX]}};
}

static struct vmm_outcome my_table(void *context, struct vmm_call *call)
{
    uint8_t bytes[6];
    struct vmm_outcome fault;
    struct vmm_registers *r = &call->registers;
    bool idt = call->instruction.reg == 3;
    ++*(unsigned *)context;
    if (privileged(r))
        return FAULT13;
    if (!vmm_call_read(call, call->instruction.address, bytes, sizeof bytes, &fault))
        return fault;
    memcpy(idt ? &r->idt_limit : &r->gdt_limit, bytes, 2);
    memcpy(idt ? &r->idt_base : &r->gdt_base, bytes + 2, 4);
    return (struct vmm_outcome){.kind = VMM_OUTCOME_TABLES};
}

static struct vmm_outcome my_ltr(void *context, struct vmm_call *call)
{
    ++*(unsigned *)context;
    call->registers.tr = (uint16_t)call->registers.gpr[call->instruction.rm];
    return (struct vmm_outcome){.kind = VMM_OUTCOME_TABLES};
}

static const struct {
    const char *name;
    vmm_routine *routine;
} mine[] = {
    {"interpreter.cli", my_cli},     {"interpreter.sti", my_sti},
    {"interpreter.hlt", my_hlt},     {"interpreter.mov_to_cr", my_mov_to_cr},
    {"interpreter.out", my_port},    {"interpreter.invlpg", my_invlpg},
    {"interpreter.out_dx", my_port}, {"interpreter.lgdt", my_table},
    {"interpreter.lidt", my_table},  {"interpreter.ltr", my_ltr},
};
enum { MINE = sizeof mine / sizeof *mine };

Test(module, a_kernel_does_not_notice_that_routines_are_replaced)
{
    size_t size;
    uint8_t *bytes = read_guest("kernel-virt.elf", &size);
    FOR_EACH_TECHNIQUE(technique)
    {
        struct vmm_vm *plain = load(technique, 0, bytes, size),
                      *other = load(technique, 0, bytes, size);
        unsigned calls[MINE] = {0};
        for (unsigned i = 0; i < MINE; i++)
            replace(other, mine[i].name, mine[i].routine, &calls[i]);
        cr_assert_eq(vmm_run(plain, 0), VMM_STOP_EXIT);
        cr_assert_eq(vmm_run(other, 0), VMM_STOP_EXIT, "%s: %s", technique, vmm_stop_text(other));
        for (unsigned i = 0; i < MINE; i++)
            cr_assert_gt(calls[i], 0, "%s: %s", technique, mine[i].name);
        cr_assert_eq(instructions(plain), instructions(other), "%s", technique);
        cr_assert_eq(vmm_digest(plain), vmm_digest(other), "%s", technique);
        vmm_destroy(plain);
        vmm_destroy(other);
    }
    free(bytes);
}

static struct vmm_outcome forgetful_cli(void *context, struct vmm_call *call)
{
    (void)context;
    (void)call;
    return DONE;
}

/* sti; cli; mov eax,5; mov al,1; out 0xf4,al */
static const uint8_t small[] = {0xfb, 0xfa, 0xb8, 5, 0, 0, 0, 0xb0, 1, 0xe6, 0xf4};

Test(module, a_wrong_routine_is_seen_in_the_digest)
{
    FOR_EACH_TECHNIQUE(technique)
    {
        struct vmm_vm *right = START(technique, small), *wrong = START(technique, small);
        struct vmm_registers registers;
        replace(wrong, "interpreter.cli", forgetful_cli, 0);
        cr_assert_eq(vmm_run(right, 0), VMM_STOP_EXIT);
        cr_assert_eq(vmm_run(wrong, 0), VMM_STOP_EXIT);
        cr_assert_eq(instructions(right), instructions(wrong));
        cr_assert_neq(vmm_digest(right), vmm_digest(wrong), "%s", technique);
        vmm_registers(wrong, &registers);
        cr_assert(registers.eflags & IF, "which is what CLI has to clear");
        vmm_destroy(right);
        vmm_destroy(wrong);
    }
}

Test(module, a_module_that_was_taken_away_stops_the_guest)
{
    FOR_EACH_TECHNIQUE(technique)
    {
        struct vmm_vm *vm = START(technique, small);
        cr_assert_eq(vmm_module_remove(vm, "interpreter.cli", 0), VMM_OK);
        cr_assert_eq(vmm_module_state(vm, "interpreter.cli"), VMM_MODULE_MISSING);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_FAILURE);
        cr_assert_str_eq(vmm_stop_text(vm),
                         "Module missing: this virtual machine has no interpreter routine for cli, "
                         "at 0x00100001 in ring 0 after 1 instructions.");
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_FAILURE, "for good");
        vmm_destroy(vm);
        vm = START(technique, small);
        vmm_module_remove(vm, "interpreter.cli", 0);
        cr_assert_eq(vmm_module_restore(vm, "interpreter.cli", 0), VMM_OK);
        cr_assert_eq(vmm_module_state(vm, "interpreter.cli"), VMM_MODULE_STANDARD);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT, "%s", vmm_stop_text(vm));
        vmm_destroy(vm);
    }
}

Test(module, one_virtual_machine_is_changed_and_its_neighbour_not)
{
    struct vmm_error error;
    struct vmm_config config = {.memory_size = 4 << 20, .technique = "trap", .vms = 2};
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = small, .size = sizeof small}};
    struct vmm_vm *one = vmm_create(&config, &error);
    config.beside = one;
    struct vmm_vm *two = vmm_create(&config, &error);
    cr_assert(one && two, "%s", error.text);
    cr_assert_eq(vmm_load(one, &image, &error), VMM_OK);
    cr_assert_eq(vmm_load(two, &image, &error), VMM_OK);
    vmm_module_remove(one, "interpreter.cli", 0);
    cr_assert_eq(vmm_run(one, 0), VMM_STOP_FAILURE);
    cr_assert_eq(vmm_run(two, 0), VMM_STOP_EXIT);
    vmm_destroy(two);
    vmm_destroy(one);
}

/* ---- modules that misbehave ---- */

static struct vmm_outcome hostile(void *context, struct vmm_call *call)
{
    struct vmm_registers *r = &call->registers;
    struct vmm_outcome outcome = {0}, fault;
    static uint8_t bytes[8192];
    switch (*(const int *)context) {
    case 0: outcome.kind = 999; break;
    case 1: r->eflags |= 1u << 31; break;
    case 2: r->eflags &= ~2u; break;
    case 3: r->eflags |= VM; break;
    case 4: r->cr0 = 1u << 31; break;
    case 5: r->cr0 |= 1u << 10; break;
    case 6:
        outcome.kind = VMM_OUTCOME_ADDRESS_SPACE;
        r->cr4 = 1 << 5;
        break;
    case 7: r->cr3 = 0x12345000; break;
    case 8: r->gdt_limit = 7; break;
    case 9: r->cpl = 3; break;
    case 10: r->segment[1] = 0x1234; break;
    case 11: r->segment_base[3] = 4096; break;
    case 12:
        outcome.kind = VMM_OUTCOME_PORT;
        outcome.port.size = 3;
        break;
    case 13:
        outcome.kind = VMM_OUTCOME_PORT;
        outcome.port.size = 200;
        break;
    case 14:
        outcome.kind = VMM_OUTCOME_INJECT;
        outcome.vector = 77;
        break;
    case 15:
        outcome.kind = VMM_OUTCOME_INJECT;
        outcome.vector = 6;
        outcome.error_code = 1;
        break;
    case 16:
        outcome.kind = VMM_OUTCOME_INJECT;
        outcome.vector = 13;
        outcome.error_code = UINT32_MAX;
        break;
    case 17: vmm_call_write(call, 0, bytes, sizeof bytes, &fault); break;
    case 18: outcome.kind = (enum vmm_outcome_kind) - 1; break;
    default: return (struct vmm_outcome){.kind = VMM_OUTCOME_MISSING};
    }
    return outcome;
}
enum { HOSTILE = 20 };

Test(module, nonsense_stops_the_guest_with_a_sentence_that_names_the_module)
{
    FOR_EACH_TECHNIQUE(technique)
    for (int which = 0; which < HOSTILE; which++) {
        struct vmm_vm *vm = START(technique, small);
        const char *sentence =
            which == HOSTILE - 1 ? "Module missing: " : "Module interpreter.cli misbehaved: it ";
        replace(vm, "interpreter.cli", hostile, &which);
        cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_FAILURE, "%s, %d", technique, which);
        cr_assert_eq(strncmp(vmm_stop_text(vm), sentence, strlen(sentence)), 0, "%d: %s", which,
                     vmm_stop_text(vm));
        cr_assert_eq(instructions(vm), 1, "CLI has not retired");
        vmm_destroy(vm);
    }
}

static struct vmm_outcome scribble(void *context, struct vmm_call *call)
{
    uint32_t *seed = context;
    uint8_t *at = (uint8_t *)&call->registers;
    struct vmm_outcome outcome = {0};
    for (unsigned i = 0; i < 3; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        at[(*seed >> 16) % sizeof call->registers] ^= (uint8_t)(1u << (*seed >> 8) % 8);
    }
    outcome.kind = (*seed >> 12) % VMM_OUTCOME_STANDARD;
    outcome.vector = (uint8_t)(*seed >> 20);
    outcome.address = *seed;
    outcome.port.port = 0x60;
    outcome.port.size = 1;
    return outcome;
}

Test(module, a_module_at_random_does_the_host_no_harm)
{
    size_t size;
    uint8_t *bytes = read_guest("kernel-virt.elf", &size);
    uint32_t seed = 1;
    FOR_EACH_TECHNIQUE(technique)
    for (unsigned round = 0; round < 60; round++) {
        struct vmm_vm *vm = load(technique, 0, bytes, size);
        replace(vm, mine[round % MINE].name, scribble, &seed);
        vmm_run(vm, 60000);
        vmm_destroy(vm);
    }
    free(bytes);
}

static struct vmm_outcome run_again(void *context, struct vmm_call *call)
{
    (void)call;
    vmm_run(context, 0);
    return (struct vmm_outcome){.kind = VMM_OUTCOME_STANDARD};
}

Test(module, a_module_cannot_run_its_own_machine)
{
    struct vmm_vm *vm = START("trap", small);
    replace(vm, "interpreter.cli", run_again, vm);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    cr_assert_eq(instructions(vm), 5);
    vmm_destroy(vm);
}

/* ---- what a routine asks others for ---- */

static struct vmm_outcome interrupt(void *context, struct vmm_call *call)
{
    (void)context;
    call->registers.gpr[EDX] = 99; /* dropped: the instruction does not retire by itself */
    return (struct vmm_outcome){.kind = VMM_OUTCOME_INTERRUPT, .vector = 0x40};
}

/* SDM volume 3, section 6.12.1: EFLAGS, CS and the EIP behind the instruction are pushed. */
Test(module, an_interrupt_goes_through_the_guests_own_gate)
{
    enum { IDT = 0x200000, GDT = 0x202000, STACK = 0x300000, HANDLER = 0x100014 };
    /* mov esp,0x300000; lgdt [0x203000]; lidt [0x203008]; cli; handler: mov al,7; out 0xf4,al */
    static const uint8_t code[] = {0xbc, 0,    0,    0x30, 0,    0x0f, 0x01, 0x15,
                                   0,    0x30, 0x20, 0,    0x0f, 0x01, 0x1d, 0x08,
                                   0x30, 0x20, 0,    0xfa, 0xb0, 7,    0xe6, 0xf4};
    static const uint8_t limits[] = {0xff, 0xff, 0, 0x20, 0x20, 0, 0, 0, 0xff, 0x07, 0, 0, 0x20, 0};
    static const uint32_t flat_code[] = {0x0000ffff, 0x00cf9b00};
    FOR_EACH_TECHNIQUE(technique)
    {
        struct vmm_vm *vm = START(technique, code);
        struct vmm_registers registers;
        struct vmm_statistics statistics;
        uint32_t pushed[3];
        vmm_registers(vm, &registers);
        uint16_t cs = registers.segment[1];
        const uint32_t gate[] = {(uint32_t)cs << 16 | (HANDLER & 0xffff),
                                 (HANDLER & 0xffff0000) | 0x8e00};
        vmm_write_physical(vm, GDT + (cs & ~7u), flat_code, sizeof flat_code);
        vmm_write_physical(vm, IDT + 8 * 0x40, gate, sizeof gate);
        vmm_write_physical(vm, 0x203000, limits, sizeof limits);
        replace(vm, "interpreter.cli", interrupt, 0);
        cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_EXIT, "%s: %s", technique, vmm_stop_text(vm));
        vmm_statistics(vm, &statistics);
        cr_assert_eq(statistics.exit_code, 7);
        vmm_registers(vm, &registers);
        cr_assert_eq(registers.gpr[4], STACK - 12);
        cr_assert_neq(registers.gpr[EDX], 99);
        cr_assert_eq(vmm_read_linear(vm, STACK - 12, pushed, sizeof pushed), sizeof pushed);
        cr_assert_eq(pushed[0], HANDLER);
        cr_assert_eq(pushed[1], cs);
        vmm_destroy(vm);
    }
}

static struct vmm_outcome my_ins(void *context, struct vmm_call *call)
{
    ++*(unsigned *)context;
    cr_assert(call->instruction.repeat);
    return (struct vmm_outcome){.kind = VMM_OUTCOME_PORT,
                                .port = {.port = (uint16_t)call->registers.gpr[EDX],
                                         .size = call->instruction.width,
                                         .in = true}};
}

Test(module, a_string_of_port_accesses_is_asked_for_one_by_one)
{
    /* mov edx,0x21; mov ecx,3; mov edi,0x200000; rep insb; mov al,0; out 0xf4,al */
    static const uint8_t code[] = {0xba, 0x21, 0,    0, 0,    0xb9, 3,    0, 0,    0,   0xbf,
                                   0,    0,    0x20, 0, 0xf3, 0x6c, 0xb0, 0, 0xe6, 0xf4};
    FOR_EACH_TECHNIQUE(technique)
    {
        struct vmm_vm *plain = START(technique, code), *vm = START(technique, code);
        unsigned calls = 0;
        replace(vm, "interpreter.ins", my_ins, &calls);
        cr_assert_eq(vmm_run(plain, 0), VMM_STOP_EXIT);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT, "%s", vmm_stop_text(vm));
        cr_assert_eq(calls, 3);
        cr_assert_eq(vmm_digest(plain), vmm_digest(vm));
        vmm_destroy(plain);
        vmm_destroy(vm);
    }
}

/* ---- guest memory ---- */

struct tried {
    bool read, written;
    struct vmm_outcome fault;
    uint8_t bytes[4];
};

static struct vmm_outcome touch(void *context, struct vmm_call *call)
{
    struct tried *tried = context;
    struct vmm_outcome none;
    tried->written = vmm_call_write(call, 0x3ffffe, "\1\2", 2, &none);
    tried->written &= !vmm_call_write(call, 0x3ffffe, "\3\4\5\6", 4, &none);
    tried->read = vmm_call_read(call, 0x3ffffc, tried->bytes, 4, &none);
    return vmm_call_read(call, 0x3ffffe, tried->bytes, 4, &tried->fault) ? DONE : tried->fault;
}

Test(module, guest_memory_is_reached_with_the_guests_rights)
{
    /* mov dword [0x200000],0x83 (4 MB at 0, writable); mov eax,0x200000; mov cr3,eax;
       mov eax,0x10; mov cr4,eax; mov eax,0x80000011; mov cr0,eax; cli */
    static const uint8_t code[] = {0xc7, 0x05, 0, 0,    0x20, 0,    0x83, 0,    0,
                                   0,    0xb8, 0, 0,    0x20, 0,    0x0f, 0x22, 0xd8,
                                   0xb8, 0x10, 0, 0,    0,    0x0f, 0x22, 0xe0, 0xb8,
                                   0x11, 0,    0, 0x80, 0x0f, 0x22, 0xc0, 0xfa};
    FOR_EACH_TECHNIQUE(technique)
    {
        struct vmm_vm *vm = START(technique, code);
        struct vmm_registers registers;
        struct tried tried = {0};
        replace(vm, "interpreter.cli", touch, &tried);
        cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_SHUTDOWN, "%s", vmm_stop_text(vm));
        cr_assert(tried.read && tried.written, "%s", technique);
        cr_assert_arr_eq(tried.bytes + 2, "\1\2", 2, "the write that faults changes nothing");
        /* SDM volume 3, section 4.7: a supervisor's read of a page that is not present. */
        cr_assert_eq(tried.fault.kind, VMM_OUTCOME_INJECT);
        cr_assert_eq(tried.fault.vector, 14);
        cr_assert_eq(tried.fault.error_code, 0);
        cr_assert_eq(tried.fault.address, 0x400000);
        vmm_registers(vm, &registers);
        cr_assert_eq(registers.cr2, 0x400000);
        vmm_destroy(vm);
    }
}

static struct vmm_outcome bad_selector(void *context, struct vmm_call *call)
{
    (void)context;
    call->registers.segment[3] = 0x7f8; /* beyond the GDT */
    return DONE;
}

Test(module, a_selector_is_loaded_as_the_processor_loads_it)
{
    struct vmm_vm *vm = START("trap", small);
    struct vmm_record record;
    replace(vm, "interpreter.cli", bad_selector, 0);
    cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_SHUTDOWN, "#GP without an IDT: %s", vmm_stop_text(vm));
    cr_assert(vmm_last_record(vm, 0, &record));
    cr_assert_str_eq(record.cause, "cli");
    vmm_destroy(vm);
}

/* ---- policies ---- */

static bool no_keyboard(void *context, const struct vmm_port_access *access)
{
    ++*(unsigned *)context;
    return access->port != 0x60 && access->port != 0x64;
}

Test(module, an_allocator_says_which_ports_there_are)
{
    /* xor eax,eax; in al,0x64; mov ebx,eax; in al,0x21; out 0xf4,al */
    static const uint8_t code[] = {0x31, 0xc0, 0xe4, 0x64, 0x89, 0xc3, 0xe4, 0x21, 0xe6, 0xf4};
    FOR_EACH_TECHNIQUE(technique)
    {
        struct vmm_vm *plain = START(technique, code), *vm = START(technique, code);
        struct vmm_registers registers;
        unsigned calls = 0, ins = 0;
        cr_assert_eq(vmm_module_replace_ports(vm, no_keyboard, &calls, 0), VMM_OK);
        replace(vm, "interpreter.in", my_port, &ins);
        cr_assert_eq(vmm_run(plain, 0), VMM_STOP_EXIT);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
        cr_assert_eq(calls, 3);
        cr_assert_eq(ins, 2);
        vmm_registers(plain, &registers);
        cr_assert_neq(registers.gpr[EBX], 0xff);
        vmm_registers(vm, &registers);
        cr_assert_eq(registers.gpr[EBX], 0xff, "as if nothing were there");
        vmm_destroy(plain);
        vmm_destroy(vm);
        vm = START(technique, code);
        cr_assert_eq(vmm_module_remove(vm, "allocator.ports", 0), VMM_OK);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_FAILURE);
        cr_assert_eq(strncmp(vmm_stop_text(vm), "Module missing: ", 16), 0);
        cr_assert_not_null(strstr(vmm_stop_text(vm), "allocator.ports"));
        vmm_destroy(vm);
    }
}

struct decisions {
    unsigned emulated, allocated, reflected;
    int instead; /* of emulating; -1: nothing */
};

static enum vmm_decision count(void *context, const struct vmm_trap *trap)
{
    struct decisions *seen = context;
    switch (trap->standard) {
    case VMM_DECIDE_EMULATE:
        seen->emulated++;
        cr_assert_not_null(trap->instruction);
        return seen->instead < 0 ? trap->standard : (enum vmm_decision)seen->instead;
    case VMM_DECIDE_ALLOCATE:
        seen->allocated++;
        cr_assert_eq(trap->vector, 14);
        return trap->standard;
    default: seen->reflected++; return trap->standard;
    }
}

Test(module, a_dispatcher_decides_whose_an_exception_is)
{
    size_t size;
    uint8_t *bytes = read_guest("kernel-virt.elf", &size);
    struct vmm_vm *plain = load("trap", 0, bytes, size), *vm = load("trap", 0, bytes, size);
    struct decisions seen = {.instead = -1};
    cr_assert_eq(vmm_module_replace_decision(vm, count, &seen, 0), VMM_OK);
    vmm_run(plain, 1000000);
    vmm_run(vm, 1000000);
    cr_assert(seen.emulated && seen.allocated);
    cr_assert_eq(vmm_digest(plain), vmm_digest(vm), "it decides as the library does");
    vmm_destroy(plain);
    vmm_destroy(vm);
    free(bytes);
}

Test(module, a_wrong_decision_is_the_guests_ruin_or_refused)
{
    static const struct {
        int instead;
        enum vmm_stop stop;
        const char *sentence;
    } cases[] = {
        {VMM_DECIDE_REFLECT, VMM_STOP_SHUTDOWN, "The processor shut down"}, /* CLI: #GP, no IDT */
        {VMM_DECIDE_ALLOCATE, VMM_STOP_FAILURE, "Module dispatcher.decision misbehaved"},
        {99, VMM_STOP_FAILURE, "Module dispatcher.decision misbehaved"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vmm_vm *vm = START("trap", small);
        struct decisions seen = {.instead = cases[i].instead};
        cr_assert_eq(vmm_module_replace_decision(vm, count, &seen, 0), VMM_OK);
        cr_assert_eq(vmm_run(vm, 1000), cases[i].stop, "%u: %s", i, vmm_stop_text(vm));
        cr_assert_eq(strncmp(vmm_stop_text(vm), cases[i].sentence, strlen(cases[i].sentence)), 0,
                     "%s", vmm_stop_text(vm));
        vmm_destroy(vm);
    }
    struct vmm_vm *vm = START("trap", small);
    cr_assert_eq(vmm_module_remove(vm, "dispatcher.decision", 0), VMM_OK);
    cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_FAILURE);
    cr_assert_eq(strncmp(vmm_stop_text(vm), "Module missing: ", 16), 0);
    cr_assert_not_null(strstr(vmm_stop_text(vm), "dispatcher.decision"));
    vmm_destroy(vm);
}

/* ---- names ---- */

static enum vmm_decision decide_nothing(void *context, const struct vmm_trap *trap)
{
    (void)context;
    return trap->standard;
}

Test(module, slots_have_names)
{
    struct vmm_error error;
    struct vmm_vm *trap = START("trap", small), *bare = START("bare", small),
                  *interp = START("interp", small), *bt = START("bt", small),
                  *hw = START("hw", small);
    bool cli = false;
    size_t count = 0;
    for (const char *name; (name = vmm_module(count)); count++) {
        cli |= strcmp(name, "interpreter.cli") == 0;
        cr_assert_null(strstr(name, "null"), "%s", name);
        bool translator = strcmp(name, "interpreter.translator") == 0;
        bool hardware = strcmp(name, "dispatcher.hardware") == 0;
        cr_assert_eq(vmm_module_state(translator ? bt
                                      : hardware ? hw
                                                 : trap,
                                      name),
                     VMM_MODULE_STANDARD, "%s", name);
        cr_assert_eq(vmm_module_state(bare, name), VMM_MODULE_UNKNOWN, "%s", name);
        cr_assert_eq(vmm_module_remove(bare, name, &error), VMM_E_UNSUPPORTED, "%s", name);
        for (size_t other = 0; other < count; other++)
            cr_assert_str_neq(name, vmm_module(other));
    }
    cr_assert(cli);
    cr_assert_gt(count, 60);
    cr_assert_eq(vmm_module_state(interp, "dispatcher.decision"), VMM_MODULE_UNKNOWN);
    cr_assert_eq(vmm_module_replace_decision(interp, decide_nothing, 0, &error), VMM_E_UNSUPPORTED);
    cr_assert_eq(vmm_module_remove(trap, "interpreter.castle", &error), VMM_E_USAGE);
    cr_assert_not_null(strstr(error.text, "castle"));
    cr_assert_eq(vmm_module_restore(trap, "", &error), VMM_E_USAGE);
    cr_assert_eq(vmm_module_replace(trap, "interpreter.cli", 0, 0, &error), VMM_E_USAGE);
    cr_assert_eq(vmm_module_replace(trap, "allocator.ports", my_cli, 0, &error), VMM_E_USAGE);
    cr_assert_not_null(strstr(error.text, "vmm_module_replace_ports"));
    vmm_destroy(trap);
    vmm_destroy(bare);
    vmm_destroy(interp);
    vmm_destroy(hw);
    vmm_destroy(bt);
}
