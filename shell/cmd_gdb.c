/* `vmm gdb`: a guest that stands at its entry and waits for gdb. It lives on when gdb leaves, and
 * stops again when one comes back; its end, or gdb's kill, is the server's. */
#include "shell/cmd_gdb.h"

#include "shell/command.h"
#include "shell/gdb/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct request {
    struct guest_options *guest; /* the server's */
    const char *listen;
    bool remote;
};

static void print_help(void)
{
    printf("Usage: vmm gdb [--listen HOST:PORT|unix:PATH] [OPTION]... IMAGE\n"
           "Serve a guest to gdb: it stands at its first instruction until gdb says go.\n"
           "\n"
           "  --listen HOST:PORT      where gdb connects to (127.0.0.1:1234); port 0: any\n"
           "  --listen unix:PATH      ... or a socket in the file system\n"
           "  --allow-remote          HOST may be one that other machines reach\n"
           "%s"
           "  --help                  this text\n"
           "\n"
           "In gdb: 'target remote :1234', and 'monitor help' for what is the VMM's.\n"
           "\n",
           guest_help);
    guest_print_techniques();
}

static const struct option options[] = {
    GUEST_LONG,
    {"listen", required_argument, NULL, 'l'},
    {"allow-remote", no_argument, NULL, 'r'},
    {NULL, 0, NULL, 0},
};

static int parse_option(void *context, int option)
{
    struct request *request = context;
    switch (option) {
    case 'l': request->listen = optarg; break;
    case 'r': request->remote = true; break;
    default: return guest_option(request->guest, option);
    }
    return VMM_SUCCESS;
}

static int parse(struct request *request, int argc, char **argv)
{
    static const struct guest_syntax syntax = {.shorts = ":" GUEST_SHORT,
                                               .longs = options,
                                               .usage = "vmm gdb [OPTION]... IMAGE",
                                               .option = parse_option};
    struct guest_options *guest = request->guest;
    int status = guest_parse(guest, &syntax, request, argc, argv);
    if (status != VMM_SUCCESS || guest->help)
        return status;
    if (guest->config.clock == VMM_CLOCK_HOST)
        return guest_complain(guest, VMM_USAGE,
                              "with the host's clock instructions are not counted, and nothing "
                              "can be stepped; use --clock virtual");
    return VMM_SUCCESS;
}

/* ---- serving ---- */

/* The guest's own status, if it came to its end. */
static int end_status(const struct gdb_server *server)
{
    struct vmm_statistics statistics;
    vmm_statistics(server->guest.vm, &statistics);
    if (gdb_signal())
        return 128 + gdb_signal();
    if (server->state == GDB_KILLED)
        return VMM_SUCCESS;
    if (server->state == GDB_DETACHED && statistics.stop != VMM_STOP_EXIT)
        guest_complain(&server->options, statistics.status, "%s", vmm_stop_text(server->guest.vm));
    return statistics.status;
}

static int prepare(struct gdb_server *server)
{
    struct vmm_error error;
    for (unsigned i = 0; i < gdb_vm_count(server); i++) {
        vmm_stop_at_traps(gdb_vm_number(server, i), gdb_catches, server);
        if (vmm_history_start(gdb_vm_number(server, i), NULL, &error) != VMM_OK)
            return guest_complain_of(&server->options, &error);
    }
    return VMM_SUCCESS;
}

int vmm_cmd_gdb(int argc, char **argv)
{
    static struct gdb_server server; /* large, and there is one */
    struct request request = {.guest = &server.options, .listen = "127.0.0.1:1234"};
    server = (struct gdb_server){.options = {.command = "gdb",
                                             .config = {.technique = guest_default_technique(),
                                                        .console = vmm_console_standard()}},
                                 .listener = -1,
                                 .client = -1,
                                 .slice = 100000,
                                 .stop = "T05thread:01;"};
    int status = parse(&request, argc, argv);
    if (status != VMM_SUCCESS)
        return status;
    if (server.options.help) {
        print_help();
        return VMM_SUCCESS;
    }
    status = guest_create(&server.guest, &server.options);
    if (status == VMM_SUCCESS) {
        status = prepare(&server);
    }
    if (status == VMM_SUCCESS) {
        status = gdb_listen(&server, request.listen, request.remote);
    }
    if (status == VMM_SUCCESS) {
        gdb_serve(&server, false);
        status = end_status(&server);
    }
    gdb_close(&server);
    guest_destroy(&server.guest);
    return status;
}
