/* History: going to any state of a run by the nearest checkpoint before it and deterministic replay
 * (King, Dunlap and Chen 2005, section 3; Boothe 2000, "Efficient algorithms for bidirectional
 * debugging", whose counted stops are the way back to a breakpoint).
 *
 * Checkpoints are equally far apart in instructions; whenever there are too many, or they take too
 * much memory, every second one goes and the distance doubles. So a run of any length has a bounded
 * number of them, and a replay is a bounded share of the run. A long replay leaves one more behind,
 * shortly before its end: who goes back by one instruction goes back by another.
 *
 * A change from outside (a debugger's write) is no part of a replay: it begins a new segment, with
 * a checkpoint of its own that never goes. */
#include "history.h"

#include <stdlib.h>
#include <string.h>

#include "pages.h"
#include "snapshot.h"
#include "vm/error.h"

enum {
    POINTS_DEFAULT = 96,
    POINTS_LEAST = 4,
    SPACING_DEFAULT = 1 << 18,
    EXTRA = 4,    /* checkpoints left behind by replays */
    NEAR = 65536, /* instructions before its end */
    MOST_STOPS = 1 << 16,
};
#define BYTES_DEFAULT ((size_t)512 << 20)

struct point {
    struct vmm_snapshot *snapshot;
    uint64_t instructions;
    unsigned segment;
    bool first; /* of its segment */
    bool extra;
};

struct history {
    struct vmm_history_limits limits;
    struct point *points; /* in the order of the run */
    unsigned count, room;
    uint64_t spacing, end;
    unsigned segment; /* in which the present state is */
    bool changed;     /* it was changed, and begins another one */
};

static uint64_t instructions(const struct vmm_vm *vm)
{
    return dispatcher_instructions(&vm->dispatcher);
}

/* ---- the list of checkpoints ---- */

static void drop(struct history *h, unsigned i)
{
    vmm_snapshot_free(h->points[i].snapshot);
    h->count--;
    memmove(&h->points[i], &h->points[i + 1], (h->count - i) * sizeof *h->points);
}

static void drop_from(struct history *h, unsigned i)
{
    while (h->count > i)
        drop(h, h->count - 1);
}

/* Every second one that can be done without; if there is none, the oldest segment. */
static void thin(struct history *h)
{
    unsigned before = h->count;
    bool stays = true;
    h->spacing *= 2;
    for (unsigned i = 0; i < h->count;) {
        if (h->points[i].first)
            stays = true;
        if (stays || i == 0)
            i++;
        else
            drop(h, i);
        stays = !stays;
    }
    while (h->count == before && h->count > POINTS_LEAST) {
        drop(h, 0);
        if (h->points[0].first)
            return;
    }
}

static void limit(struct vmm_vm *vm)
{
    struct history *h = vm->history;
    while (h->count > h->limits.checkpoints)
        thin(h);
    while (vm->store->bytes > h->limits.bytes && h->count > POINTS_LEAST)
        thin(h);
}

static bool has_room(struct history *h)
{
    if (h->count < h->room)
        return true;
    unsigned room = h->room ? 2 * h->room : 32;
    struct point *points = realloc(h->points, room * sizeof *points);
    if (!points)
        return false;
    h->points = points;
    h->room = room;
    return true;
}

/* The number of the last checkpoint from which the state at `n` instructions is reached; `segment`
 * is the last that counts. */
static unsigned last_before(const struct history *h, uint64_t n, unsigned segment)
{
    unsigned i = h->count - 1;
    while (i && (h->points[i].instructions > n || h->points[i].segment > segment))
        i--;
    return i;
}

/* Puts the present state into the list. */
static bool add(struct vmm_vm *vm, bool first, bool extra)
{
    struct history *h = vm->history;
    if (!has_room(h))
        return false;
    struct vmm_snapshot *snapshot = vmm_snapshot_take(vm, 0);
    if (!snapshot)
        return false;
    uint64_t n = instructions(vm);
    unsigned at = h->count ? last_before(h, n, h->segment) + 1 : 0;
    memmove(&h->points[at + 1], &h->points[at], (h->count - at) * sizeof *h->points);
    h->points[at] = (struct point){snapshot, n, h->segment, first, extra};
    h->count++;
    return true;
}

/* Whether there is a checkpoint of the present state's segment right here. */
static bool is_here(const struct vmm_vm *vm)
{
    const struct history *h = vm->history;
    const struct point *point = &h->points[last_before(h, instructions(vm), h->segment)];
    return point->instructions == instructions(vm) && point->segment == h->segment;
}

static void add_extra(struct vmm_vm *vm)
{
    struct history *h = vm->history;
    unsigned extra = 0, oldest = 0;
    if (is_here(vm))
        return;
    for (unsigned i = h->count; i-- > 0;)
        if (h->points[i].extra) {
            extra++;
            oldest = i;
        }
    if (extra == EXTRA)
        drop(h, oldest);
    add(vm, false, true);
}

/* ---- changes from outside ---- */

void history_changed(struct vmm_vm *vm, bool other)
{
    struct history *h = vm->history;
    uint64_t n = instructions(vm);
    if (other)
        drop_from(h, 0);
    for (unsigned i = h->count; i-- > 1;)
        if (h->points[i].segment > h->segment || h->points[i].instructions > n)
            drop(h, i);
    h->changed = true;
    h->end = n;
}

void history_moved(struct vmm_vm *vm)
{
    struct history *h = vm->history;
    unsigned i = h->count - 1;
    while (i && h->points[i].instructions > instructions(vm))
        i--;
    h->segment = h->points[i].segment;
    h->changed = false;
}

void vm_changed(struct vmm_vm *vm)
{
    if (vm->dispatcher.running)
        return; /* by a replaced module, which will do so again */
    vm->timeline++;
    tape_cut(&vm->tape, vm->tape.looks, dispatcher_time(&vm->dispatcher));
    if (vm->history)
        history_changed(vm, false);
}

/* A changed state gets its checkpoint before it is left. */
static bool settle(struct vmm_vm *vm)
{
    struct history *h = vm->history;
    if (!h->changed)
        return true;
    h->segment++;
    h->changed = !add(vm, true, false);
    return !h->changed;
}

/* The guest goes on from a state before a change: the change is undone by that. */
static void fork_here(struct vmm_vm *vm)
{
    struct history *h = vm->history;
    for (unsigned i = 0; i < h->count; i++) {
        if (h->points[i].segment <= h->segment)
            continue;
        h->end = h->points[i].instructions;
        snapshot_cut(vm, h->points[i].snapshot);
        drop_from(h, i);
    }
}

/* ---- running on ---- */

/* Where the next checkpoint is due. */
static uint64_t next_point(const struct vmm_vm *vm)
{
    const struct history *h = vm->history;
    uint64_t last = h->points[h->count - 1].instructions, now = instructions(vm);
    return (last + h->spacing > now ? last : now) + h->spacing;
}

enum vmm_stop history_run(struct vmm_vm *vm, uint64_t target)
{
    struct history *h = vm->history;
    enum vmm_stop stop;
    bool pass = true, room = settle(vm);
    fork_here(vm);
    for (;;) {
        uint64_t next = room ? next_point(vm) : UINT64_MAX;
        bool on_the_way = next < target;
        stop = vm_run_to(vm, on_the_way ? next : target, pass);
        if (!on_the_way || stop != VMM_STOP_LIMIT)
            break;
        pass = false;
        room = add(vm, false, false);
        limit(vm);
    }
    if (instructions(vm) > h->end)
        h->end = instructions(vm);
    return stop;
}

/* ---- replay ---- */

static bool nothing_wanted(void *context, const struct vmm_record *record)
{
    (void)context;
    (void)record;
    return false;
}

/* Runs on as vm_run_to; what the guest says, and its records, were heard already. */
static enum vmm_stop run_quietly(struct vmm_vm *vm, uint64_t limit, bool pass,
                                 enum vmm_stop (*run)(struct vmm_vm *, uint64_t, bool))
{
    struct recorder *r = &vm->dispatcher.recorder;
    void (*const sink)(void *, const struct vmm_record *) = r->sink;
    bool (*const stop)(void *, const struct vmm_record *) = r->stop;
    if (sink && !stop)
        r->stop = nothing_wanted; /* so that records have their details */
    r->sink = 0;
    vm->tape.quiet = true;
    enum vmm_stop end = run(vm, limit, pass);
    vm->tape.quiet = false;
    r->sink = sink;
    r->stop = stop;
    return end;
}

/* Runs on to `n` instructions, past whatever one could stop at. */
static enum vmm_stop replay(struct vmm_vm *vm, uint64_t n)
{
    struct recorder *r = &vm->dispatcher.recorder;
    bool (*const stop)(void *, const struct vmm_record *) = r->stop;
    if (instructions(vm) >= n)
        return VMM_STOP_LIMIT;
    if (stop)
        r->stop = nothing_wanted;
    vm->machine->cpu.breaks_off = true;
    enum vmm_stop end = run_quietly(vm, n, false, vm_run_past);
    vm->machine->cpu.breaks_off = false;
    r->stop = stop;
    return end;
}

static int arrive(struct vmm_vm *vm, enum vmm_stop stop, struct vmm_error *error)
{
    if (stop != VMM_STOP_USER)
        return VMM_OK;
    return error_set(error, VMM_E_INTERRUPTED, "Interrupted on the way, after %llu instructions.",
                     (unsigned long long)instructions(vm));
}

static int put_back(struct vmm_vm *vm, unsigned i, struct vmm_error *error)
{
    struct history *h = vm->history;
    int code = snapshot_put_back(vm, h->points[i].snapshot, error);
    if (code == VMM_OK)
        h->segment = h->points[i].segment;
    return code;
}

static int need_history(struct vmm_vm *vm, struct vmm_error *error)
{
    const struct vmm_vm *turn = vm->machine->turn;
    error_clear(error);
    if (!vm->history)
        return error_set(error, VMM_E_STATE,
                         "There is no history of this run; it has to be started first.");
    if (turn && turn->dispatcher.running)
        return error_set(error, VMM_E_STATE, "The guest is running; stop it first.");
    if (!settle(vm))
        return error_set(error, VMM_E_MEMORY, "The host has no memory for another checkpoint.");
    return VMM_OK;
}

/* To the state at `n` instructions in `segment` or one before, as a run with that limit leaves it;
 * `here`: the present state may be one on the way. */
static int go(struct vmm_vm *vm, uint64_t n, unsigned segment, bool here, struct vmm_error *error)
{
    struct history *h = vm->history;
    unsigned i = last_before(h, n, segment);
    const struct point *point = &h->points[i];
    uint64_t now = instructions(vm);
    if (!here || h->segment != point->segment || now < point->instructions || now > n) {
        int code = put_back(vm, i, error);
        if (code != VMM_OK)
            return code;
    }
    if (n - instructions(vm) > 2 * NEAR) {
        if (replay(vm, n - NEAR) == VMM_STOP_USER)
            return arrive(vm, VMM_STOP_USER, error);
        add_extra(vm);
    }
    return arrive(vm, replay(vm, n), error);
}

/* Whether the state is that which a run to so many instructions ends in, for certain. */
static bool is_plain(const struct vmm_vm *vm)
{
    return vm->stop == VMM_STOP_LIMIT || vm->stop == VMM_STOP_NONE;
}

int vmm_goto(struct vmm_vm *vm, uint64_t n, struct vmm_error *error)
{
    int code = need_history(vm, error);
    const struct history *h = vm->history;
    if (code != VMM_OK)
        return code;
    if (n < h->points[0].instructions || n > h->end)
        return error_set(error, VMM_E_STATE,
                         "The history goes from %llu to %llu instructions; choose one of these.",
                         (unsigned long long)h->points[0].instructions, (unsigned long long)h->end);
    bool here = is_plain(vm) || (instructions(vm) < n && vm_resumable(vm->stop));
    return go(vm, n, UINT32_MAX, here, error);
}

int vmm_back(struct vmm_vm *vm, uint64_t count, struct vmm_error *error)
{
    int code = need_history(vm, error);
    struct history *h = vm->history;
    if (code != VMM_OK || !count)
        return code;
    uint64_t now = instructions(vm), deliveries = vm->dispatcher.recorder.deliveries;
    unsigned segment = h->segment;
    if (!is_plain(vm)) {
        code = go(vm, now, segment, false, error);
        count -= vm->dispatcher.recorder.deliveries < deliveries;
        if (code != VMM_OK || !count)
            return code;
    }
    if (count > now - h->points[0].instructions)
        return error_set(error, VMM_E_STATE,
                         "The history begins at %llu instructions, %llu before this one.",
                         (unsigned long long)h->points[0].instructions,
                         (unsigned long long)(now - h->points[0].instructions));
    return go(vm, now - count, segment, false, error);
}

/* ---- to a stop before ---- */

/* Where the guest stands: within the same number of instructions events may have been delivered,
 * and hidden traps handled. */
struct place {
    uint64_t instructions, deliveries;
    bool trap;
    struct vmm_record record;
};

struct stop_found {
    uint64_t instructions;
    uint64_t ordinal; /* among the stops at that number of instructions */
    unsigned point;   /* met when run from this checkpoint */
};

struct search {
    struct vmm_vm *vm;
    struct place now;
    bool (*counts)(void *context, enum vmm_stop stop);
    void *context;
    struct stop_found *last; /* a ring of those found, */
    uint64_t room, found;    /* so many */
};

static struct place place_of(const struct vmm_vm *vm)
{
    struct place place = {.instructions = instructions(vm),
                          .deliveries = vm->dispatcher.recorder.deliveries,
                          .trap = vm->stop == VMM_STOP_TRAP};
    record_copy(&vm->dispatcher.recorder, 0, &place.record);
    return place;
}

/* Has the search come to where it began? One goes back to before a change that is watched, so that
 * the instruction before the present one may have made it. */
static bool is_now(const struct search *search, enum vmm_stop stop)
{
    const struct place *now = &search->now, here = place_of(search->vm);
    if (stop == VMM_STOP_WATCH)
        return here.instructions > now->instructions;
    if (here.instructions != now->instructions)
        return here.instructions > now->instructions;
    if (here.deliveries != now->deliveries)
        return here.deliveries > now->deliveries;
    return !now->trap ||
           (here.trap && here.record.cause == now->record.cause &&
            here.record.eip == now->record.eip && here.record.address == now->record.address);
}

static enum vmm_stop run_and_count(struct search *search, uint64_t limit, uint64_t *ordinal)
{
    struct vmm_vm *vm = search->vm;
    uint64_t before = instructions(vm);
    enum vmm_stop stop = run_quietly(vm, limit, *ordinal != 0, vm_run_to);
    *ordinal = *ordinal && instructions(vm) == before ? *ordinal + 1 : 1;
    return stop;
}

static bool is_stop(enum vmm_stop stop)
{
    return stop == VMM_STOP_BREAK || stop == VMM_STOP_TRAP || stop == VMM_STOP_WATCH;
}

/* Finds the stops between checkpoint number `i` and `limit` instructions. */
static int search_from(struct search *search, unsigned i, uint64_t limit, struct vmm_error *error)
{
    struct vmm_vm *vm = search->vm;
    uint64_t ordinal = 0;
    int code = put_back(vm, i, error);
    while (code == VMM_OK) {
        enum vmm_stop stop = run_and_count(search, limit, &ordinal);
        if (!is_stop(stop))
            return arrive(vm, stop, error);
        if (is_now(search, stop))
            break;
        if (!search->counts || search->counts(search->context, stop))
            search->last[search->found++ % search->room] =
                (struct stop_found){instructions(vm), ordinal, i};
    }
    return code;
}

/* Runs to a stop that was found. */
static enum vmm_stop go_to_stop(struct search *search, const struct stop_found *found,
                                struct vmm_error *error)
{
    struct vmm_vm *vm = search->vm;
    uint64_t n = found->instructions, ordinal = 0;
    if (put_back(vm, found->point, error) != VMM_OK)
        return VMM_STOP_NONE;
    enum vmm_stop stop = n ? replay(vm, n - 1) : VMM_STOP_LIMIT;
    while (stop != VMM_STOP_USER && vm_resumable(vm->stop)) {
        stop = run_and_count(search, n + 1, &ordinal);
        if (!is_stop(stop) || instructions(vm) > n)
            break;
        if (instructions(vm) != n || ordinal != found->ordinal)
            continue;
        if (stop == VMM_STOP_WATCH && n > vm->history->points[0].instructions &&
            go(vm, n - 1, vm->history->segment, false, error) != VMM_OK)
            return VMM_STOP_USER;
        return stop;
    }
    if (stop != VMM_STOP_USER)
        go(vm, n, vm->history->segment, false, error);
    return stop == VMM_STOP_USER ? stop : VMM_STOP_LIMIT;
}

static enum vmm_stop search_back(struct search *search, uint64_t count, struct vmm_error *error)
{
    struct history *h = search->vm->history;
    /* An event that was delivered since the last instruction came after stops at the same number.
     */
    uint64_t limit = search->now.instructions + !is_plain(search->vm);
    for (unsigned i = last_before(h, search->now.instructions, h->segment) + 1; i-- > 0;) {
        search->found = 0;
        search->room = count;
        int code = search_from(search, i, limit, error);
        if (code != VMM_OK)
            return code == VMM_E_INTERRUPTED ? VMM_STOP_USER : VMM_STOP_NONE;
        if (search->found >= count)
            return go_to_stop(search, &search->last[search->found % count], error);
        count -= search->found;
        limit = h->points[i].instructions;
    }
    return put_back(search->vm, 0, error) == VMM_OK ? VMM_STOP_LIMIT : VMM_STOP_NONE;
}

enum vmm_stop vmm_reverse(struct vmm_vm *vm, uint64_t count,
                          bool (*counts)(void *context, enum vmm_stop stop), void *context,
                          struct vmm_error *error)
{
    struct search search = {vm, .counts = counts, .context = context};
    if (need_history(vm, error) != VMM_OK)
        return VMM_STOP_NONE;
    if (!count || count > MOST_STOPS) {
        error_set(error, VMM_E_USAGE, "So many stops cannot be gone back; choose from 1 to %d.",
                  MOST_STOPS);
        return VMM_STOP_NONE;
    }
    search.now = place_of(vm);
    search.last = calloc(count, sizeof *search.last);
    if (!search.last) {
        error_set(error, VMM_E_MEMORY, "The host has no memory for so many stops.");
        return VMM_STOP_NONE;
    }
    enum vmm_stop stop = search_back(&search, count, error);
    free(search.last);
    return stop;
}

/* ---- life ---- */

int vmm_history_start(struct vmm_vm *vm, const struct vmm_history_limits *limits,
                      struct vmm_error *error)
{
    error_clear(error);
    if (vm->history)
        return VMM_OK;
    struct vmm_snapshot *snapshot = vmm_snapshot_take(vm, error);
    if (!snapshot)
        return error ? error->code : VMM_E_STATE;
    struct history *h = calloc(1, sizeof *h);
    if (!h || !has_room(h)) {
        free(h);
        vmm_snapshot_free(snapshot);
        return error_set(error, VMM_E_MEMORY, "The host has no memory for a history.");
    }
    if (limits)
        h->limits = *limits;
    if (h->limits.checkpoints < POINTS_LEAST)
        h->limits.checkpoints = h->limits.checkpoints ? POINTS_LEAST : POINTS_DEFAULT;
    if (!h->limits.bytes)
        h->limits.bytes = BYTES_DEFAULT;
    h->spacing = h->limits.spacing ? h->limits.spacing : SPACING_DEFAULT;
    h->end = instructions(vm);
    h->points[h->count++] = (struct point){snapshot, h->end, 0, true, false};
    vm->history = h;
    tape_reached(&vm->tape, dispatcher_time(&vm->dispatcher));
    return VMM_OK;
}

void vmm_history_stop(struct vmm_vm *vm)
{
    struct history *h = vm->history;
    if (!h)
        return;
    drop_from(h, 0);
    free(h->points);
    free(h);
    vm->history = 0;
}

bool vmm_history(const struct vmm_vm *vm, struct vmm_history *history)
{
    const struct history *h = vm->history;
    if (!h)
        return false;
    *history = (struct vmm_history){.begin = h->count ? h->points[0].instructions : h->end,
                                    .end = h->end,
                                    .spacing = h->spacing,
                                    .checkpoints = h->count,
                                    .bytes = vm->store->bytes};
    return true;
}
