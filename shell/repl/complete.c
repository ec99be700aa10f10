/* Completion of commands and of their arguments, by the table's word on what those are. */
#include "shell/repl/repl.h"

#include "shell/repl/why.h"
#include "shell/topics.h"

#include <ctype.h>
#include <readline/readline.h>
#include <stdlib.h>
#include <string.h>

static struct session *completing; /* readline's calls have no context */

/* Names from a list, by number. */
typedef const char *name_list(size_t i);

static const char *command_name(size_t i)
{
    return i < repl_command_count ? repl_commands[i].name : NULL;
}

static const char *command_or_topic(size_t i)
{
    if (i < repl_command_count)
        return repl_commands[i].name;
    return i - repl_command_count < topic_count ? topics[i - repl_command_count].name : NULL;
}

/* Registers with their dollar sign first, then symbols. */
static const char *operand_name(size_t i)
{
    static char name[32];
    size_t registers = 0;
    while (vmm_register_name(registers))
        registers++;
    if (i < registers) {
        snprintf(name, sizeof name, "$%s", vmm_register_name(i));
        return name;
    }
    return completing->guest.vm ? vmm_symbol_name(completing->guest.vm, i - registers) : NULL;
}

static const char *cause_or_vector(size_t i)
{
    static const char *const vectors[] = {"#DE", "#UD", "#NM", "#NP", "#SS", "#GP", "#PF"};
    const size_t count = sizeof vectors / sizeof *vectors;
    size_t groups = 0;
    if (i < count)
        return vectors[i];
    while (repl_group(groups))
        groups++;
    return i - count < groups ? repl_group(i - count)
                              : why_cause_of(completing->guest.vm, i - count - groups);
}

static const char *breakpoint_number(size_t i)
{
    static char number[12];
    if (i >= completing->breakpoint_count)
        return NULL;
    snprintf(number, sizeof number, "%u", completing->breakpoints[i].number);
    return number;
}

static const char *snapshot_name(size_t i)
{
    return repl_snapshot_name(completing, i);
}

static name_list *present_list;

static char *generate(const char *text, int state)
{
    static size_t next;
    const char *name;
    if (!state)
        next = 0;
    while ((name = present_list(next))) {
        next++;
        if (strncmp(name, text, strlen(text)) == 0)
            return strdup(name);
    }
    return NULL;
}

static name_list *list_of(enum completion completion)
{
    switch (completion) {
    case COMPLETE_COMMAND: return command_name;
    case COMPLETE_HELP: return command_or_topic;
    case COMPLETE_CAUSE: return cause_or_vector;
    case COMPLETE_EXPRESSION: return operand_name;
    case COMPLETE_TECHNIQUE: return vmm_technique;
    case COMPLETE_INFO: return repl_info_topic;
    case COMPLETE_BREAKPOINT: return breakpoint_number;
    case COMPLETE_SNAPSHOT: return snapshot_name;
    default: return NULL;
    }
}

/* ---- words that some arguments are made of ---- */

static const char *present_words; /* separated by spaces */

static const char *word_of_list(size_t i)
{
    static char word[32];
    const char *at = present_words;
    for (; i && *at; i--) {
        at += strcspn(at, " ");
        at += *at == ' ';
    }
    if (!*at)
        return NULL;
    snprintf(word, sizeof word, "%.*s", (int)strcspn(at, " "), at);
    return word;
}

/* What may stand behind the words before: "info devices" has the devices. Where there is nothing
 * for a word of these, the command's own kind of argument holds. */
static const struct {
    const char *behind, *words;
    name_list *names; /* instead of `words` */
} arguments[] = {
    {"trace", "on off save", NULL},
    {"record", "stop", NULL},
    {"back", "trap", NULL},
    {"lab", "start stop", NULL},
    {"quiz", "-s", NULL},
    {"watch", "port byte( word( dword(", NULL},
    {"rwatch", "byte( word(", NULL},
    {"awatch", "byte( word(", NULL},
    {"info devices", NULL, vmm_device},
    {"info vmcb", "all", NULL},
    {"info shadow", NULL, operand_name},
    {"info traps", "", NULL},
};

/* The words before position `start` of the line, with the command's whole name and topic's. */
static void words_before(const char *line, size_t length, const struct repl_command *command,
                         char *text, size_t room)
{
    const char *at = line, *end = line + length;
    size_t used = (size_t)snprintf(text, room, "%s", command->name);
    at += strcspn(at, " \t");
    while (at < end && used < room) {
        at += strspn(at, " \t");
        size_t size = strcspn(at, " \t");
        if (at + size > end || !size)
            return;
        const char *name, *whole = NULL;
        for (size_t i = 0; command->completion == COMPLETE_INFO && (name = repl_info_topic(i)); i++)
            if (!whole && strncmp(name, at, size) == 0)
                whole = name;
        int added = whole ? snprintf(text + used, room - used, " %s", whole)
                          : snprintf(text + used, room - used, " %.*s", (int)size, at);
        used += added > 0 ? (size_t)added : 0;
        at += size;
    }
}

/* The list for what follows the words `before`; NULL if they are not in the table. */
static name_list *list_behind(const char *before)
{
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++) {
        if (strcmp(arguments[i].behind, before) != 0)
            continue;
        present_words = arguments[i].words;
        return arguments[i].names ? arguments[i].names : word_of_list;
    }
    return NULL;
}

static char **matches_of(name_list *list, const char *text)
{
    present_list = list;
    return list ? rl_completion_matches(text, generate) : NULL;
}

static char **complete(const char *text, int start, int end)
{
    const char *line = rl_line_buffer;
    char before[128];
    (void)end;
    while (isspace((unsigned char)*line))
        line++;
    size_t word = strcspn(line, " \t/");
    bool first = rl_line_buffer + start == line;
    const struct repl_command *command = first ? NULL : repl_find(line, word, NULL, 0);
    enum completion what = first     ? COMPLETE_COMMAND
                           : command ? command->completion
                                     : COMPLETE_NOTHING;
    char **matches = NULL;
    if (command) {
        words_before(line, (size_t)(rl_line_buffer + start - line), command, before, sizeof before);
        matches = matches_of(list_behind(before), text);
    }
    if (matches || what == COMPLETE_FILE) {
        if (matches)
            rl_attempted_completion_over = 1;
        return matches; /* NULL: readline's own, of files */
    }
    rl_attempted_completion_over = 1;
    if (what == COMPLETE_INFO && strchr(before, ' '))
        return NULL; /* a topic has been named */
    return matches_of(list_of(what), text);
}

/* Where words end: in an expression at each operator, in a command or a path only at spaces. */
static char *break_characters(void)
{
    static char spaces[] = " \t\n", operators[] = " \t\n()*+-/%&|^~!<>=,";
    const char *line = rl_line_buffer;
    while (isspace((unsigned char)*line))
        line++;
    size_t word = strcspn(line, " \t/");
    bool first = rl_line_buffer + rl_point <= line + strcspn(line, " \t");
    const struct repl_command *command = first ? NULL : repl_find(line, word, NULL, 0);
    return command && command->completion == COMPLETE_EXPRESSION ? operators : spaces;
}

void repl_complete_with_readline(struct session *session)
{
    completing = session;
    rl_attempted_completion_function = complete;
    rl_completion_word_break_hook = break_characters;
}
