/* Nested paging as the processor walks it (AMD APM volume 2, section 15.25): what the guest takes
 * for physical addresses goes through one more table. Here two parties want that table. The machine
 * itself needs it for every guest: it takes write permission from frames that hold translated code,
 * and lets a page of ones answer where there is no memory. A VMM with nested paging wants its own,
 * in which it gives a virtual machine the frames that it has for it.
 *
 *     flat:   machine address  --------------------------------> frame, with the machine's rights
 *     nested: guest-physical   --VMM's table--> machine address -> frame, with both parties' rights
 *
 * Flat tables are built once. The nested ones are a view: each entry is filled in when the
 * processor first misses it, from the VMM's table as it is then, as a TLB would be; and as from a
 * TLB the VMM has to flush what it takes back. Both lie in the firmware area, where no guest can
 * reach. */
#ifndef VMM_MACHINE_NESTING_H
#define VMM_MACHINE_NESTING_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/memory.h"

#define NESTING_FLAT 0xffffffffu /* in place of a root: no VMM's table */

/* Where in the firmware area the processor finds its nested directory. */
#define NESTING_DIRECTORY 0x5000u

/* Error code of a nested page fault: the low half of EXITINFO1 (section 15.25.6). */
enum nesting_error {
    NESTING_PRESENT = 1u << 0, /* the entries are there, and refuse */
    NESTING_WRITE = 1u << 1,
    NESTING_USER = 1u << 2, /* always: the guest's accesses count as user accesses */
};

struct nesting {
    struct memory *memory;
    uint32_t root;  /* machine address of the VMM's directory, or NESTING_FLAT */
    uint32_t *page; /* by frame: the guest-physical page that shows it in the view */
    uint64_t fills; /* entries of the view that were filled in */
    uint32_t hidden[MEMORY_FRAME_SIZE / 4]; /* the directory, while nesting_hide hides it */
};

enum nesting_end {
    NESTING_FILLED,    /* the view has it now */
    NESTING_REFUSED,   /* the VMM's table refuses: its exit */
    NESTING_PROTECTED, /* the machine refuses a write: the frame holds code, or is none */
};

/* Builds the flat tables, and has the processor walk them. False if the host has no memory. */
bool nesting_init(struct nesting *nesting, struct memory *memory);
void nesting_destroy(struct nesting *nesting);

/* The processor walks the table at machine address `root` from now on, or the flat one. The view is
 * empty then: also the way to flush it. The caller flushes the processor's TLB. */
void nesting_use(struct nesting *nesting, uint32_t root);

/* Where guest-physical address `physical` is by the VMM's table, accessed and dirty bits set as the
 * processor does. False if it refuses; `error` then gets the error code, enum nesting_error. */
bool nesting_translate(struct nesting *nesting, uint32_t physical, bool write, uint32_t *machine,
                       uint32_t *error);

/* The processor has missed `physical`. `machine` gets the machine address unless NESTING_REFUSED,
 * and then `error` the error code. */
enum nesting_end nesting_fault(struct nesting *nesting, uint32_t physical, bool write,
                               uint32_t *machine, uint32_t *error);

/* Write permission of a machine frame, whatever the VMM's table says. Removing it needs a flush of
 * the processor's TLB. */
void nesting_protect(struct nesting *nesting, uint32_t frame, bool writable);

bool nesting_writable(struct nesting *nesting, uint32_t frame);

/* The page that answers where there is no memory reads as ones and is read-only. While the store of
 * an instruction to it is stepped it is writable at `physical`; afterwards it is ones again. */
void nesting_void(struct nesting *nesting, uint32_t physical, bool open);
uint8_t *nesting_void_page(struct nesting *nesting);

/* Shows the frame at machine address `machine` at that guest-physical address, for as long as the
 * machine itself needs to name it so; then puts back what was there. The caller flushes the TLB. */
void nesting_show(struct nesting *nesting, uint32_t machine, bool show);

/* While `hide` holds no address leads anywhere: each access to memory that the processor has no TLB
 * entry for is a nested page fault. The caller flushes the TLB, and changes nothing in between. */
void nesting_hide(struct nesting *nesting, bool hide);

#endif
