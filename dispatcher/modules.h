/* The slots for whoever replaces a module of the VMM on one virtual machine: the dispatcher's own
 * decision about an exception, its delivery of one, and the allocator's answer about a port.
 * (Interpreter routines are replaced in the interpreter's table.) A slot holds the library's own
 * policy, another, or nothing: then a trap that comes to it stops the guest, with the sentence
 * "Module missing". */
#ifndef DISPATCHER_MODULES_H
#define DISPATCHER_MODULES_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/x86/deliver.h"
#include "assist.h"
#include "decision.h"

struct dispatcher;
struct port_access;
struct x86_instruction;
struct translator_policy;

enum slot { SLOT_STANDARD, SLOT_REPLACED, SLOT_EMPTY };

/* What modules_init makes of it: everything is the library's own, or missing where this build
 * leaves it out. */
struct dispatch_modules {
    enum slot decision, delivery, nested, frames, shadow, ports, translator, hardware;
    /* Returns an enum decision; `insn` is what raised `event`, NULL if it cannot be read, `monitor`
     * as in decision.h, and `standard` what the library's own policy says: to reflect, where this
     * build has none. */
    unsigned (*decide)(void *context, const struct x86_event *event,
                       const struct x86_instruction *insn, bool monitor, enum decision standard);
    bool (*allow)(void *context, const struct port_access *access);
    /* One attempt at a delivery: X86_OK, `cpu` is at the handler; X86_FAULT, of `cpu` only CR2 was
     * changed. False: the guest has to be stopped, the dispatcher's reason is set. */
    bool (*deliver)(void *context, struct cpu_state *cpu, const struct x86_memory *memory,
                    const struct x86_event *event, struct x86_event *fault,
                    enum x86_status *status);
    /* Returns an enum x86_nested. */
    unsigned (*nest)(void *context, const struct x86_event *first, const struct x86_event *second);
    /* Under bt; NULL: this build leaves the library's own out, and there is no other. */
    const struct translator_policy *translate;
    /* Of hardware assist; NULL: none, the slot is empty. */
    const struct assist_policy *assist;
    void *context;  /* of the four functions */
    void *routines; /* what replaced interpreter routines find in their context */
};

/* The library's own decision; NULL: this build leaves it out. */
extern const struct decision_policy *const modules_own_decision;

/* The same of hardware assist: without one of its parts there is none. */
extern const struct assist_policy *const modules_own_assist;

void modules_init(struct dispatch_modules *modules);

/* Lets the module that is in the slot decide. False if the guest has to be stopped: the slot is
 * empty, or the decision impossible; the dispatcher's `refused` and `reason` are set. */
bool modules_decide(struct dispatcher *dispatcher, const struct x86_event *event,
                    const struct x86_instruction *insn, bool monitor, enum decision *decision);

/* Makes an access to a port at exact time `now`; `value` becomes what the device answers, ones
 * where the module does not allow it, as if nothing were there. False in the same manner. */
bool modules_access_port(struct dispatcher *dispatcher, const struct port_access *access,
                         uint64_t now, uint32_t *value);

/* Delivers `event` to `cpu` by the module in the slot; returns as x86_deliver. X86_NEED_PAGE if the
 * guest has to be stopped: the dispatcher's reason is set. */
enum x86_status modules_deliver(struct dispatcher *dispatcher, struct cpu_state *cpu,
                                const struct x86_memory *memory, const struct x86_event *event,
                                struct x86_delivery *log);

#endif
