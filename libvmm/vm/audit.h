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
};

struct audit_pair {
    struct audit_side bare, other;
};

/* Checks the invariants of resource control on `vm`, and adds what it finds to `audit`. */
void audit_resources(const struct vmm_vm *vm, struct vmm_audit *audit);

/* Memory words that differ, between two steps. */
struct audit_words;

/* The words of guest memory that differ now; NULL without memory. To be freed with free(). */
struct audit_words *audit_words(const struct audit_pair *pair);

/* Whether the two states are the same: by digest, or, where digests differ, in all but accessed
 * bits of page tables. */
bool audit_same(const struct audit_pair *pair);

/* Names the parts in which the states differ, leaving out the words of memory that differed as much
 * in `before` (may be NULL): those are accessed bits. */
void audit_compare(const struct audit_pair *pair, const struct audit_words *before,
                   struct vmm_audit_divergence *divergence);

/* Fills in text, symbol, class and explanation from the rest; `vm` lends its symbols. */
void audit_explain(const struct vmm_vm *vm, struct vmm_audit_divergence *divergence);

#endif
