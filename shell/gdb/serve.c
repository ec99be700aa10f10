/* Serving: waiting for gdb, talking to it, waiting for the next. A signal that asks for the end is
 * looked at between packets; a guest that runs is interrupted. */
#include "shell/gdb/server.h"

#include <signal.h>

enum { PATIENCE_MS = 500, SIGNALS = 3 }; /* between looks at the signals */

static const int numbers[SIGNALS] = {SIGINT, SIGTERM, SIGHUP};
static volatile sig_atomic_t asked;
static struct gdb_server *volatile serving;

int gdb_signal(void)
{
    return asked;
}

static void end_asked(int number)
{
    asked = number;
    if (serving)
        vmm_interrupt(gdb_vm(serving));
}

static void talk(struct gdb_server *server)
{
    while (server->state == GDB_TALKING && !asked)
        if (gdb_receive(server, PATIENCE_MS) == PACKET_READY)
            gdb_command(server);
    /* A guest that nobody looks after has no breakpoints to stop at. */
    gdb_delete_points(server);
    gdb_hang_up(server);
}

/* Returns false when there is nobody to wait for any more. */
static bool wait_for_gdb(struct gdb_server *server)
{
    if (server->state == GDB_DETACHED && !gdb_run_alone(server))
        return false;
    while (!asked)
        if (gdb_knocks(server, PATIENCE_MS) && gdb_accept(server))
            return true;
    return false;
}

void gdb_serve(struct gdb_server *server, bool once)
{
    struct sigaction before[SIGNALS];
    const struct sigaction action = {.sa_handler = end_asked};
    asked = 0;
    serving = server;
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(numbers[i], &action, &before[i]);
    while (wait_for_gdb(server)) {
        talk(server);
        if ((server->state != GDB_LOST && server->state != GDB_DETACHED) || once)
            break;
    }
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(numbers[i], &before[i], 0);
    serving = 0;
}
