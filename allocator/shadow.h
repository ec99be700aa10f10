/* Shadow page tables: the tables that the processor really walks while a guest believes that it
 * walks its own (Robin and Irvine 2000, section 2; Adams and Agesen 2006, section 2.3). An entry of
 * a shadow table is the guest's entry composed with the map from guest-physical page to machine
 * frame, filled in at the first use:
 *
 *     guest:   linear --directory, table--> guest-physical --frame_map--> machine
 *     shadow:  linear --------------- directory, table ------------------> machine
 *
 * A page fault is then either hidden (the guest's tables allow the access, the shadow did not hold
 * it yet) or true (the guest's tables refuse it: the guest must see it). Frames that hold guest
 * tables in use are mapped read-only, a trace: a write is emulated, then told to shadow_written, so
 * that the shadow never allows more than the guest's tables do at that moment.
 *
 * Ring compression: the guest's kernel runs at ring 1, which paging counts as supervisor, and the
 * real CR0.WP is always 1. Where the guest's WP is 0 and its kernel writes to a read-only page, the
 * shadow maps that page writable for the supervisor only, until the next user access. The
 * processor's R/W is given only with the guest's D, and P only with its A, so that the guest sees
 * both bits as the manual has them (SDM volume 3, section 4.8). */
#ifndef VMM_ALLOCATOR_SHADOW_H
#define VMM_ALLOCATOR_SHADOW_H

#include "arch/x86/walk.h"
#include "frames.h"

/* One instruction needs no more tables than this, so that it ends however often tables are evicted:
 * fetch, two operands, stack and descriptor table, each across a 4 MB boundary, and a directory. */
#define SHADOW_MINIMUM 16u
#define SHADOW_NO_SLOT 0xffffffffu

struct shadow; /* of one VM */

enum shadow_end {
    SHADOW_FILLED,     /* hidden: run the instruction again */
    SHADOW_TRUE_FAULT, /* the guest's own: inject result.event */
    SHADOW_TRACED,     /* a write to a guest table at result.guest: emulate, then shadow_written */
    SHADOW_NEED_PAGE,  /* the accessor lacks the guest table entry at result.guest */
    SHADOW_NO_ROOM,    /* the frames are exhausted and nothing can be evicted */
    SHADOW_SLOT_TAKEN, /* the guest's directory leaves no place for the VMM's own 4 MB */
    SHADOW_REFUSED,    /* the policy came to nonsense, or the page gets no frame: whoever decided so
                          has said why */
};

/* What the caller must drop from the processor's TLB before the guest runs on. */
enum shadow_flush {
    SHADOW_FLUSH_PAGE = 1u << 0, /* the page of the linear address that was handed in */
    SHADOW_FLUSH_ALL = 1u << 1,
};

struct shadow_result {
    enum shadow_end end;
    unsigned flush; /* set of enum shadow_flush */
    uint32_t guest; /* guest-physical address, see enum shadow_end; for SHADOW_FILLED the page's */
    struct x86_event event;
    bool slot_moved; /* the VMM's slot is another now, see shadow_slot */
};

struct shadow_statistics {
    uint64_t fills, true_faults, traced_writes, switches, switch_hits, evictions, slot_moves,
        traces;
    uint64_t decisions; /* calls that may have changed a table or a trace */
    uint32_t tables;    /* machine frames in use for shadow tables now */
};

/* Somebody else's policy in the place of this file's own: what a page fault is, and what becomes of
 * a shadow entry when the guest writes to the entry that it is of. What the policy cannot decide is
 * to which frame an entry leads. */
struct shadow_question {
    uint32_t linear, error_code; /* as the processor raised it */
    uint32_t pde, pte;           /* the guest's entries; pte is 0 if pde is not present, or large */
    bool large;                  /* pde maps 4 MB */
    bool wp;                     /* the guest's CR0.WP */
    bool traced;                 /* the page holds a guest table in use */
};

struct shadow_verdict {
    enum { SHADOW_HIDDEN, SHADOW_TRUE, SHADOW_TRACE, SHADOW_OWN, SHADOW_UNDECIDED } kind;
    uint32_t error_code;   /* SHADOW_TRUE: for the guest */
    uint32_t pde, pte;     /* the guest's entries, with A and D as the processor leaves them */
    uint32_t upper, lower; /* P, R/W and U/S of the two shadow entries */
};

struct shadow_change {
    uint32_t entry;  /* the guest's, as it is now */
    uint32_t rights; /* P, R/W and U/S of the shadow's */
    bool directory;  /* it is in a directory */
    bool large;      /* and maps 4 MB */
    bool moved;      /* the shadow entry leads elsewhere than the guest's does now */
};

struct shadow_policy {
    void *context;
    /* Returns what the fault is; SHADOW_OWN: as if there were no policy; SHADOW_UNDECIDED ends the
     * guest. */
    struct shadow_verdict (*fault)(void *context, const struct shadow_question *question);
    /* Returns the rights that stay, a subset of `change->rights`. NULL: this file decides. */
    uint32_t (*written)(void *context, const struct shadow_change *change);
};

/* Puts `policy` in charge, NULL: this file's own; it must outlive its use. All shadows are dropped,
 * and shadow_switch is to be called before the guest runs on. */
void shadow_set_policy(struct shadow *shadow, const struct shadow_policy *policy);

/* Shadow tables for the VM of `map`, in at most `limit` frames (>= SHADOW_MINIMUM) of its pool.
 * Guest-physical addresses without a frame are mapped to the machine's address `nowhere`, where the
 * machine has no memory either. `vmm_entry` is put into slot `vmm_slot` (0 to 1023) of every shadow
 * directory: the VMM's own 4 MB, which must not be open to user code; 0 if there is none. `map`
 * must outlive the result. Returns NULL if an argument is out of range or the host lacks memory. */
struct shadow *shadow_create(const struct frame_map *map, uint32_t limit, uint32_t nowhere,
                             uint32_t vmm_entry, uint32_t vmm_slot);

/* Gives every frame back. Accepts NULL. */
void shadow_destroy(struct shadow *shadow);

/* Makes the shadow of the address space of the virtual `cpu` current; to be called first, and
 * after every change of the virtual CR0, CR3 or CR4. `root` gets the machine address for the real
 * CR3. Cached shadows are found again; a change of CR0.WP or CR4.PSE drops all of them. Returns
 * the set of enum shadow_flush, or -1 if no frame could be had (then nothing is current). The
 * caller loads the real CR3, which flushes by itself. */
int shadow_switch(struct shadow *shadow, const struct cpu_state *cpu, uint32_t *root);

/* Handles the page fault that the processor raised at `linear` with `error_code` (SDM volume 3,
 * section 4.7) while running the guest whose virtual state is `cpu`. Walks the guest's tables
 * through `memory` and sets A and D in them as the processor would. */
struct shadow_result shadow_fault(struct shadow *shadow, const struct cpu_state *cpu,
                                  const struct x86_memory *memory, uint32_t linear,
                                  uint32_t error_code);

/* Whether the guest-physical page at `guest` is traced: writes must be told to shadow_written. */
bool shadow_traced(const struct shadow *shadow, uint32_t guest);

/* After `count` bytes were written to guest-physical address `guest`: takes back what the shadow
 * allows beyond the guest's tables. A frame that is written again and again without being used as a
 * table loses its shadow, and so its trace. Returns the set of enum shadow_flush, which may wait
 * until the guest invalidates the translation, as a TLB does (SDM volume 3, section 4.10.4): the
 * set is handed out again by shadow_invlpg, shadow_switch and whatever begins a trace. */
unsigned shadow_written(struct shadow *shadow, uint32_t guest, uint32_t count);

/* INVLPG by the guest. Returns the set of enum shadow_flush. */
unsigned shadow_invlpg(struct shadow *shadow, uint32_t linear);

/* Traces the guest-physical page at `guest` for another reason than that it holds a page table: its
 * writes come as SHADOW_TRACED until as many shadow_untrace. Both return the set of enum
 * shadow_flush. */
unsigned shadow_trace(struct shadow *shadow, uint32_t guest);
void shadow_untrace(struct shadow *shadow, uint32_t guest);

/* Lets the supervisor write to the traced page that `linear` maps to, for the one instruction that
 * the caller steps, or ends that. Returns the set of enum shadow_flush. */
unsigned shadow_open(struct shadow *shadow, uint32_t linear, bool writable);

/* Takes the guest-physical page at `guest` out of every shadow table, before its frame goes to
 * somebody else. Returns the set of enum shadow_flush. */
unsigned shadow_unmap(struct shadow *shadow, uint32_t guest);

/* Forgets every shadow table: guest memory is another one now. shadow_switch must follow. Other
 * traces stay. */
void shadow_forget(struct shadow *shadow);

/* The guest-physical memory that it is of. */
const struct frame_map *shadow_map(const struct shadow *shadow);

/* Moves the VMM's own 4 MB if the guest has mapped something there since it was looked last: what
 * the guest reads is its own, then. True if it has moved, for which the TLB has to be flushed. To
 * be called before the guest runs on. */
bool shadow_make_way(struct shadow *shadow, const struct cpu_state *cpu,
                     const struct x86_memory *memory);

/* The directory slot of the VMM's own 4 MB now; SHADOW_NO_SLOT if there is none. */
uint32_t shadow_slot(const struct shadow *shadow);

struct shadow_statistics shadow_statistics(const struct shadow *shadow);

/* An entry of a shadow table, to be looked at. */
struct shadow_entry {
    uint32_t value; /* as the processor reads it: present */
    uint32_t table; /* machine address of the table that it is in */
    uint32_t index; /* 0 to 1023 */
    bool directory; /* it is of a directory: points at a shadow table, or is the VMM's slot */
    bool vmm;       /* it is the VMM's slot */
    bool to_table;  /* of a directory: what it points at is a shadow table in use */
};

/* Calls `visit` with every present entry of every shadow table. Read-only: for an audit. */
void shadow_visit(const struct shadow *shadow,
                  void (*visit)(void *context, const struct shadow_entry *entry), void *context);

/* Calls `visit` with the guest-physical address of every guest page table that a shadow table
 * stands for: all of them must be traced. */
void shadow_visit_guest_tables(const struct shadow *shadow,
                               void (*visit)(void *context, uint32_t guest), void *context);

#endif
