/* The page walk against SDM volume 3, chapter 4 (32-bit paging). */
#include <criterion/criterion.h>

#include "arch/x86/walk.h"
#include "flat_memory.h"

static struct x86_memory memory;
static struct flat_memory *flat;
static struct cpu_state cpu;

#define DIRECTORY 0x1000u
#define TABLE     0x2000u
#define P_RW_US   (X86_PTE_P | X86_PTE_RW | X86_PTE_US)

/* The linear address of entry `index` of TABLE, which is directory entry 1. */
static uint32_t page_at(unsigned index)
{
    return 0x00400000u + index * X86_PAGE_SIZE;
}

static void set_up(void)
{
    flat = flat_create(&memory);
    cpu = (struct cpu_state){.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP, .cr3 = DIRECTORY};
    flat_put32(flat, DIRECTORY + 4, TABLE | P_RW_US);
}

static void tear_down(void)
{
    free(flat);
}

TestSuite(arch_walk, .init = set_up, .fini = tear_down);

Test(arch_walk, paging_off_is_identity)
{
    struct x86_walk walk;
    struct x86_event fault;

    cpu.cr0 = X86_CR0_PE;
    cr_assert_eq(
        x86_walk(&cpu, &memory, 0x12345678, X86_ACCESS_WRITE | X86_ACCESS_USER, &walk, &fault),
        X86_OK);
    cr_assert_eq(walk.physical, 0x12345678u);
    cr_assert_eq(walk.levels, 0);
}

/* Section 4.3: bits 31:22 choose the PDE, 21:12 the PTE, 11:0 are the offset. */
Test(arch_walk, two_levels)
{
    struct x86_walk walk;
    struct x86_event fault;

    flat_put32(flat, TABLE + 5 * 4, 0x7000 | P_RW_US);
    cr_assert_eq(x86_walk(&cpu, &memory, page_at(5) + 0xabc, 0, &walk, &fault), X86_OK);
    cr_assert_eq(walk.physical, 0x7abcu);
    cr_assert_eq(walk.pde_address, DIRECTORY + 4);
    cr_assert_eq(walk.pte_address, TABLE + 20);
    cr_assert(walk.user && walk.writable && !walk.dirty && !walk.global && !walk.large);
}

/* Section 4.7: P clear in either level gives an error code with P = 0; W/R and U/S say what the
 * access was. */
Test(arch_walk, not_present_reports_the_access)
{
    struct x86_walk walk;
    struct x86_event fault;

    cr_assert_eq(x86_walk(&cpu, &memory, page_at(1) + 4, X86_ACCESS_WRITE, &walk, &fault),
                 X86_FAULT);
    cr_assert_eq(fault.vector, 14);
    cr_assert(fault.has_error_code);
    cr_assert_eq(fault.error_code, 2u);
    cr_assert_eq(fault.cr2, page_at(1) + 4);
    cr_assert_eq(walk.end, X86_WALK_PTE_NOT_PRESENT);
    cr_assert_eq(x86_walk(&cpu, &memory, 0x80000000, X86_ACCESS_USER, &walk, &fault), X86_FAULT);
    cr_assert_eq(fault.error_code, 4u);
    cr_assert_eq(walk.end, X86_WALK_PDE_NOT_PRESENT);
}

struct rights {
    uint32_t pde, pte, cr0;
    unsigned access;
    int error; /* -1: allowed */
};

/* Section 4.6.1 and table 5-3: both levels together decide; CR0.WP binds the supervisor. */
Test(arch_walk, rights)
{
    static const struct rights rows[] = {
        {7, 7, 0, X86_ACCESS_USER | X86_ACCESS_WRITE, -1},
        {7, 5, 0, X86_ACCESS_USER, -1},
        {7, 5, 0, X86_ACCESS_USER | X86_ACCESS_WRITE, 7},
        {5, 7, 0, X86_ACCESS_USER | X86_ACCESS_WRITE, 7},
        {7, 3, 0, X86_ACCESS_USER, 5},
        {3, 7, 0, X86_ACCESS_USER, 5},
        {3, 7, 0, X86_ACCESS_USER | X86_ACCESS_WRITE, 7},
        {7, 3, 0, X86_ACCESS_USER | X86_ACCESS_FETCH, 5},
        {1, 1, 0, X86_ACCESS_WRITE, -1},
        {1, 1, X86_CR0_WP, X86_ACCESS_WRITE, 3},
        {7, 5, X86_CR0_WP, X86_ACCESS_WRITE, 3},
        {5, 5, 0, X86_ACCESS_WRITE, -1},
        {1, 1, X86_CR0_WP, 0, -1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct x86_walk walk;
        struct x86_event fault;
        enum x86_status status;

        flat_put32(flat, DIRECTORY + 4, TABLE | rows[i].pde);
        flat_put32(flat, TABLE, 0x5000 | rows[i].pte);
        cpu.cr0 = X86_CR0_PE | X86_CR0_PG | rows[i].cr0;
        status = x86_walk(&cpu, &memory, page_at(0), rows[i].access, &walk, &fault);
        cr_assert_eq(status, rows[i].error < 0 ? X86_OK : X86_FAULT, "row %zu", i);
        if (rows[i].error >= 0) {
            cr_assert_eq(fault.error_code, (uint32_t)rows[i].error, "row %zu", i);
        }
    }
}

/* Section 4.8: A on every entry used, D on the last one for a write, nothing without asking. */
Test(arch_walk, accessed_and_dirty)
{
    struct x86_walk walk;
    struct x86_event fault;

    flat_put32(flat, TABLE, 0x5000 | P_RW_US);
    cr_assert_eq(x86_walk(&cpu, &memory, page_at(0), X86_ACCESS_WRITE, &walk, &fault), X86_OK);
    cr_assert_eq(flat_get32(flat, DIRECTORY + 4), TABLE | P_RW_US);
    cr_assert_eq(x86_walk(&cpu, &memory, page_at(0), X86_ACCESS_MARK, &walk, &fault), X86_OK);
    cr_assert_eq(flat_get32(flat, DIRECTORY + 4), TABLE | P_RW_US | X86_PTE_A);
    cr_assert_eq(flat_get32(flat, TABLE), 0x5000 | P_RW_US | X86_PTE_A);
    cr_assert_eq(
        x86_walk(&cpu, &memory, page_at(0), X86_ACCESS_MARK | X86_ACCESS_WRITE, &walk, &fault),
        X86_OK);
    cr_assert_eq(flat_get32(flat, DIRECTORY + 4), TABLE | P_RW_US | X86_PTE_A);
    cr_assert_eq(flat_get32(flat, TABLE), 0x5000 | P_RW_US | X86_PTE_A | X86_PTE_D);
    cr_assert(walk.dirty);
    flat->write_requests = 0;
    cr_assert_eq(
        x86_walk(&cpu, &memory, page_at(0), X86_ACCESS_MARK | X86_ACCESS_WRITE, &walk, &fault),
        X86_OK);
    cr_assert_eq(flat->write_requests, 0u);
}

/* The engine's order (QEMU, mmu_translate): the directory entry is accessed although the table
 * entry then refuses, and a refused table entry is not touched. */
Test(arch_walk, directory_entry_is_accessed_on_a_fault)
{
    struct x86_walk walk;
    struct x86_event fault;

    flat_put32(flat, TABLE, 0x5000 | X86_PTE_P);
    cr_assert_eq(
        x86_walk(&cpu, &memory, page_at(0), X86_ACCESS_MARK | X86_ACCESS_USER, &walk, &fault),
        X86_FAULT);
    cr_assert_eq(flat_get32(flat, DIRECTORY + 4), TABLE | P_RW_US | X86_PTE_A);
    cr_assert_eq(flat_get32(flat, TABLE), 0x5000u | X86_PTE_P);
}

/* Figure 4-3, table 4-4: 4 MB pages; bits 21:13 are reserved without PSE-36; PS is ignored without
 * CR4.PSE. */
Test(arch_walk, large_pages)
{
    struct x86_walk walk;
    struct x86_event fault;

    cpu.cr4 = X86_CR4_PSE | X86_CR4_PGE;
    flat_put32(flat, DIRECTORY + 4 * 3, 0x00c00000 | P_RW_US | X86_PTE_PS | X86_PTE_G);
    cr_assert_eq(
        x86_walk(&cpu, &memory, 0x00f12345, X86_ACCESS_MARK | X86_ACCESS_WRITE, &walk, &fault),
        X86_OK);
    cr_assert_eq(walk.physical, 0x00f12345u);
    cr_assert(walk.large && walk.global);
    cr_assert_eq(flat_get32(flat, DIRECTORY + 12),
                 0x00c00000 | P_RW_US | X86_PTE_PS | X86_PTE_G | X86_PTE_A | X86_PTE_D);
    flat_put32(flat, DIRECTORY + 4 * 3, 0x00c00000 | P_RW_US | X86_PTE_PS | 1u << 21);
    cr_assert_eq(x86_walk(&cpu, &memory, 0x00f12345, X86_ACCESS_USER, &walk, &fault), X86_FAULT);
    cr_assert_eq(fault.error_code, 0xdu);
    cr_assert_eq(walk.end, X86_WALK_RESERVED);
    cpu.cr4 = 0;
    flat_put32(flat, DIRECTORY + 4, TABLE | P_RW_US | X86_PTE_PS);
    flat_put32(flat, TABLE, 0x5000 | P_RW_US);
    cr_assert_eq(x86_walk(&cpu, &memory, page_at(0), 0, &walk, &fault), X86_OK);
    cr_assert_eq(walk.physical, 0x5000u);
}

Test(arch_walk, probe_has_no_effect_and_tells_why)
{
    struct x86_walk walk;

    flat_put32(flat, TABLE, 0x5000 | X86_PTE_P);
    cr_assert_eq(x86_probe(&cpu, &memory, page_at(0), X86_ACCESS_MARK | X86_ACCESS_WRITE, &walk),
                 X86_OK);
    cr_assert_eq(walk.end, X86_WALK_READ_ONLY_PAGE);
    cr_assert_eq(walk.error_code, 3u);
    cr_assert_eq(walk.physical, 0x5000u);
    cr_assert_eq(flat_get32(flat, DIRECTORY + 4), TABLE | P_RW_US);
    cr_assert_str_eq(x86_walk_end_text(walk.end), "write to a read-only page");
}

Test(arch_walk, missing_pages_are_asked_for)
{
    struct x86_walk walk;
    struct x86_event fault;

    flat_put32(flat, TABLE, 0x5000 | P_RW_US);
    flat->away[2] = true;
    cr_assert_eq(x86_walk(&cpu, &memory, page_at(0), X86_ACCESS_MARK, &walk, &fault),
                 X86_NEED_PAGE);
    cr_assert_eq(flat->wanted, 2u);
    cr_assert_eq(flat_get32(flat, DIRECTORY + 4), TABLE | P_RW_US);
    flat->away[2] = false;
    cr_assert_eq(x86_walk(&cpu, &memory, page_at(0), X86_ACCESS_MARK, &walk, &fault), X86_OK);
}

Test(arch_walk, reads_cross_pages)
{
    struct x86_event fault;
    uint32_t value;

    flat_put32(flat, TABLE, 0x5000 | P_RW_US);
    flat_put32(flat, TABLE + 4, 0x9000 | P_RW_US);
    flat_put16(flat, 0x5ffe, 0x2211);
    flat_put16(flat, 0x9000, 0x4433);
    cr_assert_eq(x86_read(&cpu, &memory, page_at(0) + 0xffe, &value, 4, true, &fault), X86_OK);
    cr_assert_eq(value, 0x44332211u);
    cr_assert_eq(flat_get32(flat, TABLE + 4), 0x9000 | P_RW_US | X86_PTE_A);
}

Test(arch_walk, writes_are_all_or_nothing)
{
    struct x86_event fault;
    uint32_t value = 0x44332211;

    flat_put32(flat, TABLE, 0x5000 | P_RW_US);
    cr_assert_eq(x86_write(&cpu, &memory, page_at(0) + 0xffe, &value, 4, true, &fault), X86_FAULT);
    cr_assert_eq(fault.cr2, page_at(1));
    cr_assert_eq(fault.error_code, 6u);
    cr_assert_eq(flat_get16(flat, 0x5ffe), 0);
    flat_put32(flat, TABLE + 4, 0x9000 | P_RW_US);
    flat->away[9] = true;
    cr_assert_eq(x86_write(&cpu, &memory, page_at(0) + 0xffe, &value, 4, true, &fault),
                 X86_NEED_PAGE);
    cr_assert_eq(flat_get16(flat, 0x5ffe), 0);
    flat->away[9] = false;
    cr_assert_eq(x86_write(&cpu, &memory, page_at(0) + 0xffe, &value, 4, true, &fault), X86_OK);
    cr_assert_eq(flat_get16(flat, 0x5ffe), 0x2211);
    cr_assert_eq(flat_get16(flat, 0x9000), 0x4433);
}

Test(arch_walk, peek_stops_where_memory_ends)
{
    uint8_t bytes[8];

    flat_put32(flat, TABLE, 0x5000 | X86_PTE_P);
    flat->bytes[0x5fff] = 0x90;
    cr_assert_eq(x86_peek(&cpu, &memory, page_at(0) + 0xfff, bytes, 8), 1u);
    cr_assert_eq(bytes[0], 0x90);
    cr_assert_eq(flat_get32(flat, TABLE), 0x5000u | X86_PTE_P);
}

/* The linear address space wraps at 4 GB. */
Test(arch_walk, wraps_around)
{
    struct x86_event fault;
    uint32_t value = 0x04030201;

    flat_put32(flat, DIRECTORY, TABLE | P_RW_US);
    flat_put32(flat, DIRECTORY + 4 * 1023, TABLE | P_RW_US);
    flat_put32(flat, TABLE, 0x5000 | P_RW_US);
    flat_put32(flat, TABLE + 4 * 1023, 0x6000 | P_RW_US);
    cr_assert_eq(x86_write(&cpu, &memory, 0xfffffffe, &value, 4, false, &fault), X86_OK);
    cr_assert_eq(flat_get16(flat, 0x6ffe), 0x0201);
    cr_assert_eq(flat_get16(flat, 0x5000), 0x0403);
}

Test(arch_walk, physical_memory_across_pages)
{
    uint8_t bytes[X86_PAGE_SIZE + 2], back[X86_PAGE_SIZE + 2];

    memset(bytes, 0x5a, sizeof bytes);
    flat->away[7] = true;
    cr_assert_eq(x86_write_physical(&memory, 0x5fff, bytes, sizeof bytes), X86_NEED_PAGE);
    cr_assert_eq(flat->bytes[0x5fff], 0);
    cr_assert_eq(x86_read_physical(&memory, 0x5fff, back, sizeof back), X86_NEED_PAGE);
    flat->away[7] = false;
    cr_assert_eq(x86_write_physical(&memory, 0x5fff, bytes, sizeof bytes), X86_OK);
    cr_assert_eq(x86_read_physical(&memory, 0x5fff, back, sizeof back), X86_OK);
    cr_assert_eq(memcmp(bytes, back, sizeof bytes), 0);
    cr_assert_eq(flat->bytes[0x7001], 0);
}

Test(arch_walk, pae_is_reported)
{
    cr_assert(x86_paging_supported(&cpu));
    cpu.cr4 |= X86_CR4_PAE;
    cr_assert_not(x86_paging_supported(&cpu));
}
