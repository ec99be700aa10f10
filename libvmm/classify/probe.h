/* One experiment: put the machine into a given state, execute one instruction, look at everything.
 *
 * A probe owns a processor for one instruction set, its memory, and a saved processor and memory
 * image for each state of the set. Each run starts from a complete copy of both, so that nothing of
 * one run can reach the next. The processor is the engine as it is (probe_engine.c) or, for x86-32,
 * the machine layer's corrected one, the same that guests run on (probe_machine.c). A probe is used
 * in a worker process only: the engine may crash under it. */
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

struct cpu_state;
struct engine_float;
struct probe;

/* The processor under a probe. */
struct probe_ground {
    /* Makes it, with `ram`; false: no memory, or the engine refused. */
    bool (*open)(struct probe *probe);
    void (*close)(struct probe *probe);
    /* The processor as it is after reset, to build a state from; and what was built, kept. */
    void (*reset)(struct probe *probe);
    bool (*keep)(struct probe *probe, unsigned state);
    /* Starts from a kept state; memory is there already. */
    void (*restore)(struct probe *probe, unsigned state);
    /* The bytes of the instruction in memory are other ones than in the last run. */
    void (*renew)(struct probe *probe);
    /* Executes the instruction: sets `seen` and `number`. */
    void (*execute)(struct probe *probe, struct observation *seen);
    /* The components that the engine has under a register number. */
    void (*observe)(struct probe *probe, uint64_t *value);
};
extern const struct probe_ground probe_engine, probe_machine;

/* Memory is restored and compared in blocks: most of it is the same from run to run. */
#define PROBE_BLOCK  1024u
#define PROBE_BLOCKS 128u

struct probe {
    const struct isa *isa;
    const struct probe_ground *ground;
    uc_engine *uc; /* probe_engine */
    uc_context *reset, *context[ISA_MAX_STATES];
    struct probe_cpu *cpu; /* probe_machine */
    uint8_t *ram;
    uint8_t *image[ISA_MAX_STATES];
    bool differs[ISA_MAX_STATES][PROBE_BLOCKS]; /* image[state] differs there from image[0] */
    unsigned held;                              /* the state that `ram` was filled from */
    bool dirty[PROBE_BLOCKS];                   /* `ram` may differ there from image[held] */
    struct observation *before;                 /* [state][seed], filled at first use */
    bool *before_known;
    unsigned mode, variation, seed;   /* of the run under way */
    uint8_t code[ISA_MAX_BYTES + 16]; /* with the loop behind it */
    size_t code_size;
    uint64_t code_id, placed[2]; /* placed: which code was last in each of two places */
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

/* For the sets' build() and seed(): storage by its address; on the engine, registers by its number.
 */
void probe_write(struct probe *probe, int reg, uint64_t value);
uint64_t probe_read(struct probe *probe, int reg);
void probe_store(struct probe *probe, uint64_t address, const void *bytes, size_t size);
void probe_store16(struct probe *probe, uint64_t address, uint16_t value);
void probe_store32(struct probe *probe, uint64_t address, uint32_t value);
void probe_store64(struct probe *probe, uint64_t address, uint64_t value);
/* On the machine layer: the processor's state, to be read and changed; and its floating point. */
struct cpu_state *probe_state(struct probe *probe);
void probe_float(struct probe *probe, struct engine_float *f);
/* On the engine: executes `count` instructions from `from`; false: it trapped or the engine
 * refused. */
bool probe_execute(struct probe *probe, uint64_t from, unsigned count);

/* The number of the state (mode, variation). */
static inline unsigned isa_state(const struct isa *isa, unsigned mode, unsigned variation)
{
    return mode * isa->variation_count + variation;
}

#endif
