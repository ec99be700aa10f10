/* What the classifier has to know of an instruction set, as data.
 *
 * Popek and Goldberg's state is S = <E, M, P, R>: storage, mode, program counter, resources. One
 * file a set gives it for a real processor: which registers make up each of the four (components),
 * how the processor is put into each mode (build), by what the resources are varied (variations),
 * with which operands an instruction is tried (seed), and a list of instructions (forms). The files
 * hold no verdict: those come from libvmm/classify/, which executes each form in all these states.
 *
 * A state to start from is a pair of a mode and a variation; variation 0 is the unchanged one. Two
 * states that differ in the mode only, or in one variation only, are what the definitions compare.
 */
#ifndef VMM_ISA_ISA_H
#define VMM_ISA_ISA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct probe;
struct observation;

enum isa_part {
    ISA_STORAGE,  /* E: memory and the registers any program may use */
    ISA_MODE,     /* M */
    ISA_COUNTER,  /* P */
    ISA_RESOURCE, /* R */
};

/* How a component that had different values in the two states before the instruction is compared
 * after it. One that was equal before must be equal after, whatever stands here. */
enum isa_compare {
    ISA_BITS,    /* by which bits the instruction changed */
    ISA_CHANGED, /* by whether it changed (a selector that contains the mode) */
};

struct isa_component {
    const char *name;
    enum isa_part part;
    enum isa_compare compare;
    int reg;       /* the engine's register; 0: the set's observe() reads it */
    uint64_t mask; /* the bits of the register that belong to this component; 0: all */
};

struct isa_mode {
    const char *name; /* "user mode (CPL 3)" */
    bool user;
};

struct isa_variation {
    const char *name;      /* the component of R that differs: "IDTR base" */
    const char *condition; /* what is true in the unchanged state or NULL; the condition under which
                            * an instruction is privileged that is not privileged here */
    const char *holds;     /* what is true here, for one that is privileged here only, or NULL */
    bool outside;          /* breaks the set's invariant */
    uint32_t moved_from, moved_to, moved_size; /* storage that was moved with R (relocation) */
};

struct isa_form {
    const char *mnemonic; /* the manual's name, lower case */
    const char *text;     /* assembly text in the syntax of the set's GNU assembler */
    const char *bytes;    /* hex, in the order of memory */
    const char *note;     /* where the engine is known to depart from the manual, or NULL */
};

/* A space of encodings to sweep: the bytes of number i in [0, count), and how many they are; 0: it
 * is an instruction that another number has already. */
struct isa_sweep {
    const char *name;
    uint32_t count;
    size_t (*encode)(uint32_t i, uint8_t *bytes);
};

enum isa_trap {
    ISA_TRAP,        /* the instruction trapped */
    ISA_TRAP_MEMORY, /* a memory trap: the address, not the instruction, is to blame */
    ISA_TRAP_NONE,   /* no trap of the architecture: the engine hands the instruction out */
};

#define ISA_MAX_COMPONENTS 72
#define ISA_MAX_STATES     64
#define ISA_MAX_SEEDS      8
#define ISA_MAX_BYTES      16

struct isa {
    const char *name;
    const char *title;
    const char *manual;
    const char *invariant; /* what all states but the outside ones have in common, or NULL */
    const char *assembler; /* GNU assembler and its options, for the test of the forms */
    const char *triple;    /* "TRIPLE [OPTIONS]" of LLVM's assembler, where GNU's is missing */
    const char *prologue;  /* a line that either assembler has to be given first, or NULL */
    bool on_machine;       /* tried on the machine layer, not on the engine itself */
    int arch, mode, model; /* the engine's; model < 0: its default */
    int cs_arch, cs_mode;  /* Capstone's; cs_arch < 0: none */
    bool big_endian;
    uint8_t unit, longest; /* an instruction's bytes: a multiple of `unit`, at most `longest` */
    int pc_reg;            /* the engine's program counter */
    uint64_t ram_base;     /* physical address of the memory */
    uint32_t ram_size;     /* bytes, whole pages */
    uint64_t pc;           /* where the instruction is put */
    uint64_t pc_start;     /* what the engine is started with (bit 0: Thumb) */
    const char *loop; /* hex: a jump to itself, put behind the instruction: it ends the engine's
                       * translation there and is never executed */
    const struct isa_component *components;
    unsigned component_count;
    const struct isa_mode *modes; /* [0] is the supervisor mode */
    unsigned mode_count;
    const struct isa_variation *variations;
    unsigned variation_count;
    unsigned seeds;
    const struct isa_form *forms; /* ends with one whose bytes are NULL */
    const struct isa_sweep *sweeps;
    size_t sweep_count;
    const struct isa *sweep_as; /* how the sweep is run (Thumb), or NULL: as the set itself */
    uint64_t sweep_variations;  /* bit v: variation v is tried in a sweep */
    uint32_t sweep_seeds;       /* bit s: seed s is tried in a sweep */

    /* Makes the state: fills memory and registers of a machine that was just reset. False: the
     * engine refused. */
    bool (*build)(struct probe *probe, unsigned mode, unsigned variation);
    /* Sets operands: general registers, storage, condition flags; the same in every state. */
    void (*seed)(struct probe *probe, unsigned seed);
    /* Reads the components whose `reg` is 0, or NULL. */
    void (*observe)(struct probe *probe, uint64_t *value);
    /* Says what trap number `number` of the engine is, or NULL: every one is a trap. */
    enum isa_trap (*classify_trap)(uint32_t number);
    /* Corrects what the engine did towards what the manual says, or NULL. */
    void (*settle)(struct probe *probe, struct observation *seen);
    /* A note for an encoding that is not in the list of forms, as isa_form's; or NULL. */
    const char *(*note)(const uint8_t *bytes, size_t size);
    /* Extra hooks on the engine, or NULL. */
    bool (*attach)(struct probe *probe);
};

/* All instruction sets, in the order of the atlas. */
extern const struct isa *const isa_all[];
extern const size_t isa_count;

/* The set called `name` (as in DESIGN 7: "x86-32"), or NULL. */
const struct isa *isa_find(const char *name);

extern const struct isa isa_x86_32, isa_x86_64, isa_x86_32_svm, isa_armv7, isa_aarch64, isa_s390x,
    isa_mips32, isa_ppc32, isa_riscv32, isa_riscv64, isa_m68000, isa_m68020;

#endif
