/* Direct paging: the processor walks the guest's own page tables, which hold machine addresses; the
 * allocator keeps them from meaning anything that the guest does not have (Barham et al., SOSP
 * 2003, section 3.3.3). No store reaches a table but through here, and each is checked first.
 *
 * The means is a type and a count for every frame, as Xen has them. A frame is used in one way at a
 * time:
 *
 *     WRITABLE     mapped writable, count times
 *     TABLE        a page table, in count directories (and one more if pinned)
 *     DIRECTORY    a page directory, in CR3 or pinned
 *
 * and may change its type at a count of zero alone. So a table is never mapped writable, a data
 * page is never walked, and a directory is no page table of itself. A frame that becomes a table
 * has all of its entries checked, which takes counts of what they lead to; that ends, since tables
 * lead to data and directories to tables. A writable translation may still be in the TLB when the
 * count has come to zero: such a frame becomes a table only after a flush. */
#ifndef VMM_ALLOCATOR_DIRECT_PAGING_H
#define VMM_ALLOCATOR_DIRECT_PAGING_H

#include "frames.h"

enum direct_type { DIRECT_NONE, DIRECT_WRITABLE, DIRECT_TABLE, DIRECT_DIRECTORY };

enum direct_result {
    DIRECT_OK,
    DIRECT_OWNER, /* a frame that is not the VM's */
    DIRECT_TYPE,  /* a frame that is used in another way, or not as it was said */
    DIRECT_ENTRY, /* an entry that cannot be: large, global, or in the VMM's slot */
};

struct direct_paging {
    const struct frame_map *map;
    struct direct_frame {
        uint8_t type; /* enum direct_type; DIRECT_NONE: not used yet */
        bool pinned;
        uint32_t count;
    } * frame; /* by machine frame number */
    uint32_t frames;
    uint32_t root; /* machine address of the directory in CR3; FRAMES_NONE: none yet */
    uint32_t slot, slot_entry;
    bool stale; /* writable translations may be in the TLB that no table has any more */
    bool flush; /* the TLB has to be flushed before the guest runs on; for the caller to take */
    struct {
        uint64_t writes, refused, validated; /* entries written; calls refused; tables checked */
    } statistics;
};

/* For the VM of `map`, which must outlive it. `slot_entry` is what entry `slot` of every directory
 * is made: the VMM's own. False if the host lacks memory. */
bool direct_paging_init(struct direct_paging *paging, const struct frame_map *map, uint32_t slot,
                        uint32_t slot_entry);
void direct_paging_destroy(struct direct_paging *paging);

/* Writes `value` to the entry at machine address `address` of a table or directory in use. */
enum direct_result direct_paging_write(struct direct_paging *paging, uint32_t address,
                                       uint32_t value);

/* Makes the frame at `machine` a table or directory (`type`) until it is unpinned. */
enum direct_result direct_paging_pin(struct direct_paging *paging, uint32_t machine,
                                     enum direct_type type);
enum direct_result direct_paging_unpin(struct direct_paging *paging, uint32_t machine);

/* Makes the directory at `machine` the root. The caller loads the real CR3, which flushes
 * if it changes; otherwise `flush` is set. */
enum direct_result direct_paging_switch(struct direct_paging *paging, uint32_t machine);

/* Takes the frame at `machine` as data for good: the VMM itself writes there. */
enum direct_result direct_paging_hold(struct direct_paging *paging, uint32_t machine);

/* For tests and audits: whether everything that `root` and the pinned frames lead to is the VM's,
 * no table writable, and every count what a recount gives, `held` pages of direct_paging_hold
 * included. `why`, of 128 bytes, becomes what is wrong. */
bool direct_paging_check(const struct direct_paging *paging, uint32_t held, char *why);

#endif
