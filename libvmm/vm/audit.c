/* The lockstep of an audit. The bare machine and the technique run the same guest with the same
 * input to the same instruction count, and are compared by state digest and console output. Time is
 * counted in instructions, so each run is the same as the one before: where the two differ, both
 * are run again from the start, and the interval from "equal" to "different" is cut into parts,
 * until it is one instruction long. */
#include "vmm/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "digest.h"
#include "vm.h"
#include "vm/error.h"
#include "vmm/debug.h"
#include "vmm/record.h"

enum { EVERY_DEFAULT = 100000, PARTS = 64 };

/* ---- two machines ---- */

static void take_output(void *context, const uint8_t *bytes, size_t count)
{
    struct audit_side *side = context;
    for (size_t i = 0; i < count; i++) {
        side->output_hash = digest_mix(side->output_hash, bytes[i]);
        side->tail[side->output_count++ % sizeof side->tail] = (char)bytes[i];
    }
}

static size_t give_input(void *context, uint8_t *bytes, size_t room)
{
    struct audit_side *side = context;
    size_t count = room < side->input_left ? room : side->input_left;
    if (count)
        memcpy(bytes, side->input, count);
    side->input += count;
    side->input_left -= count;
    return count;
}

static bool start_side(struct audit_side *side, const struct vmm_audit_request *request,
                       const char *technique, struct vmm_error *error)
{
    struct vmm_config config = request->config;
    *side = (struct audit_side){.input = request->input,
                                .input_left = request->input ? request->input_size : 0};
    if (strcmp(technique, config.technique) != 0) {
        config.intercepts = 0; /* they are the other's */
        config.mmu = VMM_MMU_DEFAULT;
    }
    config.technique = technique;
    config.console = (struct vmm_console){side, take_output, give_input};
    config.interactive = false;
    config.keep_going = true;
    side->vm = vmm_create(&config, error);
    return side->vm && vmm_load(side->vm, &request->image, error) == VMM_OK;
}

static void stop_pair(struct audit_pair *pair)
{
    audit_memory_free(pair->memory);
    vmm_destroy(pair->bare.vm);
    vmm_destroy(pair->other.vm);
    pair->memory = 0;
    pair->bare.vm = pair->other.vm = 0;
}

static bool start_pair(struct audit_pair *pair, const struct vmm_audit_request *request,
                       struct vmm_error *error)
{
    pair->other.vm = 0;
    pair->memory = 0;
    if (!start_side(&pair->bare, request, "bare", error) ||
        !start_side(&pair->other, request, request->config.technique, error)) {
        stop_pair(pair);
        return false;
    }
    if (request->prepare)
        request->prepare(request->context, pair->other.vm);
    pair->memory = audit_memory_new(pair);
    if (!pair->memory) {
        error_set(error, VMM_E_MEMORY, "The host has no memory to compare two machines.");
        stop_pair(pair);
    }
    return pair->memory != 0;
}

static uint64_t count_of(const struct audit_side *side)
{
    return dispatcher_instructions(&side->vm->dispatcher);
}

static bool ended(const struct audit_side *side)
{
    enum vmm_stop stop = side->vm->stop;
    return stop != VMM_STOP_LIMIT && stop != VMM_STOP_NONE && stop != VMM_STOP_TRAP;
}

/* Runs both to `target`. A technique may be in the middle of something there and stop an
 * instruction later: then the other one follows. */
static void advance(struct audit_pair *pair, uint64_t target)
{
    struct audit_side *sides[] = {&pair->bare, &pair->other};
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 2; i++) {
            if (!ended(sides[i]) && count_of(sides[i]) < target)
                vmm_run(sides[i]->vm, target - count_of(sides[i]));
            if (!ended(sides[i]) && count_of(sides[i]) > target)
                target = count_of(sides[i]);
        }
    }
}

/* One may have noticed its end where the other is only about to: no difference yet. What a silent
 * instruction made different may have healed since, when its word was overwritten; that it came to
 * another result is known all the same. */
static bool equal(struct audit_pair *pair)
{
    const struct audit_side *a = &pair->bare, *b = &pair->other;
    if (vmm_silent_total(b->vm))
        return false;
    if (count_of(a) != count_of(b) || a->output_count != b->output_count ||
        a->output_hash != b->output_hash)
        return false;
    if (ended(a) && ended(b) &&
        (a->vm->stop != b->vm->stop || a->vm->board.exit_code != b->vm->board.exit_code))
        return false;
    return audit_same(pair);
}

/* ---- the instruction ---- */

/* Cuts [low, high], equal at low and different at high, to one instruction. False: the machines
 * cannot be made again, or the difference does not show again. */
static bool narrow(const struct vmm_audit_request *request, uint64_t *low, uint64_t *high,
                   struct vmm_error *error)
{
    struct audit_pair pair;
    bool found = true;
    while (found && *high - *low > 1) {
        uint64_t stride = (*high - *low + PARTS - 1) / PARTS, at = *low;
        if (!start_pair(&pair, request, error))
            return false;
        advance(&pair, at);
        for (found = false; !found && at < *high;) {
            *low = at;
            at = *high - at < stride ? *high : at + stride;
            advance(&pair, at);
            found = !equal(&pair);
        }
        *high = at;
        stop_pair(&pair);
    }
    if (!found)
        error_set(error, VMM_E_STATE,
                  "A difference before instruction %llu did not show again in another run of the "
                  "same guest; the machine does not repeat itself.",
                  (unsigned long long)*high);
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
static bool step_apart(const struct vmm_audit_request *request, uint64_t low,
                       struct vmm_audit_divergence *d, struct vmm_error *error)
{
    struct audit_pair pair;
    if (!start_pair(&pair, request, error))
        return false;
    advance(&pair, low);
    struct audit_words *before = audit_words(&pair);
    uint64_t silent = vmm_silent_total(pair.other.vm);
    look(pair.bare.vm, d);
    vmm_watch(pair.bare.vm, keep_event, d->bare_event);
    vmm_watch(pair.other.vm, keep_event, d->vm_event);
    advance(&pair, low + 1);
    d->silent = vmm_silent_total(pair.other.vm) > silent;
    audit_compare(&pair, before, d);
    audit_explain(pair.other.vm, d);
    free(before);
    stop_pair(&pair);
    return true;
}

static bool find_divergence(const struct vmm_audit_request *request, uint64_t low, uint64_t high,
                            struct vmm_audit *audit, struct vmm_error *error)
{
    audit->equivalent = false;
    audit->divergence.property = "equivalence";
    if (!narrow(request, &low, &high, error))
        return false;
    audit->divergence.instruction = high;
    return step_apart(request, low, &audit->divergence, error);
}

/* ---- the audit ---- */

static void measure(const struct vmm_vm *vm, struct vmm_audit *audit)
{
    struct vmm_statistics s;
    vmm_statistics(vm, &s);
    audit->instructions = s.guest_instructions;
    audit->stop = s.stop;
    audit->technique = s.technique;
    audit->direct = s.guest_instructions ? (double)s.direct / (double)s.guest_instructions : 0;
}

static bool more(const struct vmm_audit_request *request, const struct audit_pair *pair,
                 uint64_t target)
{
    if (ended(&pair->bare) && ended(&pair->other))
        return false;
    if (request->most && target >= request->most)
        return false;
    return !request->progress || request->progress(request->context, target);
}

/* The two are to be looked at now. */
static bool compare(struct audit_pair *pair, struct vmm_audit *audit)
{
    audit->comparisons++;
    audit_resources(pair->other.vm, audit);
    return equal(pair);
}

/* Called at every trap of a side. Where the guest got an event the record says so; a record that
 * went through no room of a VMM is of nothing else. */
static bool note_trap(void *context, const struct vmm_record *record)
{
    struct audit_side *side = context;
    if (record->instructions != side->trap_instructions)
        side->events = 0;
    side->trap_instructions = record->instructions;
    side->trap_linear = record->linear;
    side->events += record->injected || !*record->walk;
    return side->stops;
}

/* How many events the guest got since its last instruction retired. */
static unsigned events_of(const struct audit_side *side)
{
    return side->trap_instructions == count_of(side) ? side->events : 0;
}

/* Was the trap hidden, so that its instruction is still to be executed? Then the allocator may have
 * set accessed and dirty bits for it already. */
static bool unfinished(const struct audit_side *side)
{
    const struct cpu_state *s = side->vm->dispatcher.guest;
    return count_of(side) == side->trap_instructions &&
           s->seg[X86_CS].base + s->eip == side->trap_linear;
}

/* The technique is behind a trap, and the bare machine follows: by count, and then through the
 * events of the guest at that count. False if it is ahead, because it comes to an event in the step
 * in which it reaches the count. */
static bool follow(struct audit_pair *pair)
{
    struct audit_side *bare = &pair->bare, *other = &pair->other;
    advance(pair, count_of(other));
    bare->stops = true;
    while (!ended(bare) && count_of(bare) == count_of(other) && events_of(bare) < events_of(other))
        vmm_run(bare->vm, 1);
    bare->stops = false;
    return count_of(bare) != count_of(other) || events_of(bare) == events_of(other);
}

static void watch_traps(struct audit_pair *pair, bool watch)
{
    vmm_stop_at_traps(pair->bare.vm, watch ? note_trap : 0, &pair->bare);
    vmm_stop_at_traps(pair->other.vm, watch ? note_trap : 0, &pair->other);
    pair->other.stops = watch;
}

/* Runs both to `target`, and compares at every trap of the technique. */
static bool advance_by_traps(struct audit_pair *pair, struct vmm_audit *audit, uint64_t target,
                             uint64_t *low)
{
    struct audit_side *other = &pair->other;
    bool same = true;
    watch_traps(pair, true);
    while (same && !ended(other) && count_of(other) < target) {
        vmm_run(other->vm, target - count_of(other));
        if (other->vm->stop != VMM_STOP_TRAP)
            break;
        if (unfinished(other) || !follow(pair)) {
            audit_resources(other->vm, audit);
            continue;
        }
        same = compare(pair, audit);
        if (same)
            *low = count_of(other);
    }
    watch_traps(pair, false);
    return same;
}

/* Runs in lockstep to the end, or to the first difference: then `*high` is where it showed, and
 * `*low` where there was none. */
static bool lockstep(const struct vmm_audit_request *request, struct audit_pair *pair,
                     struct vmm_audit *audit, uint64_t *low, uint64_t *high)
{
    uint64_t every = request->every ? request->every : EVERY_DEFAULT;
    bool same = equal(pair);
    for (*low = *high = 0; same && more(request, pair, *high);) {
        *low = *high;
        *high = UINT64_MAX - *low < every ? UINT64_MAX : *low + every;
        if (request->most && *high > request->most)
            *high = request->most;
        if (request->exits && !advance_by_traps(pair, audit, *high, low)) {
            /* By count alone an event is compared before it is delivered. */
            *high = count_of(&pair->other) + 1;
            same = false;
            break;
        }
        advance(pair, *high);
        same = compare(pair, audit);
    }
    measure(pair->other.vm, audit);
    return same;
}

static int check_request(const struct vmm_audit_request *request, struct vmm_error *error)
{
    const struct vmm_config *config = &request->config;
    if (!config->technique || strcmp(config->technique, "bare") == 0)
        return error_set(error, VMM_E_USAGE,
                         "'bare' is what a technique is compared with; choose another one, such as "
                         "trap.");
    if (config->clock != VMM_CLOCK_VIRTUAL)
        return error_set(error, VMM_E_USAGE,
                         "Two runs by the host's clock are never the same; an audit needs the "
                         "virtual one.");
    if (config->beside || config->vms > 1)
        return error_set(error, VMM_E_USAGE,
                         "An audit is of one virtual machine; leave the others away.");
    return VMM_OK;
}

int vmm_audit(const struct vmm_audit_request *request, struct vmm_audit *audit,
              struct vmm_error *error)
{
    struct audit_pair pair;
    struct audit_guard guard;
    struct vmm_error local;
    uint64_t low, high;
    error = error ? error : &local;
    error_clear(error);
    *audit = (struct vmm_audit){.equivalent = true};
    if (check_request(request, error) != VMM_OK)
        return error->code;
    if (!start_pair(&pair, request, error))
        return error->code;
    audit_guard(&guard, pair.other.vm, audit);
    bool same = lockstep(request, &pair, audit, &low, &high);
    stop_pair(&pair);
    if (!same && !find_divergence(request, low, high, audit, error))
        return error->code;
    return VMM_OK;
}
