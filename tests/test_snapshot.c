/* Snapshots and history: whatever state a run goes back to is the one it had there, bit for bit,
 * and goes on in the same way, under every technique. The measure is a run that never went back
 * (the premise of King, Dunlap and Chen 2005, section 3: replay reproduces all of the guest's
 * state). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/vmm.h>

#include "guest_vm.h"

/* ---- guests ---- */

static struct vmm_vm *start(const char *technique, const uint8_t *code, size_t size)
{
    const struct vmm_config config = {.memory_size = 4 << 20, .technique = technique};
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

static uint32_t get(const struct vmm_vm *vm, const char *name)
{
    uint32_t value = 0;
    cr_assert(vmm_register(vm, name, &value), "%s", name);
    return value;
}

static void keep_history(struct vmm_vm *vm)
{
    struct vmm_error error;
    const struct vmm_history_limits limits = {.checkpoints = 16, .spacing = 50000};
    cr_assert_eq(vmm_history_start(vm, &limits, &error), VMM_OK, "%s", error.text);
}

static void go(struct vmm_vm *vm, uint64_t n)
{
    struct vmm_error error;
    cr_assert_eq(vmm_goto(vm, n, &error), VMM_OK, "%s", error.text);
}

/* again: inc eax; inc ebx; jmp again */
static const uint8_t forever[] = {0x40, 0x43, 0xeb, 0xfc};

/* ---- snapshots ---- */

Test(snapshot, a_restored_vm_is_what_it_was_and_goes_on_alike)
{
    const char *technique;
    struct vmm_error error;
    for (size_t i = 0; (technique = technique_of_a_kernel(i)); i++) {
        struct vmm_vm *vm = boot_kernel(technique);
        vmm_run(vm, 1000000);
        uint64_t then = vmm_digest(vm), count = instructions(vm);
        struct vmm_snapshot *snapshot = vmm_snapshot_take(vm, &error);
        cr_assert_not_null(snapshot, "%s", error.text);
        cr_assert_eq(vmm_digest(vm), then, "%s: taking it changes nothing", technique);
        enum vmm_stop stop = vmm_run(vm, 1500000);
        uint64_t later = vmm_digest(vm), later_count = instructions(vm);
        vmm_run(vm, 0);
        for (unsigned round = 0; round < 2; round++) {
            cr_assert_eq(vmm_snapshot_restore(vm, snapshot, &error), VMM_OK, "%s", error.text);
            cr_assert_eq(instructions(vm), count);
            cr_assert_eq(vmm_digest(vm), then, "%s, round %u", technique, round);
            cr_assert_eq(vmm_run(vm, 1500000), stop, "%s: %s", technique, vmm_stop_text(vm));
            cr_assert_eq(instructions(vm), later_count);
            cr_assert_eq(vmm_digest(vm), later, "%s, round %u", technique, round);
        }
        vmm_snapshot_free(snapshot);
        vmm_destroy(vm);
    }
}

Test(snapshot, floating_point_comes_back)
{
    /* fld1; nop; fldz; fstp st1 (now 0); nop; fst dword [0x200000]; jmp self */
    static const uint8_t code[] = {0xd9, 0xe8, 0x90, 0xd9, 0xee, 0xdd, 0xd9, 0x90,
                                   0xd9, 0x15, 0x00, 0x00, 0x20, 0x00, 0xeb, 0xfe};
    const char *technique;
    struct vmm_error error;
    for (size_t i = 0; (technique = technique_of_any_guest(i)); i++) {
        struct vmm_vm *vm = START(technique, code);
        uint32_t value;
        vmm_run(vm, 2);
        struct vmm_snapshot *snapshot = vmm_snapshot_take(vm, &error);
        cr_assert_not_null(snapshot, "%s", error.text);
        vmm_run(vm, 10);
        vmm_read_physical(vm, 0x200000, &value, 4);
        cr_assert_eq(value, 0);
        cr_assert_eq(vmm_snapshot_restore(vm, snapshot, &error), VMM_OK, "%s", error.text);
        cr_assert_eq(vmm_set_register(vm, "eip", 0x100008, &error), VMM_OK, "%s", error.text);
        vmm_run(vm, 1);
        vmm_read_physical(vm, 0x200000, &value, 4);
        cr_expect_eq(value, 0x3f800000, "%s: 1.0 in single precision", technique);
        vmm_snapshot_free(snapshot);
        vmm_destroy(vm);
    }
}

Test(snapshot, memory_that_did_not_change_is_shared)
{
    struct vmm_error error;
    struct vmm_snapshot_info info;
    struct vmm_vm *vm = START("bare", forever);
    uint8_t much[1 << 20];
    memset(much, 0x55, sizeof much);
    vmm_write_physical(vm, 0x200000, much, sizeof much);
    struct vmm_snapshot *first = vmm_snapshot_take(vm, &error);
    vmm_snapshot_describe(first, &info);
    cr_assert_lt(info.bytes, 1 << 20, "the VM itself knows the memory, too");
    vmm_write_physical(vm, 0x200000, "x", 1);
    vmm_run(vm, 30);
    struct vmm_snapshot *second = vmm_snapshot_take(vm, &error);
    vmm_snapshot_free(first);
    vmm_run(vm, 3);
    first = vmm_snapshot_take(vm, &error);
    vmm_snapshot_describe(second, &info);
    cr_expect_eq(info.instructions, 30);
    cr_expect_eq(info.time, 30);
    cr_expect_lt(info.bytes, 256 << 10);
    vmm_snapshot_free(first);
    vmm_snapshot_free(second);
    vmm_destroy(vm);
}

Test(snapshot, what_cannot_be_is_refused_with_a_sentence)
{
    struct vmm_error error;
    const struct vmm_config host = {.memory_size = 4 << 20, .clock = VMM_CLOCK_HOST};
    const struct vmm_image image = {.kind = "flat@0x100000", .file = {.bytes = forever, .size = 4}};
    struct vmm_vm *vm = START("bare", forever), *other = START("bare", forever);
    struct vmm_vm *timed = create_vm(&host, &image), *empty = vmm_create(&host, &error);
    cr_expect_null(vmm_snapshot_take(timed, &error));
    cr_expect_eq(error.code, VMM_E_UNSUPPORTED);
    cr_expect_not_null(strstr(error.text, "clock"));
    cr_expect_eq(vmm_history_start(timed, NULL, &error), VMM_E_UNSUPPORTED);
    cr_expect_null(vmm_snapshot_take(empty, &error));
    cr_expect_eq(error.code, VMM_E_STATE);
    struct vmm_snapshot *snapshot = vmm_snapshot_take(vm, &error);
    cr_expect_eq(vmm_snapshot_restore(other, snapshot, &error), VMM_E_STATE);
    cr_expect_eq(vmm_back(vm, 1, &error), VMM_E_STATE, "no history");
    cr_expect_eq(vmm_reverse(vm, 1, NULL, NULL, &error), VMM_STOP_NONE);
    cr_expect_eq(vmm_history_start(vm, NULL, &error), VMM_OK);
    vmm_run(vm, 100);
    cr_expect_eq(vmm_back(vm, 101, &error), VMM_E_STATE);
    cr_expect_eq(instructions(vm), 100, "it stays where it was");
    cr_expect_eq(vmm_goto(vm, 101, &error), VMM_E_STATE, "it has not been there");
    cr_expect_eq(vmm_reverse(vm, 0, NULL, NULL, &error), VMM_STOP_NONE);
    cr_expect_eq(error.code, VMM_E_USAGE);
    vmm_snapshot_free(NULL);
    vmm_snapshot_free(snapshot);
    vmm_destroy(empty);
    vmm_destroy(timed);
    vmm_destroy(other);
    vmm_destroy(vm);
}

/* ---- history ---- */

struct forward {
    uint64_t instructions, digest;
};

static int by_instructions(const void *a, const void *b)
{
    uint64_t x = ((const struct forward *)a)->instructions,
             y = ((const struct forward *)b)->instructions;
    return (x > y) - (x < y);
}

static uint64_t random_below(uint64_t *seed, uint64_t limit)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % limit;
}

/* A run that never goes back. */
static void run_forward(struct vmm_vm *vm, struct forward *states, unsigned count, uint64_t *seed)
{
    for (unsigned i = 0; i < count; i++)
        states[i].instructions = 1 + random_below(seed, 2000000);
    qsort(states, count, sizeof *states, by_instructions);
    for (unsigned i = 0; i < count; i++) {
        if (states[i].instructions > instructions(vm))
            vmm_run(vm, states[i].instructions - instructions(vm));
        states[i].instructions = instructions(vm);
        states[i].digest = vmm_digest(vm);
    }
}

/* VMM_JUMPS: how many, for each technique; the night has a thousand. */
Test(history, a_jump_lands_in_the_state_of_a_forward_run, .timeout = 3600)
{
    const char *technique, *wanted = getenv("VMM_JUMPS");
    unsigned jumps = wanted ? (unsigned)atoi(wanted) : 40;
    uint64_t seed = 1974;
    struct forward *states = calloc(jumps, sizeof *states);
    for (size_t i = 0; (technique = technique_of_a_kernel(i)); i++) {
        struct vmm_vm *plain = boot_kernel(technique), *vm = boot_kernel(technique);
        run_forward(plain, states, jumps, &seed);
        keep_history(vm);
        vmm_run(vm, 2000000);
        cr_assert_geq(instructions(vm), states[jumps - 1].instructions, "%s", vmm_stop_text(vm));
        for (unsigned jump = 0; jump < jumps; jump++) {
            const struct forward *state = &states[random_below(&seed, jumps)];
            go(vm, state->instructions);
            cr_assert_eq(instructions(vm), state->instructions, "%s", technique);
            cr_assert_eq(vmm_digest(vm), state->digest, "%s: jump %u to %llu", technique, jump,
                         (unsigned long long)state->instructions);
        }
        vmm_destroy(plain);
        vmm_destroy(vm);
    }
    free(states);
}

Test(history, steps_back_undo_steps)
{
    const char *technique;
    struct vmm_error error;
    enum { STEPS = 60 };
    for (size_t i = 0; (technique = technique_of_a_kernel(i)); i++) {
        struct vmm_vm *vm = boot_kernel(technique);
        struct forward states[STEPS];
        keep_history(vm);
        vmm_run(vm, 600000);
        for (unsigned k = 0; k < STEPS; k++) {
            states[k] = (struct forward){instructions(vm), vmm_digest(vm)};
            vmm_run(vm, 1);
        }
        for (unsigned k = STEPS; k-- > 0;) {
            cr_assert_eq(vmm_back(vm, 1, &error), VMM_OK, "%s", error.text);
            cr_assert_eq(instructions(vm), states[k].instructions);
            cr_assert_eq(vmm_digest(vm), states[k].digest, "%s: %u steps", technique, STEPS - k);
        }
        vmm_destroy(vm);
    }
}

Test(history, is_bounded)
{
    struct vmm_vm *vm = START("bare", forever);
    struct vmm_history history;
    struct vmm_error error;
    const struct vmm_history_limits limits = {.checkpoints = 8, .spacing = 1000};
    cr_assert_eq(vmm_history_start(vm, &limits, &error), VMM_OK);
    vmm_run(vm, 500000);
    cr_assert(vmm_history(vm, &history));
    cr_expect_eq(history.begin, 0);
    cr_expect_eq(history.end, 500000);
    cr_expect_leq(history.checkpoints, 8 + 4);
    cr_expect_gt(history.checkpoints, 3);
    cr_expect_gt(history.spacing, 50000);
    go(vm, 1);
    cr_expect_eq(get(vm, "eax"), 1);
    go(vm, 499999);
    vmm_history_stop(vm);
    cr_expect_not(vmm_history(vm, &history));
    vmm_destroy(vm);
}

Test(history, a_change_from_outside_is_part_of_it_until_it_is_undone)
{
    struct vmm_vm *vm = START("trap", forever);
    struct vmm_error error;
    keep_history(vm);
    vmm_run(vm, 300);
    cr_assert_eq(vmm_set_register(vm, "eax", 1000000, &error), VMM_OK);
    vmm_run(vm, 300);
    cr_expect_eq(get(vm, "eax"), 1000100);
    go(vm, 150);
    cr_expect_eq(get(vm, "eax"), 50, "before the change");
    go(vm, 450);
    cr_expect_eq(get(vm, "eax"), 1000050, "behind it");
    go(vm, 300);
    cr_expect_eq(get(vm, "eax"), 1000000, "at it");
    go(vm, 150);
    vmm_run(vm, 300);
    cr_expect_eq(get(vm, "eax"), 150, "another run, without the change");
    cr_expect_eq(vmm_goto(vm, 600, &error), VMM_E_STATE, "that future is gone");
    vmm_destroy(vm);
}

Test(history, a_snapshot_of_before_a_change_begins_another)
{
    struct vmm_vm *vm = START("bare", forever);
    struct vmm_error error;
    keep_history(vm);
    vmm_run(vm, 300);
    struct vmm_snapshot *snapshot = vmm_snapshot_take(vm, &error);
    vmm_run(vm, 300);
    cr_assert_eq(vmm_snapshot_restore(vm, snapshot, &error), VMM_OK);
    cr_expect_eq(vmm_back(vm, 200, &error), VMM_OK, "%s", error.text);
    cr_expect_eq(get(vm, "eax") + get(vm, "ebx"), 67);
    go(vm, 600);
    vmm_set_register(vm, "eax", 7, &error);
    cr_assert_eq(vmm_snapshot_restore(vm, snapshot, &error), VMM_OK);
    cr_expect_eq(get(vm, "eax"), 100);
    vmm_run(vm, 300);
    cr_expect_eq(vmm_back(vm, 300, &error), VMM_OK, "%s", error.text);
    cr_expect_eq(get(vm, "eax"), 100);
    cr_expect_eq(vmm_back(vm, 1, &error), VMM_E_STATE);
    vmm_snapshot_free(snapshot);
    vmm_destroy(vm);
}

/* ---- the console ---- */

struct person {
    const char *types;
    unsigned given;
    char seen[64];
    size_t count;
};

static void see(void *context, const uint8_t *bytes, size_t count)
{
    struct person *person = context;
    for (size_t i = 0; i < count && person->count < sizeof person->seen - 1; i++)
        person->seen[person->count++] = (char)bytes[i];
}

static size_t type(void *context, uint8_t *bytes, size_t room)
{
    struct person *person = context;
    if (!room || !person->types[person->given])
        return 0;
    *bytes = (uint8_t)person->types[person->given++];
    return 1;
}

/* mov dx,3fc; mov al,3; out dx,al; again: mov dx,3fd; in al,dx; test al,1; jz again; mov dx,3f8;
 * in al,dx; out 0xe9,al; jmp again. An echo by polling (PC16550D: LSR bit 0, RTS in MCR). */
static const uint8_t echo[] = {0x66, 0xba, 0xfc, 0x03, 0xb0, 0x03, 0xee, 0x66, 0xba,
                               0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xf7, 0x66, 0xba,
                               0xf8, 0x03, 0xec, 0xe6, 0xe9, 0xeb, 0xee};

Test(history, input_comes_again_and_output_does_not)
{
    const char *technique;
    struct vmm_error error;
    for (size_t i = 0; (technique = technique_of_any_guest(i)); i++) {
        struct person person = {.types = "abcdefgh"};
        const struct vmm_config config = {
            .memory_size = 4 << 20, .technique = technique, .console = {&person, see, type}};
        const struct vmm_image image = {.kind = "flat@0x100000",
                                        .file = {.bytes = echo, .size = sizeof echo}};
        struct vmm_vm *vm = create_vm(&config, &image);
        keep_history(vm);
        while (person.count < 5)
            cr_assert_eq(vmm_run(vm, 10000), VMM_STOP_LIMIT, "%s", vmm_stop_text(vm));
        uint64_t digest = vmm_digest(vm), end = instructions(vm);
        unsigned given = person.given;
        char seen[sizeof person.seen];
        memcpy(seen, person.seen, sizeof seen);
        go(vm, 100);
        go(vm, end);
        cr_expect_eq(vmm_digest(vm), digest, "%s", technique);
        go(vm, end / 2);
        vmm_run(vm, end - end / 2);
        cr_expect_eq(vmm_digest(vm), digest, "%s", technique);
        cr_expect_eq(person.given, given, "%s: nobody is asked again", technique);
        cr_expect_str_eq(person.seen, seen, "%s: nothing is shown again", technique);
        while (person.count < 8)
            cr_assert_eq(vmm_run(vm, 10000), VMM_STOP_LIMIT, "%s", vmm_stop_text(vm));
        cr_expect_str_eq(person.seen, "abcdefgh", "%s", technique);
        /* A change makes it another run, to which somebody types anew. */
        go(vm, 100);
        vmm_set_register(vm, "ebx", 1, &error);
        person.types = "xyz";
        person.given = 0;
        while (person.count < 11)
            cr_assert_eq(vmm_run(vm, 10000), VMM_STOP_LIMIT, "%s", vmm_stop_text(vm));
        cr_expect_str_eq(person.seen, "abcdefghxyz", "%s", technique);
        vmm_destroy(vm);
    }
}

/* ---- back to a stop ---- */

static bool at_page_fault(void *context, const struct vmm_record *record)
{
    (void)context;
    return record->has_vector && record->vector == 14 &&
           (record->injected || strcmp(record->cause, "exception") == 0);
}

static bool odd(void *context, enum vmm_stop stop)
{
    (void)stop;
    return get(context, "eax") % 2;
}

Test(history, back_to_a_breakpoint_and_beyond)
{
    const char *technique;
    struct vmm_error error;
    for (size_t i = 0; (technique = technique_of_any_guest(i)); i++) {
        struct vmm_vm *vm = START(technique, forever);
        keep_history(vm);
        vmm_run(vm, 400001);
        vmm_break_add(vm, 0x100001, &error);
        cr_assert_eq(vmm_reverse(vm, 1, NULL, NULL, &error), VMM_STOP_BREAK, "%s", technique);
        cr_expect_eq(instructions(vm), 399999 / 3 * 3 + 1, "%s", technique);
        cr_expect_eq(get(vm, "eip"), 0x100001);
        cr_assert_eq(vmm_reverse(vm, 1, NULL, NULL, &error), VMM_STOP_BREAK);
        cr_expect_eq(instructions(vm), 399999 / 3 * 3 - 2, "%s", technique);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_BREAK, "and forth");
        cr_expect_eq(instructions(vm), 399999 / 3 * 3 + 1, "%s", technique);
        go(vm, 100000);
        cr_assert_eq(vmm_reverse(vm, 10, NULL, NULL, &error), VMM_STOP_BREAK);
        cr_expect_eq(instructions(vm), 100000 - 30, "%s", technique);
        cr_assert_eq(vmm_reverse(vm, 1, odd, vm, &error), VMM_STOP_BREAK);
        cr_expect_eq(get(vm, "eax") % 2, 1, "%s", technique);
        go(vm, 2);
        cr_assert_eq(vmm_reverse(vm, 1, NULL, NULL, &error), VMM_STOP_BREAK);
        cr_expect_eq(instructions(vm), 1);
        cr_assert_eq(vmm_reverse(vm, 1, NULL, NULL, &error), VMM_STOP_LIMIT, "the beginning");
        cr_expect_eq(instructions(vm), 0);
        vmm_destroy(vm);
    }
}

/* The traps of a forward run are met in reverse, each in the same state. */
Test(history, back_through_the_traps)
{
    const char *technique;
    struct vmm_error error;
    enum { TRAPS = 12 };
    for (size_t i = 0; (technique = technique_of_a_kernel(i)); i++) {
        struct vmm_vm *vm = boot_kernel(technique);
        uint64_t digests[TRAPS];
        keep_history(vm);
        vmm_stop_at_traps(vm, at_page_fault, NULL);
        for (unsigned k = 0; k < TRAPS; k++) {
            enum vmm_stop stop = vmm_run(vm, 0);
            if (stop == VMM_STOP_EXIT && k == 0)
                break; /* on nested tables nobody hears of page faults */
            cr_assert_eq(stop, VMM_STOP_TRAP, "%s: %s", technique, vmm_stop_text(vm));
            digests[k] = vmm_digest(vm);
        }
        if (vmm_run(vm, 1) == VMM_STOP_EXIT) {
            vmm_destroy(vm);
            continue;
        }
        for (unsigned k = TRAPS; k-- > 0;) {
            cr_assert_eq(vmm_reverse(vm, 1, NULL, NULL, &error), VMM_STOP_TRAP, "%s: %s", technique,
                         error.text);
            cr_assert_eq(vmm_digest(vm), digests[k], "%s: trap %u", technique, k);
        }
        /* Behind the trap the fault has been delivered: one step back is before that. */
        uint64_t count = instructions(vm);
        cr_assert_eq(vmm_back(vm, 1, &error), VMM_OK, "%s", error.text);
        cr_expect_eq(instructions(vm), count, "%s", technique);
        cr_expect_neq(vmm_digest(vm), digests[0], "%s", technique);
        vmm_destroy(vm);
    }
}
