/* Exactness: a single step, a breakpoint, a fault and a timer interrupt at every instruction
 * boundary of the guest `boundaries`' routines, in code that is modified, mapped twice and cut by a
 * page boundary, leave and find the same state under every technique as on the bare machine (SDM
 * volume 3, sections 6.5 and 6.6: what an event finds is the state between two instructions). And
 * what a person does at every boundary, a step or a breakpoint, changes nothing.
 *
 * VMM_BOUNDARIES=N: every Nth boundary (1, all of them, is `make boundaries`). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/vmm.h>

TestSuite(boundaries);

enum {
    LIMIT = 100000000,
    SOME = 11,
    STEPS = 6000,
    ROUTINES = 0x101000,
    ROUTINES_SIZE = 0x200,
    MOST = 512,
    TOGETHER = 30,
};

struct run {
    char *text;
    size_t length, room;
    struct vmm_statistics statistics;
    uint64_t digest;
};

static void collect(void *context, const uint8_t *bytes, size_t count)
{
    struct run *run = context;
    if (run->length + count + 1 > run->room) {
        run->room = 2 * (run->room + count) + 1;
        run->text = realloc(run->text, run->room);
    }
    memcpy(run->text + run->length, bytes, count);
    run->length += count;
    run->text[run->length] = 0;
}

/* Trap-and-emulate gets the guest without what does not trap (theorem 1); a guest that knows its
 * VMM is another guest. */
static const char *guest_for(const char *technique)
{
    if (strcmp(technique, "para") == 0)
        return 0;
    return strcmp(technique, "trap") == 0 ? "boundaries-virt.elf" : "boundaries.elf";
}

static struct vmm_vm *load(const char *technique, const char *name, const char *options,
                           struct run *run)
{
    const char *build = getenv("VMM_BUILD");
    static uint8_t bytes[1 << 20];
    char path[512];
    snprintf(path, sizeof path, "%s/guests/%s", build ? build : "build", name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    const struct vmm_image image = {
        .kind = "auto",
        .file = {.bytes = bytes, .size = (uint32_t)fread(bytes, 1, sizeof bytes, file)},
        .cmdline = options};
    fclose(file);
    struct vmm_error error;
    const struct vmm_config config = {.technique = technique,
                                      .memory_size = 8 << 20,
                                      .console = {.context = run, .output = collect}};
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    return vm;
}

static struct run run_guest(const char *technique, const char *name, const char *options)
{
    struct run run = {0};
    struct vmm_vm *vm = load(technique, name, options, &run);
    vmm_run(vm, LIMIT);
    collect(&run, (const uint8_t *)"", 0);
    vmm_statistics(vm, &run.statistics);
    cr_assert_eq(run.statistics.stop, VMM_STOP_EXIT, "%s: %s", technique, vmm_stop_text(vm));
    run.digest = vmm_digest(vm);
    vmm_destroy(vm);
    return run;
}

/* The first line that differs says where. */
static void same_text(const char *technique, const char *bare, const char *other)
{
    unsigned line = 1;
    while (*bare && *bare == *other) {
        const char *end = strchr(bare, '\n');
        size_t length = end ? (size_t)(end - bare) : strlen(bare);
        if (strncmp(bare, other, length + 1) != 0)
            break;
        bare += length + (end != 0);
        other += length + (end != 0);
        line++;
    }
    cr_assert(!*bare && !*other, "%s, line %u:\n  %.*s\nbare:\n  %.*s", technique, line,
              (int)strcspn(other, "\n"), other, (int)strcspn(bare, "\n"), bare);
}

static void same_guest(const char *technique, const char *name, const char *options)
{
    struct run bare = run_guest("bare", name, options), other = run_guest(technique, name, options);
    same_text(technique, bare.text, other.text);
    cr_assert_eq(other.statistics.guest_instructions, bare.statistics.guest_instructions, "%s",
                 technique);
    cr_assert_eq(other.digest, bare.digest, "%s", technique);
    free(bare.text);
    free(other.text);
}

Test(boundaries, events_find_the_same_state_everywhere)
{
    const char *chosen = getenv("VMM_BOUNDARIES");
    char options[32];
    snprintf(options, sizeof options, "every=%d", chosen ? atoi(chosen) : SOME);
    for (size_t i = 0; vmm_technique(i); i++) {
        const char *technique = vmm_technique(i), *name = guest_for(technique);
        if (name && strcmp(technique, "bare") != 0)
            same_guest(technique, name, options);
    }
}

/* The routines run a few times, interrupted once each. */
static const char quiet[] = "every=100 events=8";

/* Up to the routines' first instruction. */
static void begin(struct vmm_vm *vm)
{
    struct vmm_error error;
    cr_assert_eq(vmm_break_add(vm, ROUTINES, &error), VMM_OK);
    cr_assert_eq(vmm_run(vm, LIMIT), VMM_STOP_BREAK);
    vmm_break_delete(vm, ROUTINES);
}

static bool same_registers(const struct vmm_registers *a, const struct vmm_registers *b)
{
    const uint32_t rf = 1u << 16; /* docs/engine-deviations.md */
    return !memcmp(a->gpr, b->gpr, sizeof a->gpr) && a->eip == b->eip &&
           !((a->eflags ^ b->eflags) & ~rf) && !memcmp(a->segment, b->segment, sizeof a->segment) &&
           a->cr0 == b->cr0 && a->cr2 == b->cr2 && a->cr3 == b->cr3 && a->cpl == b->cpl;
}

/* A person's single steps: registers, side by side, over the first steps of the routines. */
Test(boundaries, steps_from_outside_are_the_same)
{
    for (size_t i = 0; vmm_technique(i); i++) {
        const char *technique = vmm_technique(i), *name = guest_for(technique);
        if (!name || strcmp(technique, "bare") == 0)
            continue;
        struct run run[2] = {0};
        struct vmm_vm *vm[2] = {load("bare", name, quiet, &run[0]),
                                load(technique, name, quiet, &run[1])};
        for (unsigned v = 0; v < 2; v++)
            begin(vm[v]);
        for (unsigned step = 0; step < STEPS; step++) {
            struct vmm_registers registers[2];
            for (unsigned v = 0; v < 2; v++) {
                vmm_run(vm[v], 1);
                vmm_registers(vm[v], &registers[v]);
            }
            cr_assert(same_registers(&registers[0], &registers[1]),
                      "%s, step %u: eip 0x%x, bare 0x%x", technique, step, registers[1].eip,
                      registers[0].eip);
        }
        for (unsigned v = 0; v < 2; v++) {
            cr_assert_eq(vmm_run(vm[v], LIMIT), VMM_STOP_EXIT, "%s", technique);
            free(run[v].text);
        }
        cr_assert_eq(vmm_digest(vm[0]), vmm_digest(vm[1]), "%s", technique);
        vmm_destroy(vm[0]);
        vmm_destroy(vm[1]);
    }
}

/* Where the routines' instructions begin. */
static unsigned find_boundaries(const char *name, uint32_t *found)
{
    struct run run = {0};
    struct vmm_vm *vm = load("bare", name, quiet, &run);
    unsigned count = 0;
    begin(vm);
    for (unsigned step = 0; step < STEPS; step++) {
        struct vmm_registers registers;
        vmm_run(vm, 1);
        vmm_registers(vm, &registers);
        bool known = registers.eip - ROUTINES >= ROUTINES_SIZE;
        for (unsigned i = 0; i < count && !known; i++)
            known = found[i] == registers.eip;
        if (!known && count < MOST)
            found[count++] = registers.eip;
    }
    vmm_destroy(vm);
    free(run.text);
    return count;
}

/* Breakpoints at each, as many at a time as there may be, change nothing. */
Test(boundaries, breakpoints_from_outside_change_nothing)
{
    for (size_t i = 0; vmm_technique(i); i++) {
        const char *technique = vmm_technique(i), *name = guest_for(technique);
        if (!name)
            continue;
        uint32_t found[MOST];
        unsigned count = find_boundaries(name, found), next = 0, stops = 0;
        cr_assert_gt(count, 80u, "%u", count);
        struct run plain = run_guest("bare", name, quiet), run = {0};
        struct vmm_vm *vm = load(technique, name, quiet, &run);
        struct vmm_error error;
        enum vmm_stop stop;
        while (next < TOGETHER)
            cr_assert_eq(vmm_break_add(vm, found[next++], &error), VMM_OK);
        while ((stop = vmm_run(vm, LIMIT)) == VMM_STOP_BREAK) {
            struct vmm_registers registers;
            vmm_registers(vm, &registers);
            stops++;
            cr_assert(vmm_break_delete(vm, registers.eip), "0x%x", registers.eip);
            if (next < count)
                cr_assert_eq(vmm_break_add(vm, found[next++], &error), VMM_OK);
        }
        cr_assert_eq(stop, VMM_STOP_EXIT, "%s", technique);
        cr_assert_eq(stops, count, "%s: %u of %u", technique, stops, count);
        collect(&run, (const uint8_t *)"", 0);
        same_text(technique, plain.text, run.text);
        cr_assert_eq(vmm_digest(vm), plain.digest, "%s", technique);
        vmm_destroy(vm);
        free(plain.text);
        free(run.text);
    }
}
