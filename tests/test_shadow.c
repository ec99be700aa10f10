/* Shadow page tables against a model: the guest's own walk (SDM volume 3, chapter 4, by arch/x86)
 * composed with the frame map. The processor is modelled by a walk over machine memory and a TLB
 * that forgets only what the shadow's flush flags name. */
#include <criterion/criterion.h>
#include <string.h>

#include "allocator/shadow.h"

#define PAGES     40u
#define SLOT      1023u
#define VMM_ENTRY (X86_PTE_P | X86_PTE_RW | X86_PTE_PS)
#define LIMIT     20u
#define DIRECTORY 0x1000u
#define TABLE     0x4000u
#define FULL      (X86_PTE_P | X86_PTE_RW | X86_PTE_US)

struct tlb_entry {
    bool valid, user, writable;
    uint32_t frame;
};

static const uint32_t slots[] = {0, 1, 2, 512, SLOT};
#define SLOTS (sizeof slots / sizeof slots[0])

static struct memory memory;
static struct frames pool;
static struct frame_map map;
static struct shadow *shadow;
static struct cpu_state cpu, real;
static uint8_t model_bytes[PAGES * 4096], nowhere[4096];
static struct tlb_entry tlb[1u << 20];
static uint32_t seed = 12345;

static uint32_t dice(uint32_t sides)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % sides;
}

static uint8_t *outside(void)
{
    memset(nowhere, 0xff, sizeof nowhere);
    return nowhere;
}

static uint8_t *guest_page(void *context, uint32_t physical, bool write)
{
    uint8_t *page = frame_map_page(&map, physical);

    (void)context;
    (void)write;
    return page ? page : outside();
}

static uint8_t *model_page(void *context, uint32_t physical, bool write)
{
    (void)context;
    (void)write;
    return physical / 4096 < PAGES ? model_bytes + (physical & X86_PAGE_MASK) : outside();
}

#define NOWHERE 0xe0000000u

static uint8_t *machine_page(void *context, uint32_t physical, bool write)
{
    (void)context;
    (void)write;
    return memory_frame(&memory, physical);
}

static uint8_t *no_page(void *context, uint32_t physical, bool write)
{
    (void)context;
    (void)physical;
    (void)write;
    return NULL;
}

static const struct x86_memory guest = {.page = guest_page}, model = {.page = model_page},
                               machine = {.page = machine_page}, absent = {.page = no_page};

static void put(uint32_t address, uint32_t value)
{
    memcpy(frame_map_page(&map, address) + (address & 0xfff), &value, 4);
}

static uint32_t get(uint32_t address)
{
    uint32_t value;

    memcpy(&value, frame_map_page(&map, address) + (address & 0xfff), 4);
    return value;
}

static void switch_root(void)
{
    cr_assert_geq(shadow_switch(shadow, &cpu, &real.cr3), 0);
    memset(tlb, 0, sizeof tlb);
}

static void flush(unsigned what, uint32_t linear)
{
    if (what & SHADOW_FLUSH_ALL) {
        for (size_t i = 0; i < SLOTS; i++) {
            memset(&tlb[slots[i] << 10], 0, 1024 * sizeof *tlb);
        }
    }
    if (what & SHADOW_FLUSH_PAGE) {
        tlb[linear >> 12].valid = false;
    }
}

static void set_up(void)
{
    cr_assert(memory_init(&memory, 1u << 20));
    cr_assert(frames_init(&pool, &memory, 64, 3));
    cr_assert(frame_map_init(&map, &pool, 2, PAGES * 4096));
    shadow = shadow_create(&map, LIMIT, NOWHERE, VMM_ENTRY, SLOT);
    cr_assert_not_null(shadow);
    cpu = (struct cpu_state){
        .cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP, .cr3 = DIRECTORY, .cr4 = X86_CR4_PSE};
    real = (struct cpu_state){.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP, .cr4 = X86_CR4_PSE};
    put(DIRECTORY, TABLE | FULL);
    switch_root();
}

static void tear_down(void)
{
    shadow_destroy(shadow);
    cr_assert_eq(frames_available(&pool), memory_frames(&memory) - 64 - PAGES);
    frame_map_destroy(&map);
    frames_destroy(&pool);
    memory_destroy(&memory);
}

TestSuite(shadow, .init = set_up, .fini = tear_down);

static struct shadow_result touch(uint32_t linear, unsigned access)
{
    uint32_t code = (access & X86_ACCESS_WRITE ? X86_PAGE_WRITE : 0) |
                    (access & X86_ACCESS_USER ? X86_PAGE_USER : 0);
    struct shadow_result result = shadow_fault(shadow, &cpu, &guest, linear, code);

    flush(result.flush, linear);
    return result;
}

/* Whether the processor, without a TLB, performs the access. */
static bool allows(uint32_t linear, unsigned access)
{
    struct x86_walk walk;

    cr_assert_eq(x86_probe(&real, &machine, linear, access, &walk), X86_OK);
    return walk.end == X86_WALK_MAPPED;
}

static bool written(uint32_t address, uint32_t value)
{
    bool traced = shadow_traced(shadow, address);

    put(address, value);
    if (traced) {
        flush(shadow_written(shadow, address, 4), 0);
    }
    return traced;
}

/* SDM volume 3, section 4.8: A at the first use, D at the first write. */
Test(shadow, the_right_to_write_comes_with_dirty)
{
    put(TABLE, 0x8000 | FULL);
    cr_assert_eq(touch(0x123, 0).end, SHADOW_FILLED);
    cr_assert_eq(get(TABLE), 0x8000u | FULL | X86_PTE_A);
    cr_assert(allows(0x123, X86_ACCESS_USER) && !allows(0x123, X86_ACCESS_WRITE));
    cr_assert_eq(touch(0x123, X86_ACCESS_WRITE).end, SHADOW_FILLED);
    cr_assert_eq(get(TABLE), 0x8000u | FULL | X86_PTE_A | X86_PTE_D);
    cr_assert(allows(0x123, X86_ACCESS_WRITE));
    cr_assert(written(TABLE, 0x8000 | FULL | X86_PTE_A));
    cr_assert(allows(0x123, 0) && !allows(0x123, X86_ACCESS_WRITE));
    cr_assert(written(TABLE, 0x8000 | FULL));
    cr_assert_not(allows(0x123, 0));
}

Test(shadow, a_true_fault_is_the_guests)
{
    struct shadow_result result;

    put(TABLE, 0x8000 | X86_PTE_P);
    result = touch(0x10, X86_ACCESS_USER | X86_ACCESS_WRITE);
    cr_assert_eq(result.end, SHADOW_TRUE_FAULT);
    cr_assert_eq(result.event.vector, X86_PAGE);
    cr_assert_eq(result.event.error_code, 7u);
    cr_assert_eq(result.event.cr2, 0x10u);
    result = touch(0x5010, X86_ACCESS_WRITE);
    cr_assert_eq(result.event.error_code, 2u);
    cr_assert_not(allows(0x10, X86_ACCESS_USER));
}

/* SDM volume 3, section 4.10.4: what the guest took back from its tables the processor may keep
 * until INVLPG or a load of CR3. So may whoever calls: the flush is handed out again there, and
 * when a page becomes a table, which the processor must not be able to write. */
Test(shadow, a_stale_translation_lasts_until_it_is_invalidated)
{
    for (unsigned way = 0; way < 3; way++) {
        put(TABLE, 0x8000 | FULL);
        put(DIRECTORY + 4, way == 2 ? 0x5000 | FULL : 0);
        put(0x5000, 0x9000 | FULL);
        cr_assert_eq(touch(0, X86_ACCESS_WRITE).end, SHADOW_FILLED);
        put(TABLE, 0);
        cr_assert(shadow_written(shadow, TABLE, 4) & SHADOW_FLUSH_ALL);
        cr_assert_not(allows(0, 0), "the tables themselves follow at once");
        switch (way) {
        case 0: cr_assert(shadow_invlpg(shadow, 0) & SHADOW_FLUSH_ALL); break;
        case 1: cr_assert(shadow_switch(shadow, &cpu, &real.cr3) & SHADOW_FLUSH_ALL); break;
        default: cr_assert(touch(0x400000, 0).flush & SHADOW_FLUSH_ALL); break;
        }
        cr_assert_not(shadow_invlpg(shadow, 0) & SHADOW_FLUSH_ALL, "once is enough: way %u", way);
    }
}

/* A table that the guest has mapped, here writable and dirty before it is known to be a table. */
Test(shadow, guest_tables_are_traced)
{
    struct shadow_result result;

    put(DIRECTORY + 4, 0x5000 | FULL);
    put(TABLE, 0x5000 | FULL);
    put(0x5000, 0x9000 | FULL);
    cr_assert_eq(touch(0, X86_ACCESS_WRITE).end, SHADOW_FILLED);
    cr_assert(allows(0, X86_ACCESS_WRITE));
    cr_assert_eq(touch(0x400000, 0).end, SHADOW_FILLED);
    cr_assert(shadow_traced(shadow, 0x5000));
    cr_assert_not(allows(0, X86_ACCESS_WRITE));
    result = touch(8, X86_ACCESS_WRITE);
    cr_assert_eq(result.end, SHADOW_TRACED);
    cr_assert_eq(result.guest, 0x5008u);
    for (unsigned i = 0; i < 16 && shadow_traced(shadow, 0x5000); i++) {
        written(0x5008, 0);
    }
    cr_assert_not(shadow_traced(shadow, 0x5000), "a frame written like data stays traced");
    cr_assert_not(allows(0x400000, 0));
    cr_assert_eq(touch(0x400000, 0).end, SHADOW_FILLED);
}

/* A kernel that is mapped to itself has such tables. Without its shadow the next store into it
 * would only make another one. */
Test(shadow, a_table_that_shows_itself_keeps_its_shadow_however_often_it_is_written)
{
    put(TABLE, 0x8000 | FULL);
    put(TABLE + 4, TABLE | FULL);
    cr_assert_eq(touch(0, 0).end, SHADOW_FILLED);
    cr_assert_eq(touch(0x1008, X86_ACCESS_WRITE).end, SHADOW_TRACED);
    for (unsigned i = 0; i < 100; i++) {
        cr_assert(written(TABLE + 8, 0x9000 | FULL), "traced before write %u", i);
    }
    cr_assert(allows(0, 0), "and what it showed is still there");
    cr_assert(written(TABLE + 4, 0));
    for (unsigned i = 0; i < 16; i++) {
        written(TABLE + 8, 0);
    }
    cr_assert_not(shadow_traced(shadow, TABLE), "it does not show itself any more");
}

/* SDM volume 3, section 4.6: with WP = 0 the supervisor writes to read-only pages, users do not. */
Test(shadow, write_protect_off_is_for_the_supervisor_only)
{
    cpu.cr0 &= ~(uint32_t)X86_CR0_WP;
    switch_root();
    put(TABLE, 0x8000 | X86_PTE_P | X86_PTE_US);
    cr_assert_eq(touch(0, X86_ACCESS_WRITE).end, SHADOW_FILLED);
    cr_assert(allows(0, X86_ACCESS_WRITE) && !allows(0, X86_ACCESS_USER));
    cr_assert_eq(touch(0, X86_ACCESS_USER).end, SHADOW_FILLED);
    cr_assert(allows(0, X86_ACCESS_USER) && !allows(0, X86_ACCESS_WRITE));
    cr_assert_eq(touch(0, X86_ACCESS_USER | X86_ACCESS_WRITE).end, SHADOW_TRUE_FAULT);
    cpu.cr0 |= X86_CR0_WP;
    switch_root();
    cr_assert_eq(touch(0, X86_ACCESS_WRITE).end, SHADOW_TRUE_FAULT);
}

Test(shadow, paging_off_goes_through_the_map)
{
    struct x86_walk walk;

    cpu.cr0 = X86_CR0_PE;
    switch_root();
    cr_assert_eq(touch(0x6789, X86_ACCESS_WRITE).end, SHADOW_FILLED);
    cr_assert_eq(x86_probe(&real, &machine, 0x6789, X86_ACCESS_WRITE, &walk), X86_OK);
    cr_assert_eq(walk.physical, frame_map_machine(&map, 0x6789));
    cr_assert_eq(touch(PAGES * 4096, 0).end, SHADOW_FILLED);
    cr_assert_eq(x86_probe(&real, &machine, PAGES * 4096 + 5, 0, &walk), X86_OK);
    cr_assert_eq(walk.physical, NOWHERE + 5, "where there is no frame there is no memory");
}

Test(shadow, a_page_is_traced_for_others_too)
{
    struct x86_walk walk;

    put(TABLE, 0x8000 | FULL);
    cr_assert_eq(touch(0, X86_ACCESS_WRITE).end, SHADOW_FILLED);
    flush(shadow_trace(shadow, 0x8000), 0);
    cr_assert_eq(touch(4, X86_ACCESS_WRITE).end, SHADOW_TRACED);
    flush(shadow_open(shadow, 4, true), 4);
    x86_probe(&real, &machine, 4, X86_ACCESS_WRITE, &walk);
    cr_assert_eq(walk.end, X86_WALK_MAPPED, "open for the one instruction");
    flush(shadow_open(shadow, 4, false), 4);
    x86_probe(&real, &machine, 4, X86_ACCESS_WRITE, &walk);
    cr_assert_eq(walk.end, X86_WALK_READ_ONLY_PAGE);
    shadow_untrace(shadow, 0x8000);
    cr_assert_eq(touch(4, X86_ACCESS_WRITE).end, SHADOW_FILLED);
}

Test(shadow, the_vmms_slot_gives_way)
{
    struct shadow_result result;

    cr_assert_eq(shadow_slot(shadow), SLOT);
    put(DIRECTORY + SLOT * 4, TABLE | FULL);
    put(TABLE, 0x8000 | FULL);
    result = touch(SLOT << 22, X86_ACCESS_USER);
    cr_assert_eq(result.end, SHADOW_FILLED);
    cr_assert(result.slot_moved && (result.flush & SHADOW_FLUSH_ALL));
    cr_assert_neq(shadow_slot(shadow), SLOT);
    cr_assert(allows(SLOT << 22, X86_ACCESS_USER));
    cr_assert(allows(shadow_slot(shadow) << 22, X86_ACCESS_WRITE));
    cr_assert_not(allows(shadow_slot(shadow) << 22, X86_ACCESS_USER));
    for (uint32_t slot = 0; slot < 1024; slot++) {
        written(DIRECTORY + slot * 4, TABLE | FULL);
    }
    cr_assert_eq(touch(shadow_slot(shadow) << 22, 0).end, SHADOW_SLOT_TAKEN);
}

Test(shadow, an_entry_out_of_reach_is_asked_for)
{
    struct shadow_result result = shadow_fault(shadow, &cpu, &absent, 0x00400000, 0);

    cr_assert_eq(result.end, SHADOW_NEED_PAGE);
    cr_assert_eq(result.guest, DIRECTORY + 4);
}

Test(shadow, bad_arguments_are_refused)
{
    cr_assert_null(shadow_create(&map, SHADOW_MINIMUM - 1, NOWHERE, 0, 0));
    cr_assert_null(shadow_create(&map, LIMIT, NOWHERE, VMM_ENTRY | X86_PTE_US, 0));
    cr_assert_null(shadow_create(&map, LIMIT, NOWHERE, VMM_ENTRY, 1024));
    shadow_destroy(NULL);
}

Test(shadow, cached_shadows_survive_a_switch)
{
    put(TABLE, 0x8000 | FULL);
    put(0x2000, 0x5000 | FULL);
    touch(0, 0);
    cpu.cr3 = 0x2000;
    switch_root();
    cr_assert_not(allows(0, 0));
    cpu.cr3 = DIRECTORY;
    switch_root();
    cr_assert(allows(0, 0));
    cr_assert_eq(shadow_statistics(shadow).switch_hits, 1u);
}

Test(shadow, a_storm_of_switches_stays_within_bounds)
{
    for (unsigned i = 0; i < 2000; i++) {
        cpu.cr3 = (1 + dice(PAGES + 20)) << 12; /* some of them where there is no memory */
        switch_root();
        touch(dice(1024) << 22, dice(4));
        cr_assert_leq(shadow_statistics(shadow).tables, LIMIT);
        cr_assert_geq(frames_available(&pool), memory_frames(&memory) - 64 - PAGES - LIMIT);
    }
    cr_assert_gt(shadow_statistics(shadow).evictions, 100u);
}

Test(shadow, a_pool_without_frames_is_an_answer)
{
    uint32_t taken[256];
    unsigned count = 0;

    while ((taken[count] = frames_take(&pool)) != FRAMES_NONE) {
        count++;
    }
    put(TABLE, 0x8000 | FULL);
    cr_assert_eq(touch(0, 0).end, SHADOW_NO_ROOM);
    cpu.cr3 = 0x2000; /* the only table there is makes room for the new directory, once */
    switch_root();
    cr_assert_eq(touch(0, 0).end, SHADOW_TRUE_FAULT);
    shadow_destroy(shadow);
    shadow = shadow_create(&map, LIMIT, NOWHERE, 0, 0);
    taken[count++] = frames_take(&pool);
    cr_assert_eq(shadow_switch(shadow, &cpu, &real.cr3), -1);
    while (count > 0) {
        frames_give_back(&pool, taken[--count]);
    }
    switch_root();
    cr_assert_eq(touch(0, 0).end, SHADOW_TRUE_FAULT);
}

/* ---- random guests --------------------------------------------------------------------- */

static uint32_t random_entry(void)
{
    uint32_t frame = dice(3) ? dice(10) : dice(PAGES + 4);
    uint32_t flags = dice(0x80);

    return frame << 12 | flags | (dice(6) ? X86_PTE_P : 0);
}

static uint32_t random_directory_entry(void)
{
    return dice(6) ? random_entry() : (random_entry() & 0x7f) | X86_PTE_PS | (dice(8) ? 0 : 0x2000);
}

static void random_write(void)
{
    uint32_t page = 1 + dice(9);
    uint32_t index = page < 4 ? slots[dice(SLOTS)] : dice(24);

    written(page << 12 | index * 4, page < 4 ? random_directory_entry() : random_entry());
}

/* What the processor may do at `linear` must be what the guest's tables allow now, with A and D
 * set already, and end in the VM's own frame. */
static void check_right(uint32_t linear, unsigned access, uint32_t physical)
{
    struct x86_walk walk;

    cr_assert_eq(x86_probe(&cpu, &guest, linear, access, &walk), X86_OK);
    cr_assert_eq(walk.end, X86_WALK_MAPPED, "%#x access %u: more rights than the guest's", linear,
                 access);
    cr_assert(walk.levels < 2 || (walk.pde & walk.pte & X86_PTE_A));
    cr_assert(walk.levels != 1 || (walk.pde & X86_PTE_A));
    cr_assert(!(access & X86_ACCESS_WRITE) || walk.dirty);
    cr_assert(!(access & X86_ACCESS_WRITE) || !shadow_traced(shadow, walk.physical));
    if (walk.physical >> 12 >= PAGES) {
        cr_assert_eq(physical & X86_PAGE_MASK, NOWHERE);
        return;
    }
    cr_assert_eq(physical & X86_PAGE_MASK, frame_map_machine(&map, walk.physical) & X86_PAGE_MASK);
    cr_assert_eq(frames_owner(&pool, physical >> 12), 2);
}

static void check_page(uint32_t linear)
{
    const struct tlb_entry *cached = &tlb[linear >> 12];

    for (unsigned access = 0; access < 4; access++) {
        struct x86_walk walk;

        x86_probe(&real, &machine, linear, access, &walk);
        if (linear >> 22 == shadow_slot(shadow)) {
            cr_assert_eq(walk.pde & ~(uint32_t)(X86_PTE_A | X86_PTE_D), VMM_ENTRY);
            continue;
        }
        if (walk.end == X86_WALK_MAPPED) {
            check_right(linear, access, walk.physical);
        }
        if (cached->valid && (cached->user || !(access & X86_ACCESS_USER)) &&
            (cached->writable || !(access & X86_ACCESS_WRITE))) {
            check_right(linear, access, cached->frame);
        }
    }
}

static void check_fault(uint32_t linear, unsigned access)
{
    struct x86_walk walk, after;
    struct x86_event event;
    struct shadow_result result;
    enum x86_status status;

    for (uint32_t page = 0; page < PAGES; page++) {
        memcpy(model_bytes + page * 4096, frame_map_page(&map, page << 12), 4096);
    }
    status = x86_walk(&cpu, &model, linear, access | X86_ACCESS_MARK, &walk, &event);
    result = touch(linear, access);
    for (uint32_t page = 0; page < PAGES; page++) {
        cr_assert_eq(memcmp(model_bytes + page * 4096, frame_map_page(&map, page << 12), 4096), 0,
                     "accessed and dirty bits of page %u", page);
    }
    cr_assert_eq(result.end == SHADOW_TRUE_FAULT, status == X86_FAULT);
    if (status == X86_FAULT) {
        cr_assert_eq(result.event.error_code, event.error_code);
        cr_assert_eq(result.event.cr2, linear);
        return;
    }
    cr_assert_eq(result.guest, walk.physical);
    x86_probe(&real, &machine, linear, access, &after);
    if (result.end == SHADOW_TRACED) {
        cr_assert((access & X86_ACCESS_WRITE) && shadow_traced(shadow, result.guest));
        cr_assert_neq(after.end, X86_WALK_MAPPED);
        written(result.guest & ~3u, random_entry());
        return;
    }
    cr_assert_eq(result.end, SHADOW_FILLED);
    cr_assert_eq(after.end, X86_WALK_MAPPED, "a hidden fault must not come again");
}

static void random_access(void)
{
    uint32_t linear = slots[dice(SLOTS)] << 22 | dice(24) << 12 | dice(1024) * 4;
    unsigned access = dice(4);
    struct tlb_entry *cached = &tlb[linear >> 12];
    struct x86_walk walk;

    if (linear >> 22 == shadow_slot(shadow) && !(access & X86_ACCESS_USER)) {
        check_fault(linear, access); /* segment limits keep the supervisor out, then this */
        return;
    }
    x86_probe(&real, &machine, linear, access, &walk);
    if (walk.end != X86_WALK_MAPPED) {
        check_fault(linear, access);
        return;
    }
    check_right(linear, access, walk.physical);
    *cached = (struct tlb_entry){true, walk.user, walk.writable, walk.physical};
    if ((access & X86_ACCESS_WRITE) && walk.physical < NOWHERE) {
        uint32_t value = random_entry();

        memcpy(memory_frame(&memory, walk.physical) + (walk.physical & 0xffc), &value, 4);
    }
}

static void random_switch(void)
{
    cpu.cr3 = (1 + dice(3)) << 12;
    if (!dice(4)) {
        cpu.cr0 = X86_CR0_PE | (dice(6) ? X86_CR0_PG : 0) | (dice(2) ? X86_CR0_WP : 0);
        cpu.cr4 = dice(4) ? X86_CR4_PSE : 0;
    }
    switch_root();
}

Test(shadow, random_guests_see_their_own_tables, .timeout = 120)
{
    for (uint32_t page = 1; page < 10; page++) {
        for (uint32_t index = 0; index < 24; index++) {
            put(page << 12 | index * 4, random_entry());
        }
    }
    for (unsigned step = 0; step < 20000; step++) {
        switch (dice(40)) {
        case 0: random_switch(); break;
        case 1: flush(shadow_invlpg(shadow, 0x1000), 0x1000); break;
        case 2: flush(shadow_unmap(shadow, dice(PAGES) << 12), 0); break;
        case 3:
        case 4:
        case 5: random_write(); break;
        default: random_access(); break;
        }
        for (size_t i = 0; step % 4 == 0 && i < SLOTS * 24; i++) {
            check_page(slots[i / 24] << 22 | (uint32_t)(i % 24) << 12);
        }
        cr_assert_leq(shadow_statistics(shadow).tables, LIMIT);
    }
    cr_assert_gt(shadow_statistics(shadow).fills, 1000u);
    cr_assert_gt(shadow_statistics(shadow).true_faults, 1000u);
    cr_assert_gt(shadow_statistics(shadow).traced_writes, 100u);
    cr_assert_gt(shadow_statistics(shadow).slot_moves, 0u);
}
