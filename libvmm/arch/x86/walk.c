/* The page walk of 32-bit paging, and linear memory on top of it. See walk.h for the picture.
 * A walk is in two halves: looking the entries up, which has no effect and may be repeated, and
 * marking them accessed and dirty, which happens only when every page that it writes is at hand. */
#include "walk.h"

#include <string.h>

bool x86_paging_supported(const struct cpu_state *cpu)
{
    return !(x86_paging(cpu) && (cpu->cr4 & X86_CR4_PAE));
}

static bool read_entry(const struct x86_memory *memory, uint32_t address, uint32_t *value)
{
    const uint8_t *page = memory->page(memory->context, address, false);

    if (!page) {
        return false;
    }
    memcpy(value, page + (address & ~X86_PAGE_MASK), sizeof *value);
    return true;
}

static bool write_entry(const struct x86_memory *memory, uint32_t address, uint32_t value)
{
    uint8_t *page = memory->page(memory->context, address, true);

    if (!page) {
        return false;
    }
    memcpy(page + (address & ~X86_PAGE_MASK), &value, sizeof value);
    return true;
}

/* Ends a walk: the page fault's error code says whether the entries were present, what the access
 * was, and whether a reserved bit was the reason (SDM volume 3, figure 4-12). */
static void refuse(struct x86_walk *walk, unsigned access, enum x86_walk_end end)
{
    walk->end = end;
    walk->error_code = ((access & X86_ACCESS_WRITE) ? X86_PAGE_WRITE : 0) |
                       ((access & X86_ACCESS_USER) ? X86_PAGE_USER : 0);
    if (end != X86_WALK_PDE_NOT_PRESENT && end != X86_WALK_PTE_NOT_PRESENT) {
        walk->error_code |= X86_PAGE_PRESENT;
    }
    if (end == X86_WALK_RESERVED) {
        walk->error_code |= X86_PAGE_RESERVED;
    }
}

/* The rights of all levels together against what the access wants (SDM volume 3, section 4.6). */
static void check_rights(const struct cpu_state *cpu, struct x86_walk *walk, unsigned access)
{
    bool user = access & X86_ACCESS_USER;
    bool write = access & X86_ACCESS_WRITE;

    if (user && !walk->user) {
        refuse(walk, access, X86_WALK_SUPERVISOR_PAGE);
    } else if (write && !walk->writable && (user || (cpu->cr0 & X86_CR0_WP))) {
        refuse(walk, access, X86_WALK_READ_ONLY_PAGE);
    } else {
        walk->end = X86_WALK_MAPPED;
    }
}

static void set_leaf(const struct cpu_state *cpu, struct x86_walk *walk, uint32_t leaf,
                     uint32_t rights)
{
    walk->user = rights & X86_PTE_US;
    walk->writable = rights & X86_PTE_RW;
    walk->global = (leaf & X86_PTE_G) && (cpu->cr4 & X86_CR4_PGE);
    walk->dirty = leaf & X86_PTE_D;
}

enum x86_status x86_probe(const struct cpu_state *cpu, const struct x86_memory *memory,
                          uint32_t linear, unsigned access, struct x86_walk *out)
{
    *out = (struct x86_walk){.linear = linear};
    if (!x86_paging(cpu)) {
        out->physical = linear;
        out->user = out->writable = out->dirty = true;
        return X86_OK;
    }
    out->pde_address = (cpu->cr3 & X86_PAGE_MASK) | (linear >> 22 << 2);
    if (!read_entry(memory, out->pde_address, &out->pde)) {
        return X86_NEED_PAGE;
    }
    out->levels = 1;
    if (!(out->pde & X86_PTE_P)) {
        refuse(out, access, X86_WALK_PDE_NOT_PRESENT);
        return X86_OK;
    }
    if ((out->pde & X86_PTE_PS) && (cpu->cr4 & X86_CR4_PSE)) {
        out->large = true;
        out->physical = (out->pde & X86_PDE_LARGE_BASE) | (linear & X86_LARGE_OFFSET);
        set_leaf(cpu, out, out->pde, out->pde);
        if (out->pde & X86_PDE_LARGE_RESERVED) {
            refuse(out, access, X86_WALK_RESERVED);
        } else {
            check_rights(cpu, out, access);
        }
        return X86_OK;
    }
    out->pte_address = (out->pde & X86_PAGE_MASK) | (linear >> 12 & 0x3ffu) << 2;
    if (!read_entry(memory, out->pte_address, &out->pte)) {
        return X86_NEED_PAGE;
    }
    out->levels = 2;
    if (!(out->pte & X86_PTE_P)) {
        refuse(out, access, X86_WALK_PTE_NOT_PRESENT);
        return X86_OK;
    }
    out->physical = (out->pte & X86_PAGE_MASK) | (linear & ~X86_PAGE_MASK);
    set_leaf(cpu, out, out->pte, out->pde & out->pte);
    check_rights(cpu, out, access);
    return X86_OK;
}

/* Sets A and D as the walk just done calls for. */
static enum x86_status mark(const struct x86_memory *memory, unsigned access, struct x86_walk *walk)
{
    bool mapped = walk->end == X86_WALK_MAPPED;
    uint32_t leaf_bits = X86_PTE_A | ((access & X86_ACCESS_WRITE) ? X86_PTE_D : 0);
    uint32_t pde = walk->pde;
    uint32_t pte = walk->pte;

    if (walk->levels == 2) {
        pde |= X86_PTE_A;
        pte |= mapped ? leaf_bits : 0;
    } else if (walk->levels == 1 && mapped) {
        pde |= leaf_bits;
    }
    if (pte != walk->pte && !memory->page(memory->context, walk->pte_address, true)) {
        return X86_NEED_PAGE;
    }
    if (pde != walk->pde && !write_entry(memory, walk->pde_address, pde)) {
        return X86_NEED_PAGE;
    }
    walk->pde = pde;
    if (pte != walk->pte && !write_entry(memory, walk->pte_address, pte)) {
        return X86_NEED_PAGE;
    }
    walk->pte = pte;
    walk->dirty |= mapped && (access & X86_ACCESS_WRITE);
    return X86_OK;
}

static enum x86_status page_fault(struct x86_event *fault, const struct x86_walk *walk)
{
    *fault = (struct x86_event){.kind = X86_EXCEPTION,
                                .vector = X86_PAGE,
                                .has_error_code = true,
                                .error_code = walk->error_code,
                                .cr2 = walk->linear};
    return X86_FAULT;
}

enum x86_status x86_walk(const struct cpu_state *cpu, const struct x86_memory *memory,
                         uint32_t linear, unsigned access, struct x86_walk *out,
                         struct x86_event *fault)
{
    enum x86_status status = x86_probe(cpu, memory, linear, access, out);

    if (status != X86_OK) {
        return status;
    }
    if ((access & X86_ACCESS_MARK) && out->levels > 0) {
        status = mark(memory, access, out);
        if (status != X86_OK) {
            return status;
        }
    }
    return out->end == X86_WALK_MAPPED ? X86_OK : page_fault(fault, out);
}

const char *x86_walk_end_text(enum x86_walk_end end)
{
    static const char *const text[] = {
        [X86_WALK_MAPPED] = "mapped",
        [X86_WALK_PDE_NOT_PRESENT] = "directory entry not present",
        [X86_WALK_PTE_NOT_PRESENT] = "table entry not present",
        [X86_WALK_RESERVED] = "reserved bits set",
        [X86_WALK_SUPERVISOR_PAGE] = "user access to a supervisor page",
        [X86_WALK_READ_ONLY_PAGE] = "write to a read-only page",
    };

    return (unsigned)end < sizeof text / sizeof text[0] ? text[end] : "unknown";
}

static size_t room_in_page(uint32_t address, size_t count)
{
    size_t room = X86_PAGE_SIZE - (address & ~X86_PAGE_MASK);

    return count < room ? count : room;
}

/* Copies within a page. Most accesses are one word or one descriptor, or the frame of an event:
 * three or five words, and an error code. */
static inline void copy(void *to, const void *from, size_t count)
{
    switch (count) {
    case 2: memcpy(to, from, 2); break;
    case 4: memcpy(to, from, 4); break;
    case 8: memcpy(to, from, 8); break;
    case 12: memcpy(to, from, 12); break;
    case 16: memcpy(to, from, 16); break;
    case 20: memcpy(to, from, 20); break;
    case 24: memcpy(to, from, 24); break;
    default: memcpy(to, from, count); break;
    }
}

static inline enum x86_status read_part(const struct x86_memory *memory, uint32_t physical,
                                        void *bytes, size_t count)
{
    const uint8_t *page = memory->page(memory->context, physical, false);

    if (!page) {
        return X86_NEED_PAGE;
    }
    copy(bytes, page + (physical & ~X86_PAGE_MASK), count);
    return X86_OK;
}

static inline enum x86_status write_part(const struct x86_memory *memory, uint32_t physical,
                                         const void *bytes, size_t count)
{
    uint8_t *page = memory->page(memory->context, physical, true);

    if (!page) {
        return X86_NEED_PAGE;
    }
    copy(page + (physical & ~X86_PAGE_MASK), bytes, count);
    return X86_OK;
}

enum x86_status x86_read(const struct cpu_state *cpu, const struct x86_memory *memory,
                         uint32_t linear, void *bytes, size_t count, bool user,
                         struct x86_event *fault)
{
    unsigned access = X86_ACCESS_MARK | (user ? X86_ACCESS_USER : 0);
    uint8_t *to = bytes;

    while (count > 0) {
        struct x86_walk walk;
        size_t part = room_in_page(linear, count);
        enum x86_status status = x86_walk(cpu, memory, linear, access, &walk, fault);

        if (status == X86_OK) {
            status = read_part(memory, walk.physical, to, part);
        }
        if (status != X86_OK) {
            return status;
        }
        to += part;
        linear += (uint32_t)part;
        count -= part;
    }
    return X86_OK;
}

enum x86_status x86_writable(const struct cpu_state *cpu, const struct x86_memory *memory,
                             uint32_t linear, size_t count, bool user, struct x86_event *fault)
{
    unsigned access = X86_ACCESS_WRITE | X86_ACCESS_MARK | (user ? X86_ACCESS_USER : 0);

    while (count > 0) {
        struct x86_walk walk;
        size_t part = room_in_page(linear, count);
        enum x86_status status = x86_walk(cpu, memory, linear, access, &walk, fault);

        if (status != X86_OK) {
            return status;
        }
        if (!memory->page(memory->context, walk.physical, true)) {
            return X86_NEED_PAGE;
        }
        linear += (uint32_t)part;
        count -= part;
    }
    return X86_OK;
}

enum x86_status x86_write(const struct cpu_state *cpu, const struct x86_memory *memory,
                          uint32_t linear, const void *bytes, size_t count, bool user,
                          struct x86_event *fault)
{
    unsigned access = X86_ACCESS_WRITE | X86_ACCESS_MARK | (user ? X86_ACCESS_USER : 0);
    const uint8_t *from = bytes;
    enum x86_status status;

    if (room_in_page(linear, count) < count) {
        status = x86_writable(cpu, memory, linear, count, user, fault);
        if (status != X86_OK) {
            return status;
        }
    }
    while (count > 0) {
        struct x86_walk walk;
        size_t part = room_in_page(linear, count);

        status = x86_walk(cpu, memory, linear, access, &walk, fault);
        if (status == X86_OK) {
            status = write_part(memory, walk.physical, from, part);
        }
        if (status != X86_OK) {
            return status;
        }
        from += part;
        linear += (uint32_t)part;
        count -= part;
    }
    return X86_OK;
}

size_t x86_peek(const struct cpu_state *cpu, const struct x86_memory *memory, uint32_t linear,
                void *bytes, size_t count)
{
    uint8_t *to = bytes;
    size_t done = 0;

    while (done < count) {
        struct x86_walk walk;
        size_t part = room_in_page(linear, count - done);

        if (x86_probe(cpu, memory, linear, 0, &walk) != X86_OK || walk.end != X86_WALK_MAPPED ||
            x86_read_physical(memory, walk.physical, to + done, part) != X86_OK) {
            break;
        }
        linear += (uint32_t)part;
        done += part;
    }
    return done;
}

enum x86_status x86_read_physical(const struct x86_memory *memory, uint32_t physical, void *bytes,
                                  size_t count)
{
    uint8_t *to = bytes;

    while (count > 0) {
        size_t part = room_in_page(physical, count);

        if (read_part(memory, physical, to, part) != X86_OK) {
            return X86_NEED_PAGE;
        }
        to += part;
        physical += (uint32_t)part;
        count -= part;
    }
    return X86_OK;
}

enum x86_status x86_write_physical(const struct x86_memory *memory, uint32_t physical,
                                   const void *bytes, size_t count)
{
    const uint8_t *from = bytes;

    if (room_in_page(physical, count) < count) {
        for (size_t done = 0; done < count; done += X86_PAGE_SIZE) {
            if (!memory->page(memory->context, physical + (uint32_t)done, true)) {
                return X86_NEED_PAGE;
            }
        }
        if (!memory->page(memory->context, physical + (uint32_t)count - 1, true)) {
            return X86_NEED_PAGE;
        }
    }
    while (count > 0) {
        size_t part = room_in_page(physical, count);

        if (write_part(memory, physical, from, part) != X86_OK) {
            return X86_NEED_PAGE;
        }
        from += part;
        physical += (uint32_t)part;
        count -= part;
    }
    return X86_OK;
}
