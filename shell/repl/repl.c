/* Reading lines and doing what they say: from a terminal with readline, from a script, or from a
 * pipe. An error in a script ends it, at a prompt it does not; ^C stops the guest or clears the
 * line, never the session. */
#include "shell/repl/repl.h"

#include "shell/repl/lab.h"
#include "shell/repl/signals.h"
#include "shell/repl/source.h"

#include <ctype.h>
#include <errno.h>
#include <readline/history.h>
#include <readline/readline.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- one line ---- */

static char *trim(char *line)
{
    while (isspace((unsigned char)*line))
        line++;
    size_t length = strlen(line);
    while (length && isspace((unsigned char)line[length - 1]))
        line[--length] = '\0';
    return line;
}

/* "x/4xw $esp" is the command x with the arguments "/4xw $esp". */
static size_t command_length(const char *line)
{
    size_t length = 0;
    if (*line == '?' || *line == '#')
        return 1;
    while (line[length] && !isspace((unsigned char)line[length]) && line[length] != '/')
        length++;
    return length;
}

bool repl_execute(struct session *session, char *line)
{
    char why[256];
    line = trim(line);
    if (!*line || *line == '#')
        return true;
    size_t length = command_length(line);
    const struct repl_command *command = repl_find(line, length, why, sizeof why);
    if (!command)
        return repl_complain(session, "%s", why);
    /* An empty line goes on: it does not start again at the address that was named. */
    bool names_place = command->run == repl_examine || command->run == repl_disassemble ||
                       command->run == repl_list;
    if (!command->repeats)
        session->repeat[0] = '\0';
    else
        snprintf(session->repeat, sizeof session->repeat, "%s", names_place ? command->name : line);
    return command->run(session, trim(line + length));
}

/* ---- scripts ---- */

static bool read_script(struct session *session, FILE *file)
{
    char *line = NULL;
    size_t room = 0;
    bool good = true;
    while (good && !session->quit && getline(&line, &room, file) >= 0) {
        session->script_line++;
        good = repl_execute(session, line);
    }
    free(line);
    return good;
}

bool repl_source(struct session *session, const char *path)
{
    struct stat status;
    FILE *file = fopen(path, "re");
    if (!file)
        return repl_complain(session, "The script '%s' cannot be opened: %s; check the path.", path,
                             strerror(errno));
    bool regular = fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode);
    if (!regular || session->script_depth == SCRIPT_DEPTH) {
        fclose(file);
        if (!regular)
            return repl_complain(session, "'%s' is no regular file; name a file of commands.",
                                 path);
        return repl_complain(session,
                             "Scripts call each other more than %d deep; does one of them "
                             "call itself?",
                             SCRIPT_DEPTH);
    }
    const char *outer = session->script;
    unsigned outer_line = session->script_line;
    session->script = path;
    session->script_line = 0;
    session->script_depth++;
    bool good = read_script(session, file);
    session->script_depth--;
    session->script = outer;
    session->script_line = outer_line;
    fclose(file);
    return good;
}

/* ---- the prompt ---- */

/* $XDG_STATE_HOME/vmm/history (XDG Base Directory Specification 0.8), with the folders that are
 * missing. */
static bool history_path(char *path, size_t room)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    bool own = state && *state == '/';
    if (!own && !home)
        return false;
    int length = own ? snprintf(path, room, "%s/vmm/history", state)
                     : snprintf(path, room, "%s/.local/state/vmm/history", home);
    if (length < 0 || (size_t)length >= room)
        return false;
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(path, 0700); /* the last failure shows when the file is written */
        *at = '/';
    }
    return true;
}

static void remember(const char *line)
{
    HIST_ENTRY *last = history_length ? history_get(history_base + history_length - 1) : NULL;
    if (*line && (!last || strcmp(last->line, line) != 0))
        add_history(line);
}

static void do_line(struct session *session, char *line)
{
    char again[LINE_ROOM];
    if (!*trim(line)) {
        snprintf(again, sizeof again, "%s", session->repeat);
        line = again;
    }
    repl_record_text(session, "(vmm) ");
    repl_record_text(session, line);
    repl_record_text(session, "\n");
    session->failed = !repl_execute(session, line);
    fflush(stdout);
}

static void prompt_loop(struct session *session)
{
    enum { HISTORY = 1000 };
    char path[4096], *line;
    bool kept = history_path(path, sizeof path);
    rl_readline_name = "vmm";
    rl_change_environment = 0; /* LINES and COLUMNS would hide a new size from the screen */
    repl_complete_with_readline(session);
    stifle_history(HISTORY);
    if (kept)
        read_history(path);
    while (!session->quit) {
        repl_say(session, "%s", ""); /* ends a line of the guest's */
        fflush(stdout);
        signals_at_prompt();
        line = readline("(vmm) ");
        if (!line) {
            putchar('\n');
            break;
        }
        if (!signals_line_cleared()) {
            remember(line);
            do_line(session, line);
        }
        free(line);
    }
    if (kept)
        write_history(path);
}

static void pipe_loop(struct session *session)
{
    char *line = NULL;
    size_t room = 0;
    while (!session->quit && getline(&line, &room, stdin) >= 0)
        do_line(session, line);
    repl_say(session, "%s", "");
    free(line);
}

void repl_interact(struct session *session)
{
    if (session->terminal)
        prompt_loop(session);
    else
        pipe_loop(session);
}

/* ---- the guest ---- */

static bool observe(void *context, const struct vmm_record *record)
{
    struct session *session = context;
    bool stop = session->waiting && repl_is_of_kind(record, &session->wanted);
    stop |= repl_quiz_wants(session, record);
    for (unsigned i = 0; i < session->breakpoint_count; i++) {
        struct breakpoint *point = &session->breakpoints[i];
        if (!point->caught || !repl_is_of_kind(record, &point->kind))
            continue;
        point->hits += !session->searching;
        stop = true;
    }
    return stop;
}

bool repl_attach(struct session *session)
{
    struct vmm_error error;
    vmm_stop_at_traps(session->guest.vm, observe, session);
    for (unsigned i = 0; i < session->breakpoint_count; i++)
        if (repl_is_place(&session->breakpoints[i]) &&
            vmm_break_add(session->guest.vm, session->breakpoints[i].linear, &error) != VMM_OK)
            return repl_complain(session, "%s", error.text);
    repl_watch_again(session);
    return true;
}

void repl_detach(struct session *session)
{
    vmm_stop_at_traps(session->guest.vm, NULL, NULL);
    for (unsigned i = 0; i < session->breakpoint_count; i++)
        if (session->breakpoints[i].watched)
            vmm_watch_delete(session->guest.vm, session->breakpoints[i].watch);
        else if (!session->breakpoints[i].caught)
            vmm_break_delete(session->guest.vm, session->breakpoints[i].linear);
}

bool repl_load(struct session *session)
{
    struct guest fresh;
    struct vmm_error error;
    session->options.config.console = repl_console(session);
    if (guest_create(&fresh, &session->options) != 0) {
        guest_destroy(&fresh);
        return false;
    }
    repl_trace_stop(session);
    source_close(session->source);
    repl_free_snapshots(session);
    guest_destroy(&session->guest);
    session->guest = fresh;
    repl_load_symbols(session);
    session->list_file[0] = '\0';
    session->typed_begin = session->typed_end = 0;
    session->shown_length = 0;
    session->next_code_known = false;
    if (session->options.config.clock == VMM_CLOCK_VIRTUAL &&
        vmm_history_start(fresh.vm, NULL, &error) != VMM_OK)
        return repl_complain(session, "%s", error.text);
    if (!repl_attach(session))
        return false;
    return repl_lab_install(session);
}
