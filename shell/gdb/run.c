/* Moving the guest on, and back. It runs in slices, between which the link is looked at: gdb's ^C
 * is a byte that comes while nobody waits for one. The guest does not notice. */
#include "shell/gdb/server.h"

#include "shell/clock.h"

#include <stdio.h>
#include <string.h>

/* gdb's numbers for signals (include/gdb/signals.def), which are not the host's. */
enum {
    GDB_SIGINT = 2,
    GDB_SIGILL = 4,
    GDB_SIGTRAP = 5,
    GDB_SIGABRT = 6,
    GDB_SIGSEGV = 11,
    GDB_SIGXCPU = 24
};

/* ---- the machine's VMs ---- */

struct vmm_vm *gdb_vm_number(const struct gdb_server *server, unsigned i)
{
    return i ? server->guest.beside[i - 1] : server->guest.vm;
}

struct vmm_vm *gdb_vm(const struct gdb_server *server)
{
    return gdb_vm_number(server, server->thread);
}

unsigned gdb_vm_count(const struct gdb_server *server)
{
    return 1 + (unsigned)server->options.beside_count;
}

/* ---- breakpoints and watchpoints ---- */

static struct gdb_point *find_point(struct gdb_server *server, uint32_t linear)
{
    for (unsigned i = 0; i < server->point_count; i++)
        if (server->points[i].linear == linear)
            return &server->points[i];
    return NULL;
}

/* A place is one in every VM: gdb takes threads to share their memory. */
static void set_point(struct gdb_server *server, struct gdb_point *point, bool set)
{
    struct vmm_error error;
    for (unsigned i = 0; i < gdb_vm_count(server); i++)
        if (set)
            vmm_break_add(gdb_vm_number(server, i), point->linear, &error);
        else
            vmm_break_delete(gdb_vm_number(server, i), point->linear);
    point->set = set;
}

/* Gives the VMs the breakpoints that gdb wants now. There are no more than they have room for. */
static void set_points(struct gdb_server *server)
{
    for (unsigned i = server->point_count; i-- > 0;) {
        struct gdb_point *point = &server->points[i];
        if (point->hardware || point->software)
            continue;
        if (point->set)
            set_point(server, point, false);
        *point = server->points[--server->point_count];
    }
    for (unsigned i = 0; i < server->point_count; i++)
        if (!server->points[i].set)
            set_point(server, &server->points[i], true);
}

bool gdb_add_point(struct gdb_server *server, uint32_t linear, bool hardware)
{
    struct gdb_point *point = find_point(server, linear);
    if (!point) {
        if (server->point_count == GDB_POINTS)
            set_points(server); /* those that gdb has deleted go */
        if (server->point_count == GDB_POINTS)
            return false;
        point = &server->points[server->point_count++];
        *point = (struct gdb_point){.linear = linear};
    }
    *(hardware ? &point->hardware : &point->software) = true;
    return true;
}

void gdb_delete_point(struct gdb_server *server, uint32_t linear, bool hardware)
{
    struct gdb_point *point = find_point(server, linear);
    if (point)
        *(hardware ? &point->hardware : &point->software) = false;
}

bool gdb_add_watch(struct gdb_server *server, char kind, uint32_t linear, uint32_t count)
{
    struct vmm_error error;
    struct gdb_watch watch = {
        .kind = kind, .linear = linear, .count = count, .thread = server->thread};
    const struct vmm_watchpoint point = {.kind = kind == '2'   ? VMM_WATCH_MEMORY
                                                 : kind == '3' ? VMM_WATCH_READ
                                                               : VMM_WATCH_ACCESS,
                                         .address = linear,
                                         .length = count};
    if (server->watch_count == GDB_WATCHES ||
        vmm_watch_add(gdb_vm(server), &point, &watch.number, &error) != VMM_OK)
        return false;
    server->watches[server->watch_count++] = watch;
    return true;
}

void gdb_delete_watch(struct gdb_server *server, char kind, uint32_t linear, uint32_t count)
{
    for (unsigned i = 0; i < server->watch_count; i++) {
        const struct gdb_watch *watch = &server->watches[i];
        if (watch->kind != kind || watch->linear != linear || watch->count != count)
            continue;
        vmm_watch_delete(gdb_vm_number(server, watch->thread), watch->number);
        server->watches[i] = server->watches[--server->watch_count];
        return;
    }
}

void gdb_delete_points(struct gdb_server *server)
{
    for (unsigned i = 0; i < server->point_count; i++)
        server->points[i].hardware = server->points[i].software = false;
    set_points(server);
    while (server->watch_count)
        gdb_delete_watch(server, server->watches[0].kind, server->watches[0].linear,
                         server->watches[0].count);
    server->catching = false;
}

bool gdb_catches(void *context, const struct vmm_record *record)
{
    const struct gdb_server *server = context;
    return server->catching && (!server->caught || strcmp(server->caught, record->cause) == 0);
}

/* ---- what gdb is told ---- */

static uint32_t linear_pc(const struct gdb_server *server)
{
    struct vmm_registers r;
    vmm_registers(gdb_vm(server), &r);
    return r.segment_base[1] + r.eip;
}

static void say(struct gdb_server *server, const char *sentence)
{
    char line[512];
    int length = snprintf(line, sizeof line, "%.500s\n", sentence);
    gdb_print(server, line, (size_t)length);
}

static void stop_with(struct gdb_server *server, int number, const char *reason)
{
    snprintf(server->stop, sizeof server->stop, "T%02xthread:%02x;%s", (unsigned)number,
             server->thread + 1, reason);
}

static void tell_break(struct gdb_server *server)
{
    const struct gdb_point *point = find_point(server, linear_pc(server));
    bool hardware = point && point->hardware && !point->software;
    const char *reason = hardware ? "hwbreak:;" : "swbreak:;";
    stop_with(server, GDB_SIGTRAP, (hardware ? server->hwbreak : server->swbreak) ? reason : "");
}

static void tell_trap(struct gdb_server *server)
{
    struct vmm_record record;
    char text[VMM_RECORD_TEXT];
    if (vmm_last_record(gdb_vm(server), 0, &record)) {
        vmm_record_text(gdb_vm(server), &record, text, sizeof text);
        say(server, text);
    }
    stop_with(server, GDB_SIGTRAP, "");
}

static void tell_watch(struct gdb_server *server)
{
    static const char *const names[] = {"watch", "rwatch", "awatch"};
    struct vmm_watch_hit hit;
    char reason[32] = "";
    if (vmm_watch_hit(gdb_vm(server), &hit))
        for (unsigned i = 0; i < server->watch_count; i++)
            if (server->watches[i].number == hit.number &&
                server->watches[i].thread == server->thread)
                snprintf(reason, sizeof reason, "%s:%08x;", names[server->watches[i].kind - '2'],
                         server->watches[i].linear);
    stop_with(server, GDB_SIGTRAP, reason);
}

/* An end that nobody wanted is a signal first, so that the guest can be looked at as it lies there;
 * going on from it is the end. */
static void tell_end(struct gdb_server *server, enum vmm_stop stop)
{
    struct vmm_statistics statistics;
    int number = stop == VMM_STOP_SHUTDOWN     ? GDB_SIGSEGV
                 : stop == VMM_STOP_DIVERGENCE ? GDB_SIGILL
                 : stop == VMM_STOP_STUCK      ? GDB_SIGXCPU
                 : stop == VMM_STOP_FAILURE    ? GDB_SIGABRT
                                               : 0;
    if (number && !server->end_told) {
        server->end_told = true;
        say(server, vmm_stop_text(gdb_vm(server)));
        stop_with(server, number, "");
        return;
    }
    if (stop != VMM_STOP_EXIT)
        say(server, vmm_stop_text(gdb_vm(server)));
    vmm_statistics(gdb_vm(server), &statistics);
    snprintf(server->stop, sizeof server->stop, "W%02x", (unsigned)statistics.status & 0xff);
    server->state = GDB_ENDED;
}

static void tell_stop(struct gdb_server *server, enum vmm_stop stop)
{
    switch (stop) {
    case VMM_STOP_NONE:
    case VMM_STOP_LIMIT: stop_with(server, GDB_SIGTRAP, ""); break;
    case VMM_STOP_USER: stop_with(server, GDB_SIGINT, ""); break;
    case VMM_STOP_BREAK: tell_break(server); break;
    case VMM_STOP_TRAP: tell_trap(server); break;
    case VMM_STOP_WATCH: tell_watch(server); break;
    default: tell_end(server, stop); break;
    }
}

/* ---- running ---- */

static uint64_t retired(const struct gdb_server *server)
{
    struct vmm_statistics statistics;
    vmm_statistics(gdb_vm(server), &statistics);
    return statistics.guest_instructions;
}

/* A slice takes about a fiftieth of a second, whatever the technique. */
static enum vmm_stop run_slice(struct gdb_server *server, uint64_t most)
{
    enum { LEAST = 1000, MOST = 50000000, SHORT_NS = 10000000, LONG_NS = 40000000 };
    uint64_t slice = most && most < server->slice ? most : server->slice, begin = clock_ns();
    enum vmm_stop stop = vmm_run(gdb_vm(server), slice);
    uint64_t taken = clock_ns() - begin;
    if (taken < SHORT_NS && slice == server->slice && server->slice < MOST)
        server->slice *= 2;
    if (taken > LONG_NS && server->slice > LEAST)
        server->slice /= 2;
    return stop;
}

/* Instructions that --max-instructions leaves; 0 is no limit, and so the end is told apart. */
static bool at_limit(const struct gdb_server *server, uint64_t *most)
{
    uint64_t limit = server->options.most_instructions, done = retired(server);
    *most = limit > done ? limit - done : 0;
    return limit && done >= limit;
}

/* Whether gdb asked for a stop, is gone, or the server is to end. */
static bool called(struct gdb_server *server)
{
    enum packet_event event;
    while ((event = gdb_receive(server, 0)) != PACKET_NONE)
        if (event == PACKET_INTERRUPT)
            return true;
    return server->state != GDB_TALKING || gdb_signal();
}

static bool has_ended(const struct gdb_server *server)
{
    struct vmm_statistics statistics;
    vmm_statistics(gdb_vm(server), &statistics);
    switch (statistics.stop) {
    case VMM_STOP_NONE:
    case VMM_STOP_LIMIT:
    case VMM_STOP_USER:
    case VMM_STOP_BREAK:
    case VMM_STOP_TRAP:
    case VMM_STOP_WATCH: return false;
    default: return true;
    }
}

/* The turn of the next VM that can go on; stays if there is no other. */
static void next_turn(struct gdb_server *server)
{
    unsigned before = server->thread;
    do
        server->thread = (server->thread + 1) % gdb_vm_count(server);
    while (server->thread != before && has_ended(server));
}

/* One VM has come to its end, and another goes on. */
static bool others_go_on(struct gdb_server *server)
{
    unsigned ended = server->thread;
    next_turn(server);
    if (server->thread == ended)
        return false;
    const struct vmm_vm *vm = gdb_vm_number(server, ended);
    char line[320];
    snprintf(line, sizeof line, "Thread %u: %.280s", ended + 1, vmm_stop_text(vm));
    say(server, line);
    return true;
}

static enum vmm_stop run_until_called(struct gdb_server *server, bool all)
{
    uint64_t most;
    for (;;) {
        if (at_limit(server, &most))
            return VMM_STOP_LIMIT;
        enum vmm_stop stop = run_slice(server, most);
        /* A slice that ends at a breakpoint would be gone on from as if it had been stopped at. */
        if (stop == VMM_STOP_LIMIT && find_point(server, linear_pc(server)))
            return VMM_STOP_BREAK;
        if (stop != VMM_STOP_LIMIT && stop != VMM_STOP_USER &&
            (!all || !has_ended(server) || !others_go_on(server)))
            return stop;
        if (called(server))
            return VMM_STOP_USER;
        if (all && stop == VMM_STOP_LIMIT)
            next_turn(server);
    }
}

static void send_stop(struct gdb_server *server)
{
    server->stops_sent++;
    gdb_send(server, server->stop, strlen(server->stop));
}

void gdb_resume(struct gdb_server *server, bool step, bool all)
{
    uint64_t most;
    enum vmm_stop stop;
    set_points(server);
    if (step && !at_limit(server, &most)) {
        stop = vmm_run(gdb_vm(server), 1);
    } else {
        stop = run_until_called(server, all);
        if (stop == VMM_STOP_LIMIT)
            say(server, "The limit of --max-instructions is reached.");
    }
    fflush(stdout);
    tell_stop(server, stop);
    send_stop(server);
}

/* ---- going back ---- */

static enum vmm_stop reverse_step(struct gdb_server *server, struct vmm_error *error)
{
    struct vmm_history history;
    if (vmm_history(gdb_vm(server), &history) && retired(server) == history.begin)
        return VMM_STOP_LIMIT;
    switch (vmm_back(gdb_vm(server), 1, error)) {
    case VMM_OK: return VMM_STOP_BREAK;
    case VMM_E_INTERRUPTED: return VMM_STOP_USER;
    default: return VMM_STOP_NONE;
    }
}

void gdb_reverse(struct gdb_server *server, bool step)
{
    struct vmm_error error = {.text = ""};
    set_points(server);
    gdb_listen_for_interrupt(server, true);
    enum vmm_stop stop =
        step ? reverse_step(server, &error) : vmm_reverse(gdb_vm(server), 1, NULL, NULL, &error);
    gdb_listen_for_interrupt(server, false);
    server->end_told = false;
    if (stop == VMM_STOP_NONE)
        say(server, error.text);
    if (stop == VMM_STOP_LIMIT)
        stop_with(server, GDB_SIGTRAP, "replaylog:begin;");
    else if (step && stop == VMM_STOP_BREAK)
        stop_with(server, GDB_SIGTRAP, "");
    else
        tell_stop(server, stop);
    send_stop(server);
}

bool gdb_run_alone(struct gdb_server *server)
{
    uint64_t most;
    while (!gdb_signal() && !gdb_knocks(server, 0)) {
        if (at_limit(server, &most))
            return false;
        run_slice(server, most);
        next_turn(server);
        if (has_ended(server))
            return false; /* so have all others */
    }
    stop_with(server, GDB_SIGINT, "");
    return !gdb_signal();
}
