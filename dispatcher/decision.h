/* Popek and Goldberg's dispatcher in one decision (CACM 17(7), 1974, section 3): whose is a trap?
 * It is a policy of its own, so that a build can leave it out and a virtual machine be given
 * another (modules.h). */
#ifndef DISPATCHER_DECISION_H
#define DISPATCHER_DECISION_H

#include <stdbool.h>

struct x86_event;
struct x86_instruction;

/* Who handles an exception. */
enum decision {
    DECIDE_REFLECT,  /* the guest: it is delivered through its IDT */
    DECIDE_EMULATE,  /* the interpreter */
    DECIDE_ALLOCATE, /* the allocator: a page fault */
    DECISIONS
};

struct decision_policy {
    /* Whether the instruction matters; reading it costs time. `monitor`: a page fault in the part
     * of the address space that the VMM has for its own tables. */
    bool (*looks)(const struct x86_event *event, bool monitor);
    /* The decision; `insn` is NULL if it does not matter or cannot be read. */
    enum decision (*decide)(const struct x86_event *event, const struct x86_instruction *insn,
                            bool monitor);
};

/* The library's own. In a build without it nobody but modules.c may name it. */
extern const struct decision_policy decision_standard;

#endif
