/* Nested page tables: what the VM takes for physical addresses, mapped to the frames that it was
 * given, by a table that the processor itself walks beneath the guest's own (AMD APM volume 2,
 * section 15.25; Intel's EPT; Bhargava et al., ASPLOS 2008). The guest's page tables are then the
 * guest's business: no shadow, no trace, no exit for CR3 and INVLPG.
 *
 *     GVA --guest's tables, walked by the processor--> GPA --nested table, too--> HPA
 *
 *      31          22 21          12 11           0
 *     +--------------+--------------+--------------+
 *     |  directory   |    table     |    offset    |    guest-physical address
 *     +--------------+--------------+--------------+
 *
 * Two levels of 32-bit entries, as the host's paging mode has them. Every entry has U/S set, for
 * the guest's accesses count as user accesses; the processor sets A and D. An entry is made when
 * the VM first touches the page: a nested page fault, the allocator's part of it. */
#ifndef VMM_ALLOCATOR_NESTED_H
#define VMM_ALLOCATOR_NESTED_H

#include "frames.h"

struct nested; /* of one VM */

enum nested_end {
    NESTED_FILLED,  /* run the instruction again */
    NESTED_NO_ROOM, /* the frames for tables are exhausted */
    NESTED_REFUSED, /* the policy did not decide: the guest is to be stopped */
};

/* ---- who makes entries ---- */

/* A nested page fault, with the two entries as they are. */
struct nested_question {
    uint32_t guest; /* address */
    uint32_t error; /* EXITINFO1: P 1, W/R 2, U/S 4 */
    uint32_t pde, pte;
    uint32_t table; /* machine address of a zeroed frame for a table, where the directory has none;
                       else FRAMES_NONE */
    uint32_t frame; /* machine address of the page's frame; FRAMES_NONE: no memory is there */
    bool log;       /* writes are logged: a page becomes writable by the first of them */
};

struct nested_answer {
    uint32_t pde, pte;
};

enum nested_kind {
    NESTED_MAP,       /* the two entries of the answer are made */
    NESTED_NOTHING,   /* there is no memory: reads give ones, writes are lost */
    NESTED_UNDECIDED, /* stop */
};

struct nested_policy {
    void *context;
    enum nested_kind (*fill)(void *context, const struct nested_question *question,
                             struct nested_answer *answer);
};

struct nested_statistics {
    uint64_t fills;     /* entries made */
    uint64_t nowhere;   /* of these, for addresses where the VM has no memory */
    uint64_t decisions; /* calls that may have changed the table */
    uint32_t tables;    /* frames in use for tables now, the directory included */
};

/* An empty nested table for the VM of `map`, which must outlive it, in at most `limit` frames of
 * its pool. Guest-physical addresses without memory are mapped to the machine's address `nowhere`,
 * where the machine has no memory either. NULL if the host or the pool has not enough. */
struct nested *nested_create(const struct frame_map *map, uint32_t limit, uint32_t nowhere);

/* Gives every frame back. Accepts NULL. */
void nested_destroy(struct nested *nested);

/* Machine address of the directory: VMCB's N_CR3. */
uint32_t nested_root(const struct nested *nested);

/* The library's own; its function is NULL in a build that leaves it out. */
extern const struct nested_policy nested_standard;

/* Puts `policy` in charge, NULL: the library's own; it must outlive its use. */
void nested_set_policy(struct nested *nested, const struct nested_policy *policy);

/* From now on entries that are made log writes, or do not. */
void nested_log(struct nested *nested, bool log);

/* The nested page fault at `guest` with error code `error`: makes the entry for its page. */
enum nested_end nested_fault(struct nested *nested, uint32_t guest, uint32_t error);

/* Takes the page at `guest` out of the table, before its frame goes to somebody else. The caller
 * flushes what the processor remembers. */
void nested_unmap(struct nested *nested, uint32_t guest);

struct nested_statistics nested_statistics(const struct nested *nested);

/* One walk, to be looked at. */
struct nested_walk {
    unsigned levels;           /* entries read: 1 or 2 */
    uint32_t pde_address, pde; /* machine address of the directory's entry, and that entry */
    uint32_t pte_address, pte; /* of the table's; with 2 levels */
    bool mapped;               /* `machine` holds */
    uint32_t machine;
};

/* Walks the table for `guest` without any effect. */
void nested_walk(const struct nested *nested, uint32_t guest, struct nested_walk *walk);

/* An entry of the table, to be audited. */
struct nested_entry {
    uint32_t guest; /* the first guest-physical address that it is for */
    uint32_t value; /* as the processor reads it: present */
    uint32_t table; /* machine address of the table that it is in */
    bool directory; /* it is of the directory */
};

/* Calls `visit` with every present entry. */
void nested_visit(const struct nested *nested,
                  void (*visit)(void *context, const struct nested_entry *entry), void *context);

#endif
