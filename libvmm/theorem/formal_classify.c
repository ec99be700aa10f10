/* The classes of a formal machine's instructions, by the paper's definitions, over all its states.
 *
 * Privileged and mode sensitive are questions about pairs that differ in M only, location sensitive
 * about pairs that differ in l only, with the storage in the window moved along. Pairs in which the
 * instruction memory-traps in either state do not count. The relocations compared are those the
 * machine has, and the ones at which VMMs put their VMs: otherwise an instruction could look
 * innocuous only because the little machine has too few places to move to. */
#include <string.h>

#include "formal.h"

enum class { CONTROL, LOCATION, MODE, CLASSES };

struct finding {
    const struct vmm_formal_machine *machine;
    struct formal_instruction *instruction;
    bool seen[CLASSES][2]; /* by the mode it was seen from */
    uint64_t pairs;        /* that differ in M and do not memory-trap */
    uint64_t privileged;   /* of these, how many trap in u and not in s */
};

/* One execution: the state before, the state after, and what happened. */
struct probe {
    struct formal_state before, after;
    enum formal_effect effect;
};

static void run(const struct finding *finding, struct probe *probe, unsigned displacement)
{
    probe->after = probe->before;
    probe->effect =
        formal_execute(finding->machine, finding->instruction, &probe->after, displacement);
}

static void describe(const struct finding *finding, const struct probe *probe)
{
    char *text = finding->instruction->witness;
    formal_describe(finding->machine, &probe->before, text, FORMAL_WITNESS);
    formal_append(text, FORMAL_WITNESS, " -> ");
    if (probe->effect == FORMAL_TRAPPED)
        formal_append(text, FORMAL_WITNESS, "trap");
    else
        formal_describe(finding->machine, &probe->after, text, FORMAL_WITNESS);
}

/* Notes the first states, for each mode, that show a class. */
static void show(struct finding *finding, enum class class, const struct probe *one,
                 const struct probe *other)
{
    static const char *const names[CLASSES] = {"control sensitive", "location sensitive",
                                               "mode sensitive"};
    char *text = finding->instruction->witness;
    finding->seen[class][one->before.psw.supervisor] = true;
    formal_append(text, FORMAL_WITNESS, "%s%s: ", *text ? "; " : "", names[class]);
    describe(finding, one);
    if (other) {
        formal_append(text, FORMAL_WITNESS, ", but ");
        describe(finding, other);
    }
}

static void try_control(struct finding *finding, const struct probe *probe)
{
    const struct formal_psw *before = &probe->before.psw, *after = &probe->after.psw;
    if (probe->effect != FORMAL_DONE || finding->seen[CONTROL][before->supervisor])
        return;
    if (before->supervisor != after->supervisor || before->l != after->l || before->b != after->b)
        show(finding, CONTROL, probe, NULL);
}

/* A trap in u hands control to the VMM, whatever happens in s. The other way round it never hears.
 */
static void try_mode(struct finding *finding, const struct probe *in_s, const struct probe *in_u)
{
    if (in_s->effect == FORMAL_MEMORY_TRAPPED || in_u->effect == FORMAL_MEMORY_TRAPPED)
        return;
    finding->pairs++;
    finding->privileged += in_s->effect == FORMAL_DONE && in_u->effect == FORMAL_TRAPPED;
    if (in_u->effect == FORMAL_TRAPPED || finding->seen[MODE][true])
        return;
    if (in_s->effect == FORMAL_TRAPPED || in_s->after.psw.p != in_u->after.psw.p ||
        memcmp(in_s->after.cell, in_u->after.cell, sizeof in_s->after.cell) != 0)
        show(finding, MODE, in_s, in_u);
}

/* How many addresses of the window [0, b) lie inside the storage at both relocations. */
static unsigned common_window(const struct vmm_formal_machine *machine, unsigned b, unsigned l,
                              unsigned other)
{
    unsigned highest = l > other ? l : other;
    if (highest >= machine->storage)
        return 0;
    return b < machine->storage - highest ? b : machine->storage - highest;
}

static bool same_outcome(const struct probe *one, const struct probe *other)
{
    if (one->effect != other->effect)
        return false;
    return one->effect != FORMAL_DONE || one->after.psw.p == other->after.psw.p;
}

/* Moves the window to another relocation of the same machine. */
static void try_move(struct finding *finding, const struct probe *probe, uint16_t l)
{
    unsigned from = probe->before.psw.l;
    unsigned window = common_window(finding->machine, probe->before.psw.b, from, l);
    struct probe other = {.before = probe->before};
    other.before.psw.l = l;
    for (unsigned a = 0; a < window; a++)
        other.before.cell[l + a] = probe->before.cell[from + a];
    run(finding, &other, 0);
    if (other.effect == FORMAL_MEMORY_TRAPPED)
        return;
    bool same = same_outcome(probe, &other);
    for (unsigned a = 0; same && probe->effect == FORMAL_DONE && a < window; a++)
        same = probe->after.cell[from + a] == other.after.cell[l + a];
    if (!same)
        show(finding, LOCATION, probe, &other);
}

/* Moves the whole storage up, as into a VM. */
static void try_displace(struct finding *finding, const struct probe *probe, unsigned displacement)
{
    struct probe other = {.before = probe->before};
    other.before.psw.l = (uint16_t)(other.before.psw.l + displacement);
    run(finding, &other, displacement);
    if (other.effect == FORMAL_MEMORY_TRAPPED)
        return;
    if (!same_outcome(probe, &other) ||
        memcmp(probe->after.cell, other.after.cell, sizeof other.after.cell) != 0)
        show(finding, LOCATION, probe, &other);
}

static void try_location(struct finding *finding, const struct probe *probe)
{
    const struct vmm_formal_machine *machine = finding->machine;
    const bool *seen = &finding->seen[LOCATION][probe->before.psw.supervisor];
    if (probe->effect == FORMAL_MEMORY_TRAPPED)
        return;
    for (unsigned i = 0; i < machine->l_count && !*seen; i++)
        if (machine->l[i] != probe->before.psw.l)
            try_move(finding, probe, machine->l[i]);
    for (unsigned level = 1; level <= FORMAL_LEVELS && !*seen; level++)
        try_displace(finding, probe, level * FORMAL_VMM_CELLS);
}

/* The numbering of the states puts M first: the second half of them is the first one in mode s. */
static void search(struct finding *finding)
{
    uint64_t half = finding->machine->states / 2;
    for (uint64_t number = 0; number < half; number++) {
        struct probe in_u, in_s;
        formal_state_at(finding->machine, number, &in_u.before);
        in_s.before = in_u.before;
        in_s.before.psw.supervisor = true;
        run(finding, &in_u, 0);
        run(finding, &in_s, 0);
        try_control(finding, &in_u);
        try_control(finding, &in_s);
        try_mode(finding, &in_s, &in_u);
        try_location(finding, &in_u);
        try_location(finding, &in_s);
    }
}

static void conclude(struct finding *finding)
{
    struct formal_instruction *instruction = finding->instruction;
    bool(*seen)[2] = finding->seen;
    struct vmm_class_record *classes = &instruction->classes;
    *classes =
        (struct vmm_class_record){.isa = finding->machine->name, .mnemonic = instruction->name};
    /* True of no pair at all, the definition would be true of an instruction that never executes.
     */
    classes->privileged = finding->pairs > 0 && finding->privileged == finding->pairs;
    classes->control_sensitive = seen[CONTROL][0] || seen[CONTROL][1];
    classes->location_sensitive = seen[LOCATION][0] || seen[LOCATION][1];
    classes->mode_sensitive = seen[MODE][1];
    classes->user_sensitive = seen[CONTROL][0] || seen[LOCATION][0];
    classes->supervisor_sensitive = seen[CONTROL][1] || seen[LOCATION][1] || seen[MODE][1];
    classes->sensitive = classes->user_sensitive || classes->supervisor_sensitive;
    classes->innocuous = !classes->sensitive;
    char *text = instruction->witness;
    if (classes->privileged)
        formal_append(text, FORMAL_WITNESS,
                      "%sprivileged: traps in u and not in s in all %llu pairs of states",
                      *text ? "; " : "", (unsigned long long)finding->pairs);
    classes->witness = *text ? text : NULL;
}

void formal_classify(struct vmm_formal_machine *machine)
{
    if (machine->classified)
        return;
    for (unsigned i = 0; i < machine->instruction_count; i++) {
        struct finding finding = {.machine = machine, .instruction = &machine->instruction[i]};
        machine->instruction[i].witness[0] = '\0';
        search(&finding);
        conclude(&finding);
    }
    machine->classified = true;
}
