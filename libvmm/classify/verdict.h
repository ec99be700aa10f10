/* From experiments to classes, after the definitions of Popek and Goldberg (1974), section 4. */
#ifndef VMM_CLASSIFY_VERDICT_H
#define VMM_CLASSIFY_VERDICT_H

#include "classify/probe.h"

struct classes {
    bool privileged;
    bool control, location, mode;
    bool user, supervisor; /* sensitive from a state of this mode */
};

enum evidence {
    EVIDENCE_PRIVILEGED, /* runs in a, traps in b */
    EVIDENCE_CONTROL,    /* changes M or R in a */
    EVIDENCE_LOCATION,   /* a and b differ in R only, and the results differ */
    EVIDENCE_MODE,       /* a and b differ in M only, and the results differ */
    EVIDENCE_LEAK,       /* traps in supervisor mode (a), runs in user mode (b) */
    EVIDENCE_COUNT,
};

/* The two states that show a class, and what differed. One state only for EVIDENCE_CONTROL. */
struct witness {
    bool found;
    uint8_t mode_a, variation_a, mode_b, variation_b, seed;
    int component; /* index, or -1: memory */
    uint64_t address;
    uint64_t before_a, after_a, before_b, after_b;
};

struct verdict {
    struct classes within, without; /* under the set's invariant; in all states */
    bool conditional;               /* privileged in some states or operands, not in others */
    char condition[120];
    struct witness witness[EVIDENCE_COUNT];
    struct witness user; /* the first sensitive one from a user state: control or location */
    enum evidence user_kind;
    bool ran;             /* without a trap in at least one state */
    bool ran_user;        /* ... of user mode */
    uint64_t noise;       /* components that differ between two runs of one state; bit 63 memory */
    uint32_t lost;        /* experiments that the engine did not survive */
    int lost_signal;      /* how it ended: SIGSEGV, ...; SIGVTALRM: it hung */
    uint32_t experiments; /* how many were made */
};

/* What a worker leaves behind for the parent if the engine brings it down. */
struct trial_mark {
    volatile uint32_t form, state, seed;
    volatile bool busy;
};

/* Which experiments to leave out, and how to report where it is. */
struct trial {
    struct probe *probe;
    struct trial_mark *mark;      /* may be NULL */
    bool sweep;                   /* the reduced set of states and seeds */
    uint8_t lost[ISA_MAX_STATES]; /* bit: seed with which the engine did not survive */
    uint32_t lost_count;
    int lost_signal;
    struct observation *seen; /* [ISA_MAX_STATES][ISA_MAX_SEEDS], the caller's scratch memory */
};

/* Classifies the instruction by executing it in all pairs of states. */
void verdict_reach(struct trial *trial, const uint8_t *bytes, size_t size, struct verdict *verdict);

#endif
