/* Shadow descriptor tables: what the processor really loads segments from while a guest believes
 * that it has a GDT and an LDT of its own (ring compression; VM/370 had it in CP, Robin and Irvine
 * 2000, section 3.2, and Bugnion et al. 2012, section 5.2, describe it for x86).
 *
 *     guest's descriptor                        shadow
 *     DPL 0                                     DPL 1: the guest's kernel runs at ring 1
 *     code of rings 1 to 3, from the kernel     not present: an outward IRET or RET traps
 *     accessed bit not yet set                  not present: the load is emulated, and sets it
 *     gate, TSS, LDT                            not present: the transfer or load is emulated
 *     anything else                             as it is
 *
 * There are two views, one for the guest's ring 0, in which ring-3 code is missing, and one for its
 * ring 3. They lie in frames of the VMM, mapped for the supervisor alone and read-only, in the
 * VMM's own 4 MB of every address space. The guest's tables are traced, so that the shadow is exact
 * at every load.
 *
 * Where something else lies in a page of the tables, every store to that is a fault: Linux'
 * decompressor has its stack there. A table that is strayed next to so much can be let go of, while
 * every load from it may be emulated: its page is not traced, and its shadow has nothing present.
 */
#ifndef VMM_ALLOCATOR_DESCRIPTORS_H
#define VMM_ALLOCATOR_DESCRIPTORS_H

#include "arch/x86/descriptor.h"
#include "shadow.h"

#define DESCRIPTORS_ENTRIES 8192u /* of a table of 64 KB */
#define DESCRIPTORS_PAGES   16u
#define DESCRIPTORS_FRAMES  (4u * DESCRIPTORS_PAGES + 1) /* two tables, two views, page table */

enum descriptors_table { DESCRIPTORS_GDT, DESCRIPTORS_LDT, DESCRIPTORS_TABLES };
enum descriptors_view { DESCRIPTORS_KERNEL, DESCRIPTORS_USER, DESCRIPTORS_VIEWS };

struct descriptors {
    struct frames *pool;
    uint32_t page_table; /* machine address of what maps the VMM's 4 MB */
    struct shadow_descriptor_table {
        uint32_t base, size;                  /* the guest's, linear; bytes */
        uint32_t page[DESCRIPTORS_PAGES + 1]; /* guest-physical; FRAMES_NONE: not mapped */
        struct x86_descriptor *guest;         /* what the guest has in it */
        uint32_t frame[DESCRIPTORS_VIEWS][DESCRIPTORS_PAGES]; /* machine addresses */
        bool let_go;                                          /* not traced, and none present */
        uint32_t strays, patience; /* stores next to it: so far, and until it is let go of */
    } table[DESCRIPTORS_TABLES];
};

/* Empty tables in frames of `pool`. False if there is no room. */
bool descriptors_init(struct descriptors *descriptors, struct frames *pool);

/* Gives the frames back; what was traced remains so, for the shadow goes too. */
void descriptors_destroy(struct descriptors *descriptors);

/* The runs of pages of the VMM's 4 MB that hold nothing yet. Between the last two 32 pages are
 * never mapped. */
#define DESCRIPTORS_FREE_RUNS 3u
struct descriptors_run {
    uint32_t first, count; /* pages */
};
extern const struct descriptors_run descriptors_free[DESCRIPTORS_FREE_RUNS];

/* Maps the frame at `machine` (FRAMES_NONE: nothing) as page `page` of the VMM's 4 MB, for the
 * supervisor. */
void descriptors_map(struct descriptors *descriptors, uint32_t page, uint32_t machine,
                     bool writable);

/* The page directory entry of the VMM's slot, for shadow_create. */
uint32_t descriptors_slot_entry(const struct descriptors *descriptors);

/* The real GDTR or LDTR base of a view, if the VMM's slot is `slot`. */
uint32_t descriptors_base(enum descriptors_table table, enum descriptors_view view, uint32_t slot);

/* Makes the shadow of the guest's table at linear address `base`, `size` bytes (0: none), in the
 * address space of the virtual `cpu`, and traces it. Returns the set of enum shadow_flush. */
unsigned descriptors_load(struct descriptors *descriptors, struct shadow *shadow,
                          enum descriptors_table table, const struct cpu_state *cpu,
                          const struct x86_memory *memory, uint32_t base, uint32_t size);

/* Makes the shadow of `count` entries, at most DESCRIPTORS_ENTRIES, that are a copy already: no
 * store of the guest changes them, so that nothing is traced. */
void descriptors_set(struct descriptors *descriptors, enum descriptors_table table,
                     const struct x86_descriptor *guest, uint32_t count);

/* After a change of the guest's address space: makes the shadows anew whose pages are others now.
 * Returns the set of enum shadow_flush. */
unsigned descriptors_check(struct descriptors *descriptors, struct shadow *shadow,
                           const struct cpu_state *cpu, const struct x86_memory *memory);

/* After `count` bytes at guest-physical `guest` were written. Whether a table has them. */
bool descriptors_written(struct descriptors *descriptors, const struct frame_map *map,
                         uint32_t guest, uint32_t count);

/* After a store into the traced page at guest-physical `guest` that changed no descriptor: lets go
 * of the tables in that page that have seen too many. Not for a guest that reads descriptors by
 * itself (LAR, LSL, VERR, VERW). */
void descriptors_strayed(struct descriptors *descriptors, struct shadow *shadow, uint32_t guest);

/* Takes up again what was let go of; that is more patient afterwards. Returns whether there was
 * any, and the set of enum shadow_flush in `flush`. */
bool descriptors_recall(struct descriptors *descriptors, struct shadow *shadow,
                        const struct cpu_state *cpu, const struct x86_memory *memory,
                        unsigned *flush);

/* What the guest has at `selector`, {0, 0} beyond its table. */
struct x86_descriptor descriptors_guest(const struct descriptors *descriptors, uint16_t selector);

#endif
