/* Many instructions, several processes: the engine may crash or hang on any of them. */
#ifndef VMM_CLASSIFY_WORKERS_H
#define VMM_CLASSIFY_WORKERS_H

#include "classify/verdict.h"

/* A batch of encodings of one instruction set. The callbacks run in the calling process. */
struct work {
    const struct isa *isa;
    uint32_t count;
    bool sweep;
    unsigned jobs;
    /* Writes the bytes of number i, result: how many (at most ISA_MAX_BYTES). Runs in a worker. */
    size_t (*encode)(const struct work *work, uint32_t i, uint8_t *bytes);
    /* One verdict, in any order; `verdict` is NULL for an encoding that has nothing to report in a
     * sweep: unprivileged and innocuous, `ran` says whether it executed at all. */
    void (*deliver)(const struct work *work, uint32_t i, const struct verdict *verdict, bool ran);
    void (*progress)(void *data, size_t done, size_t total); /* or NULL */
    void *progress_data;
    void *context;
};

/* Classifies all of them. False: no worker could be started, or none can open the engine for this
 * set; what was delivered until then is not complete. */
bool workers_run(const struct work *work);

#endif
