/* Commands that go back: by instructions, by traps, to breakpoints, to snapshots with a name. The
 * library keeps the history (vmm/snapshot.h); whatever was reached by going back, one goes on from
 * as from any other state. */
#include "shell/repl/repl.h"

#include "shell/repl/signals.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The start of what `run` and its kin check: there is a guest, and it has a history. */
static bool need_history(struct session *session)
{
    struct vmm_history history;
    if (!repl_need_guest(session))
        return false;
    if (vmm_history(session->guest.vm, &history))
        return true;
    return repl_complain(session,
                         "There is no history: the guest runs by the host's clock, which cannot be "
                         "set back. Start with --clock virtual.");
}

static bool complain_of(struct session *session, const struct vmm_error *error)
{
    return repl_complain(session, "%s", error->text);
}

/* Where one has arrived, by the number of instructions: 'goto' leads there again. */
static void show_arrival(struct session *session, enum vmm_stop stop)
{
    struct vmm_statistics statistics;
    vmm_statistics(session->guest.vm, &statistics);
    repl_say(session, "%sAt %" PRIu64 " instructions%s\n", repl_paint(session, PAINT_DIM),
             statistics.guest_instructions, repl_paint(session, PAINT_OFF));
    repl_report_stop(session, stop);
}

/* What a jump came to. */
static bool arrive(struct session *session, int code, const struct vmm_error *error)
{
    if (code == VMM_OK)
        show_arrival(session, VMM_STOP_LIMIT);
    else if (code == VMM_E_INTERRUPTED)
        show_arrival(session, VMM_STOP_USER);
    else
        return complain_of(session, error);
    return true;
}

static bool back_by(struct session *session, uint64_t count)
{
    struct vmm_error error;
    signals_run(session->guest.vm);
    int code = vmm_back(session->guest.vm, count, &error);
    signals_run(NULL);
    return arrive(session, code, &error);
}

/* ---- to a stop ---- */

static bool is_trap(void *context, enum vmm_stop stop)
{
    (void)context;
    return stop == VMM_STOP_TRAP;
}

static bool is_wanted(void *context, enum vmm_stop stop)
{
    return repl_holds(context, stop);
}

static bool reverse(struct session *session, uint64_t count,
                    bool (*counts)(void *context, enum vmm_stop stop))
{
    struct vmm_error error;
    session->searching = true;
    signals_run(session->guest.vm);
    enum vmm_stop stop = vmm_reverse(session->guest.vm, count, counts, session, &error);
    signals_run(NULL);
    session->searching = false;
    if (stop == VMM_STOP_NONE)
        return complain_of(session, &error);
    if (stop == VMM_STOP_LIMIT)
        repl_say(session, "There is no stop before; the history begins here.\n");
    show_arrival(session, stop);
    return true;
}

static bool back_trap(struct session *session, char *arguments)
{
    uint64_t count = 1;
    if (*arguments && !repl_count(session, arguments, &count))
        return false;
    session->wanted = (struct trap_kind){.vector = -1};
    session->waiting = true;
    bool good = reverse(session, count, is_trap);
    session->waiting = false;
    return good;
}

/* ---- commands ---- */

bool repl_back(struct session *session, char *arguments)
{
    uint64_t count = 1;
    if (!need_history(session))
        return false;
    if (strncmp(arguments, "trap", 4) == 0 &&
        (!arguments[4] || isspace((unsigned char)arguments[4]))) {
        arguments += 4;
        while (isspace((unsigned char)*arguments))
            arguments++;
        return back_trap(session, arguments);
    }
    if (*arguments && !repl_count(session, arguments, &count))
        return false;
    return back_by(session, count);
}

bool repl_reverse_step(struct session *session, char *arguments)
{
    uint64_t count = 1;
    if (!need_history(session) || (*arguments && !repl_count(session, arguments, &count)))
        return false;
    return back_by(session, count);
}

bool repl_reverse_continue(struct session *session, char *arguments)
{
    if (*arguments)
        return repl_complain(session,
                             "'reverse-continue' takes nothing; 'goto N' goes to a point.");
    return need_history(session) && reverse(session, 1, is_wanted);
}

bool repl_goto(struct session *session, char *arguments)
{
    struct vmm_error error;
    char *end;
    if (!need_history(session))
        return false;
    uint64_t count = strtoull(arguments, &end, 0);
    if (!isdigit((unsigned char)*arguments) || *end)
        return repl_complain(session, "Say how many instructions have retired there; write 'goto "
                                      "1000000'.");
    signals_run(session->guest.vm);
    int code = vmm_goto(session->guest.vm, count, &error);
    signals_run(NULL);
    return arrive(session, code, &error);
}

/* ---- snapshots ---- */

static struct named_snapshot *find_snapshot(struct session *session, const char *name)
{
    for (unsigned i = 0; i < session->snapshot_count; i++)
        if (strcmp(session->snapshots[i].name, name) == 0)
            return &session->snapshots[i];
    return NULL;
}

void repl_free_snapshots(struct session *session)
{
    for (unsigned i = 0; i < session->snapshot_count; i++)
        vmm_snapshot_free(session->snapshots[i].snapshot);
    session->snapshot_count = session->snapshot_last = 0;
}

const char *repl_snapshot_name(const struct session *session, size_t i)
{
    return i < session->snapshot_count ? session->snapshots[i].name : NULL;
}

bool repl_snapshot(struct session *session, char *arguments)
{
    struct vmm_error error;
    struct named_snapshot *slot;
    char name[sizeof slot->name];
    if (!repl_need_guest(session))
        return false;
    if (strlen(arguments) >= sizeof name || strpbrk(arguments, " \t"))
        return repl_complain(session, "A name is one word of at most %zu characters.",
                             sizeof name - 1);
    if (*arguments)
        snprintf(name, sizeof name, "%s", arguments);
    else
        snprintf(name, sizeof name, "%u", ++session->snapshot_last);
    slot = find_snapshot(session, name);
    if (!slot && session->snapshot_count == SNAPSHOTS)
        return repl_complain(session, "There are %d snapshots; take one of their names again.",
                             SNAPSHOTS);
    struct vmm_snapshot *snapshot = vmm_snapshot_take(session->guest.vm, &error);
    if (!snapshot)
        return complain_of(session, &error);
    if (slot)
        vmm_snapshot_free(slot->snapshot);
    else
        slot = &session->snapshots[session->snapshot_count++];
    memcpy(slot->name, name, sizeof name);
    slot->snapshot = snapshot;
    repl_say(session, "Snapshot %s; 'restore %s' comes back here.\n", name, name);
    return true;
}

bool repl_restore(struct session *session, char *arguments)
{
    struct vmm_error error;
    if (!repl_need_guest(session))
        return false;
    const struct named_snapshot *slot = find_snapshot(session, arguments);
    if (!slot)
        return repl_complain(session, "There is no snapshot '%.40s'; 'info snapshots' lists them.",
                             arguments);
    if (vmm_snapshot_restore(session->guest.vm, slot->snapshot, &error) != VMM_OK)
        return complain_of(session, &error);
    show_arrival(session, VMM_STOP_LIMIT);
    return true;
}

bool repl_info_snapshots(struct session *session, char *arguments)
{
    struct vmm_history history;
    struct vmm_snapshot_info info;
    (void)arguments;
    for (unsigned i = 0; i < session->snapshot_count; i++) {
        vmm_snapshot_describe(session->snapshots[i].snapshot, &info);
        repl_say(session, "%-12s at %12" PRIu64 " instructions, %7zu KB of its own\n",
                 session->snapshots[i].name, info.instructions, info.bytes >> 10);
    }
    if (!session->snapshot_count)
        repl_say(session, "There are no snapshots; 'snapshot NAME' takes one.\n");
    if (vmm_history(session->guest.vm, &history))
        repl_say(session,
                 "The history goes from %" PRIu64 " to %" PRIu64 " instructions: %u checkpoint%s, "
                 "%zu KB with the snapshots.\n",
                 history.begin, history.end, history.checkpoints,
                 history.checkpoints == 1 ? "" : "s", history.bytes >> 10);
    return true;
}
