/* The prompt: lines of commands on a guest, expressions and conditions in them. Left out are those
 * that touch the host (files, processes) or the terminal. */
#include "fuzz.h"

#include "shell/repl/repl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 2000, MOST_LINES = 40, MOST_INSTRUCTIONS = 3000 };

static struct session session;
static FILE *nowhere;

static bool allowed(const char *line)
{
    static const char *const outside[] = {"file",    "source",    "trace",    "record", "screen",
                                          "lab",     "why",       "classify", "quit",   "gdbserver",
                                          "history", "technique", "run",      "quiz"};
    line += strspn(line, " \t\r\v\f");
    size_t length = strcspn(line, " \t\r\v\f/");
    const struct repl_command *command = repl_find(line, length, NULL, 0);
    for (size_t i = 0; command && i < sizeof outside / sizeof *outside; i++)
        if (strcmp(command->name, outside[i]) == 0)
            return false;
    return true;
}

static bool begin(void)
{
    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    memset(&session, 0, sizeof session);
    session.options = (struct guest_options){.command = "debug", .image = "fuzz"};
    session.format = 'x';
    session.size = 'w';
    session.page = nowhere; /* what it prints */
    session.guest.vm = fuzz_vm(true);
    if (session.guest.vm)
        session.options.most_instructions = fuzz_retired(session.guest.vm) + MOST_INSTRUCTIONS;
    return session.guest.vm;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = size <= MOST_BYTES ? malloc(size + 1) : NULL, *rest = text, *line;
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (begin())
        for (unsigned i = 0; i < MOST_LINES && (line = strsep(&rest, "\n")); i++)
            if (allowed(line))
                repl_execute(&session, line);
    char all[] = "delete";
    repl_execute(&session, all);
    repl_free_snapshots(&session);
    repl_forget_symbols(&session);
    free(text);
    return 0;
}
