/* The formal machine: Popek and Goldberg's third-generation computer made small and finite, so that
 * what the paper proves for every state can be tried for every state.
 *
 * A state is S = <E, M, P, R>, with R = (l, b), and on a timed machine a clock T besides. Every
 * storage cell and the PSW <M, P, R> hold the same number of values, so that a trap can put the PSW
 * into E[0] and take the new one from E[1], as in the paper. An instruction is a function from
 * states to states, written as guarded assignments. The instructions of a sequence are applied one
 * after the other: the sequence is the program, storage holds its data. */
#ifndef VMM_THEOREM_FORMAL_H
#define VMM_THEOREM_FORMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/classes.h"
#include "vmm/theorem.h"

#define FORMAL_CELLS        8 /* the largest storage, in cells */
#define FORMAL_PCS          16
#define FORMAL_REGIONS      8 /* values that l, and that b, may take */
#define FORMAL_TICKS        64
#define FORMAL_INSTRUCTIONS 32
#define FORMAL_RULES        256
#define FORMAL_ASSIGNMENTS  512
#define FORMAL_NODES        1024
#define FORMAL_NAME         32
#define FORMAL_LEVELS       2    /* VMMs one inside the other */
#define FORMAL_WITNESS      1024 /* bytes of text */

/* Cells that a VMM keeps for itself at the bottom of its machine's storage: E[0] and E[1] for the
 * traps, the virtual mode, and the number of steps it has made. The VM begins above them. */
#define FORMAL_VMM_CELLS 4

enum formal_op {
    FORMAL_NUMBER,
    FORMAL_M,
    FORMAL_P,
    FORMAL_L,
    FORMAL_B,
    FORMAL_T,
    FORMAL_PSW,
    FORMAL_CELL, /* E[left] */
    FORMAL_NEGATE,
    FORMAL_NOT,
    FORMAL_ADD,
    FORMAL_SUBTRACT,
    FORMAL_MULTIPLY,
    FORMAL_EQUAL,
    FORMAL_UNEQUAL,
    FORMAL_LESS,
    FORMAL_AT_MOST,
    FORMAL_GREATER,
    FORMAL_AT_LEAST,
    FORMAL_AND,
    FORMAL_OR,
};

/* One node of an expression; `left` and `right` index the machine's nodes. */
struct formal_node {
    uint8_t op;
    uint16_t left, right;
    uint32_t number;
};

struct formal_assignment {
    uint8_t place;    /* FORMAL_M, _P, _L, _B, _PSW or _CELL */
    uint16_t address; /* node, for a cell */
    uint16_t value;   /* node */
};

struct formal_rule {
    bool always; /* "otherwise": there is no guard */
    bool trap;
    uint16_t guard; /* node */
    uint16_t first, count;
};

struct formal_instruction {
    char name[FORMAL_NAME];
    uint16_t first_rule, rules;
    bool reads_clock;
    struct vmm_class_record classes; /* valid once the machine is classified */
    char witness[FORMAL_WITNESS];
};

struct formal_psw {
    bool supervisor;
    uint16_t p, l, b;
};

struct formal_state {
    struct formal_psw psw;
    uint16_t t;
    uint16_t cell[FORMAL_CELLS];
};

struct vmm_formal_machine {
    char name[FORMAL_NAME];
    unsigned storage; /* cells */
    unsigned pcs;     /* P is 0 to pcs - 1 */
    unsigned l_count, b_count;
    uint16_t l[FORMAL_REGIONS], b[FORMAL_REGIONS];
    unsigned ticks;  /* T is 0 to ticks - 1; 0: there is no clock */
    unsigned psws;   /* how many PSWs there are, and values a cell can hold */
    uint64_t states; /* how many states there are */
    struct vmm_theorem_limits limits;
    bool classified;
    unsigned instruction_count, rule_count, assignment_count, node_count;
    struct formal_instruction instruction[FORMAL_INSTRUCTIONS];
    struct formal_rule rule[FORMAL_RULES];
    struct formal_assignment assignment[FORMAL_ASSIGNMENTS];
    struct formal_node node[FORMAL_NODES];
};

/* formal_parse.c: fills `machine`, all but its limits, from text. False with `error` set if the
 * text is no machine. */
bool formal_parse(struct vmm_formal_machine *machine, const char *text, size_t length,
                  struct vmm_theorem_error *error);

/* formal_states.c: PSWs as cells hold them, and the numbering of the states. */
uint16_t formal_encode(const struct vmm_formal_machine *machine, const struct formal_psw *psw);
struct formal_psw formal_decode(const struct vmm_formal_machine *machine, uint16_t cell);
/* How many states there are; UINT64_MAX if more than that. */
uint64_t formal_count_states(const struct vmm_formal_machine *machine);
void formal_state_at(const struct vmm_formal_machine *machine, uint64_t number,
                     struct formal_state *state);
bool formal_same(const struct vmm_formal_machine *machine, const struct formal_state *a,
                 const struct formal_state *b);
/* Appends "<E=(0,1,2), M=s, P=0, R=(0,3)>" to the string in `text`, cut at `room` bytes. */
void formal_describe(const struct vmm_formal_machine *machine, const struct formal_state *state,
                     char *text, size_t room);
/* Appends printf-like to the string in `text`, cut at `room` bytes. */
void formal_append(char *text, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* formal_execute.c: what the hardware does. */
enum formal_effect { FORMAL_DONE, FORMAL_TRAPPED, FORMAL_MEMORY_TRAPPED };

/* Applies an instruction to a state whose cell 0 lies at the physical address `displacement` (0 on
 * the bare machine, above the VMMs otherwise). On a trap the state is left as it was; T is never
 * advanced here. */
enum formal_effect formal_execute(const struct vmm_formal_machine *machine,
                                  const struct formal_instruction *instruction,
                                  struct formal_state *state, unsigned displacement);
/* The trap of the bare machine: E[0] <- PSW, PSW <- E[1]. */
void formal_trap(const struct vmm_formal_machine *machine, struct formal_state *state);
/* One instruction on the bare machine, its trap and the tick of the clock included. */
enum formal_effect formal_step(const struct vmm_formal_machine *machine,
                               const struct formal_instruction *instruction,
                               struct formal_state *state);

/* formal_classify.c: goes through all states and fills in the classes of every instruction. */
void formal_classify(struct vmm_formal_machine *machine);

/* formal_vmm.c: the machine with VMMs in it. vmm[0] runs on the hardware, vmm[1] in its VM. */
struct formal_vmm {
    struct formal_psw old, new; /* E[0] and E[1] of the machine that this VMM runs on */
    bool virtual_supervisor;    /* the mode of the VM */
    uint16_t steps;             /* made by this VMM so far, modulo the clock's period */
};

struct formal_hosted {
    struct formal_state state; /* the PSW and T are the hardware's, the cells the innermost VM's */
    unsigned levels;
    bool hybrid; /* virtual supervisor mode is interpreted */
    const struct vmm_theorem_modules *modules;
    struct formal_vmm vmm[FORMAL_LEVELS];
    bool direct;      /* the last instruction was executed by the hardware alone */
    uint64_t entries; /* steps made by all VMMs, not modulo anything */
    char *walk;       /* text of what the VMMs did in the last instruction, or NULL */
    size_t walk_room;
};

/* The VM map f: the state `bare` as it looks inside `levels` VMMs that have made `steps` steps. */
void formal_map(const struct vmm_formal_machine *machine, const struct formal_state *bare,
                const uint16_t steps[FORMAL_LEVELS], struct formal_hosted *hosted);
/* e': one instruction of the innermost VM. */
void formal_hosted_step(const struct vmm_formal_machine *machine,
                        const struct formal_instruction *instruction, struct formal_hosted *hosted);
/* Whether `hosted` is f(bare). If not and `why` is given, puts a sentence there. */
bool formal_agrees(const struct vmm_formal_machine *machine, const struct formal_state *bare,
                   const struct formal_hosted *hosted, char *why, size_t room);

/* formal_check.c: the homomorphism f(e(S)) = e'(f(S)), for every state and sequence. */
enum formal_finding { FORMAL_HOLDS, FORMAL_FAILS, FORMAL_BOUND };

struct formal_check {
    unsigned levels;
    bool hybrid;
    unsigned length; /* of the sequences */
    uint64_t budget; /* single instructions that may still be compared */
    const struct vmm_theorem_modules *modules;

    /* Results. */
    uint64_t sequences, checks, direct, entries;
    bool timing; /* an unprivileged instruction read a clock that the VMM had delayed */
    unsigned failed_length;
    uint8_t failed[VMM_THEOREM_LENGTH];
    uint64_t failed_state;
    uint16_t failed_steps[FORMAL_LEVELS];
};

enum formal_finding formal_check(const struct vmm_formal_machine *machine,
                                 struct formal_check *check);
/* Replays the failed sequence and hands each line of its trace to `line`, which returns false when
 * there is no memory for it. */
bool formal_trace(const struct vmm_formal_machine *machine, const struct formal_check *check,
                  bool (*line)(void *context, const char *text), void *context);

#endif
