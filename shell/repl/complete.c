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

static char **complete(const char *text, int start, int end)
{
    const char *line = rl_line_buffer;
    (void)end;
    while (isspace((unsigned char)*line))
        line++;
    size_t word = strcspn(line, " \t/");
    bool first = rl_line_buffer + start == line;
    const struct repl_command *command = first ? NULL : repl_find(line, word, NULL, 0);
    enum completion what = first     ? COMPLETE_COMMAND
                           : command ? command->completion
                                     : COMPLETE_NOTHING;
    if (what == COMPLETE_FILE)
        return NULL; /* readline's own */
    rl_attempted_completion_over = 1;
    present_list = list_of(what);
    return present_list ? rl_completion_matches(text, generate) : NULL;
}

void repl_complete_with_readline(struct session *session)
{
    completing = session;
    rl_attempted_completion_function = complete;
    rl_basic_word_break_characters = " \t\n()*+-/%&|^~!<>=,";
}
