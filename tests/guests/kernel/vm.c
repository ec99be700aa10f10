/* Address spaces. The kernel is mapped one to one by 4 MB global pages in every page directory; the
 * user part is filled on demand: text from the image without a copy, data by copy on write, heap,
 * mmap and stack by copy on write of one page of zeros. fork shares every page the same way. */
#include "kernel.h"

enum pte {
    PTE_P = 1,
    PTE_W = 2,
    PTE_U = 4,
    PTE_PS = 0x80,
    PTE_G = 0x100,
    PTE_COW = 0x200, /* ours: not writable yet, to be copied on write */
    PTE_FLAGS = 0xFFF
};

/* Page-fault error code (SDM 3, 4.7) */
enum { FAULT_PRESENT = 1, FAULT_WRITE = 2 };

/* Regions of a space, by index; the rest are mmap's. */
enum { TEXT, DATA, HEAP, STACK, MMAP };

static uint32_t kernel_directory[1024] __attribute__((aligned(4096)));
static const uint8_t zeros[PAGE_SIZE] __attribute__((aligned(4096)));

#ifdef PARAVIRTUAL

void vm_init(uint32_t bytes)
{
    map_memory(kernel_directory, bytes);
}

#else

void vm_init(uint32_t bytes)
{
    for (uint32_t at = 0; at < bytes; at += 0x400000)
        kernel_directory[at >> 22] = at | PTE_P | PTE_W | PTE_PS | PTE_G;
    /* CR4: PSE, PGE. CR0: PG and WP, so that the kernel's own stores respect copy on write. */
    asm volatile(
        "movl %%cr4, %%eax; orl $0x90, %%eax; movl %%eax, %%cr4\n\t"
        "movl %0, %%cr3\n\t"
        "movl %%cr0, %%eax; orl $0x80010000, %%eax; movl %%eax, %%cr0" ::"r"(kernel_directory)
        : "eax", "memory");
}

#endif

bool user_range(uint32_t address, uint32_t count)
{
    return address >= USER_BASE && address <= USER_TOP && count <= USER_TOP - address;
}

bool space_create(struct space *space)
{
    memset(space, 0, sizeof *space);
    space->directory = frame_alloc();
    if (!space->directory)
        return false;
    memcpy((void *)space->directory, kernel_directory, (USER_BASE >> 22) * sizeof(uint32_t));
    directory_begin(space->directory);
    return true;
}

void space_load_image(struct space *space)
{
    const uint32_t heap = (user_image->bss_end + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1u);
    space->regions[TEXT] = (struct region){USER_BASE, user_image->text_end, REGION_TEXT};
    space->regions[DATA] = (struct region){user_image->text_end, heap, REGION_DATA};
    space->regions[HEAP] = (struct region){heap, heap, REGION_ZERO};
    space->regions[STACK] = (struct region){STACK_BASE, USER_TOP, REGION_ZERO};
    space->heap_end = heap;
}

/* The entry for `address` in `space`; NULL if there is no table and none is to be made, or no frame
 * for one. A table that was made is seen by the next call after entries_done. */
static uint32_t *walk(const struct space *space, uint32_t address, bool make)
{
    uint32_t *entry = (uint32_t *)space->directory + (address >> 22);
    uint32_t table = entry_get(entry);
    if (!(table & PTE_P)) {
        table = make ? frame_alloc() : 0;
        if (!table)
            return NULL;
        table_begin(table);
        entry_set(entry, table | PTE_P | PTE_W | PTE_U);
    }
    return (uint32_t *)(table & ~(uint32_t)PTE_FLAGS) + (address >> 12 & 0x3FF);
}

/* Drops the pages from `start` to `end`. The caller flushes, or drops the space. */
static void unmap(struct space *space, uint32_t start, uint32_t end)
{
    for (uint32_t at = start; at < end; at += PAGE_SIZE) {
        uint32_t *pte = walk(space, at, false);
        if (!pte) {
            at |= 0x3FF000; /* no table: on to the next 4 MB */
            continue;
        }
        const uint32_t value = entry_get(pte);
        if (!(value & PTE_P))
            continue;
        frame_put(value & ~(uint32_t)PTE_FLAGS);
        entry_set(pte, 0);
    }
}

void space_clear(struct space *space)
{
    uint32_t *directory = (uint32_t *)space->directory;
    for (unsigned i = 0; i < REGIONS; i++) {
        unmap(space, space->regions[i].start, space->regions[i].end);
        space->regions[i] = (struct region){0, 0, REGION_ZERO};
    }
    for (uint32_t i = USER_BASE >> 22; i < (uint32_t)USER_TOP >> 22; i++) {
        const uint32_t table = entry_get(&directory[i]) & ~(uint32_t)PTE_FLAGS;
        if (!table)
            continue;
        entry_set(&directory[i], 0);
        table_end(table);
        frame_put(table);
    }
    write_cr3(space->directory);
}

void directory_free(struct space *space)
{
    directory_end(space->directory);
    frame_put(space->directory);
    space->directory = 0;
}

void space_destroy(struct space *space)
{
    space_clear(space);
    write_cr3((uint32_t)kernel_directory);
    directory_free(space);
}

/* The table that was made last, which is not in its directory before entries_done. */
struct made {
    uint32_t number; /* of its 4 MB */
    uint32_t *table; /* NULL: none yet */
};

static uint32_t *make_entry(const struct space *space, uint32_t address, struct made *made)
{
    const uint32_t index = address >> 12 & 0x3FF;
    if (!made->table || made->number != address >> 22) {
        entries_done();
        uint32_t *entry = walk(space, address, true);
        if (!entry)
            return NULL;
        *made = (struct made){address >> 22, entry - index};
    }
    return made->table + index;
}

bool space_fork(struct space *child, const struct space *parent)
{
    if (!space_create(child))
        return false;
    memcpy(child->regions, parent->regions, sizeof child->regions);
    child->heap_end = parent->heap_end;
    bool done = true;
    struct made made = {0, NULL};
    for (unsigned i = 0; i < REGIONS && done; i++) {
        const struct region *region = &parent->regions[i];
        for (uint32_t at = region->start; at < region->end; at += PAGE_SIZE) {
            uint32_t *from = walk(parent, at, false);
            if (!from) {
                at |= 0x3FF000;
                continue;
            }
            uint32_t value = entry_get(from);
            if (!(value & PTE_P))
                continue;
            uint32_t *to = make_entry(child, at, &made);
            if (!to) {
                done = false;
                break;
            }
            if (value & PTE_W) {
                value = (value & ~(uint32_t)PTE_W) | PTE_COW;
                entry_set(from, value);
            }
            entry_set(to, value);
            frame_get(value & ~(uint32_t)PTE_FLAGS);
        }
    }
    write_cr3(parent->directory); /* rights were taken away */
    return done;
}

int32_t space_sbrk(struct space *space, int32_t increment)
{
    struct region *heap = &space->regions[HEAP];
    uint32_t old = space->heap_end, new = old + (uint32_t)increment;
    if (new < heap->start || new > HEAP_END)
        return -1;
    uint32_t end = (new + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1u);
    for (uint32_t at = end; at < heap->end; at += PAGE_SIZE) {
        unmap(space, at, at + PAGE_SIZE);
        invlpg(at);
    }
    heap->end = end;
    space->heap_end = new;
    return (int32_t)old;
}

int32_t space_mmap(struct space *space, uint32_t length)
{
    uint32_t start = MMAP_BASE;
    struct region *empty = NULL;
    length = (length + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1u);
    for (unsigned i = MMAP; i < REGIONS; i++) {
        struct region *region = &space->regions[i];
        if (region->start == region->end)
            empty = region;
        else if (region->end > start)
            start = region->end;
    }
    if (!empty || !length || length > STACK_BASE - start)
        return -1;
    *empty = (struct region){start, start + length, REGION_ZERO};
    return (int32_t)start;
}

int32_t space_munmap(struct space *space, uint32_t start, uint32_t length)
{
    length = (length + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1u);
    for (unsigned i = MMAP; i < REGIONS; i++) {
        struct region *region = &space->regions[i];
        if (region->start == region->end || region->start != start || region->end != start + length)
            continue;
        unmap(space, start, region->end);
        region->end = region->start;
        write_cr3(space->directory);
        return 0;
    }
    return -1;
}

/* The frame that the first access to a page sees; read only, and of the kernel's image. */
static uint32_t initial_frame(const struct region *region, uint32_t page)
{
    if (region->kind == REGION_ZERO || page >= user_image->data_end)
        return (uint32_t)zeros;
    return (uint32_t)user_image + (page - USER_BASE);
}

bool vm_fault(struct space *space, uint32_t address, uint32_t error)
{
    const uint32_t page = address & ~(PAGE_SIZE - 1u);
    const struct region *region = NULL;
    for (unsigned i = 0; i < REGIONS && !region; i++) {
        if (page >= space->regions[i].start && page < space->regions[i].end)
            region = &space->regions[i];
    }
    if (!region || ((error & FAULT_WRITE) && region->kind == REGION_TEXT))
        return false;
    uint32_t *pte = walk(space, page, true);
    if (!pte)
        return false;
    uint32_t value = entry_get(pte);
    const bool present = value & PTE_P;
    if (!present) {
        value = initial_frame(region, page) | PTE_P | PTE_U;
        if (region->kind != REGION_TEXT)
            value |= PTE_COW;
        entry_set(pte, value);
        if (!(error & FAULT_WRITE)) {
            entries_done();
            return true;
        }
    }
    if (!(error & FAULT_WRITE) || !(value & PTE_COW))
        return false;
    uint32_t frame = value & ~(uint32_t)PTE_FLAGS;
    if (frame_shared(frame)) {
        uint32_t copy = frame_alloc();
        if (!copy) {
            entries_done();
            return false;
        }
        if (frame != (uint32_t)zeros)
            memcpy((void *)copy, (const void *)frame, PAGE_SIZE);
        frame_put(frame);
        frame = copy;
    }
    entry_set(pte, frame | PTE_P | PTE_W | PTE_U);
    if (present)
        invlpg(page);
    else
        entries_done();
    return true;
}
