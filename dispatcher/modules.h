/* The slots for whoever replaces a module of the VMM on one virtual machine: the dispatcher's own
 * decision about an exception, and the allocator's about a port. (Interpreter routines are
 * replaced in the interpreter's table.) A slot holds the library's own policy, another, or
 * nothing: then a trap that comes to it stops the guest, with the sentence "Module missing". */
#ifndef DISPATCHER_MODULES_H
#define DISPATCHER_MODULES_H

#include <stdbool.h>
#include <stdint.h>

#include "decision.h"

struct dispatcher;
struct port_access;
struct x86_event;
struct x86_instruction;

enum slot { SLOT_STANDARD, SLOT_REPLACED, SLOT_EMPTY };

/* What modules_init makes of it: everything is the library's own, or missing where this build
 * leaves it out. */
struct dispatch_modules {
    enum slot decision, ports;
    /* Returns an enum decision; `insn` is what raised `event`, NULL if it cannot be read, `monitor`
     * as in decision.h, and `standard` what the library's own policy says: to reflect, where this
     * build has none. */
    unsigned (*decide)(void *context, const struct x86_event *event,
                       const struct x86_instruction *insn, bool monitor, enum decision standard);
    bool (*allow)(void *context, const struct port_access *access);
    void *context;  /* of both */
    void *routines; /* what replaced interpreter routines find in their context */
};

/* The library's own decision; NULL: this build leaves it out. */
extern const struct decision_policy *const modules_own_decision;

void modules_init(struct dispatch_modules *modules);

/* Lets the module that is in the slot decide. False if the guest has to be stopped: the slot is
 * empty, or the decision impossible; the dispatcher's `refused` and `reason` are set. */
bool modules_decide(struct dispatcher *dispatcher, const struct x86_event *event,
                    const struct x86_instruction *insn, bool monitor, enum decision *decision);

/* Makes an access to a port at exact time `now`; `value` becomes what the device answers, ones
 * where the module does not allow it, as if nothing were there. False in the same manner. */
bool modules_access_port(struct dispatcher *dispatcher, const struct port_access *access,
                         uint64_t now, uint32_t *value);

#endif
