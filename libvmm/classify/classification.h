/* The result object behind vmm/classify.h, for the files that make, print and explain it. */
#ifndef VMM_CLASSIFY_CLASSIFICATION_H
#define VMM_CLASSIFY_CLASSIFICATION_H

#include "classify/verdict.h"
#include "vmm/classify.h"

/* What belongs to one record and is not in the public structure. */
struct finding {
    uint8_t bytes[ISA_MAX_BYTES];
    size_t size;
    struct verdict verdict;
};

struct vmm_classification {
    const struct isa *isa;
    bool sweep;
    struct vmm_class_record *records;
    struct finding *findings;
    size_t count;
    struct vmm_class_counts counts;
};

/* The witness that decides the instruction's fate: why it is sensitive, or where it traps. `kind`
 * is set; NULL: there is none. */
const struct witness *finding_witness(const struct vmm_classification *c, size_t index,
                                      enum evidence *kind);

/* "user mode (CPL 3), operands 2, EFLAGS.IF varied" for state a (0) or b (1) of a witness. */
void witness_state(const struct isa *isa, const struct witness *witness, unsigned which, char *text,
                   size_t size);

/* What differed, in one sentence. */
void witness_difference(const struct isa *isa, const struct witness *witness, enum evidence kind,
                        char *text, size_t size);

/* "control", "location", ... */
const char *evidence_name(enum evidence kind);

#endif
