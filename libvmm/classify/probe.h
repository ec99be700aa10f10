/* One experiment: put the machine into a given state, execute one instruction, look at everything.
 *
 * A probe owns an engine for one instruction set, its memory, and a saved context and memory image
 * for each state of the set. Each run starts from a complete copy of both, so that nothing of one
 * run can reach the next. It is used in a worker process only: the engine may crash under it. */
#ifndef VMM_CLASSIFY_PROBE_H
#define VMM_CLASSIFY_PROBE_H

#include "isa/isa.h"

#include <unicorn/unicorn.h>

enum seen {
    SEEN_NOTHING,   /* not run, or the engine did not survive it */
    SEEN_RAN,       /* executed without a trap */
    SEEN_TRAP,      /* trapped, number says how */
    SEEN_MEMORY,    /* a memory trap, which the definitions leave out */
    SEEN_UNDEFINED, /* the invalid-instruction trap */
};

#define OBSERVED_CHANGES 24

struct change {
    uint64_t address; /* of a 32-bit word, as the program addresses it */
    uint32_t before, after;
};

/* What one run showed. */
struct observation {
    enum seen seen;
    uint32_t number; /* the engine's trap number */
    uint64_t value[ISA_MAX_COMPONENTS];
    unsigned change_count; /* words of memory that changed; the first OBSERVED_CHANGES are kept */
    struct change change[OBSERVED_CHANGES];
    uint64_t digest; /* over all of them */
};

/* The devices that a probed instruction can reach: one latch that IN reads and OUT writes. */
struct port_latch {
    uint32_t value;
    uint32_t writes;
    bool denied; /* the last access was refused by the architecture's check */
};

struct probe {
    const struct isa *isa;
    uc_engine *uc;
    uint8_t *ram;
    uc_context *reset, *context[ISA_MAX_STATES];
    uint8_t *image[ISA_MAX_STATES];
    struct observation *before; /* [state][seed], filled at first use */
    bool *before_known;
    unsigned mode, variation, seed;   /* of the run under way */
    uint8_t code[ISA_MAX_BYTES + 16]; /* with the loop behind it */
    size_t code_size;
    uint64_t code_id, translated[2];
    bool trapped;
    uint32_t trap_number;
    struct port_latch port;
    uint32_t runs;
};

/* Opens the engine and makes all states. NULL: the engine refused (no memory, unknown model). */
struct probe *probe_create(const struct isa *isa);
void probe_destroy(struct probe *probe);

/* Sets the instruction that the next runs execute; size at most ISA_MAX_BYTES. */
void probe_set_code(struct probe *probe, const uint8_t *bytes, size_t size);

/* Runs it once from the state (mode, variation) with the operands of `seed`. */
void probe_run(struct probe *probe, unsigned mode, unsigned variation, unsigned seed,
               struct observation *seen);

/* What probe_run starts from: the components before the instruction (seen, number unused). */
const struct observation *probe_before(struct probe *probe, unsigned mode, unsigned variation,
                                       unsigned seed);

/* For the sets' build() and seed(): registers by the engine's number, storage by its address. */
void probe_write(struct probe *probe, int reg, uint64_t value);
uint64_t probe_read(struct probe *probe, int reg);
void probe_store(struct probe *probe, uint64_t address, const void *bytes, size_t size);
void probe_store16(struct probe *probe, uint64_t address, uint16_t value);
void probe_store32(struct probe *probe, uint64_t address, uint32_t value);
void probe_store64(struct probe *probe, uint64_t address, uint64_t value);
/* Executes `count` instructions from `from`; false: it trapped or the engine refused. */
bool probe_execute(struct probe *probe, uint64_t from, unsigned count);

/* The number of the state (mode, variation). */
static inline unsigned isa_state(const struct isa *isa, unsigned mode, unsigned variation)
{
    return mode * isa->variation_count + variation;
}

#endif
