/* `vmm debug`: the prompt with a guest, which stands at its entry. Plain `vmm` is the same. */
#include "shell/command.h"
#include "shell/repl/lab.h"
#include "shell/repl/repl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct request {
    struct session session;
    const char *script;
    const char *lab;
    bool batch;
};

static void print_help(void)
{
    printf("Usage: vmm debug [-x SCRIPT] [-batch] [OPTION]... [IMAGE]\n"
           "Watch a guest trap by trap, at a prompt. 'help' there lists the commands.\n"
           "\n"
           "  -x SCRIPT               run the commands in SCRIPT first\n"
           "  -batch                  end behind the script; status 1 if a command in it failed\n"
           "  --lab N                 with your modules of lab N in place, as 'lab start N'\n"
           "%s"
           "  --help                  this text\n"
           "\n"
           "Commands in ~/.vmmrc are run before. Colours are off where NO_COLOR is set.\n"
           "\n",
           guest_help);
    guest_print_techniques();
}

static const struct option options[] = {
    GUEST_LONG,
    {"batch", no_argument, NULL, 'b'},
    {"lab", required_argument, NULL, 'l'},
    {NULL, 0, NULL, 0},
};

/* gdb's spelling: one dash before a word. */
static void spell_batch(int argc, char **argv)
{
    static char batch[] = "--batch";
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "-batch") == 0)
            argv[i] = batch;
}

static int parse_option(void *context, int option)
{
    struct request *request = context;
    struct guest_options *guest = &request->session.options;
    switch (option) {
    case 'x': request->script = optarg; break;
    case 'b': request->batch = true; break;
    case 'l': request->lab = optarg; break;
    case 'V':
        return guest_complain(guest, VMM_USAGE,
                              "the prompt has one guest; leave --vm away, or use vmm run");
    default: return guest_option(guest, option);
    }
    return VMM_SUCCESS;
}

static int parse(struct request *request, int argc, char **argv)
{
    static const struct guest_syntax syntax = {.shorts = ":" GUEST_SHORT "x:",
                                               .longs = options,
                                               .usage = "vmm debug [OPTION]... IMAGE",
                                               .without_image = true,
                                               .option = parse_option};
    spell_batch(argc, argv);
    return guest_parse(&request->session.options, &syntax, request, argc, argv);
}

/* ~/.vmmrc, if there is one. None is read from the working folder: that may be somebody else's. */
static bool run_startup(struct session *session)
{
    const char *home = getenv("HOME");
    char path[4096];
    if (!home || (size_t)snprintf(path, sizeof path, "%s/.vmmrc", home) >= sizeof path ||
        access(path, R_OK) != 0)
        return true;
    return repl_source(session, path);
}

static bool start_lab(struct session *session, const char *number)
{
    char arguments[LINE_ROOM];
    snprintf(arguments, sizeof arguments, "start %s", number);
    return repl_lab(session, arguments);
}

static int converse(struct request *request)
{
    struct session *session = &request->session;
    if (session->options.image && !repl_load(session))
        return VMM_FAILURE;
    bool good = run_startup(session) && (!request->lab || start_lab(session, request->lab));
    if (good && request->script && !session->quit)
        good = repl_source(session, request->script);
    if (session->terminal && !session->quit)
        repl_say(session,
                 "vmm %s: 'help' lists the commands, 'run' starts the guest, 'trap' runs to the "
                 "next\ntrap and 'why' explains it, 'quit' ends.\n",
                 vmm_version());
    if (request->batch)
        session->quit = true;
    session->failed = !good;
    if (!session->quit)
        repl_interact(session);
    repl_say(session, "%s", "");
    return session->failed ? VMM_FAILURE : VMM_SUCCESS;
}

int vmm_cmd_debug(int argc, char **argv)
{
    static struct request request; /* large, and there is one session */
    struct session *session = &request.session;
    request = (struct request){
        .session = {
            .options = {.command = "debug", .config = {.technique = guest_default_technique()}},
            .format = 'x',
            .size = 'w'}};
    int status = parse(&request, argc, argv);
    if (status != VMM_SUCCESS)
        return status;
    if (session->options.help) {
        print_help();
        return VMM_SUCCESS;
    }
    session->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !request.batch;
    session->colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    status = converse(&request);
    if (!repl_trace_stop(session) || !repl_record_stop(session))
        status = VMM_FAILURE;
    repl_forget_symbols(session);
    repl_free_snapshots(session);
    guest_destroy(&session->guest);
    repl_lab_end(session);
    free(session->image_name);
    return status;
}
