/* Operations on address spaces: an entry of a live page table, a switch between two spaces, and the
 * copy of one by copy on write, as fork makes it. */
#include "nano.h"

enum { FORKED = 64, WRITTEN = 4, TOUCHED = 8 };

static uint32_t next_frame = POOL;

static uint32_t frame_alloc(void)
{
    uint32_t frame = next_frame;
    next_frame += PAGE;
    return frame;
}

static uint32_t *cleared(uint32_t frame)
{
    uint32_t to = frame, words = PAGE / 4;
    asm volatile("rep stosl" : "+D"(to), "+c"(words) : "a"(0) : "memory");
    return (uint32_t *)frame;
}

static void copy_frame(uint32_t to, uint32_t from)
{
    uint32_t words = PAGE / 4;
    asm volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(words)::"memory");
}

/* ---- page table entries ---- */

/* The entry lies in the table that maps this code, and is never used itself. */
static uint32_t entry_writes(uint32_t n)
{
    volatile uint32_t *entry = &low_tables[0x3FF];
    const uint32_t value = from_entry(*entry);
    for (uint32_t i = 0; i < n; i++) {
        set_entry(entry, value ^ (i & 1) << 12);
        entries_done();
    }
    return from_entry(*entry);
}

/* 64 of them, and then the TLB: what a change of rights costs when it need not be seen at once. */
static uint32_t entry_batches(uint32_t n)
{
    volatile uint32_t *entries = &low_tables[0x3C0];
    const uint32_t value = from_entry(*entries);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t e = 0; e < FORKED; e++)
            set_entry(&entries[e], (value + e * PAGE) ^ (i & 1) << 1);
        write_cr3((uint32_t)directory);
    }
    return from_entry(*entries);
}

/* ---- address spaces ---- */

/* The kernel's part, and one table for the addresses from USER on. */
struct space {
    uint32_t *directory, *table;
};

static struct space space_make(void)
{
    struct space space = {cleared(frame_alloc()), cleared(frame_alloc())};
    for (uint32_t i = 0; i < MAPPED >> 22; i++)
        space.directory[i] = directory[i];
    space.directory[USER >> 22] = to_entry((uint32_t)space.table | P | W | U);
    return space;
}

static uint32_t touch(uint32_t pages)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < pages; i++)
        sum += *(volatile uint32_t *)(USER + i * PAGE);
    return sum;
}

/* ---- two threads of control, each in its space ---- */

static uint32_t thread_esp[2], switches_left, switch_sum;
static struct space spaces[2];
static uint8_t thread_stack[PAGE] __attribute__((aligned(16)));

/* Runs on either stack; `self` switches to the other until there is nothing left. */
static void switch_loop(unsigned self)
{
    while (switches_left) {
        switches_left--;
        set_kernel_stack((uint32_t)thread_stack + sizeof thread_stack);
        write_cr3((uint32_t)spaces[!self].directory);
        switch_stack(&thread_esp[self], thread_esp[!self]);
        switch_sum += touch(TOUCHED);
    }
}

static void second_thread(void)
{
    switch_sum += touch(TOUCHED);
    switch_loop(1);
    switch_stack(&thread_esp[1], thread_esp[0]);
}

static uint32_t context_switches(uint32_t n)
{
    for (unsigned s = 0; s < 2; s++) {
        spaces[s] = space_make();
        for (uint32_t i = 0; i < TOUCHED; i++)
            spaces[s].table[i] = to_entry(frame_alloc() | P | W | U);
        tables_begin(spaces[s].directory, spaces[s].table);
    }
    uint32_t *stack = (uint32_t *)(void *)(thread_stack + sizeof thread_stack);
    *--stack = (uint32_t)second_thread;
    for (unsigned i = 0; i < 4; i++)
        *--stack = 0; /* what switch_stack pops */
    thread_esp[1] = (uint32_t)stack;
    switches_left = n;
    write_cr3((uint32_t)spaces[0].directory);
    switch_loop(0);
    write_cr3((uint32_t)directory);
    return switch_sum;
}

/* ---- fork ---- */

static struct space present;
static uint32_t copies;

void copy_page(void)
{
    const uint32_t address = read_cr2();
    volatile uint32_t *entry = &present.table[address >> 12 & 1023];
    uint32_t frame = frame_alloc();
    copy_frame(frame, from_entry(*entry) & ~0xFFFu);
    set_entry(entry, frame | P | W | U);
    invlpg(address);
    copies++;
}

static void enter(const struct space *space)
{
    asm volatile("" ::: "memory"); /* faults before this are the last space's */
    present = *space;
    write_cr3((uint32_t)space->directory);
}

static struct space fork_space(const struct space *parent)
{
    struct space child = space_make();
    for (uint32_t i = 0; i < FORKED; i++) {
        uint32_t both = (from_entry(parent->table[i]) & ~(uint32_t)W) | COPY;
        set_entry(&parent->table[i], both);
        child.table[i] = to_entry(both);
    }
    tables_begin(child.directory, child.table);
    write_cr3((uint32_t)parent->directory); /* rights were taken away */
    return child;
}

static void write_pages(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        *(volatile uint32_t *)(USER + i * PAGE) = i;
}

static uint32_t forks(uint32_t n)
{
    set_gate(14, on_copy, 0);
    struct space parent = space_make();
    for (uint32_t i = 0; i < FORKED; i++)
        parent.table[i] = to_entry(frame_alloc() | P | W | U);
    tables_begin(parent.directory, parent.table);
    enter(&parent);
    const uint32_t mark = next_frame;
    uint32_t first[WRITTEN];
    for (uint32_t i = 0; i < WRITTEN; i++)
        first[i] = from_entry(parent.table[i]) & ~0xFFFu;
    while (n--) {
        struct space child = fork_space(&parent);
        enter(&child);
        write_pages(WRITTEN);
        enter(&parent);
        write_pages(WRITTEN);
        /* The child ends; the parent gets its first frames back, so that all rounds are alike. */
        for (uint32_t i = 0; i < WRITTEN; i++) {
            set_entry(&parent.table[i], first[i] | P | W | U);
            invlpg(USER + i * PAGE);
        }
        tables_end(child.directory, child.table);
        next_frame = mark;
    }
    return copies;
}

const struct operation memory_operations[] = {
    {"ptemod", "an entry of a page table in use changed", entry_writes},
    {"ptebatch", "64 of them changed, then CR3 reloaded", entry_batches},
    {"ctxswitch", "CR3 and stack switched, 8 pages read", context_switches},
    {"fork", "64 pages copied on write, 8 of them written", forks},
    {NULL, NULL, NULL},
};
