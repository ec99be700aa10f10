/* Formal machines as the scorer sends them to the process with a student's predicates, and what
 * comes back. A machine is a table: for each instruction and state the next state's number. */
#ifndef LABS_GRADER_FORMAL_H
#define LABS_GRADER_FORMAL_H

#include "labs/predicates.h"

#include <stdint.h>

enum {
    FORMAL_E = 3,
    FORMAL_P = 2,
    FORMAL_R = 3,
    FORMAL_STATES = FORMAL_E * 2 * FORMAL_P * FORMAL_R,
    FORMAL_KINDS = 16,    /* of instructions, one of each in a machine of all */
    FORMAL_MACHINES = 40, /* in a test */
    FORMAL_PREDICTIONS = 32,
    FORMAL_TRAP = 0xfffe,
    FORMAL_MEMORY_TRAP = 0xffff
};

/* What a test asks about. */
enum formal_question {
    FORMAL_PRIVILEGED,
    FORMAL_CONTROL,
    FORMAL_LOCATION,
    FORMAL_MODE,
    FORMAL_USER,
    FORMAL_THEOREM_1,
    FORMAL_THEOREM_3,
    FORMAL_PREDICT,
    FORMAL_QUESTIONS
};

struct formal_table {
    uint16_t instructions;
    uint16_t next[FORMAL_KINDS][FORMAL_STATES];
};

/* What comes in. */
struct formal_work {
    uint32_t question, machines;
    struct formal_table table[FORMAL_MACHINES];
};

/* What goes out, for one machine: for each instruction, or for the machine in the first. 0 and 1
 * are answers; a prediction's are bit 0, privileged, and bit 1, sensitive. */
enum { FORMAL_MISSING = 0xff };
struct formal_answer {
    uint64_t nonce;
    uint32_t machine;
    uint8_t answer[FORMAL_PREDICTIONS];
    char name[FORMAL_PREDICTIONS][16]; /* of predictions */
};

static inline unsigned formal_number(struct state s)
{
    return ((s.r * 2 + s.supervisor) * FORMAL_P + s.p) * FORMAL_E + s.e;
}

static inline struct state formal_state(unsigned n)
{
    return (struct state){.e = n % FORMAL_E,
                          .p = n / FORMAL_E % FORMAL_P,
                          .supervisor = n / FORMAL_E / FORMAL_P % 2,
                          .r = n / FORMAL_E / FORMAL_P / 2};
}

static inline enum effect formal_execute(const struct machine *machine, unsigned instruction,
                                         struct state before, struct state *after)
{
    const struct formal_table *table = machine->inside;
    if (instruction >= table->instructions || before.e >= FORMAL_E || before.p >= FORMAL_P ||
        before.r >= FORMAL_R)
        return MEMORY_TRAPS;
    unsigned next = table->next[instruction][formal_number(before)];
    if (next >= FORMAL_STATES)
        return next == FORMAL_TRAP ? TRAPS : MEMORY_TRAPS;
    *after = formal_state(next);
    return EXECUTES;
}

static inline struct machine formal_machine(const struct formal_table *table)
{
    return (struct machine){.e_count = FORMAL_E,
                            .p_count = FORMAL_P,
                            .r_count = FORMAL_R,
                            .instructions = table->instructions,
                            .execute = formal_execute,
                            .inside = table};
}

#endif
