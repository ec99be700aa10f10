/* Asking a replaced module, and finding out whether its answer makes sense. See modules.h. */
#include "modules.h"

#include "allocator/ports.h"
#include "arch/x86/descriptor.h"
#include "dispatcher.h"
#include "interpreter/interpreter.h"
#include "interpreter/translate/translate.h"

#ifdef WITHOUT_decision
const struct decision_policy *const modules_own_decision = 0;
#else
const struct decision_policy *const modules_own_decision = &decision_standard;
#endif

#ifdef WITHOUT_shadow_rights
static const enum slot own_shadow = SLOT_EMPTY;
#else
static const enum slot own_shadow = SLOT_STANDARD;
#endif

#ifdef WITHOUT_deliver
static const enum slot own_delivery = SLOT_EMPTY;
#else
static const enum slot own_delivery = SLOT_STANDARD;
#endif

#ifdef WITHOUT_plan
static const struct translator_policy *const own_translator = 0;
#else
static const struct translator_policy *const own_translator = &translator_standard;
#endif

#if defined(WITHOUT_assist) || defined(WITHOUT_nested_entry)
const struct assist_policy *const modules_own_assist = 0;
#else
const struct assist_policy *const modules_own_assist = &assist_standard;
#endif

void modules_init(struct dispatch_modules *modules)
{
    *modules = (struct dispatch_modules){
        .decision = modules_own_decision ? SLOT_STANDARD : SLOT_EMPTY,
        .delivery = own_delivery,
        .nested = own_delivery,
        .shadow = own_shadow,
        .translator = own_translator ? SLOT_STANDARD : SLOT_EMPTY,
        .translate = own_translator,
        .hardware = modules_own_assist ? SLOT_STANDARD : SLOT_EMPTY,
        .assist = modules_own_assist,
    };
}

static bool refuse(struct dispatcher *d, const char *reason)
{
    dispatcher_refuse(d, reason);
    return false;
}

bool modules_decide(struct dispatcher *d, const struct x86_event *event,
                    const struct x86_instruction *insn, bool monitor, enum decision *decision)
{
    if (d->modules.decision == SLOT_EMPTY)
        return refuse(d, "Module missing: this virtual machine has no dispatcher.decision");
    unsigned wanted = d->modules.decide(d->modules.context, event, insn, monitor, *decision);
    if (wanted >= DECISIONS)
        return refuse(d, "Module dispatcher.decision misbehaved: there is no such decision");
    if (wanted == DECIDE_EMULATE && !(insn && interpreter_simulates(insn)))
        return refuse(d, "Module dispatcher.decision misbehaved: no routine can emulate an "
                         "instruction that is not sensitive");
    if (wanted == DECIDE_ALLOCATE && event->vector != X86_PAGE)
        return refuse(d, "Module dispatcher.decision misbehaved: the allocator handles page "
                         "faults, and this is another exception");
    *decision = wanted;
    return true;
}

static bool allow(struct dispatcher *d, const struct port_access *access, bool *allowed)
{
    switch (d->modules.ports) {
    case SLOT_EMPTY:
        return refuse(d, "Module missing: this virtual machine has no allocator.ports");
    case SLOT_REPLACED: *allowed = d->modules.allow(d->modules.context, access); return true;
    default:
        /* A technique that does not virtualize has the machine's ports. */
        *allowed = !d->ports || ports_allow(d->ports, d->owner, access->port, access->size);
        return true;
    }
}

static uint32_t reach(struct dispatcher *d, const struct port_access *access, uint64_t now)
{
    if (access->in)
        return board_in(d->board, now, access->port, access->size);
    board_out(d->board, now, access->port, access->size, access->value);
    return UINT32_MAX;
}

/* The bus is a byte wide: of a wider access the VM gets those bytes whose ports are its own. */
static uint32_t reach_bytes(struct dispatcher *d, const struct port_access *access, uint64_t now)
{
    uint32_t value = UINT32_MAX;
    for (unsigned i = 0; i < access->size; i++) {
        struct port_access byte = *access;
        byte.port = (uint16_t)(access->port + i);
        byte.size = 1;
        byte.value = access->value >> (8 * i);
        if (!ports_allow(d->ports, d->owner, byte.port, 1))
            continue;
        value &= ~(0xffu << (8 * i));
        value |= (reach(d, &byte, now) & 0xff) << (8 * i);
    }
    return value;
}

bool modules_access_port(struct dispatcher *d, const struct port_access *access, uint64_t now,
                         uint32_t *value)
{
    bool allowed;
    *value = UINT32_MAX;
    if (!allow(d, access, &allowed))
        return false;
    if (allowed)
        *value = reach(d, access, now);
    else if (d->modules.ports == SLOT_STANDARD && access->size > 1)
        *value = reach_bytes(d, access, now);
    return true;
}

/* ---- delivery ---- */

static void log_event(struct x86_delivery *log, const struct x86_event *event)
{
    log->count += log->count < X86_DELIVERY_EVENTS;
    log->events[log->count - 1] = *event;
}

/* What comes of `second`, raised by the delivery of `first`. */
static unsigned nest(struct dispatcher *d, const struct x86_event *first,
                     const struct x86_event *second)
{
    switch (d->modules.nested) {
    case SLOT_REPLACED: return d->modules.nest(d->modules.context, first, second);
    case SLOT_EMPTY: return X86_NESTED_MISSING;
    default: return x86_nested(first, second);
    }
}

/* Makes `event` what has to be delivered after `fault` was raised by its delivery. False: nothing,
 * for `status`. */
static bool next_event(struct dispatcher *d, struct x86_event *event, const struct x86_event *fault,
                       enum x86_status *status)
{
    *status = X86_NEED_PAGE;
    switch (nest(d, event, fault)) {
    case X86_NESTED_SECOND: *event = *fault; return true;
    case X86_NESTED_DOUBLE_FAULT: x86_raise(event, X86_DF_ABORT, 0); return true;
    case X86_NESTED_SHUTDOWN: *status = X86_SHUTDOWN; return false;
    case X86_NESTED_MISSING:
        return refuse(d, "Module missing: this virtual machine has no dispatcher.nested");
    default:
        return refuse(d, "Module dispatcher.nested misbehaved: an exception during a delivery "
                         "comes to no such thing");
    }
}

static enum x86_status deliver(struct dispatcher *d, struct cpu_state *cpu,
                               const struct x86_memory *memory, const struct x86_event *wanted,
                               struct x86_delivery *log)
{
    enum { ROUNDS = 2 * X86_DELIVERY_EVENTS };
    struct x86_event event = *wanted, fault;
    for (unsigned round = 0; round < ROUNDS; round++) {
        enum x86_status status = X86_NEED_PAGE;
        log_event(log, &event);
        if (!d->modules.deliver(d->modules.context, cpu, memory, &event, &fault, &status))
            return X86_NEED_PAGE;
        if (status != X86_FAULT)
            return status;
        if (!next_event(d, &event, &fault, &status))
            return status;
    }
    refuse(d, "Module dispatcher.nested misbehaved: exceptions follow each other for ever");
    return X86_NEED_PAGE;
}

enum x86_status modules_deliver(struct dispatcher *d, struct cpu_state *cpu,
                                const struct x86_memory *memory, const struct x86_event *event,
                                struct x86_delivery *log)
{
    if (d->modules.delivery == SLOT_STANDARD || !x86_protected(cpu))
        return x86_deliver(cpu, memory, event, log);
    log->count = 0;
    if (d->modules.delivery == SLOT_REPLACED)
        return deliver(d, cpu, memory, event, log);
    log_event(log, event);
    refuse(d, "Module missing: this virtual machine has no dispatcher.delivery");
    return X86_NEED_PAGE;
}
