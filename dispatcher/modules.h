/* The slots for whoever replaces a module of the VMM on one virtual machine: the dispatcher's own
 * decision about an exception, and the allocator's about a port. (Interpreter routines are
 * replaced in the interpreter's table.) A slot holds the library's own policy, another, or
 * nothing: then a trap that comes to it stops the guest, with the sentence "Module missing". */
#ifndef DISPATCHER_MODULES_H
#define DISPATCHER_MODULES_H

#include <stdbool.h>
#include <stdint.h>

struct dispatcher;
struct port_access;
struct x86_event;
struct x86_instruction;

enum slot { SLOT_STANDARD, SLOT_REPLACED, SLOT_EMPTY };

/* Who handles an exception. */
enum decision {
    DECIDE_REFLECT,  /* the guest: it is delivered through its IDT */
    DECIDE_EMULATE,  /* the interpreter */
    DECIDE_ALLOCATE, /* the allocator: a page fault */
    DECISIONS
};

/* Zeros: everything is the library's own. */
struct dispatch_modules {
    enum slot decision, ports;
    /* Returns an enum decision; `insn` is what raised `event`, NULL if it cannot be read, and
     * `standard` what the library's own policy says. */
    unsigned (*decide)(void *context, const struct x86_event *event,
                       const struct x86_instruction *insn, enum decision standard);
    bool (*allow)(void *context, const struct port_access *access);
    void *context;  /* of both */
    void *routines; /* what replaced interpreter routines find in their context */
};

/* Lets the module that is in the slot decide. False if the guest has to be stopped: the slot is
 * empty, or the decision impossible; the dispatcher's `refused` and `reason` are set. */
bool modules_decide(struct dispatcher *dispatcher, const struct x86_event *event,
                    const struct x86_instruction *insn, enum decision *decision);

/* Makes an access to a port at exact time `now`; `value` becomes what the device answers, ones
 * where the module does not allow it, as if nothing were there. False in the same manner. */
bool modules_access_port(struct dispatcher *dispatcher, const struct port_access *access,
                         uint64_t now, uint32_t *value);

#endif
