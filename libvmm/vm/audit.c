/* The lockstep of an audit. The bare machine and the technique run the same guest with the same
 * input to the same instruction count, and are compared by state digest and console output. Where
 * the two differ, the instruction is looked for (audit_find.c); for that a snapshot of both is
 * taken now and then where they are equal. */
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

enum { EVERY_DEFAULT = 100000, SNAPSHOT_EVERY = 1 << 20, SNAPSHOT_SHARE = 16 };

/* ---- two machines ---- */

static void take_output(void *context, const uint8_t *bytes, size_t count)
{
    struct audit_printed *printed = &((struct audit_side *)context)->printed;
    for (size_t i = 0; i < count; i++) {
        printed->hash = digest_mix(printed->hash, bytes[i]);
        printed->tail[printed->count++ % sizeof printed->tail] = (char)bytes[i];
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

void audit_stop(struct audit_pair *pair)
{
    audit_base_free(&pair->base);
    audit_memory_free(pair->memory);
    vmm_destroy(pair->bare.vm);
    vmm_destroy(pair->other.vm);
    *pair = (struct audit_pair){0};
}

bool audit_start(struct audit_pair *pair, const struct vmm_audit_request *request,
                 struct vmm_error *error)
{
    *pair = (struct audit_pair){0};
    if (!start_side(&pair->bare, request, "bare", error) ||
        !start_side(&pair->other, request, request->config.technique, error)) {
        audit_stop(pair);
        return false;
    }
    if (request->prepare)
        request->prepare(request->context, pair->other.vm);
    pair->memory = audit_memory_new(pair);
    if (!pair->memory) {
        error_set(error, VMM_E_MEMORY, "The host has no memory to compare two machines.");
        audit_stop(pair);
    }
    return pair->memory != 0;
}

uint64_t audit_count(const struct audit_side *side)
{
    return dispatcher_instructions(&side->vm->dispatcher);
}

static bool ended(const struct audit_side *side)
{
    enum vmm_stop stop = side->vm->stop;
    return stop != VMM_STOP_LIMIT && stop != VMM_STOP_NONE && stop != VMM_STOP_TRAP;
}

void audit_advance(struct audit_pair *pair, uint64_t target)
{
    struct audit_side *sides[] = {&pair->bare, &pair->other};
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 2; i++) {
            if (!ended(sides[i]) && audit_count(sides[i]) < target)
                vmm_run(sides[i]->vm, target - audit_count(sides[i]));
            if (!ended(sides[i]) && audit_count(sides[i]) > target)
                target = audit_count(sides[i]);
        }
    }
}

/* One may have noticed its end where the other is only about to: no difference yet. What a silent
 * instruction made different may have healed since, when its word was overwritten; that it came to
 * another result is known all the same. */
bool audit_equal(struct audit_pair *pair)
{
    const struct audit_side *a = &pair->bare, *b = &pair->other;
    if (vmm_silent_total(b->vm))
        return false;
    if (audit_count(a) != audit_count(b) || a->printed.count != b->printed.count ||
        a->printed.hash != b->printed.hash)
        return false;
    if (ended(a) && ended(b) &&
        (a->vm->stop != b->vm->stop || a->vm->board.exit_code != b->vm->board.exit_code))
        return false;
    return audit_same(pair);
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
    audit_resources(pair->other.vm, audit_frames(pair->memory), &pair->seen, audit);
    return audit_equal(pair);
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
    return side->trap_instructions == audit_count(side) ? side->events : 0;
}

/* Was the trap hidden, so that its instruction is still to be executed? Then the allocator may have
 * set accessed and dirty bits for it already. */
static bool unfinished(const struct audit_side *side)
{
    const struct cpu_state *s = side->vm->dispatcher.guest;
    return audit_count(side) == side->trap_instructions &&
           s->seg[X86_CS].base + s->eip == side->trap_linear;
}

/* The technique is behind a trap, and the bare machine follows: by count, and then through the
 * events of the guest at that count. False if it is ahead, because it comes to an event in the step
 * in which it reaches the count. */
static bool follow(struct audit_pair *pair)
{
    struct audit_side *bare = &pair->bare, *other = &pair->other;
    audit_advance(pair, audit_count(other));
    bare->stops = true;
    while (!ended(bare) && audit_count(bare) == audit_count(other) &&
           events_of(bare) < events_of(other))
        vmm_run(bare->vm, 1);
    bare->stops = false;
    return audit_count(bare) != audit_count(other) || events_of(bare) == events_of(other);
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
    while (same && !ended(other) && audit_count(other) < target) {
        vmm_run(other->vm, target - audit_count(other));
        if (other->vm->stop != VMM_STOP_TRAP)
            break;
        if (unfinished(other) || !follow(pair)) {
            audit_resources(pair->other.vm, audit_frames(pair->memory), &pair->seen, audit);
            continue;
        }
        same = compare(pair, audit);
        if (same)
            *low = audit_count(other);
    }
    watch_traps(pair, false);
    return same;
}

/* A snapshot costs some milliseconds, and what the technique has derived: they become rarer as the
 * run becomes longer, so that the way back is a small part of it. */
static bool snapshot_due(const struct audit_base *base, uint64_t now)
{
    return now - base->at >= SNAPSHOT_EVERY && now - base->at >= now / SNAPSHOT_SHARE;
}

/* Runs in lockstep to the end, or to the first difference: then `*high` is where it showed, and
 * `*low` where there was none. */
static bool lockstep(const struct vmm_audit_request *request, struct audit_pair *pair,
                     struct vmm_audit *audit, uint64_t *low, uint64_t *high)
{
    uint64_t every = request->every ? request->every : EVERY_DEFAULT;
    bool same = audit_equal(pair);
    for (*low = *high = 0; same && more(request, pair, *high);) {
        *low = *high;
        *high = UINT64_MAX - *low < every ? UINT64_MAX : *low + every;
        if (request->most && *high > request->most)
            *high = request->most;
        if (request->exits && !advance_by_traps(pair, audit, *high, low)) {
            /* By count alone an event is compared before it is delivered. */
            *high = audit_count(&pair->other) + 1;
            same = false;
            break;
        }
        audit_advance(pair, *high);
        same = compare(pair, audit);
        if (same && snapshot_due(&pair->base, *high))
            audit_base_take(pair, request);
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
    if (!audit_start(&pair, request, error))
        return error->code;
    audit_guard(&guard, pair.other.vm, audit);
    bool found = lockstep(request, &pair, audit, &low, &high) ||
                 audit_find(request, &pair, low, high, audit, error);
    audit_stop(&pair);
    return found ? VMM_OK : error->code;
}
