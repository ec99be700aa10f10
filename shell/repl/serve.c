/* `gdbserver`: the session's guest in the hands of gdb for a while. */
#include "shell/repl/repl.h"

#include "shell/gdb/server.h"

/* What gdb is not to find: breakpoints that it did not set. */
static void lend(struct session *session, struct gdb_server *server)
{
    repl_detach(session);
    vmm_stop_at_traps(session->guest.vm, gdb_catches, server);
    gdb_serve(server, true);
    gdb_close(server);
}

bool repl_gdbserver(struct session *session, char *arguments)
{
    static struct gdb_server server; /* large, and there is one */
    struct vmm_history history;
    if (!repl_need_guest(session))
        return false;
    if (!vmm_history(session->guest.vm, &history))
        return repl_complain(session, "With the host's clock nothing can be stepped; start with "
                                      "--clock virtual.");
    server = (struct gdb_server){.options = session->options,
                                 .guest = session->guest,
                                 .lent = true,
                                 .listener = -1,
                                 .client = -1,
                                 .slice = 100000,
                                 .stop = "T05thread:01;"};
    server.options.beside_count = 0;
    fflush(stdout);
    if (gdb_listen(&server, *arguments ? arguments : "127.0.0.1:1234", false) != VMM_OK)
        return false;
    lend(session, &server);
    if (!repl_attach(session))
        return false;
    repl_report_stop(session, VMM_STOP_LIMIT);
    return true;
}
