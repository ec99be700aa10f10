/* The states of a formal machine: how a PSW becomes the number that a storage cell holds, how the
 * states are counted and numbered so that a loop can go through all of them, and how they read. */
#include "formal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void formal_append(char *text, size_t room, const char *format, ...)
{
    size_t used = strnlen(text, room);
    if (used + 1 >= room)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, room - used, format, arguments);
    va_end(arguments);
}

static unsigned index_of(const uint16_t *values, unsigned count, uint16_t value)
{
    unsigned i = 0;
    while (i < count && values[i] != value)
        i++;
    return i;
}

/* A PSW is a number in mixed radix, the mode its first digit and the bound its last. A PSW that the
 * bare machine cannot have (a relocation into a VM) is one number more than it has. */
uint16_t formal_encode(const struct vmm_formal_machine *machine, const struct formal_psw *psw)
{
    unsigned l = index_of(machine->l, machine->l_count, psw->l);
    unsigned b = index_of(machine->b, machine->b_count, psw->b);
    if (l == machine->l_count || b == machine->b_count)
        return (uint16_t)machine->psws;
    unsigned number = (unsigned)psw->supervisor * machine->pcs + psw->p;
    return (uint16_t)((number * machine->l_count + l) * machine->b_count + b);
}

struct formal_psw formal_decode(const struct vmm_formal_machine *machine, uint16_t cell)
{
    unsigned number = cell % machine->psws;
    struct formal_psw psw;
    psw.b = machine->b[number % machine->b_count];
    number /= machine->b_count;
    psw.l = machine->l[number % machine->l_count];
    number /= machine->l_count;
    psw.p = (uint16_t)(number % machine->pcs);
    psw.supervisor = number / machine->pcs;
    return psw;
}

uint64_t formal_count_states(const struct vmm_formal_machine *machine)
{
    uint64_t states = machine->ticks ? machine->ticks : 1;
    for (unsigned i = 0; i < machine->storage + 1; i++) /* the cells, and the PSW */
        if (__builtin_mul_overflow(states, (uint64_t)machine->psws, &states))
            return UINT64_MAX;
    return states;
}

void formal_state_at(const struct vmm_formal_machine *machine, uint64_t number,
                     struct formal_state *state)
{
    memset(state, 0, sizeof *state);
    if (machine->ticks) {
        state->t = (uint16_t)(number % machine->ticks);
        number /= machine->ticks;
    }
    for (unsigned i = 0; i < machine->storage; i++) {
        state->cell[i] = (uint16_t)(number % machine->psws);
        number /= machine->psws;
    }
    state->psw = formal_decode(machine, (uint16_t)number);
}

bool formal_same(const struct vmm_formal_machine *machine, const struct formal_state *a,
                 const struct formal_state *b)
{
    return a->psw.supervisor == b->psw.supervisor && a->psw.p == b->psw.p && a->psw.l == b->psw.l &&
           a->psw.b == b->psw.b && a->t == b->t &&
           memcmp(a->cell, b->cell, machine->storage * sizeof a->cell[0]) == 0;
}

void formal_describe(const struct vmm_formal_machine *machine, const struct formal_state *state,
                     char *text, size_t room)
{
    formal_append(text, room, "<E=(");
    for (unsigned i = 0; i < machine->storage; i++)
        formal_append(text, room, i ? ",%u" : "%u", state->cell[i]);
    formal_append(text, room, "), M=%c, P=%u, R=(%u,%u)", state->psw.supervisor ? 's' : 'u',
                  state->psw.p, state->psw.l, state->psw.b);
    if (machine->ticks)
        formal_append(text, room, ", T=%u", state->t);
    formal_append(text, room, ">");
}
