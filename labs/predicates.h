/* What lab 1 asks for: the predicates of Popek and Goldberg (CACM 17(7), 1974, section 2) on small
 * formal machines, and a prediction for some instructions of x86. */
#ifndef PREDICATES_H
#define PREDICATES_H

#include <stdbool.h>
#include <stddef.h>

/* A state S = <E, M, P, R>. E is the storage as the program sees it, relative to R. */
struct state {
    unsigned e;      /* 0 to e_count - 1 */
    bool supervisor; /* M */
    unsigned p;      /* 0 to p_count - 1 */
    unsigned r;      /* 0 to r_count - 1 */
};

/* What becomes of an instruction. */
enum effect {
    EXECUTES,
    TRAPS,       /* and the control program of the machine takes over */
    MEMORY_TRAPS /* an address was out of bounds: such states say nothing about an instruction */
};

struct machine {
    unsigned e_count, p_count, r_count;
    unsigned instructions; /* 0 to instructions - 1 */
    /* Executes one instruction in the state `before`; if it EXECUTES, `*after` is what it leaves.
     */
    enum effect (*execute)(const struct machine *machine, unsigned instruction, struct state before,
                           struct state *after);
    const void *inside; /* of `execute` */
};

/* A property of one instruction of a machine. */
typedef bool predicate(const struct machine *machine, unsigned instruction);

/* What an instruction of x86 is, as long as IOPL is below the CPL of the user's programs. */
struct prediction {
    const char *instruction; /* "popf"; NULL behind the last */
    bool privileged, sensitive;
};

/* What a file defines. A NULL is an answer that is missing. */
struct lab_answers {
    predicate *privileged, *control_sensitive, *location_sensitive, *mode_sensitive,
        *user_sensitive;
    bool (*theorem_1)(const struct machine *machine); /* a VMM may be constructed */
    bool (*theorem_3)(const struct machine *machine); /* a hybrid VMM may be constructed */
    const struct prediction *predictions;
};

extern const struct lab_answers lab_answers;

#endif
