/* Nested paging: the allocator's tables (allocator/nested.h), how the processor composes them with
 * the machine's own (machine/nesting.h; AMD APM volume 2, section 15.25), and that whatever a VMM
 * writes into them ends in an answer. */
#include <criterion/criterion.h>
#include <string.h>

#include "allocator/nested.h"
#include "arch/x86/walk.h"
#include "machine/nesting.h"

enum {
    OWNER = FRAMES_FIRST_VM,
    MACHINE = 8 << 20,
    GUEST = 2 << 20,
    RESERVE = 64,
    NOWHERE_MB = 3584
};
#define NOWHERE ((uint32_t)NOWHERE_MB << 20)

static struct memory memory;
static struct frames pool;
static struct frame_map map;
static struct nesting nesting;

static void set_up(void)
{
    cr_assert(memory_init(&memory, MACHINE));
    cr_assert(frames_init(&pool, &memory, RESERVE, 7));
    cr_assert(frame_map_init(&map, &pool, OWNER, GUEST));
    cr_assert(nesting_init(&nesting, &memory));
}

static void tear_down(void)
{
    nesting_destroy(&nesting);
    frame_map_destroy(&map);
    frames_destroy(&pool);
    memory_destroy(&memory);
}

TestSuite(nested, .init = set_up, .fini = tear_down);

static uint32_t *entry_at(uint32_t table, uint32_t index)
{
    return (uint32_t *)(void *)memory_frame(&memory, table) + index;
}

/* ---- the allocator's tables ---- */

Test(nested, is_filled_in_on_demand)
{
    struct nested *nested = nested_create(&map, 4, NOWHERE);
    struct nested_walk walk;
    nested_walk(nested, 0x12345, &walk);
    cr_assert_eq(walk.levels, 1);
    cr_assert_not(walk.mapped);
    cr_assert_eq(nested_fault(nested, 0x12345, 0), NESTED_FILLED);
    nested_walk(nested, 0x12345, &walk);
    cr_assert_eq(walk.levels, 2);
    cr_assert(walk.mapped);
    cr_assert_eq(walk.machine, frame_map_machine(&map, 0x12345));
    cr_assert_eq(walk.pde & 7, 7, "U/S is set: the guest's accesses are user accesses");
    nested_walk(nested, 0x13000, &walk);
    cr_assert_not(walk.mapped, "the page beside it was not touched");
    cr_assert_eq(nested_statistics(nested).fills, 1);
    cr_assert_eq(nested_statistics(nested).tables, 2);
    nested_destroy(nested);
}

Test(nested, gives_every_frame_back)
{
    uint32_t before = pool.free_count;
    struct nested *nested = nested_create(&map, 8, NOWHERE);
    nested_fault(nested, 0, 0);
    nested_fault(nested, 0x40000000, 0);
    nested_fault(nested, 0xfffff000, 0);
    cr_assert_eq(pool.free_count, before - 4);
    nested_destroy(nested);
    cr_assert_eq(pool.free_count, before);
}

Test(nested, says_when_there_is_no_room)
{
    struct nested *nested = nested_create(&map, 2, NOWHERE);
    cr_assert_eq(nested_fault(nested, 0, 0), NESTED_FILLED);
    cr_assert_eq(nested_fault(nested, 0x40000000, 0), NESTED_NO_ROOM);
    cr_assert_eq(nested_fault(nested, 0x1000, 0), NESTED_FILLED, "the table there is");
    nested_destroy(nested);
    cr_assert_null(nested_create(&map, 0, NOWHERE));
}

Test(nested, leads_nowhere_where_the_guest_has_no_memory)
{
    struct nested *nested = nested_create(&map, 4, NOWHERE);
    struct nested_walk walk;
    nested_fault(nested, GUEST, 0);
    nested_walk(nested, GUEST + 5, &walk);
    cr_assert_eq(walk.machine, NOWHERE + 5);
    cr_assert_eq(nested_statistics(nested).nowhere, 1);
    nested_destroy(nested);
}

static void count(void *context, const struct nested_entry *entry)
{
    unsigned *counts = context;
    counts[entry->directory]++;
    cr_assert_eq(frames_owner(&pool, entry->table >> MEMORY_FRAME_SHIFT), FRAMES_VMM);
}

Test(nested, shows_every_entry_and_forgets_what_is_unmapped)
{
    struct nested *nested = nested_create(&map, 8, NOWHERE);
    unsigned counts[2] = {0};
    struct nested_walk walk;
    for (uint32_t guest = 0; guest < 5 * MEMORY_FRAME_SIZE; guest += MEMORY_FRAME_SIZE)
        nested_fault(nested, guest, 0);
    nested_fault(nested, 0x80000000, 0);
    nested_unmap(nested, 0x1000);
    nested_unmap(nested, 0xc0000000); /* never mapped */
    nested_visit(nested, count, counts);
    cr_assert_eq(counts[0], 5);
    cr_assert_eq(counts[1], 2);
    nested_walk(nested, 0x1000, &walk);
    cr_assert_not(walk.mapped);
    nested_destroy(nested);
}

Test(nested, a_run_of_frames_is_one)
{
    uint32_t before = pool.free_count, run = frames_take_run(&pool, 6);
    cr_assert_neq(run, FRAMES_NONE);
    cr_assert_eq(pool.free_count, before - 6);
    for (unsigned i = 0; i < 6; i++)
        cr_assert_eq(frames_owner(&pool, (run >> MEMORY_FRAME_SHIFT) + i), FRAMES_VMM);
    for (unsigned i = 0; i < 6; i++)
        frames_give_back(&pool, run + i * MEMORY_FRAME_SIZE);
    cr_assert_eq(pool.free_count, before);
    cr_assert_eq(frames_take_run(&pool, MACHINE / MEMORY_FRAME_SIZE), FRAMES_NONE);
}

/* ---- how the processor walks them ---- */

static bool translate(uint32_t guest, bool write, uint32_t *machine, uint32_t *error)
{
    *machine = *error = 0;
    return nesting_translate(&nesting, guest, write, machine, error);
}

Test(nested, the_processor_reports_why_it_is_refused)
{
    struct nested *nested = nested_create(&map, 4, NOWHERE);
    struct nested_walk walk;
    uint32_t machine, error;
    nesting_use(&nesting, nested_root(nested));
    cr_assert_not(translate(0x3000, false, &machine, &error));
    cr_assert_eq(error, NESTING_USER, "not present, a read");
    nested_fault(nested, 0x3000, 0);
    cr_assert_not(translate(0x4000, true, &machine, &error));
    cr_assert_eq(error, NESTING_USER | NESTING_WRITE);
    cr_assert(translate(0x3abc, true, &machine, &error));
    cr_assert_eq(machine, frame_map_machine(&map, 0x3abc));
    nested_walk(nested, 0x3000, &walk);
    *entry_at(walk.pde, 3) &= ~(uint32_t)X86_PTE_RW;
    cr_assert(translate(0x3000, false, &machine, &error));
    cr_assert_not(translate(0x3000, true, &machine, &error));
    cr_assert_eq(error, NESTING_USER | NESTING_WRITE | NESTING_PRESENT);
    *entry_at(walk.pde, 3) &= ~(uint32_t)X86_PTE_US;
    cr_assert_not(translate(0x3000, false, &machine, &error), "a supervisor page is none to it");
    cr_assert_eq(error, NESTING_USER | NESTING_PRESENT);
    nesting_use(&nesting, NESTING_FLAT);
    cr_assert(translate(0x3abc, true, &machine, &error));
    cr_assert_eq(machine, 0x3abc, "flat: the machine's own address");
    nested_destroy(nested);
}

/* A and D, as the processor sets them: what a migration's log of written pages is made of. */
Test(nested, the_processor_marks_what_it_uses)
{
    struct nested *nested = nested_create(&map, 4, NOWHERE);
    struct nested_walk walk;
    uint32_t machine, error;
    nesting_use(&nesting, nested_root(nested));
    nested_fault(nested, 0x5000, 0);
    nested_walk(nested, 0x5000, &walk);
    cr_assert_eq(walk.pte & (X86_PTE_A | X86_PTE_D), 0);
    cr_assert_eq(nesting_fault(&nesting, 0x5000, false, &machine, &error), NESTING_FILLED);
    nested_walk(nested, 0x5000, &walk);
    cr_assert_eq(walk.pte & (X86_PTE_A | X86_PTE_D), X86_PTE_A);
    cr_assert(walk.pde & X86_PTE_A);
    cr_assert_eq(nesting_fault(&nesting, 0x5000, true, &machine, &error), NESTING_FILLED);
    nested_walk(nested, 0x5000, &walk);
    cr_assert_eq(walk.pte & (X86_PTE_A | X86_PTE_D), X86_PTE_A | X86_PTE_D);
    nested_destroy(nested);
}

/* The entry that the processor has for a guest-physical address; the view lies behind the flat
 * tables in the firmware area. */
static uint32_t seen(uint32_t guest)
{
    uint32_t pde, pte;
    memcpy(&pde, memory.firmware + NESTING_DIRECTORY + 4 * (guest >> 22), sizeof pde);
    if (!(pde & X86_PTE_P))
        return 0;
    memcpy(&pte,
           memory.firmware + (pde & X86_PAGE_MASK) - MEMORY_FIRMWARE +
               4 * (guest >> MEMORY_FRAME_SHIFT & 1023),
           sizeof pte);
    return pte;
}

/* A page must be writable to both: the VMM, and the machine that protects code. */
Test(nested, rights_are_those_of_both)
{
    struct nested *nested = nested_create(&map, 4, NOWHERE);
    uint32_t machine, error, frame = frame_map_machine(&map, 0x6000) >> MEMORY_FRAME_SHIFT;
    nesting_use(&nesting, nested_root(nested));
    cr_assert_eq(nesting_fault(&nesting, 0x6000, true, &machine, &error), NESTING_REFUSED);
    nested_fault(nested, 0x6000, 0);
    nesting_protect(&nesting, frame, false);
    cr_assert_eq(nesting_fault(&nesting, 0x6000, true, &machine, &error), NESTING_PROTECTED);
    cr_assert_eq(machine >> MEMORY_FRAME_SHIFT, frame);
    cr_assert_not(seen(0x6000) & X86_PTE_RW);
    nesting_protect(&nesting, frame, true);
    cr_assert(seen(0x6000) & X86_PTE_RW, "the machine gives it back where the frame is shown");
    nesting_protect(&nesting, frame, false);
    cr_assert_not(seen(0x6000) & X86_PTE_RW);
    nesting_use(&nesting, nested_root(nested));
    cr_assert_eq(seen(0x6000), 0, "flushed");
    nesting_use(&nesting, NESTING_FLAT);
    cr_assert_eq(seen(0x6000) >> MEMORY_FRAME_SHIFT, 6);
    nested_destroy(nested);
}

/* A frame at two guest-physical addresses is protected at both. */
Test(nested, protection_reaches_every_alias)
{
    struct nested *nested = nested_create(&map, 4, NOWHERE);
    struct nested_walk walk;
    uint32_t machine, error;
    nested_fault(nested, 0x1000, 0);
    nested_fault(nested, 0x2000, 0);
    nested_walk(nested, 0x1000, &walk);
    *entry_at(walk.pde, 2) = walk.pte; /* page 2 shows the frame of page 1 */
    nesting_use(&nesting, nested_root(nested));
    nesting_fault(&nesting, 0x1000, true, &machine, &error);
    nesting_fault(&nesting, 0x2000, true, &machine, &error);
    cr_assert_eq(seen(0x1000) >> MEMORY_FRAME_SHIFT, seen(0x2000) >> MEMORY_FRAME_SHIFT);
    nesting_protect(&nesting, machine >> MEMORY_FRAME_SHIFT, false);
    cr_assert_not(seen(0x1000) & X86_PTE_RW);
    cr_assert_not(seen(0x2000) & X86_PTE_RW);
    nesting_protect(&nesting, machine >> MEMORY_FRAME_SHIFT, true);
    cr_assert(seen(0x1000) & seen(0x2000) & X86_PTE_RW);
    nested_destroy(nested);
}

Test(nested, where_there_is_no_memory_reads_are_filled_and_writes_are_not)
{
    struct nested *nested = nested_create(&map, 4, NOWHERE);
    uint32_t machine, error;
    nesting_use(&nesting, nested_root(nested));
    nested_fault(nested, GUEST, 0);
    cr_assert_eq(nesting_fault(&nesting, GUEST, false, &machine, &error), NESTING_FILLED);
    cr_assert_eq(nesting_fault(&nesting, GUEST, true, &machine, &error), NESTING_PROTECTED);
    nesting_void(&nesting, GUEST, true);
    cr_assert(seen(GUEST) & X86_PTE_RW);
    *nesting_void_page(&nesting) = 0;
    nesting_void(&nesting, GUEST, false);
    cr_assert_not(seen(GUEST) & X86_PTE_RW);
    cr_assert_eq(*nesting_void_page(&nesting), 0xff, "ones again");
    nested_destroy(nested);
}

/* The machine names a frame by its own address for a moment, whatever the view has there. */
Test(nested, a_frame_is_shown_and_the_view_put_back)
{
    struct nested *nested = nested_create(&map, 4, NOWHERE);
    uint32_t machine, error, view;
    nesting_use(&nesting, nested_root(nested));
    nested_fault(nested, 0x1000, 0);
    nesting_fault(&nesting, 0x1000, true, &machine, &error);
    view = seen(0x1000);
    nesting_show(&nesting, 0x1000, true);
    cr_assert_eq(seen(0x1000) >> MEMORY_FRAME_SHIFT, 1);
    nesting_show(&nesting, 0x1000, false);
    cr_assert_eq(seen(0x1000), view);
    nesting_show(&nesting, 0x400000, true);
    cr_assert_eq(seen(0x401000) >> MEMORY_FRAME_SHIFT, 0x401);
    nesting_show(&nesting, 0x400000, false);
    cr_assert_eq(seen(0x401000), 0);
    nested_destroy(nested);
}

/* ---- tables that no VMM should make ---- */

static uint32_t random_state = 1974;

static uint32_t next_random(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 3 | random_state << 29;
}

/* The directory is its own table, as guests like to have it; and its entries lead out of memory.
 * Two levels end, whatever is in them. */
Test(nested, loops_and_wild_entries_end)
{
    struct nested *nested = nested_create(&map, 4, NOWHERE);
    uint32_t root = nested_root(nested), machine, error;
    *entry_at(root, 0) = root | 7;
    nesting_use(&nesting, root);
    cr_assert_eq(nesting_fault(&nesting, 0, false, &machine, &error), NESTING_FILLED);
    cr_assert_eq(machine, root, "the directory, as a page");
    cr_assert_eq(nesting_fault(&nesting, 0x1000, true, &machine, &error), NESTING_REFUSED);
    *entry_at(root, 1) = 0xdffff000u | 7; /* a table where there is no memory: all ones */
    cr_assert_eq(nesting_fault(&nesting, 0x400000, false, &machine, &error), NESTING_FILLED);
    cr_assert_geq(machine, memory.size);
    *entry_at(root, 0) = *entry_at(root, 1) = 0;
    nesting_use(&nesting, 0xfffff000u); /* a directory where there is none */
    cr_assert_eq(nesting_fault(&nesting, 0x1234, false, &machine, &error), NESTING_FILLED);
    cr_assert_geq(machine, memory.size);
    nesting_use(&nesting, NESTING_FLAT);
    nested_destroy(nested);
}

Test(nested, random_tables_never_reach_beyond_the_machine)
{
    struct nested *nested = nested_create(&map, 8, NOWHERE);
    uint32_t root = nested_root(nested), machine, error;
    for (unsigned slot = 0; slot < 6; slot++)
        nested_fault(nested, slot << 22, 0);
    for (unsigned round = 0; round < 20000; round++) {
        struct nested_walk walk;
        uint32_t guest = next_random();
        if (round % 64 == 0)
            nesting_use(&nesting, root);
        nested_walk(nested, (guest % 6) << 22, &walk);
        *entry_at(walk.pde, next_random() % 1024) = next_random();
        enum nesting_end end =
            nesting_fault(&nesting, guest % (6u << 22), next_random() & 1, &machine, &error);
        uint32_t entry = seen(guest % (6u << 22)) & X86_PAGE_MASK;
        if (end == NESTING_FILLED)
            cr_assert(entry < memory.size || entry >= MEMORY_FIRMWARE, "0x%x", entry);
        nesting_protect(&nesting, next_random() % memory_frames(&memory), next_random() & 1);
    }
    nesting_use(&nesting, NESTING_FLAT);
    nested_destroy(nested);
}
