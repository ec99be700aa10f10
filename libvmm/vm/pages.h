/* Guest memory as it was at one moment, page by page, shared with other moments: what has not
 * changed between two of them is there once. Which pages have changed the dirty log knows
 * (machine/dirty.h), so that a moment costs as much as was written since the one before.
 *
 *     pages ---> chunk of 256 ---> page, page, - (zeros), page ...
 *            \-> chunk (shared with the moment before) ...
 *
 * Nothing in them is ever changed; each part knows how many others point at it. */
#ifndef VMM_VM_PAGES_H
#define VMM_VM_PAGES_H

#include "vm.h"

struct pages; /* one moment */

/* How much host memory all moments of one VM take, in bytes. */
struct page_store {
    size_t bytes;
    unsigned users; /* the VM, and its moments */
};

struct page_store *page_store_new(void);
void page_store_leave(struct page_store *store);

/* The VM's memory now. `base` is a moment that it was equal to when `epoch` of the dirty log began;
 * NULL: none is known. NULL if the host has no memory. */
struct pages *pages_take(const struct vmm_vm *vm, const struct pages *base, uint32_t epoch);

/* Makes the VM's memory what it was; it was that when `epoch` began (0: not known). */
void pages_restore(const struct vmm_vm *vm, const struct pages *pages, uint32_t epoch);

/* One user more, one less; the last takes it along. */
struct pages *pages_share(struct pages *pages);
void pages_leave(struct pages *pages);

/* Bytes of host memory that only this moment has. */
size_t pages_alone(const struct pages *pages);

#endif
