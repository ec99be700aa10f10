/* The parts of the audit: see vmm/audit.h. */
#ifndef VMM_VM_AUDIT_H
#define VMM_VM_AUDIT_H

#include "vmm/audit.h"

/* Two machines with the same guest, and what they have printed. */
struct audit_side {
    struct vmm_vm *vm;
    const uint8_t *input;
    size_t input_left;
    uint64_t output_hash, output_count;
    char tail[32]; /* the last bytes of output, a ring */
    /* Its last trap, while traps are watched. */
    uint64_t trap_instructions; /* retired before it */
    uint32_t trap_linear;
    unsigned events; /* that the guest got at that count */
    bool stops;      /* run it to the next one */
};

struct audit_pair {
    struct audit_side bare, other;
    struct audit_memory *memory;
};

/* Watches what reaches the devices of a VM while it runs. */
struct audit_guard {
    struct vmm_vm *vm;
    struct vmm_audit *audit; /* gets what is found */
};
void audit_guard(struct audit_guard *guard, struct vmm_vm *vm, struct vmm_audit *audit);

/* Checks the invariants of resource control on `vm`, and adds what it finds to `audit`. */
void audit_resources(const struct vmm_vm *vm, struct vmm_audit *audit);

/* What is known of the two memories. The pair must not be exchanged for another one. NULL without
 * memory of the host's. */
struct audit_memory *audit_memory_new(const struct audit_pair *pair);
void audit_memory_free(struct audit_memory *memory);

/* Whether the memories are the same but for accessed bits; only what was written since the last
 * time is looked at. */
bool audit_memory_same(struct audit_memory *memory, const struct audit_pair *pair);

/* Guest-physical page numbers by machine frame, UINT32_MAX for a frame that is not the VM's. NULL
 * without memory; to be freed with free(). */
uint32_t *audit_pages(const struct vmm_vm *vm);

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
