/* Workloads that exercise paging: entries that change, address spaces that are switched, faults
 * that the guest handles, and faults that only shadow page tables have (hidden ones: the guest's
 * own tables are good, the shadow is not filled yet). */
#include "bench.h"

enum { P = 1, W = 2, U = 4, PAGE = 4096, SPACE = 0x40000000 };

uint32_t *const bench_directory = (uint32_t *)TABLES;
static uint32_t next_table = TABLES + PAGE;

uint32_t *table_of(uint32_t address)
{
    uint32_t *directory = bench_directory;
    asm("" : "+r"(directory));
    uint32_t *entry = &directory[address >> 22];
    if (!(*entry & P)) {
        memset((void *)next_table, 0, PAGE);
        *entry = next_table | P | W | U;
        next_table += PAGE;
    }
    return (uint32_t *)(*entry & ~0xFFFu);
}

void paging_on(void)
{
    uint32_t *directory = bench_directory;
    asm("" : "+r"(directory));
    memset(directory, 0, PAGE);
    for (uint32_t address = 0; address < 0x4000000; address += PAGE)
        table_of(address)[address >> 12 & 1023] = address | P | W | U;
    write_cr3((uint32_t)directory);
    write_cr0(read_cr0() | 0x80010000);
}

static uint32_t touch(uint32_t address)
{
    uint32_t value = *(volatile uint32_t *)address;
    *(volatile uint32_t *)address = value + 1;
    return value;
}

/* `pages` pages from SPACE on, mapped to `frames` frames of the buffer in turn. */
static void map_space(uint32_t pages, uint32_t frames)
{
    for (uint32_t i = 0; i < pages; i++)
        table_of(SPACE + i * PAGE)[i & 1023] = (BUFFER + (i % frames) * PAGE) | P | W | U;
    for (uint32_t i = 0; i < frames * PAGE; i += PAGE)
        *(volatile uint32_t *)(BUFFER + i) = i;
}

/* A page moves between two frames: write its entry, INVLPG, touch. */
static uint32_t entry_invlpg_touch(uint32_t n)
{
    uint32_t sum = 0;
    map_space(1, 2);
    *(volatile uint32_t *)(BUFFER + PAGE) = 7;
    uint32_t *entry = &table_of(SPACE)[0];
    for (uint32_t i = 0; i < n; i++) {
        *(volatile uint32_t *)entry = (BUFFER + (i & 1) * PAGE) | P | W | U;
        invlpg(SPACE);
        sum += touch(SPACE);
    }
    return sum;
}

/* The same without the touch. */
static uint32_t entry_invlpg(uint32_t n)
{
    map_space(1, 2);
    uint32_t *entry = &table_of(SPACE)[0];
    for (uint32_t i = 0; i < n; i++) {
        *(volatile uint32_t *)entry = (BUFFER + (i & 1) * PAGE) | P | W | U;
        invlpg(SPACE);
    }
    return touch(SPACE);
}

/* Two address spaces in turn, 64 pages touched in each. */
static uint32_t switch_and_touch(uint32_t n)
{
    uint32_t sum = 0;
    map_space(64, 64);
    uint32_t other = next_table;
    next_table += PAGE;
    memcpy((void *)other, bench_directory, PAGE);
    for (uint32_t i = 0; i < n; i++) {
        write_cr3(i & 1 ? other : (uint32_t)bench_directory);
        for (uint32_t page = 0; page < 64; page++)
            sum += touch(SPACE + page * PAGE);
    }
    return sum;
}

/* Each touch finds a page absent; the handler unmaps the page before and maps this one. */
extern const char bench_fault[];
uint32_t *bench_entries;
uint32_t bench_faults, bench_previous = SPACE, bench_rounds;
asm(".text\n"
    "bench_fault: pushl %eax; pushl %ecx; pushl %edx\n\t"
    "movl %ss:bench_entries, %edx\n\t"
    "movl %ss:bench_previous, %eax; movl %eax, %ecx; shrl $12, %ecx; andl $0x3ff, %ecx\n\t"
    "movl $0, %ss:(%edx,%ecx,4); invlpg (%eax)\n\t"
    "movl %cr2, %eax; movl %eax, %ss:bench_previous; shrl $12, %eax; andl $0x3ff, %eax\n\t"
    "movl $0x1000007, %ss:(%edx,%eax,4); incl %ss:bench_faults\n\t"
    "popl %edx; popl %ecx; popl %eax; addl $4, %esp; iretl");
PROBE(user_touch, "1: movl bench_rounds, %eax; andl $63, %eax; shll $12, %eax\n\t"
                  "incl 0x40000000(%eax); decl bench_rounds; jnz 1b");

static uint32_t demand_faults(uint32_t n)
{
    map_space(64, 1);
    bench_entries = table_of(SPACE);
    for (uint32_t i = 0; i < 64; i++) {
        bench_entries[i] = 0;
        invlpg(SPACE + i * PAGE);
    }
    idt[14] = gate(KERNEL_CODE, (uint32_t)bench_fault, PRESENT | INTERRUPT_GATE, 0);
    bench_rounds = n;
    attempt(probe_user_touch, 3, 0);
    return bench_faults + *(volatile uint32_t *)BUFFER;
}

/* First touches of mapped pages: 512 MB by 128 page tables, so that a shadow has none of them; from
 * the start again, after a CR3 load, when all are used up. */
enum { SPACE_PAGES = 131072 };

static uint32_t hidden_faults(uint32_t n)
{
    uint32_t sum = 0;
    map_space(n < SPACE_PAGES ? n : SPACE_PAGES, 64);
    write_cr3((uint32_t)bench_directory);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t page = i % SPACE_PAGES;
        if (!page && i)
            write_cr3((uint32_t)bench_directory);
        sum += touch(SPACE + page * PAGE);
    }
    return sum;
}

/* The page tables of `hiddenfault` alone, to be subtracted. */
static uint32_t hidden_base(uint32_t n)
{
    map_space(n < SPACE_PAGES ? n : SPACE_PAGES, 64);
    return touch(SPACE);
}

/* Dropped and filled again: INVLPG and a touch of a page whose entry stays as it is. */
static uint32_t hidden_invlpg(uint32_t n)
{
    uint32_t sum = 0;
    map_space(1024, 64);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t address = SPACE + (i & 1023) * PAGE;
        invlpg(address);
        sum += touch(address);
    }
    return sum;
}

/* First writes to memory that nobody has used: half of it, a page after the other. */
enum { FRESH = 0x2000000, FRESH_PAGES = 8192 };

static uint32_t fresh_memory(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        *(volatile uint32_t *)(FRESH + (i % FRESH_PAGES) * PAGE) = i;
    return n;
}

const struct workload paging_workloads[] = {
    {"pteinvlpg", "write an entry, invlpg", 300000, entry_invlpg},
    {"ptetouch", "write an entry, invlpg, touch", 300000, entry_invlpg_touch},
    {"cr3touch", "cr3 switch, 64 pages touched", 10000, switch_and_touch},
    {"fault", "page fault from ring 3: map, unmap another, iret", 100000, demand_faults},
    {"hiddenfault", "first touch of a mapped page", 131072, hidden_faults},
    {"hiddenbase", "hiddenfault's tables only", 131072, hidden_base},
    {"hiddeninvlpg", "invlpg and touch of a mapped page", 100000, hidden_invlpg},
    {"fresh", "first write to a page of memory, 8192 at most", 8192, fresh_memory},
    {NULL, NULL, 0, NULL},
};
