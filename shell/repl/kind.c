/* Kinds of traps, as `trap` and `catch` take them: a cause, a vector, a class of instructions, or a
 * room of the VMM that the trap passes through. */
#include "shell/repl/repl.h"

#include "shell/nearest.h"
#include "shell/repl/why.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Popek and Goldberg's classes, by what is known of each cause, and the rooms. */
static const struct {
    const char *name;
    unsigned classes; /* a bit each; 0: any */
    char room;        /* 0: any; 'D': no other */
} groups[] = {
    {"sensitive", 1u << WHY_PRIVILEGED | 1u << WHY_IOPL | 1u << WHY_SILENT, 0},
    {"privileged", 1u << WHY_PRIVILEGED | 1u << WHY_IOPL, 0},
    {"innocuous", 1u << WHY_INNOCUOUS, 0},
    {"event", 1u << WHY_EVENT, 0},
    {"dispatcher", 0, 'D'},
    {"allocator", 0, 'A'},
    {"interpreter", 0, 'I'},
};
enum { GROUPS = sizeof groups / sizeof *groups };

const char *repl_group(size_t i)
{
    return i < GROUPS ? groups[i].name : NULL;
}

static bool parse_group(const char *text, struct trap_kind *kind)
{
    for (unsigned i = 0; i < GROUPS; i++)
        if (strcmp(groups[i].name, text) == 0) {
            kind->group = i + 1;
            return true;
        }
    return false;
}

static bool is_of_group(const struct vmm_record *record, unsigned group)
{
    if (groups[group].room == 'D')
        return strcmp(record->walk, "D") == 0;
    if (groups[group].room)
        return strchr(record->walk, groups[group].room) != NULL;
    const struct why_cause *cause = why_find_cause(record->cause);
    return cause && (groups[group].classes >> cause->kind & 1);
}

bool repl_is_of_kind(const struct vmm_record *record, const struct trap_kind *kind)
{
    if (kind->group)
        return is_of_group(record, kind->group - 1);
    if (kind->vector >= 0)
        return record->has_vector && record->vector == kind->vector;
    return !*kind->cause || strcmp(record->cause, kind->cause) == 0;
}

static const char *cause_name(void *context, size_t i)
{
    const struct session *session = context;
    return why_cause_of(session->guest.vm, i);
}

/* A cause's name, a vector's number or an exception's name. */
bool repl_parse_kind(struct session *session, const char *text, struct trap_kind *kind)
{
    char *end;
    *kind = (struct trap_kind){.vector = -1};
    if (parse_group(text, kind))
        return true;
    unsigned long vector = strtoul(text, &end, 0);
    if (isdigit((unsigned char)*text)) {
        if (*end || vector > 255)
            return repl_complain(session, "'%.20s' is no vector; give 0 to 255.", text);
        kind->vector = (int)vector;
        return true;
    }
    for (int i = 0; i < 32; i++) {
        const char *name = why_vector_name((uint8_t)i);
        if (name && strcasecmp(text + (*text == '#'), name + (*name == '#')) == 0) {
            kind->vector = i;
            return true;
        }
    }
    for (size_t i = 0; cause_name(session, i); i++) {
        if (strcmp(cause_name(session, i), text) != 0)
            continue;
        snprintf(kind->cause, sizeof kind->cause, "%s", text);
        return true;
    }
    const char *nearest = nearest_name(text, cause_name, session);
    if (nearest)
        return repl_complain(session, "There is no cause '%.20s'; did you mean '%s'?", text,
                             nearest);
    return repl_complain(session, "There is no cause '%.20s'; 'help trap' says what causes are.",
                         text);
}
