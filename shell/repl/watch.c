/* Watchpoints at the prompt: `watch`, `rwatch` and `awatch`, and what a stop at one says. */
#include "shell/repl/repl.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void skip_spaces(const char **text)
{
    while (isspace((unsigned char)**text))
        ++*text;
}

static bool take_word(const char **text, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(*text, word, length) != 0 || isalnum((unsigned char)(*text)[length]))
        return false;
    *text += length;
    skip_spaces(text);
    return true;
}

/* "$cr3", into `name`; not "$esp + 8", which is an address. */
static bool take_register(const char **text, char *name, size_t room)
{
    const char *at = *text + 1, *end = at;
    if (**text != '$')
        return false;
    while (isalnum((unsigned char)*end))
        end++;
    const char *behind = end;
    skip_spaces(&behind);
    if ((*behind && !repl_starts_condition(behind)) || (size_t)(end - at) >= room)
        return false;
    snprintf(name, room, "%.*s", (int)(end - at), at);
    *text = behind;
    return true;
}

/* How many bytes a place has by its spelling: *A, dword(A), word(A), byte(A), or A itself. */
static uint32_t take_size(const char **text)
{
    if (**text == '*') {
        ++*text;
        return 4;
    }
    if (take_word(text, "byte"))
        return 1;
    if (take_word(text, "word"))
        return 2;
    take_word(text, "dword");
    return 4;
}

/* What is to be watched; `*text` is then what follows. */
static bool parse_place(struct session *session, const char **text, struct vmm_watchpoint *watch,
                        char *name, size_t room)
{
    uint32_t number;
    *watch = (struct vmm_watchpoint){.kind = VMM_WATCH_MEMORY};
    if (take_register(text, name, room)) {
        watch->kind = VMM_WATCH_REGISTER;
        watch->name = name;
        return true;
    }
    bool port = take_word(text, "port");
    watch->length = port ? 1 : take_size(text);
    if (strncmp(*text, "phys", 4) == 0)
        return repl_complain(session, "Linear addresses are watched; 'walk ADDRESS' says what they "
                                      "mean.");
    if (!repl_evaluate(session, *text, text, &watch->address))
        return false;
    if (port)
        watch->kind = VMM_WATCH_PORT;
    skip_spaces(text);
    if (!isdigit((unsigned char)**text))
        return true;
    char *end;
    number = (uint32_t)strtoul(*text, &end, 0);
    watch->length = number;
    *text = end;
    skip_spaces(text);
    return true;
}

/* Reads are watched in memory only. */
static bool narrow(struct session *session, const struct breakpoint *point,
                   struct vmm_watchpoint *watch)
{
    if (point->access == VMM_WATCH_MEMORY)
        return true;
    if (watch->kind == VMM_WATCH_REGISTER)
        return repl_complain(session,
                             "Reads of a register are not watched; 'watch %s' stops where "
                             "it changes.",
                             point->text);
    if (watch->kind == VMM_WATCH_PORT)
        return repl_complain(
            session, "Of ports every access is watched, reads too; write 'watch %s'.", point->text);
    watch->kind = point->access;
    return true;
}

/* Sets the watchpoint that `point->text` describes on the session's guest. */
static bool set(struct session *session, struct breakpoint *point)
{
    struct vmm_watchpoint watch;
    struct vmm_error error;
    char name[16];
    const char *condition = point->text;
    if (!parse_place(session, &condition, &watch, name, sizeof name) ||
        !narrow(session, point, &watch) || !repl_check_condition(session, &condition))
        return false;
    if (vmm_watch_add(session->guest.vm, &watch, &point->watch, &error) != VMM_OK)
        return repl_complain(session, "%s", error.text);
    size_t length = strlen(point->text) - strlen(condition);
    snprintf(point->where, sizeof point->where, "%s", point->text);
    snprintf(point->condition, sizeof point->condition, "%s", condition);
    if (*condition) { /* without "if" */
        while (length && point->where[length - 1] == ' ')
            length--;
        length -= length >= 2 ? 2 : 0;
        while (length && point->where[length - 1] == ' ')
            length--;
        point->where[length] = '\0';
    }
    point->watched = true;
    return true;
}

static const char *title(const struct breakpoint *point)
{
    return point->access == VMM_WATCH_READ     ? "Read watchpoint"
           : point->access == VMM_WATCH_ACCESS ? "Access watchpoint"
                                               : "Watchpoint";
}

static bool add(struct session *session, char *arguments, enum vmm_watch_kind access,
                const char *usage)
{
    if (!repl_need_guest(session))
        return false;
    if (!*arguments)
        return repl_complain(session, "Say what to watch; write %s.", usage);
    struct breakpoint *point = repl_add_breakpoint(session);
    if (!point)
        return false;
    if (strlen(arguments) >= sizeof point->text) {
        repl_drop_breakpoint(session);
        return repl_complain(session, "That is too long; %zu characters are enough.",
                             sizeof point->text - 1);
    }
    snprintf(point->text, sizeof point->text, "%s", arguments);
    point->access = access;
    if (!set(session, point)) {
        repl_drop_breakpoint(session);
        return false;
    }
    repl_say(session, "%s %u: %s%s%s%s\n", title(point), point->number, point->where,
             *point->condition ? " if " : "", point->condition,
             vmm_watch_steps(session->guest.vm, point->watch)
                 ? "  (single-stepping: the guest runs slowly)"
                 : "");
    return true;
}

bool repl_watch(struct session *session, char *arguments)
{
    return add(session, arguments, VMM_WATCH_MEMORY,
               "'watch *ADDRESS', 'watch $cr3' or 'watch port 0x3f8'");
}

bool repl_rwatch(struct session *session, char *arguments)
{
    return add(session, arguments, VMM_WATCH_READ, "'rwatch *ADDRESS'");
}

bool repl_awatch(struct session *session, char *arguments)
{
    return add(session, arguments, VMM_WATCH_ACCESS, "'awatch *ADDRESS'");
}

/* On a guest that was just loaded: what cannot be watched yet is taken away, after a sentence. */
void repl_watch_again(struct session *session)
{
    for (unsigned i = 0; i < session->breakpoint_count;) {
        struct breakpoint *point = &session->breakpoints[i];
        if (!point->watched || set(session, point)) {
            i++;
            continue;
        }
        repl_say(session, "Watchpoint %u is deleted.\n", point->number);
        session->breakpoint_count--;
        memmove(point, point + 1, (session->breakpoint_count - i) * sizeof *point);
    }
}

/* ---- stops ---- */

static struct breakpoint *find(struct session *session, const struct vmm_watch_hit *hit)
{
    for (unsigned i = 0; i < session->breakpoint_count; i++)
        if (session->breakpoints[i].watched && session->breakpoints[i].watch == hit->number)
            return &session->breakpoints[i];
    return NULL;
}

bool repl_watch_holds(struct session *session)
{
    struct vmm_watch_hit hit;
    uint32_t value;
    const struct breakpoint *point =
        vmm_watch_hit(session->guest.vm, &hit) ? find(session, &hit) : NULL;
    return !point || !*point->condition ||
           !repl_evaluate(session, point->condition, NULL, &value) || value;
}

/* As a number where it is one; byte by byte where it is longer. */
static void put_value(struct session *session, const char *name, const uint8_t *bytes,
                      uint32_t length)
{
    uint32_t value = 0;
    repl_say(session, "  %s", name);
    for (unsigned i = 0; i < length && length > 4; i++)
        repl_say(session, " %02x", bytes[i]);
    for (unsigned i = length; i-- > 0 && length <= 4;)
        value = value << 8 | bytes[i];
    if (length <= 4)
        repl_say(session, " 0x%0*" PRIx32 " (%" PRIu32 ")", 2 * (int)length, value, value);
    repl_say(session, "\n");
}

void repl_show_watch(struct session *session)
{
    struct vmm_watch_hit hit;
    char place[128];
    if (!vmm_watch_hit(session->guest.vm, &hit))
        return;
    struct breakpoint *point = find(session, &hit);
    if (point) {
        point->hits++;
        repl_say(session, "%s %u: %s\n", title(point), point->number, point->where);
    }
    const bool same = memcmp(hit.before, hit.after, sizeof hit.after) == 0;
    if (hit.kind == VMM_WATCH_PORT) {
        repl_say(session, "  port 0x%x %s", hit.port, hit.in ? "read:" : "written:");
        put_value(session, "", hit.after, hit.length);
    } else if (same && (hit.kind == VMM_WATCH_READ || hit.kind == VMM_WATCH_ACCESS)) {
        put_value(session, hit.in ? "read" : "written again:", hit.after, hit.length);
    } else {
        put_value(session, "was", hit.before, hit.length);
        put_value(session, "is ", hit.after, hit.length);
    }
    repl_say(session, "  by  %s\n", repl_place(session, hit.linear, place, sizeof place));
}
