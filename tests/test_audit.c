/* The audit: a healthy VMM passes; a fault planted in one of its routines is found at exactly the
 * instruction that it touches; a breach of resource control planted in the shadow tables is named.
 * The properties are those of Popek and Goldberg (CACM 17(7), 1974, section 3); what CLI, STI and
 * the others do is in the Intel SDM, volume 2. */
#include "vm/audit.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/vmm.h>

#include "vm/vm.h"

enum { IF = 1 << 9, RW = 1 << 1, US = 1 << 2, EAX = 0 };

/* sti; nop; nop; cli; nop; in al,0x21; mov al,0; out 0xf4,al */
static const uint8_t code[] = {0xfb, 0x90, 0x90, 0xfa, 0x90, 0xe4, 0x21, 0xb0, 0x00, 0xe6, 0xf4};

struct plant {
    const char *module;
    vmm_routine *routine;
};

static void put_plant(void *context, struct vmm_vm *vm)
{
    const struct plant *plant = context;
    struct vmm_error error;
    cr_assert_eq(vmm_module_replace(vm, plant->module, plant->routine, 0, &error), VMM_OK, "%s",
                 error.text);
}

static struct vmm_audit run_exits(const char *technique, uint64_t every, struct plant *plant,
                                  bool exits)
{
    struct vmm_audit audit;
    struct vmm_error error;
    const struct vmm_audit_request request = {
        .config = {.technique = technique, .memory_size = 2 << 20},
        .image = {.kind = "flat@0x100000", .file = {.bytes = code, .size = sizeof code}},
        .every = every,
        .exits = exits,
        .prepare = plant ? put_plant : NULL,
        .context = plant,
    };
    cr_assert_eq(vmm_audit(&request, &audit, &error), VMM_OK, "%s", error.text);
    return audit;
}

static struct vmm_audit run_audit(const char *technique, uint64_t every, struct plant *plant)
{
    return run_exits(technique, every, plant, false);
}

static struct vmm_outcome nothing(void *context, struct vmm_call *call)
{
    (void)context;
    (void)call;
    return (struct vmm_outcome){0};
}

static struct vmm_outcome always_seven(void *context, struct vmm_call *call)
{
    (void)context;
    call->registers.gpr[EAX] = (call->registers.gpr[EAX] & ~0xffu) | 7;
    return (struct vmm_outcome){0};
}

static struct vmm_outcome clobber(void *context, struct vmm_call *call)
{
    (void)context;
    call->registers.eflags &= ~(uint32_t)IF;
    call->registers.gpr[EAX] ^= 1u << 16;
    return (struct vmm_outcome){0};
}

static struct vmm_outcome one_too_far(void *context, struct vmm_call *call)
{
    (void)context;
    call->registers.eflags &= ~(uint32_t)IF;
    call->registers.eip += 2;
    return (struct vmm_outcome){0};
}

static struct vmm_outcome by_the_manual(void *context, struct vmm_call *call)
{
    (void)context;
    call->registers.eflags &= ~(uint32_t)IF;
    return (struct vmm_outcome){0};
}

static const char *const techniques[] = {"trap", "interp"};

Test(audit, a_healthy_vmm_has_all_three_properties)
{
    static const uint64_t every[] = {1, 3, 100000};
    struct plant healthy = {"interpreter.cli", by_the_manual};
    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < 6; i++) {
            struct vmm_audit audit = run_audit(techniques[t], every[i % 3], i < 3 ? 0 : &healthy);
            cr_assert(audit.equivalent, "%s, %zu: %s", techniques[t], i,
                      audit.divergence.explanation);
            cr_assert_eq(audit.violation_count, 0, "%s", audit.violations[0].text);
            cr_assert_eq(audit.stop, VMM_STOP_EXIT);
            cr_assert_eq(audit.instructions, 8);
        }
    struct vmm_audit audit = run_audit("trap", 1, 0);
    cr_assert_geq(audit.comparisons, 8);
    cr_assert_gt(audit.entries, 0);
    cr_assert_float_eq(audit.direct, 4 / 8.0, 1e-9, "two NOPs and a third, and MOV: %f",
                       audit.direct);
}

Test(audit, a_planted_fault_is_found_at_its_instruction)
{
    static const struct {
        struct plant plant;
        uint64_t instruction;
        const char *text, *part;
        bool heals; /* a later instruction of the guest makes the states equal again */
    } cases[] = {
        {{"interpreter.cli", nothing}, 4, "cli", "if", false},
        {{"interpreter.cli", clobber}, 4, "cli", "eax", false},
        {{"interpreter.cli", one_too_far}, 4, "cli", "eip", false},
        {{"interpreter.sti", nothing}, 1, "sti", "if", true},
        {{"interpreter.in", always_seven}, 6, "in al, 0x21", "eax", true},
    };
    static const uint64_t every[] = {1, 3, 100000};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (size_t i = 0; i < 6; i++) {
            struct plant plant = cases[c].plant;
            if (cases[c].heals && i % 3 == 2)
                continue;
            struct vmm_audit audit = run_audit(techniques[i / 3], every[i % 3], &plant);
            const struct vmm_audit_divergence *d = &audit.divergence;
            bool named = false;
            cr_assert_not(audit.equivalent, "%zu", c);
            cr_expect_eq(d->instruction, cases[c].instruction, "%zu: %llu", c,
                         (unsigned long long)d->instruction);
            cr_expect_str_eq(d->text, cases[c].text);
            cr_expect_str_eq(d->property, "equivalence");
            cr_expect(strstr(d->class_name, "sensitive") != NULL, "%s", d->class_name);
            cr_expect_not(d->silent);
            for (size_t p = 0; p < d->difference_count && p < VMM_AUDIT_DIFFERENCES; p++)
                named |= strcmp(d->differences[p].name, cases[c].part) == 0;
            cr_expect(named, "case %zu: %s is not among the parts", c, cases[c].part);
        }
}

/* What heals before the comparison at the end is seen behind the trap in which it happened. */
Test(audit, at_every_exit_nothing_heals_unseen)
{
    struct plant plants[] = {{"interpreter.sti", nothing}, {"interpreter.in", always_seven}};
    for (size_t i = 0; i < 2; i++) {
        struct vmm_audit by_count = run_exits("trap", 100000, &plants[i], false);
        struct vmm_audit by_exits = run_exits("trap", 100000, &plants[i], true);
        cr_expect(by_count.equivalent, "%zu: it does not heal", i);
        cr_assert_not(by_exits.equivalent, "%zu", i);
        cr_expect_eq(by_exits.divergence.instruction, i == 0 ? 1 : 6, "%zu: %llu", i,
                     (unsigned long long)by_exits.divergence.instruction);
    }
    struct vmm_audit healthy = run_exits("trap", 100000, 0, true);
    cr_expect(healthy.equivalent);
    cr_expect_gt(healthy.comparisons, 2);
}

/* ---- the search ---- */

/* mov esp, 0x80000; mov ecx, 2000000; dec ecx; jnz; pushfd; pop eax; mov al, 0; out 0xf4, al */
static const uint8_t late[] = {0xbc, 0x00, 0x00, 0x08, 0x00, 0xb9, 0x80, 0x84, 0x1e, 0x00,
                               0x49, 0x75, 0xfd, 0x9c, 0x58, 0xb0, 0x00, 0xe6, 0xf4};
enum { LATE = 4000003 }; /* PUSHFD, which pushes the real IF under `trap` (docs/trap.md) */

static void change_nothing(void *context, struct vmm_vm *vm)
{
    (void)context;
    (void)vm;
}

/* From the last snapshot what is run again is a part of the run; who replaces modules has it all
 * run again four times, and the same is found. */
Test(audit, the_search_begins_at_a_snapshot)
{
    struct vmm_audit audit[3];
    struct vmm_error error;
    for (size_t i = 0; i < 3; i++) {
        const struct vmm_audit_request request = {
            .config = {.technique = "trap", .memory_size = 2 << 20},
            .image = {.kind = "flat@0x100000", .file = {.bytes = late, .size = sizeof late}},
            .exits = i == 1,
            .prepare = i == 2 ? change_nothing : NULL};
        cr_assert_eq(vmm_audit(&request, &audit[i], &error), VMM_OK, "%s", error.text);
        const struct vmm_audit_divergence *d = &audit[i].divergence;
        cr_assert_not(audit[i].equivalent);
        cr_expect_eq(d->instruction, LATE, "%zu: %llu", i, (unsigned long long)d->instruction);
        cr_expect_eq(d->eip, 0x10000d);
        cr_expect_str_eq(d->text, "pushfd");
        cr_expect(d->silent);
        cr_expect_eq(d->difference_count, audit[0].divergence.difference_count);
        cr_expect_str_eq(d->explanation, audit[0].divergence.explanation);
    }
    for (size_t i = 0; i < 2; i++) {
        cr_expect_gt(audit[i].snapshot, LATE / 2);
        cr_expect_leq(audit[i].snapshot, LATE);
        cr_expect_leq(audit[i].rerun, 4 * (LATE + 100000 - audit[i].snapshot));
    }
    cr_expect_eq(audit[2].snapshot, 0);
    cr_expect_gt(audit[2].rerun, 3 * (uint64_t)LATE);
}

/* Both machines step by step, with the registers and the top of the stack compared at each: what
 * the audit names as the first divergence of our kernel's normal build is where they part. */
static struct vmm_vm *kernel_under(const char *technique, const struct vmm_file *file)
{
    struct vmm_error error;
    const struct vmm_config config = {.technique = technique, .keep_going = true};
    const struct vmm_image image = {.file = *file};
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    return vm;
}

struct step {
    struct vmm_registers registers;
    uint8_t stack[16];
};

static struct step step(struct vmm_vm *vm)
{
    struct step now = {0};
    vmm_run(vm, 1);
    vmm_registers(vm, &now.registers);
    vmm_read_linear(vm, now.registers.segment_base[2] + now.registers.gpr[4], now.stack,
                    sizeof now.stack);
    return now;
}

Test(audit, the_first_divergence_is_where_single_steps_part)
{
    static uint8_t bytes[1 << 20];
    struct vmm_file file = {.name = "kernel.elf", .bytes = bytes};
    char path[4096];
    const char *build = getenv("VMM_BUILD");
    snprintf(path, sizeof path, "%s/guests/kernel.elf", build ? build : "build");
    FILE *from = fopen(path, "rb");
    if (!from)
        cr_skip_test("there is no %s", path);
    file.size = (uint32_t)fread(bytes, 1, sizeof bytes, from);
    fclose(from);

    struct vmm_audit audit;
    struct vmm_error error;
    const struct vmm_audit_request request = {
        .config = {.technique = "trap"}, .image = {.file = file}, .most = 100000};
    cr_assert_eq(vmm_audit(&request, &audit, &error), VMM_OK, "%s", error.text);
    cr_assert_not(audit.equivalent);
    cr_expect_str_eq(audit.divergence.class_name, "sensitive, unprivileged");

    struct vmm_vm *bare = kernel_under("bare", &file), *trap = kernel_under("trap", &file);
    uint64_t parted = 0;
    for (uint64_t i = 1; i <= audit.divergence.instruction && !parted; i++) {
        uint64_t digests[] = {0, 0};
        if (i == audit.divergence.instruction) {
            struct vmm_registers now;
            vmm_registers(bare, &now);
            cr_expect_eq(now.eip, audit.divergence.eip);
            digests[0] = vmm_digest(bare);
            digests[1] = vmm_digest(trap);
        }
        cr_expect_eq(digests[0], digests[1], "before the instruction all of the state is the same");
        struct step a = step(bare), b = step(trap);
        if (memcmp(&a, &b, sizeof a) != 0)
            parted = i;
    }
    cr_expect_eq(parted, audit.divergence.instruction, "%llu, not %llu", (unsigned long long)parted,
                 (unsigned long long)audit.divergence.instruction);
    vmm_destroy(bare);
    vmm_destroy(trap);
}

/* ---- resource control ---- */

/* in al, 0x21 (the 8259A's mask); in al, 0x22 (nobody's); jmp self */
static const uint8_t ports[] = {0xe4, 0x21, 0xe4, 0x22, 0xeb, 0xfe};

static bool grant(void *context, const struct vmm_port_access *access)
{
    (void)context;
    (void)access;
    return true;
}

static void grant_all(void *context, struct vmm_vm *vm)
{
    struct vmm_error error;
    (void)context;
    cr_assert_eq(vmm_module_replace_ports(vm, grant, 0, &error), VMM_OK, "%s", error.text);
}

/* Nor has the bare machine executed it, although it is in the middle of a block there. */
Test(audit, a_store_behind_the_end_of_the_run_is_none_of_it)
{
    /* mov al,0; out 0xf4,al; mov [0x180000],eax; hlt */
    static const uint8_t tail[] = {0xb0, 0, 0xe6, 0xf4, 0xa3, 0, 0, 0x18, 0, 0xf4};
    struct vmm_audit audit;
    struct vmm_error error;
    const struct vmm_audit_request request = {
        .config = {.technique = "bt", .memory_size = 2 << 20},
        .image = {.kind = "flat@0x100000", .file = {.bytes = tail, .size = sizeof tail}},
        .every = 100,
    };
    cr_assert_eq(vmm_audit(&request, &audit, &error), VMM_OK, "%s", error.text);
    cr_assert(audit.equivalent);
    cr_assert_eq(audit.instructions, 2);
}

Test(audit, a_port_that_was_not_given_is_a_violation)
{
    for (unsigned wrong = 0; wrong < 2; wrong++) {
        struct vmm_audit audit;
        struct vmm_error error;
        const struct vmm_audit_request request = {
            .config = {.technique = "trap", .memory_size = 2 << 20},
            .image = {.kind = "flat@0x100000", .file = {.bytes = ports, .size = sizeof ports}},
            .most = 10,
            .prepare = wrong ? grant_all : NULL,
        };
        cr_assert_eq(vmm_audit(&request, &audit, &error), VMM_OK, "%s", error.text);
        cr_assert(audit.equivalent);
        cr_assert_eq(audit.violation_count, wrong);
        if (wrong)
            cr_expect(strstr(audit.violations[0].text, "port 0x22"), "%s",
                      audit.violations[0].text);
    }
}

static struct vmm_vm *running(void)
{
    struct vmm_error error;
    const struct vmm_config config = {.technique = "trap", .memory_size = 2 << 20};
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = code, .size = sizeof code}};
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    cr_assert_eq(vmm_run(vm, 3), VMM_STOP_LIMIT);
    return vm;
}

static uint32_t *entries(struct vmm_vm *vm, uint32_t machine)
{
    return (uint32_t *)(void *)memory_frame(vm->map.pool->memory, machine);
}

/* The shadow entry that maps the guest's code. */
static uint32_t *leaf(struct vmm_vm *vm)
{
    uint32_t pde = entries(vm, vm->vcpu->root)[0];
    cr_assert(pde & 1);
    uint32_t *entry = &entries(vm, pde & ~0xfffu)[0x100];
    cr_assert(*entry & 1);
    return entry;
}

static void check_resources(struct vmm_vm *vm, struct vmm_audit *audit)
{
    uint32_t *pages = audit_pages(vm);
    cr_assert_not_null(pages);
    audit_resources(vm, pages, &(struct audit_seen){0}, audit);
    free(pages);
}

static void expect_violation(struct vmm_vm *vm, const char *words)
{
    struct vmm_audit audit = {0};
    check_resources(vm, &audit);
    cr_assert_eq(audit.violation_count, 1, "%zu", audit.violation_count);
    cr_assert(strstr(audit.violations[0].text, words) != NULL, "%s", audit.violations[0].text);
    cr_assert_eq(audit.violations[0].instruction, 3);
}

Test(audit, no_violation_where_nothing_is_planted)
{
    struct vmm_vm *vm = running();
    struct vmm_audit audit = {0};
    check_resources(vm, &audit);
    cr_assert_eq(audit.violation_count, 0, "%s", audit.violations[0].text);
    vmm_destroy(vm);
}

/* Tables are looked at behind each decision of the allocator's, and not between two. */
Test(audit, a_decision_of_the_allocators_has_its_tables_looked_at)
{
    struct vmm_vm *vm = running();
    struct vmm_audit audit = {0};
    struct audit_seen seen = {0};
    uint32_t *entry = leaf(vm), old = *entry, *pages = audit_pages(vm);
    audit_resources(vm, pages, &seen, &audit);
    uint64_t entries_seen = audit.entries;
    *entry = vm->vcpu->root | (old & 0xfff);
    audit_resources(vm, pages, &seen, &audit);
    cr_assert_eq(audit.violation_count, 0);
    shadow_trace(vm->vcpu->shadow, 0x3000);
    audit_resources(vm, pages, &seen, &audit);
    cr_assert_eq(audit.violation_count, 1, "%zu", audit.violation_count);
    cr_assert_geq(audit.entries, 2 * entries_seen);
    shadow_untrace(vm->vcpu->shadow, 0x3000);
    *entry = old;
    free(pages);
    vmm_destroy(vm);
}

Test(audit, an_entry_that_reaches_the_vmm_is_a_violation)
{
    struct vmm_vm *vm = running();
    uint32_t *entry = leaf(vm), old = *entry;
    *entry = vm->vcpu->root | (old & 0xfff);
    expect_violation(vm, "of the VMM");
    *entry = old;
    vmm_destroy(vm);
}

Test(audit, an_entry_that_reaches_nobodys_frame_is_a_violation)
{
    struct vmm_vm *vm = running();
    uint32_t *entry = leaf(vm), old = *entry, frame = 0;
    while (frames_owner(vm->map.pool, frame) != FRAMES_FREE)
        frame++;
    *entry = frame << 12 | (old & 0xfff);
    expect_violation(vm, "of nobody");
    *entry = old;
    vmm_destroy(vm);
}

Test(audit, a_writable_traced_page_is_a_violation)
{
    struct vmm_vm *vm = running();
    uint32_t *entry = leaf(vm);
    shadow_trace(vm->vcpu->shadow, 0x100000);
    *entry |= RW;
    expect_violation(vm, "traced page 0x00100000");
    vmm_destroy(vm);
}

Test(audit, the_vmms_slot_is_closed_to_ring_3)
{
    struct vmm_vm *vm = running();
    uint32_t *page = entries(vm, vm->vcpu->tables.page_table);
    while (!(*page & 1))
        page++;
    *page |= US;
    expect_violation(vm, "open to ring 3");
    *page &= ~(uint32_t)US;
    *page |= RW;
    expect_violation(vm, "open to writes");
    vmm_destroy(vm);
}

Test(audit, what_cannot_be_audited_is_refused)
{
    struct vmm_audit audit;
    struct vmm_error error;
    struct vmm_audit_request request = {
        .image = {.kind = "flat@0x100000", .file = {.bytes = code, .size = sizeof code}}};
    request.config.technique = "bare";
    cr_assert_eq(vmm_audit(&request, &audit, &error), VMM_E_USAGE);
    request.config.technique = "nonsense";
    cr_assert_eq(vmm_audit(&request, &audit, &error), VMM_E_USAGE);
    request.config.technique = "trap";
    request.config.clock = VMM_CLOCK_HOST;
    cr_assert_eq(vmm_audit(&request, &audit, &error), VMM_E_USAGE);
    request.config.clock = VMM_CLOCK_VIRTUAL;
    request.config.vms = 2;
    cr_assert_eq(vmm_audit(&request, &audit, NULL), VMM_E_USAGE);
}
