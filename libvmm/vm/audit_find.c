/* The instruction that made a difference. Time is counted in instructions, so that a run is the
 * same as the one before: where the two machines differ, both go back to where they last were known
 * to be equal and a snapshot was taken, and the interval from "equal" to "different" is cut into
 * parts, until it is one instruction long. Where there is no snapshot (the guest has not come that
 * far; or a module was replaced, whose own state nobody but its author knows), or where the
 * difference does not show from there, because what a technique had derived before is forgotten in
 * a snapshot, they begin at power-on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "vm.h"
#include "vm/error.h"
#include "vmm/debug.h"
#include "vmm/record.h"

enum { PARTS = 64 };

/* ---- where both can go back to ---- */

void audit_base_free(struct audit_base *base)
{
    vmm_snapshot_free(base->bare);
    vmm_snapshot_free(base->other);
    *base = (struct audit_base){0};
}

void audit_base_take(struct audit_pair *pair, const struct vmm_audit_request *request)
{
    struct vmm_error error;
    struct audit_base base = {.at = audit_count(&pair->bare)};
    if (request->prepare)
        return;
    base.bare = vmm_snapshot_take(pair->bare.vm, &error);
    base.other = base.bare ? vmm_snapshot_take(pair->other.vm, &error) : 0;
    base.printed[0] = pair->bare.printed;
    base.printed[1] = pair->other.printed;
    struct audit_base *old = base.other ? &pair->base : &base; /* the last one is good, too */
    struct audit_base kept = base.other ? base : pair->base;
    audit_base_free(old);
    pair->base = kept;
}

/* Input is on the VM's tape, as far as it was read. */
static bool put_back(struct audit_pair *pair, struct vmm_error *error)
{
    const struct audit_base *base = &pair->base;
    if (!base->other || vmm_snapshot_restore(pair->bare.vm, base->bare, error) != VMM_OK ||
        vmm_snapshot_restore(pair->other.vm, base->other, error) != VMM_OK)
        return false;
    pair->other.vm->board.guard = (struct board_guard){0}; /* it has been told of all this */
    pair->bare.printed = base->printed[0];
    pair->other.printed = base->printed[1];
    audit_memory_free(pair->memory);
    pair->memory = audit_memory_new(pair);
    return pair->memory != 0;
}

static bool again(struct audit_pair *pair, const struct vmm_audit_request *request,
                  struct vmm_error *error)
{
    if (put_back(pair, error))
        return true;
    audit_stop(pair);
    return audit_start(pair, request, error);
}

/* ---- the search ---- */

/* Cuts [low, high], equal at low and different at high, to one instruction. False: the machines
 * cannot be made again, or the difference does not show again (then without an error). */
static bool narrow(const struct vmm_audit_request *request, struct audit_pair *pair, uint64_t *low,
                   uint64_t *high, struct vmm_audit *audit, struct vmm_error *error)
{
    bool found = true;
    while (found && *high - *low > 1) {
        uint64_t stride = (*high - *low + PARTS - 1) / PARTS, at = *low;
        if (!again(pair, request, error))
            return false;
        const uint64_t from = audit_count(&pair->bare);
        audit_advance(pair, at);
        for (found = false; !found && at < *high;) {
            *low = at;
            at = *high - at < stride ? *high : at + stride;
            audit_advance(pair, at);
            found = !audit_equal(pair);
        }
        *high = at;
        audit->rerun += audit_count(&pair->bare) - from;
    }
    return found;
}

static void keep_event(void *context, const struct vmm_record *record)
{
    char *event = context;
    enum { ROOM = sizeof((struct vmm_audit_divergence *)0)->vm_event };
    /* Hidden faults are the allocator's own business. */
    if (strcmp(record->cause, "hidden_fault") != 0)
        snprintf(event, ROOM, "%s: %s", record->cause, record->outcome ? record->outcome : "");
}

static void look(const struct vmm_vm *vm, struct vmm_audit_divergence *d)
{
    const struct cpu_state *s = vm->dispatcher.guest;
    d->eip = s->eip;
    d->linear = s->seg[X86_CS].base + s->eip;
    d->ring = s->cpl;
    d->code16 = vmm_code16(vm);
    d->length = (uint8_t)vmm_read_linear(vm, d->linear, d->bytes, sizeof d->bytes);
}

/* Both run to the last equal state once more, and then the one instruction. */
static bool step_apart(const struct vmm_audit_request *request, struct audit_pair *pair,
                       uint64_t low, struct vmm_audit *audit, struct vmm_error *error)
{
    struct vmm_audit_divergence *d = &audit->divergence;
    if (!again(pair, request, error))
        return false;
    const uint64_t from = audit_count(&pair->bare);
    audit_advance(pair, low);
    struct audit_words *before = audit_words(pair);
    uint64_t silent = vmm_silent_total(pair->other.vm);
    look(pair->bare.vm, d);
    vmm_watch(pair->bare.vm, keep_event, d->bare_event);
    vmm_watch(pair->other.vm, keep_event, d->vm_event);
    audit_advance(pair, low + 1);
    d->silent = vmm_silent_total(pair->other.vm) > silent;
    audit_compare(pair, before, d);
    audit_explain(pair->other.vm, d);
    free(before);
    audit->rerun += audit_count(&pair->bare) - from;
    return true;
}

bool audit_find(const struct vmm_audit_request *request, struct audit_pair *pair, uint64_t low,
                uint64_t high, struct vmm_audit *audit, struct vmm_error *error)
{
    uint64_t first = low, last = high;
    audit->equivalent = false;
    audit->divergence.property = "equivalence";
    bool found = narrow(request, pair, &first, &last, audit, error);
    if (!found && pair->base.other) {
        audit_base_free(&pair->base);
        first = low;
        last = high;
        found = narrow(request, pair, &first, &last, audit, error);
    }
    audit->snapshot = pair->base.at;
    if (!found && error->code == VMM_OK)
        error_set(error, VMM_E_STATE,
                  "A difference before instruction %llu did not show again in another run of the "
                  "same guest; the machine does not repeat itself.",
                  (unsigned long long)last);
    audit->divergence.instruction = last;
    return found && step_apart(request, pair, first, audit, error);
}
