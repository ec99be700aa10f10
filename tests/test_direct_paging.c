/* Direct paging (Barham et al., SOSP 2003, section 3.3.3): a guest's own page tables are the
 * processor's, and yet nothing in them leads to another's frame, and no table is ever writable. */
#include <criterion/criterion.h>
#include <string.h>

#include "allocator/direct_paging.h"
#include "arch/x86/walk.h"

#define SLOT       1023u
#define SLOT_ENTRY 0x7000063u
#define PAGES      64u
#define RW         (X86_PTE_P | X86_PTE_RW | X86_PTE_US)

static struct memory memory;
static struct frames pool;
static struct frame_map map, neighbour;
static struct direct_paging paging;
static char why[128];

/* The machine address of a page of the VM. */
static uint32_t at(uint32_t page)
{
    return map.frame[page] << MEMORY_FRAME_SHIFT;
}

static uint32_t *table(uint32_t page)
{
    return (uint32_t *)(void *)frame_map_page(&map, page << MEMORY_FRAME_SHIFT);
}

static void good(uint32_t held)
{
    cr_assert(direct_paging_check(&paging, held, why), "%s", why);
}

/* Two VMs; of the first, page 0 is a directory, pages 1 and 2 are tables. */
static void set_up(void)
{
    cr_assert(memory_init(&memory, 4 << 20));
    cr_assert(frames_init(&pool, &memory, 16, 7));
    cr_assert(frame_map_init(&map, &pool, FRAMES_FIRST_VM, PAGES << MEMORY_FRAME_SHIFT));
    cr_assert(frame_map_init(&neighbour, &pool, FRAMES_FIRST_VM + 1, PAGES << MEMORY_FRAME_SHIFT));
    cr_assert(direct_paging_init(&paging, &map, SLOT, SLOT_ENTRY));
    table(0)[0] = at(1) | RW;
    table(0)[1] = at(2) | RW;
    for (uint32_t i = 8; i < PAGES; i++)
        table(1)[i] = at(i) | RW;
    for (uint32_t i = 0; i < 8; i++)
        table(1)[i] = at(i) | X86_PTE_P; /* what may become a table */
}

static void tear_down(void)
{
    direct_paging_destroy(&paging);
    frame_map_destroy(&neighbour);
    frame_map_destroy(&map);
    frames_destroy(&pool);
    memory_destroy(&memory);
}

TestSuite(direct_paging, .init = set_up, .fini = tear_down);

static void enter(void)
{
    cr_assert_eq(direct_paging_switch(&paging, at(0)), DIRECT_OK);
    good(0);
}

Test(direct_paging, a_space_is_checked_as_a_whole)
{
    enter();
    cr_assert_eq(paging.root, at(0));
    cr_assert_eq(paging.frame[map.frame[0]].type, DIRECT_DIRECTORY);
    cr_assert_eq(paging.frame[map.frame[1]].type, DIRECT_TABLE);
    cr_assert_eq(paging.frame[map.frame[8]].type, DIRECT_WRITABLE);
    cr_assert_eq(paging.frame[map.frame[8]].count, 1);
    cr_assert_eq(paging.frame[map.frame[3]].count, 0, "read-only mappings do not count");
    cr_assert_eq(table(0)[SLOT], SLOT_ENTRY, "the VMM has its slot in every directory");
}

/* Whatever is refused leaves every count as it was. */
Test(direct_paging, a_bad_space_is_refused)
{
    static const struct {
        uint32_t page, index;
    } place[] = {{0, 5}, {1, 1000}, {2, 1023}};
    for (unsigned i = 0; i < 3; i++) {
        uint32_t *entry = &table(place[i].page)[place[i].index];
        *entry = neighbour.frame[3] << MEMORY_FRAME_SHIFT | RW;
        cr_assert_eq(direct_paging_switch(&paging, at(0)), DIRECT_OWNER, "another VM's");
        *entry = neighbour.frame[3] << MEMORY_FRAME_SHIFT | X86_PTE_P;
        cr_assert_eq(direct_paging_switch(&paging, at(0)), DIRECT_OWNER, "read-only, too");
        *entry = frames_take(&pool) | RW;
        cr_assert_eq(direct_paging_switch(&paging, at(0)), DIRECT_OWNER, "the VMM's");
        *entry = 0xfffff000u | RW;
        cr_assert_eq(direct_paging_switch(&paging, at(0)), DIRECT_OWNER, "nobody's");
        *entry = at(9) | X86_PTE_PS | RW;
        cr_assert_eq(direct_paging_switch(&paging, at(0)), DIRECT_ENTRY, "a large page");
        *entry = at(9) | X86_PTE_G | RW;
        cr_assert_eq(direct_paging_switch(&paging, at(0)), DIRECT_ENTRY, "a global page");
        *entry = at(0) | RW;
        cr_assert_eq(direct_paging_switch(&paging, at(0)), DIRECT_TYPE, "the directory itself");
        *entry = 0xfffff07eu;
        good(0);
        for (uint32_t page = 0; page < PAGES; page++)
            cr_assert_eq(paging.frame[map.frame[page]].count, 0, "page %u", page);
    }
    table(0)[SLOT] = at(1) | RW;
    cr_assert_eq(direct_paging_switch(&paging, at(0)), DIRECT_ENTRY, "the VMM's slot");
    table(0)[SLOT] = 0;
    enter(); /* entries that are not present may hold anything */
}

Test(direct_paging, an_entry_is_checked)
{
    enter();
    uint32_t before = table(2)[7];
    cr_assert_eq(direct_paging_write(&paging, at(2) + 28, at(1) | RW), DIRECT_TYPE);
    cr_assert_eq(direct_paging_write(&paging, at(2) + 28, at(0) | RW), DIRECT_TYPE);
    cr_assert_eq(direct_paging_write(&paging, at(2) + 28, neighbour.frame[0] << 12 | X86_PTE_P),
                 DIRECT_OWNER);
    cr_assert_eq(direct_paging_write(&paging, at(2) + 28, at(9) | X86_PTE_P | X86_PTE_G),
                 DIRECT_ENTRY);
    cr_assert_eq(direct_paging_write(&paging, at(9), at(10) | RW), DIRECT_TYPE, "a data page");
    cr_assert_eq(direct_paging_write(&paging, at(3), at(10) | RW), DIRECT_TYPE, "not used yet");
    cr_assert_eq(direct_paging_write(&paging, neighbour.frame[0] << 12, 0), DIRECT_OWNER);
    cr_assert_eq(direct_paging_write(&paging, 0xfffffffcu, 0), DIRECT_OWNER);
    cr_assert_eq(direct_paging_write(&paging, at(2) + 2, 0), DIRECT_TYPE, "between two entries");
    cr_assert_eq(direct_paging_write(&paging, at(0) + SLOT * 4, 0), DIRECT_ENTRY);
    cr_assert_eq(table(2)[7], before);
    cr_assert_eq(paging.statistics.refused, 10);
    cr_assert_eq(direct_paging_write(&paging, at(2) + 28, at(9) | RW), DIRECT_OK);
    cr_assert_eq(paging.frame[map.frame[9]].count, 2);
    cr_assert_eq(direct_paging_write(&paging, at(2) + 28, at(1) | X86_PTE_P), DIRECT_OK,
                 "a table may be read");
    cr_assert_eq(paging.frame[map.frame[9]].count, 1);
    good(0);
}

/* A frame has one use at a time; between two it has none. */
Test(direct_paging, types)
{
    enter();
    cr_assert_eq(direct_paging_write(&paging, at(0) + 8, at(9) | RW), DIRECT_TYPE, "writable data");
    cr_assert_eq(direct_paging_write(&paging, at(1) + 9 * 4, at(9) | X86_PTE_P), DIRECT_OK);
    cr_assert_eq(direct_paging_write(&paging, at(0) + 8, at(9) | RW), DIRECT_OK, "no longer");
    cr_assert(paging.flush, "its writable translation may be in the TLB still");
    paging.flush = false;
    cr_assert_eq(direct_paging_write(&paging, at(1) + 9 * 4, at(9) | RW), DIRECT_TYPE);
    cr_assert_eq(direct_paging_write(&paging, at(9) + 4, at(10) | RW), DIRECT_OK);
    cr_assert_eq(paging.frame[map.frame[10]].count, 2);
    cr_assert_eq(direct_paging_write(&paging, at(0) + 8, 0), DIRECT_OK);
    cr_assert_eq(paging.frame[map.frame[10]].count, 1, "what it led to is let go");
    cr_assert_eq(direct_paging_write(&paging, at(1) + 9 * 4, at(9) | RW), DIRECT_OK);
    cr_assert_not(paging.flush, "nothing writable was lost");
    good(0);
}

Test(direct_paging, pins)
{
    enter();
    cr_assert_eq(direct_paging_pin(&paging, at(9), DIRECT_TABLE), DIRECT_TYPE, "writable");
    cr_assert_eq(direct_paging_pin(&paging, at(1), DIRECT_DIRECTORY), DIRECT_TYPE, "a table");
    cr_assert_eq(direct_paging_pin(&paging, neighbour.frame[1] << 12, DIRECT_TABLE), DIRECT_OWNER);
    cr_assert_eq(direct_paging_unpin(&paging, at(1)), DIRECT_TYPE);
    cr_assert_eq(direct_paging_pin(&paging, at(3), DIRECT_DIRECTORY), DIRECT_OK);
    cr_assert_eq(direct_paging_pin(&paging, at(3), DIRECT_DIRECTORY), DIRECT_TYPE, "twice");
    cr_assert_eq(direct_paging_write(&paging, at(1) + 12, at(3) | RW), DIRECT_TYPE);
    cr_assert_eq(direct_paging_switch(&paging, at(3)), DIRECT_OK, "an empty one, but the guest's");
    good(0);
    cr_assert_eq(direct_paging_unpin(&paging, at(3)), DIRECT_OK);
    cr_assert_eq(paging.frame[map.frame[3]].count, 1, "CR3 has it");
    cr_assert_eq(paging.frame[map.frame[1]].count, 0, "the old space was not pinned");
    good(0);
}

Test(direct_paging, a_page_that_the_vmm_writes_is_no_table)
{
    cr_assert_eq(direct_paging_hold(&paging, at(3)), DIRECT_OK);
    cr_assert_eq(direct_paging_switch(&paging, at(0)), DIRECT_OK);
    good(1);
    cr_assert_eq(direct_paging_pin(&paging, at(3), DIRECT_TABLE), DIRECT_TYPE);
    table(2)[0] = 0;
    cr_assert_eq(direct_paging_write(&paging, at(0) + 8, at(3) | RW), DIRECT_TYPE);
    cr_assert_eq(direct_paging_hold(&paging, neighbour.frame[0] << 12), DIRECT_OWNER);
    cr_assert_eq(direct_paging_hold(&paging, at(1)), DIRECT_TYPE);
}

/* The same space again is a flush that the caller has to make: CR3 does not change. */
Test(direct_paging, reload)
{
    enter();
    paging.flush = false;
    cr_assert_eq(direct_paging_switch(&paging, at(0)), DIRECT_OK);
    cr_assert(paging.flush);
    cr_assert_eq(paging.frame[map.frame[0]].count, 1);
}

/* The check itself notices what the rules are there to prevent. */
Test(direct_paging, the_check_notices)
{
    enter();
    uint32_t *entry = &table(2)[3], before = *entry;
    *entry = at(1) | RW;
    cr_assert_not(direct_paging_check(&paging, 0, why), "a writable table");
    *entry = neighbour.frame[0] << 12 | X86_PTE_P;
    cr_assert_not(direct_paging_check(&paging, 0, why), "another's frame");
    *entry = at(9) | RW;
    cr_assert_not(direct_paging_check(&paging, 0, why), "a count");
    *entry = before;
    good(0);
    table(0)[SLOT] = 0;
    cr_assert_not(direct_paging_check(&paging, 0, why), "the VMM's slot");
}

/* ---- random calls ---- */

static uint32_t seed = 4711;

static uint32_t dice(uint32_t sides)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % sides;
}

static uint32_t any_frame(void)
{
    switch (dice(16)) {
    case 0: return neighbour.frame[dice(PAGES)] << MEMORY_FRAME_SHIFT;
    case 1: return seed & X86_PAGE_MASK;
    default: return at(dice(16));
    }
}

static uint32_t any_entry(void)
{
    static const uint32_t rights[] = {RW, X86_PTE_P, 0, X86_PTE_P | X86_PTE_US, RW | X86_PTE_A};
    return any_frame() | (dice(30) ? rights[dice(5)] : dice(4096));
}

static void any_call(void)
{
    switch (dice(12)) {
    case 0: direct_paging_pin(&paging, any_frame(), DIRECT_TABLE); break;
    case 1: direct_paging_pin(&paging, any_frame(), DIRECT_DIRECTORY); break;
    case 2: direct_paging_unpin(&paging, any_frame()); break;
    case 3: direct_paging_switch(&paging, any_frame()); break;
    default:
        direct_paging_write(&paging, any_frame() + (dice(4) ? dice(12) : dice(1024)) * 4,
                            any_entry());
    }
}

/* A model of what the guest can do besides: store into any page that some table maps writable. */
static void any_store(void)
{
    uint32_t frame = map.frame[dice(16)];
    const struct direct_frame *f = &paging.frame[frame];
    uint32_t *words = (uint32_t *)(void *)memory_frame(&memory, frame << MEMORY_FRAME_SHIFT);
    if (f->count > 0 && f->type == DIRECT_WRITABLE)
        words[dice(1024)] = any_entry();
}

Test(direct_paging, random_calls)
{
    unsigned made = 0;
    for (uint32_t i = 0; i < 60000; i++) {
        uint64_t refused = paging.statistics.refused;
        any_call();
        any_store();
        made += paging.statistics.refused == refused;
        if (i % 64 == 0)
            good(0);
    }
    good(0);
    cr_assert_gt(made, 3000, "%u calls were good ones", made);
    cr_assert_gt(paging.statistics.refused, 5000);
}
