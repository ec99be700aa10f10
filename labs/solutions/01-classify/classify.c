/* Lab 1, the reference: Popek and Goldberg's classes by going through all states (CACM 17(7), 1974,
 * section 2), and predictions for x86. */
#include "predicates.h"

/* The states of a machine are numbered so that each can be tried; false behind the last. */
static bool nth(const struct machine *m, unsigned n, struct state *s)
{
    s->e = n % m->e_count;
    n /= m->e_count;
    s->p = n % m->p_count;
    n /= m->p_count;
    s->r = n % m->r_count;
    n /= m->r_count;
    s->supervisor = n == 1;
    return n < 2;
}

static bool privileged(const struct machine *m, unsigned i)
{
    struct state s, u, after;
    bool any = false;
    for (unsigned n = 0; nth(m, n, &u) && !u.supervisor; n++) {
        s = u;
        s.supervisor = true;
        enum effect in_u = m->execute(m, i, u, &after), in_s = m->execute(m, i, s, &after);
        if (in_u == MEMORY_TRAPS || in_s == MEMORY_TRAPS)
            continue;
        any = true;
        if (in_u != TRAPS || in_s == TRAPS)
            return false;
    }
    return any;
}

static bool changes(const struct machine *m, unsigned i, struct state s)
{
    struct state after;
    if (m->execute(m, i, s, &after) != EXECUTES)
        return false;
    return after.supervisor != s.supervisor || after.r != s.r;
}

static bool control_sensitive(const struct machine *m, unsigned i)
{
    struct state s;
    for (unsigned n = 0; nth(m, n, &s); n++)
        if (changes(m, i, s))
            return true;
    return false;
}

/* Whether the instruction does something else at another R. */
static bool depends(const struct machine *m, unsigned i, struct state s)
{
    struct state other = s, one, two;
    for (other.r = 0; other.r < m->r_count; other.r++) {
        enum effect here = m->execute(m, i, s, &one), there = m->execute(m, i, other, &two);
        if (here == MEMORY_TRAPS || there == MEMORY_TRAPS)
            continue;
        if (here != there)
            return true;
        if (here == EXECUTES &&
            (one.e != two.e || one.p != two.p || one.supervisor != two.supervisor))
            return true;
    }
    return false;
}

static bool location_sensitive(const struct machine *m, unsigned i)
{
    struct state s;
    for (unsigned n = 0; nth(m, n, &s); n++)
        if (depends(m, i, s))
            return true;
    return false;
}

static bool mode_sensitive(const struct machine *m, unsigned i)
{
    struct state s, u, from_s, from_u;
    for (unsigned n = 0; nth(m, n, &u) && !u.supervisor; n++) {
        s = u;
        s.supervisor = true;
        enum effect in_u = m->execute(m, i, u, &from_u), in_s = m->execute(m, i, s, &from_s);
        if (in_u != EXECUTES || in_s == MEMORY_TRAPS)
            continue;
        if (in_s == TRAPS)
            return true;
        if (from_s.e != from_u.e || from_s.p != from_u.p || from_s.r != from_u.r)
            return true;
    }
    return false;
}

static bool user_sensitive(const struct machine *m, unsigned i)
{
    struct state u;
    for (unsigned n = 0; nth(m, n, &u) && !u.supervisor; n++)
        if (changes(m, i, u) || depends(m, i, u))
            return true;
    return false;
}

static bool theorem_1(const struct machine *m)
{
    for (unsigned i = 0; i < m->instructions; i++) {
        bool sensitive =
            control_sensitive(m, i) || location_sensitive(m, i) || mode_sensitive(m, i);
        if (sensitive && !privileged(m, i))
            return false;
    }
    return true;
}

static bool theorem_3(const struct machine *m)
{
    for (unsigned i = 0; i < m->instructions; i++)
        if (user_sensitive(m, i) && !privileged(m, i))
            return false;
    return true;
}

static const struct prediction predictions[] = {
    /* privileged, sensitive */
    {"popf", false, true},
    {"cli", true, true},
    {"add", false, false},
    {"sgdt", false, true},
    {"lgdt", true, true},
    {"hlt", true, false},
    {"smsw", false, true},
    {"str", false, true},
    {"ltr", true, true},
    {"lar", false, true},
    {"clts", true, true},
    {"xchg", false, false},
    {"verr", false, true},
    {"sidt", false, true},
    {"lidt", true, true},
    {"wbinvd", true, false},
    {NULL, false, false},
};

const struct lab_answers lab_answers = {
    .privileged = privileged,
    .control_sensitive = control_sensitive,
    .location_sensitive = location_sensitive,
    .mode_sensitive = mode_sensitive,
    .user_sensitive = user_sensitive,
    .theorem_1 = theorem_1,
    .theorem_3 = theorem_3,
    .predictions = predictions,
};
