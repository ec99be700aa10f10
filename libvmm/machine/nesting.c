/* The nested tables in the firmware area. See nesting.h. */
#include "nesting.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/walk.h"

/* The firmware area: the void page, a table full of it, the directory, and the tables below it: one
 * each for 4 MB of machine memory, and one each for 4 MB of guest-physical addresses. */
enum {
    ENTRIES = 1024,
    VOID_PAGE = 0x3000,
    VOID_TABLE = 0x4000,
    FLAT_TABLES = 0x8000,
    VIEW_TABLES = FLAT_TABLES + (MEMORY_MAXIMUM >> 22) * MEMORY_FRAME_SIZE,
};
_Static_assert(VIEW_TABLES + ENTRIES * MEMORY_FRAME_SIZE <= MEMORY_FIRMWARE_SIZE,
               "the firmware area holds all tables");

enum {
    READ_ONLY = X86_PTE_P | X86_PTE_US,
    READ_WRITE = READ_ONLY | X86_PTE_RW,
    ALLOWED = 1u << 9, /* in the view, which the processor ignores: the VMM allows writing */
};
#define VOID_ENTRY (MEMORY_FIRMWARE + VOID_PAGE)

/* What `page` holds for a frame that the view shows nowhere, or at several places. */
#define NOWHERE UINT32_MAX
#define SEVERAL (UINT32_MAX - 1)

static uint32_t *word(struct nesting *n, uint32_t offset)
{
    return (uint32_t *)(void *)(n->memory->firmware + offset);
}

static uint32_t *directory(struct nesting *n, uint32_t physical)
{
    return word(n, NESTING_DIRECTORY + 4 * (physical >> 22));
}

static uint32_t *flat(struct nesting *n, uint32_t frame)
{
    return word(n, FLAT_TABLES + 4 * frame);
}

static uint32_t *view(struct nesting *n, uint32_t page)
{
    return word(n, VIEW_TABLES + 4 * page);
}

static bool has_frame(const struct nesting *n, uint32_t machine)
{
    return machine >> MEMORY_FRAME_SHIFT < memory_frames(n->memory);
}

/* ---- the flat tables ---- */

static uint32_t flat_directory_entry(const struct nesting *n, uint32_t slot)
{
    bool backed = slot * ENTRIES < memory_frames(n->memory);
    uint32_t table = backed ? FLAT_TABLES + slot * MEMORY_FRAME_SIZE : (uint32_t)VOID_TABLE;
    return (MEMORY_FIRMWARE + table) | READ_WRITE;
}

static void walk_flat(struct nesting *n)
{
    for (uint32_t slot = 0; slot < ENTRIES; slot++)
        *word(n, NESTING_DIRECTORY + 4 * slot) = flat_directory_entry(n, slot);
}

bool nesting_init(struct nesting *n, struct memory *memory)
{
    *n = (struct nesting){.memory = memory, .root = NESTING_FLAT};
    uint32_t frames = memory_frames(memory);
    n->page = malloc((frames ? frames : 1) * sizeof *n->page);
    if (!n->page)
        return false;
    memset(n->page, 0xff, frames * sizeof *n->page);
    memset(nesting_void_page(n), 0xff, MEMORY_FRAME_SIZE);
    for (uint32_t i = 0; i < ENTRIES; i++)
        *word(n, VOID_TABLE + 4 * i) = VOID_ENTRY | READ_ONLY;
    for (uint32_t frame = 0; frame < frames; frame++)
        *flat(n, frame) = frame << MEMORY_FRAME_SHIFT | READ_WRITE;
    for (uint32_t frame = frames; frame % ENTRIES; frame++)
        *flat(n, frame) = VOID_ENTRY | READ_ONLY;
    walk_flat(n);
    return true;
}

void nesting_destroy(struct nesting *n)
{
    free(n->page);
    n->page = 0;
}

/* ---- the view ---- */

static void forget_table(struct nesting *n, uint32_t slot)
{
    for (uint32_t page = slot * ENTRIES; page < (slot + 1) * ENTRIES; page++) {
        uint32_t *entry = view(n, page);
        if (has_frame(n, *entry))
            n->page[*entry >> MEMORY_FRAME_SHIFT] = NOWHERE;
        *entry = 0;
    }
}

void nesting_use(struct nesting *n, uint32_t root)
{
    if (n->root != NESTING_FLAT)
        for (uint32_t slot = 0; slot < ENTRIES; slot++)
            if (*word(n, NESTING_DIRECTORY + 4 * slot))
                forget_table(n, slot);
    n->root = root;
    if (root == NESTING_FLAT)
        walk_flat(n);
    else
        memset(word(n, NESTING_DIRECTORY), 0, MEMORY_FRAME_SIZE);
}

/* An entry of the VMM's tables; where there is no memory it reads as ones. */
static uint32_t *entry_at(const struct nesting *n, uint32_t table, uint32_t index)
{
    static uint32_t ones;
    uint8_t *frame = memory_frame(n->memory, table);
    ones = UINT32_MAX;
    return frame ? (uint32_t *)(void *)frame + index : &ones;
}

bool nesting_translate(struct nesting *n, uint32_t physical, bool write, uint32_t *machine,
                       uint32_t *error)
{
    const uint32_t wanted = write ? READ_WRITE : READ_ONLY;
    if (n->root == NESTING_FLAT) {
        *machine = physical;
        return true;
    }
    *error = NESTING_USER | (write ? NESTING_WRITE : 0u);
    uint32_t *pde = entry_at(n, n->root, physical >> 22);
    if (!(*pde & X86_PTE_P))
        return false;
    uint32_t *pte = entry_at(n, *pde, physical >> MEMORY_FRAME_SHIFT & (ENTRIES - 1));
    if (!(*pte & X86_PTE_P))
        return false;
    *error |= NESTING_PRESENT;
    if (~(*pde & *pte) & wanted)
        return false;
    *pde |= X86_PTE_A;
    *pte |= write ? X86_PTE_A | X86_PTE_D : X86_PTE_A;
    *machine = (*pte & X86_PAGE_MASK) | (physical & ~X86_PAGE_MASK);
    return true;
}

/* The VMM's tables are writable memory like any other; the entry's D bit is to be seen by it. */
static bool may_write(const struct nesting *n, uint32_t physical)
{
    uint32_t pde = *entry_at(n, n->root, physical >> 22);
    uint32_t pte = *entry_at(n, pde, physical >> MEMORY_FRAME_SHIFT & (ENTRIES - 1));
    return (pde & pte & X86_PTE_RW) && (pte & X86_PTE_D);
}

static void show_frame(struct nesting *n, uint32_t frame, uint32_t page)
{
    uint32_t *at = &n->page[frame];
    *at = *at == NOWHERE || *at == page ? page : SEVERAL;
}

static void hide_frame(struct nesting *n, uint32_t page, uint32_t entry)
{
    if (has_frame(n, entry) && (entry & X86_PTE_P) && n->page[entry >> MEMORY_FRAME_SHIFT] == page)
        n->page[entry >> MEMORY_FRAME_SHIFT] = NOWHERE;
}

static void fill(struct nesting *n, uint32_t physical, uint32_t machine)
{
    uint32_t page = physical >> MEMORY_FRAME_SHIFT, *entry = view(n, page);
    uint32_t *pde = directory(n, physical);
    if (!*pde)
        *pde = (MEMORY_FIRMWARE + VIEW_TABLES + (physical >> 22) * MEMORY_FRAME_SIZE) | READ_WRITE;
    hide_frame(n, page, *entry);
    n->fills++;
    if (!has_frame(n, machine)) {
        *entry = VOID_ENTRY | READ_ONLY;
        return;
    }
    uint32_t rights = *flat(n, machine >> MEMORY_FRAME_SHIFT) & READ_WRITE;
    bool writable = may_write(n, physical);
    *entry = (machine & X86_PAGE_MASK) | (writable ? rights | ALLOWED : READ_ONLY);
    show_frame(n, machine >> MEMORY_FRAME_SHIFT, page);
}

enum nesting_end nesting_fault(struct nesting *n, uint32_t physical, bool write, uint32_t *machine,
                               uint32_t *error)
{
    if (!nesting_translate(n, physical, write, machine, error))
        return NESTING_REFUSED;
    bool frame = has_frame(n, *machine);
    if (n->root != NESTING_FLAT)
        fill(n, physical, *machine);
    if (!write)
        return NESTING_FILLED;
    return frame && (*flat(n, *machine >> MEMORY_FRAME_SHIFT) & X86_PTE_RW) ? NESTING_FILLED
                                                                            : NESTING_PROTECTED;
}

/* ---- rights ---- */

static void protect_entry(uint32_t *entry, bool writable)
{
    if (!writable)
        *entry &= ~(uint32_t)X86_PTE_RW;
    else if (*entry & ALLOWED)
        *entry |= X86_PTE_RW;
}

/* A frame that the VMM shows at several places is looked for at all of them. */
static void protect_everywhere(struct nesting *n, uint32_t frame, bool writable)
{
    for (uint32_t slot = 0; slot < ENTRIES; slot++)
        for (uint32_t i = 0; *word(n, NESTING_DIRECTORY + 4 * slot) && i < ENTRIES; i++) {
            uint32_t *entry = view(n, slot * ENTRIES + i);
            if ((*entry & X86_PTE_P) && *entry >> MEMORY_FRAME_SHIFT == frame)
                protect_entry(entry, writable);
        }
}

void nesting_protect(struct nesting *n, uint32_t frame, bool writable)
{
    assert(frame < memory_frames(n->memory));
    *flat(n, frame) = frame << MEMORY_FRAME_SHIFT | (writable ? READ_WRITE : READ_ONLY);
    uint32_t page = n->page[frame];
    if (page == SEVERAL)
        protect_everywhere(n, frame, writable);
    else if (page != NOWHERE)
        protect_entry(view(n, page), writable);
}

bool nesting_writable(struct nesting *n, uint32_t frame)
{
    return frame < memory_frames(n->memory) && (*flat(n, frame) & X86_PTE_RW);
}

uint8_t *nesting_void_page(struct nesting *n)
{
    return n->memory->firmware + VOID_PAGE;
}

void nesting_void(struct nesting *n, uint32_t physical, bool open)
{
    uint32_t table = (*directory(n, physical) & X86_PAGE_MASK) - MEMORY_FIRMWARE;
    uint32_t page = physical >> MEMORY_FRAME_SHIFT;
    *word(n, table + 4 * (page & (ENTRIES - 1))) = VOID_ENTRY | (open ? READ_WRITE : READ_ONLY);
    if (!open)
        memset(nesting_void_page(n), 0xff, MEMORY_FRAME_SIZE);
}

void nesting_show(struct nesting *n, uint32_t machine, bool show)
{
    uint32_t slot = machine >> 22;
    bool used = false;
    if (n->root == NESTING_FLAT)
        return;
    for (uint32_t i = 0; !show && !used && i < ENTRIES; i++)
        used = *view(n, slot * ENTRIES + i);
    *directory(n, machine) =
        show   ? flat_directory_entry(n, slot)
        : used ? (MEMORY_FIRMWARE + VIEW_TABLES + slot * MEMORY_FRAME_SIZE) | READ_WRITE
               : 0;
}

void nesting_hide(struct nesting *n, bool hide)
{
    uint32_t *entries = word(n, NESTING_DIRECTORY);
    if (hide) {
        memcpy(n->hidden, entries, sizeof n->hidden);
        memset(entries, 0, sizeof n->hidden);
    } else {
        memcpy(entries, n->hidden, sizeof n->hidden);
    }
}
