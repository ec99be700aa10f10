/* The page walk: from a linear address to a physical one through the two levels of 32-bit paging
 * (SDM volume 3, section 4.3; AMD APM volume 2, section 5.2), with 4 MB pages (CR4.PSE).
 *
 *      31          22 21          12 11           0
 *     +--------------+--------------+--------------+
 *     |  directory   |    table     |    offset    |    linear address
 *     +--------------+--------------+--------------+
 *
 * The processor modelled has neither PAE nor PSE-36 nor execute-disable nor SMEP: its CPUID does
 * not list them, MOV CR4 that sets PAE is a #GP, bits 13 to 21 of a 4 MB entry are reserved, and a
 * page fault never reports I/D. With paging off the linear address is the physical one. */
#ifndef VMM_ARCH_X86_WALK_H
#define VMM_ARCH_X86_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"

/* Bits of a page directory or page table entry. */
enum x86_page_entry {
    X86_PTE_P = 1u << 0,
    X86_PTE_RW = 1u << 1,
    X86_PTE_US = 1u << 2,
    X86_PTE_PWT = 1u << 3,
    X86_PTE_PCD = 1u << 4,
    X86_PTE_A = 1u << 5,
    X86_PTE_D = 1u << 6,
    X86_PTE_PS = 1u << 7, /* page directory: a 4 MB page, if CR4.PSE; page table: PAT */
    X86_PTE_G = 1u << 8,
    X86_PTE_AVAILABLE = 7u << 9,
};
#define X86_PDE_LARGE_BASE     0xffc00000u
#define X86_PDE_LARGE_RESERVED 0x003fe000u /* without PSE-36 */
#define X86_LARGE_OFFSET       0x003fffffu

/* Bits of a page fault's error code (SDM volume 3, section 4.7). */
enum x86_page_fault {
    X86_PAGE_PRESENT = 1u << 0, /* 0: an entry was not present; 1: rights or reserved bits */
    X86_PAGE_WRITE = 1u << 1,
    X86_PAGE_USER = 1u << 2,
    X86_PAGE_RESERVED = 1u << 3,
};

/* What an access wants: a set of these, 0 being a supervisor read. */
enum x86_access {
    X86_ACCESS_WRITE = 1u << 0,
    X86_ACCESS_USER = 1u << 1,  /* CPL 3, and not an implicit access to a system table */
    X86_ACCESS_FETCH = 1u << 2, /* checked as a read: no execute-disable */
    X86_ACCESS_MARK = 1u << 3,  /* set A, and D for a write, as the processor does */
};

/* How a walk ended. */
enum x86_walk_end {
    X86_WALK_MAPPED,          /* the access is allowed */
    X86_WALK_PDE_NOT_PRESENT, /* the directory entry has P = 0 */
    X86_WALK_PTE_NOT_PRESENT, /* the table entry has P = 0 */
    X86_WALK_RESERVED,        /* a 4 MB entry has reserved bits set */
    X86_WALK_SUPERVISOR_PAGE, /* a user access to a page with U/S = 0 */
    X86_WALK_READ_ONLY_PAGE,  /* a write with R/W = 0, by user code or with CR0.WP = 1 */
};

/* One walk, level by level. */
struct x86_walk {
    uint32_t linear;
    enum x86_walk_end end;
    uint8_t levels;       /* entries that were read: 0 (paging off), 1 or 2 */
    bool large;           /* the directory entry maps 4 MB */
    uint32_t pde_address; /* physical; valid if levels >= 1 */
    uint32_t pde;         /* as it is after the walk, A and D included */
    uint32_t pte_address; /* physical; valid if levels == 2 */
    uint32_t pte;
    uint32_t
        physical;  /* of the byte at `linear`; valid unless an entry is not present or reserved */
    bool user;     /* U/S of all levels: user code may access */
    bool writable; /* R/W of all levels; with CR0.WP = 0 the supervisor writes anyway */
    bool global;   /* G of the last level, if CR4.PGE */
    bool dirty;    /* D of the last level; true with paging off */
    uint32_t error_code; /* of the page fault that this access raises; 0 if it is allowed */
};

/* Whether the paging mode is one that the processor modelled has: false with CR0.PG and CR4.PAE. */
bool x86_paging_supported(const struct cpu_state *cpu);

/* Translates `linear` for an access (a set of enum x86_access). With X86_ACCESS_MARK accessed and
 * dirty bits are set in the order of the engine: A of the directory entry as soon as it is used,
 * even if the table entry then refuses; A and D of the last level once the access is allowed.
 * Returns X86_OK; X86_FAULT with `fault` a page fault (its cr2 is `linear`; the caller loads CR2
 * by delivering it); X86_NEED_PAGE. `out` is filled in the first two cases. */
enum x86_status x86_walk(const struct cpu_state *cpu, const struct x86_memory *memory,
                         uint32_t linear, unsigned access, struct x86_walk *out,
                         struct x86_event *fault);

/* The same without any effect, for whoever looks on: X86_ACCESS_MARK is ignored, and a refused
 * access is X86_OK too, `out->end` says why and `out->error_code` what the fault would report.
 * Otherwise X86_NEED_PAGE. */
enum x86_status x86_probe(const struct cpu_state *cpu, const struct x86_memory *memory,
                          uint32_t linear, unsigned access, struct x86_walk *out);

/* The end of a walk as a phrase for reports: "directory entry not present". Static string. */
const char *x86_walk_end_text(enum x86_walk_end end);

/* Reads `count` bytes at `linear`, across page boundaries and around the end of the address space,
 * as user code (`user`) or as the supervisor, and sets A. X86_OK, X86_FAULT (a page fault in
 * `fault`, at the first byte refused), or X86_NEED_PAGE; `bytes` is undefined unless X86_OK. */
enum x86_status x86_read(const struct cpu_state *cpu, const struct x86_memory *memory,
                         uint32_t linear, void *bytes, size_t count, bool user,
                         struct x86_event *fault);

/* Writes `count` bytes at `linear`, all or nothing: every page is checked before the first byte is
 * changed. Sets A and D, page by page: of the pages before the one that refuses too, as the engine
 * does. Returns as x86_read. */
enum x86_status x86_write(const struct cpu_state *cpu, const struct x86_memory *memory,
                          uint32_t linear, const void *bytes, size_t count, bool user,
                          struct x86_event *fault);

/* Does all of x86_write but the writing itself: checks every page, sets A and D, and has the pages
 * at hand. Returns as x86_write. */
enum x86_status x86_writable(const struct cpu_state *cpu, const struct x86_memory *memory,
                             uint32_t linear, size_t count, bool user, struct x86_event *fault);

/* A debugger's read: with the supervisor's rights, and without any effect. Returns how many of the
 * `count` bytes at `linear` were readable, from the first on. */
size_t x86_peek(const struct cpu_state *cpu, const struct x86_memory *memory, uint32_t linear,
                void *bytes, size_t count);

/* Reads or writes `count` bytes of physical memory, across pages. X86_OK or X86_NEED_PAGE; the
 * write touches nothing unless all pages are at hand. */
enum x86_status x86_read_physical(const struct x86_memory *memory, uint32_t physical, void *bytes,
                                  size_t count);
enum x86_status x86_write_physical(const struct x86_memory *memory, uint32_t physical,
                                   const void *bytes, size_t count);

#endif
