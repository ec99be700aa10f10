/* The parts of the audit: see vmm/audit.h. */
#ifndef VMM_VM_AUDIT_H
#define VMM_VM_AUDIT_H

#include "vmm/audit.h"
#include "vmm/snapshot.h"

/* What a side has printed. */
struct audit_printed {
    uint64_t hash, count;
    char tail[32]; /* the last bytes, a ring */
};

/* What the allocator had decided when it was looked at last. */
struct audit_seen {
    bool known;
    uint64_t owners; /* changes of them, so far */
    uint32_t frames; /* of the VMM's */
    uint64_t decisions;
};

/* Two machines with the same guest, and what they have printed. */
struct audit_side {
    struct vmm_vm *vm;
    const uint8_t *input;
    size_t input_left;
    struct audit_printed printed;
    /* Its last trap, while traps are watched. */
    uint64_t trap_instructions; /* retired before it */
    uint32_t trap_linear;
    unsigned events; /* that the guest got at that count */
    bool stops;      /* run it to the next one */
};

/* Where both were equal, and can go back to; without snapshots that is power-on. */
struct audit_base {
    uint64_t at; /* instructions retired */
    struct vmm_snapshot *bare, *other;
    struct audit_printed printed[2];
};

struct audit_pair {
    struct audit_side bare, other;
    struct audit_memory *memory;
    struct audit_seen seen;
    struct audit_base base;
};

/* Makes both, with the guest loaded. False with `error` set, and nothing to stop. */
bool audit_start(struct audit_pair *pair, const struct vmm_audit_request *request,
                 struct vmm_error *error);
void audit_stop(struct audit_pair *pair);

/* Instructions that a side has retired. */
uint64_t audit_count(const struct audit_side *side);

/* Runs both to `target`. A technique may be in the middle of something there and stop an
 * instruction later: then the other one follows. */
void audit_advance(struct audit_pair *pair, uint64_t target);

/* Whether nothing tells them apart. */
bool audit_equal(struct audit_pair *pair);


/* Both are equal: from now on this is where they go back to. Where no snapshot can be taken, it
 * stays what it was. */
void audit_base_take(struct audit_pair *pair, const struct vmm_audit_request *request);
void audit_base_free(struct audit_base *base);

/* Finds the instruction between `low`, where both were equal, and `high`, where they were not, and
 * fills in the divergence. The pair is used up but for audit_stop. False with `error` set. */
bool audit_find(const struct vmm_audit_request *request, struct audit_pair *pair, uint64_t low,
                uint64_t high, struct vmm_audit *audit, struct vmm_error *error);

/* Watches what reaches the devices of a VM while it runs. */
struct audit_guard {
    struct vmm_vm *vm;
    struct vmm_audit *audit; /* gets what is found */
};
void audit_guard(struct audit_guard *guard, struct vmm_vm *vm, struct vmm_audit *audit);

/* Checks the invariants of resource control on `vm`, whose frames hold the guest's `pages`
 * (audit_pages), and adds what it finds to `audit`. What the allocator has not touched since `seen`
 * is left out; `seen` is brought up to date. */
void audit_resources(const struct vmm_vm *vm, const uint32_t *pages, struct audit_seen *seen,
                     struct vmm_audit *audit);

/* What is known of the two memories. The pair must not be exchanged for another one. NULL without
 * memory of the host's. */
struct audit_memory *audit_memory_new(const struct audit_pair *pair);
void audit_memory_free(struct audit_memory *memory);

/* Whether the memories are the same but for accessed bits; only what was written since the last
 * time is looked at. */
bool audit_memory_same(struct audit_memory *memory, const struct audit_pair *pair);

/* Guest-physical page numbers by machine frame, UINT32_MAX for a frame that is not the VM's: for as
 * long as the VM lives, as its memory stays where it is. NULL without memory; to be freed with
 * free(). */
uint32_t *audit_pages(const struct vmm_vm *vm);

/* Those of the technique's VM, the memory's. */
const uint32_t *audit_frames(const struct audit_memory *memory);

/* Memory words that differ, between two steps. */
struct audit_words;

/* The words of guest memory that differ now; NULL without memory. To be freed with free(). */
struct audit_words *audit_words(const struct audit_pair *pair);

/* Whether the two states are the same but for accessed bits. */
bool audit_same(struct audit_pair *pair);

/* Names the parts in which the states differ, leaving out the words of memory that differed as much
 * in `before` (may be NULL): those are accessed bits. */
void audit_compare(const struct audit_pair *pair, const struct audit_words *before,
                   struct vmm_audit_divergence *divergence);
void audit_memory_compare(const struct audit_pair *pair, const struct audit_words *before,
                          struct vmm_audit_divergence *divergence);

/* Adds a part that differs, if it does. */
void audit_add_number(struct vmm_audit_divergence *divergence, const char *name, uint32_t bare,
                      uint32_t vm);

/* Fills in text, symbol, class and explanation from the rest; `vm` lends its symbols. */
void audit_explain(const struct vmm_vm *vm, struct vmm_audit_divergence *divergence);

#endif
