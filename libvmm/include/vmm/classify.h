/** @file
 * The empirical classifier: which class of Popek and Goldberg (1974) an instruction of a real
 * instruction set belongs to, found by executing it.
 *
 * An instruction is executed on the engine from pairs of states that differ in the processor's mode
 * only, or in one resource only, and what it changed is compared. Nothing here is looked up in a
 * list of answers. The engine runs in worker processes: an instruction that crashes or hangs it is
 * reported as such (vmm_class_record.failure). */
#ifndef VMM_CLASSIFY_H
#define VMM_CLASSIFY_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/classes.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** How to classify. Zeros are the defaults. */
struct vmm_classify_options {
    /** Try the whole encoding space of the set (all first words, all opcodes with every ModRM, all
     * CSR numbers) instead of the list of forms. The result has records only for encodings that are
     * sensitive, privileged or fatal to the engine; the counts say what the others were. */
    bool sweep;
    unsigned jobs; /**< worker processes; 0: one for each processor */
    /** Called in the calling thread after each encoding, or NULL. */
    void (*progress)(void *data, size_t done, size_t total);
    void *progress_data; /**< handed to `progress` */
};

/** How many encodings were tried, and what they were. */
struct vmm_class_counts {
    size_t tried;        /**< encodings */
    size_t executed;     /**< ran without a trap in at least one state */
    size_t privileged;   /**< traps in user mode in every state, runs in supervisor mode */
    size_t conditional;  /**< conditionally privileged */
    size_t sensitive;    /**< ... of the ones that executed */
    size_t unprivileged; /**< sensitive and neither privileged nor so under the invariant */
    size_t failures;     /**< the engine crashed or hung in every state that could tell */
};

/** One component of the processor in the two states of a witness. */
struct vmm_replay_line {
    char name[32];         /**< "EFLAGS.IF/IOPL", "memory 0xa400" */
    uint64_t before[2];    /**< in state a and state b, before the instruction */
    uint64_t after[2];     /**< and after it */
    bool compared_unequal; /**< this is where the two runs differ */
};

/** A witness, run again: both states before and after the instruction. */
struct vmm_replay {
    char state[2][160];  /**< the two states in words; the second is empty if one state is enough */
    char outcome[2][48]; /**< "executes", "traps (13)" */
    size_t count;        /**< lines used */
    struct vmm_replay_line line[96]; /**< components that are set or changed */
};

/** What was found: records, counts, and what is needed to run a witness again. */
struct vmm_classification;

/** The names of all instruction sets, in the order of the atlas. `*names` is a static array. */
size_t vmm_classify_isas(const char *const **names);

/** Whether options->sweep has an encoding space to try for this set; false for an unknown one. */
bool vmm_classify_can_sweep(const char *isa);

/** Classifies all forms of an instruction set, or its encoding space (options->sweep). `options`
 * may be NULL. Result: to be freed with vmm_classification_free(); two calls give equal results.
 * NULL: unknown set, no sweep for this set, or no worker could be started; `error` (may be NULL,
 * `error_size` bytes) then has one sentence. */
struct vmm_classification *vmm_classify(const char *isa, const struct vmm_classify_options *options,
                                        char *error, size_t error_size);

/** Classifies one instruction given as text: any form of the set's list, in any case, or a short
 * name of one ("popf"). One record for each form that fits. Errors as above; a text that is not
 * known is one. */
struct vmm_classification *vmm_classify_text(const char *isa, const char *text,
                                             const struct vmm_classify_options *options,
                                             char *error, size_t error_size);

/** The same for an encoding in hexadecimal ("9d", spaces allowed), 1 to 15 bytes in memory order:
 * one whole instruction, or bytes that are none. */
struct vmm_classification *vmm_classify_bytes(const char *isa, const char *hex,
                                              const struct vmm_classify_options *options,
                                              char *error, size_t error_size);

/** The records, in the order of the list or of the encodings. They belong to `c`. */
const struct vmm_class_record *vmm_classification_records(const struct vmm_classification *c);

/** How many records there are. */
size_t vmm_classification_count(const struct vmm_classification *c);

/** The counts. */
struct vmm_class_counts vmm_classification_counts(const struct vmm_classification *c);

/** The result as one JSON document {"isa":...,"instructions":[...]}, to be freed with free(). NULL:
 * no memory. */
char *vmm_classification_json(const struct vmm_classification *c);

/** What was found for record `index`, in a few sentences for a student; to be freed with free().
 * NULL: no such record, or no memory. */
char *vmm_classification_explain(const struct vmm_classification *c, size_t index);

/** Runs the witness of record `index` again and fills `replay` with both states before and after
 * the instruction. False: no such record, it has no witness, or the engine did not survive. */
bool vmm_classification_replay(const struct vmm_classification *c, size_t index,
                               struct vmm_replay *replay);

/** Frees the result with its records; NULL is allowed. */
void vmm_classification_free(struct vmm_classification *c);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
