/* The definitions, decided by comparing runs.
 *
 *   privileged         for every pair that differs in M only: traps in user mode, and does not in
 *                      supervisor mode. Pairs that trap in both are about the operands.
 *   control sensitive  in some state changes M or R without a trap
 *   location sensitive two states that differ in R only: different results
 *   mode sensitive     two states that differ in M only: different results; a trap in supervisor
 *                      mode that user mode does not take is such a difference, because the VMM
 *                      never sees it
 * (Popek and Goldberg 1974, section 4.) A trap in one of two states that differ in R is none: the
 * VMM gets control. Results are compared by what changed, since the states were not equal before.
 *
 * Some instructions read a clock. What differs between two runs from one state is noise and is not
 * compared; every witness has to show itself twice. */
#include "classify/verdict.h"

#include <stdio.h>
#include <string.h>

#define NOISE_MEMORY  (1ull << 63)
#define CONFIRMATIONS 8

static struct observation *seen_at(const struct trial *trial, unsigned mode, unsigned variation,
                                   unsigned seed)
{
    unsigned state = isa_state(trial->probe->isa, mode, variation);

    return &trial->seen[state * ISA_MAX_SEEDS + seed];
}

static bool variation_used(const struct trial *trial, unsigned variation)
{
    return !trial->sweep || (trial->probe->isa->sweep_variations >> variation & 1);
}

static bool seed_used(const struct trial *trial, unsigned seed)
{
    return !trial->sweep || (trial->probe->isa->sweep_seeds >> seed & 1);
}

static void run(struct trial *trial, unsigned mode, unsigned variation, unsigned seed,
                struct observation *seen)
{
    unsigned state = isa_state(trial->probe->isa, mode, variation);

    if (trial->lost[state] >> seed & 1) {
        seen->seen = SEEN_NOTHING;
        return;
    }
    if (trial->mark) {
        trial->mark->state = state;
        trial->mark->seed = seed;
    }
    probe_run(trial->probe, mode, variation, seed, seen);
}

static void find_noise(const struct isa *isa, const struct observation *a,
                       const struct observation *b, struct verdict *verdict)
{
    if (a->seen != SEEN_RAN || b->seen != SEEN_RAN)
        return;
    for (unsigned i = 0; i < isa->component_count && i < 63; i++)
        if (a->value[i] != b->value[i])
            verdict->noise |= 1ull << i;
    if (a->digest != b->digest)
        verdict->noise |= NOISE_MEMORY;
}

/* Does `component` come out differently, given what it was before? */
static bool component_differs(const struct isa_component *component, uint64_t before_a,
                              uint64_t after_a, uint64_t before_b, uint64_t after_b)
{
    if (before_a == before_b)
        return after_a != after_b;
    if (component->compare == ISA_CHANGED)
        return (before_a != after_a) != (before_b != after_b);
    return (before_a ^ after_a) != (before_b ^ after_b);
}

static bool memory_differs(const struct observation *a, const struct observation *b,
                           struct witness *witness)
{
    unsigned i = 0, n = a->change_count < b->change_count ? a->change_count : b->change_count;

    if (a->change_count == b->change_count && a->digest == b->digest)
        return false;
    if (n > OBSERVED_CHANGES)
        n = OBSERVED_CHANGES;
    while (i < n && a->change[i].address == b->change[i].address &&
           a->change[i].after == b->change[i].after)
        i++;
    witness->component = -1;
    if (i < n || a->change_count != b->change_count) {
        bool from_a = i < a->change_count && i < OBSERVED_CHANGES &&
                      (i >= b->change_count || a->change[i].address <= b->change[i].address);
        const struct change *c = from_a ? &a->change[i] : &b->change[i < OBSERVED_CHANGES ? i : 0];
        witness->address = c->address;
        witness->before_a = witness->before_b = c->before;
        witness->after_a = from_a ? c->after : c->before;
        witness->after_b = from_a ? c->before : c->after;
        if (i < n && a->change[i].address == b->change[i].address)
            witness->after_b = b->change[i].after;
    }
    return true;
}

/* Compares two runs that did not trap; fills the witness's values if they differ. */
static bool results_differ(struct trial *trial, const struct verdict *verdict,
                           struct witness *witness)
{
    struct probe *probe = trial->probe;
    const struct isa *isa = probe->isa;
    const struct observation *a =
        seen_at(trial, witness->mode_a, witness->variation_a, witness->seed);
    const struct observation *b =
        seen_at(trial, witness->mode_b, witness->variation_b, witness->seed);
    const struct observation *before_a =
        probe_before(probe, witness->mode_a, witness->variation_a, witness->seed);
    const struct observation *before_b =
        probe_before(probe, witness->mode_b, witness->variation_b, witness->seed);

    for (unsigned i = 0; i < isa->component_count; i++) {
        if (verdict->noise >> i & 1)
            continue;
        if (!component_differs(&isa->components[i], before_a->value[i], a->value[i],
                               before_b->value[i], b->value[i]))
            continue;
        witness->component = (int)i;
        witness->before_a = before_a->value[i];
        witness->before_b = before_b->value[i];
        witness->after_a = a->value[i];
        witness->after_b = b->value[i];
        return true;
    }
    return !(verdict->noise & NOISE_MEMORY) && memory_differs(a, b, witness);
}

/* Does the run change M or R? */
static bool controls(struct trial *trial, const struct verdict *verdict, struct witness *witness)
{
    const struct isa *isa = trial->probe->isa;
    const struct observation *a =
        seen_at(trial, witness->mode_a, witness->variation_a, witness->seed);
    const struct observation *before =
        probe_before(trial->probe, witness->mode_a, witness->variation_a, witness->seed);

    for (unsigned i = 0; i < isa->component_count; i++) {
        if (isa->components[i].part != ISA_MODE && isa->components[i].part != ISA_RESOURCE)
            continue;
        if (before->value[i] == a->value[i] || (verdict->noise >> i & 1))
            continue;
        witness->component = (int)i;
        witness->before_a = before->value[i];
        witness->after_a = a->value[i];
        return true;
    }
    return false;
}

static bool trapped(const struct observation *seen)
{
    return seen->seen == SEEN_TRAP || seen->seen == SEEN_UNDEFINED;
}

/* A witness counts when both runs can be repeated with the same result. */
static bool confirmed(struct trial *trial, struct verdict *verdict, const struct witness *witness)
{
    static struct observation again;
    uint64_t noise = verdict->noise;
    const struct isa *isa = trial->probe->isa;

    run(trial, witness->mode_a, witness->variation_a, witness->seed, &again);
    find_noise(isa, seen_at(trial, witness->mode_a, witness->variation_a, witness->seed), &again,
               verdict);
    run(trial, witness->mode_b, witness->variation_b, witness->seed, &again);
    find_noise(isa, seen_at(trial, witness->mode_b, witness->variation_b, witness->seed), &again,
               verdict);
    return noise == verdict->noise;
}

/* Where privileged and unprivileged behaviour were seen: bit v is variation v. */
struct tally {
    uint64_t privileged, unprivileged;
};

struct judgement {
    struct trial *trial;
    struct verdict *verdict;
    struct tally tally;
    bool again; /* noise was found: start over */
};

static void note(struct judgement *j, enum evidence kind, const struct witness *witness,
                 bool outside)
{
    struct verdict *verdict = j->verdict;
    struct classes *classes[] = {&verdict->without, outside ? NULL : &verdict->within};
    const struct isa_mode *modes = j->trial->probe->isa->modes;
    bool user_a = modes[witness->mode_a].user, user_b = modes[witness->mode_b].user;
    bool user = kind == EVIDENCE_CONTROL || kind == EVIDENCE_LOCATION ? user_a && user_b : false;
    bool supervisor = kind == EVIDENCE_CONTROL || kind == EVIDENCE_LOCATION ? !user_a : false;

    if (kind != EVIDENCE_PRIVILEGED && !verdict->witness[kind].found &&
        !confirmed(j->trial, verdict, witness)) {
        j->again = true;
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (!classes[i])
            continue;
        classes[i]->control |= kind == EVIDENCE_CONTROL;
        classes[i]->location |= kind == EVIDENCE_LOCATION;
        classes[i]->mode |= kind == EVIDENCE_MODE || kind == EVIDENCE_LEAK;
        classes[i]->user |= user;
        classes[i]->supervisor |= supervisor || kind == EVIDENCE_MODE;
    }
    if (outside)
        return;
    if (!verdict->witness[kind].found) {
        verdict->witness[kind] = *witness;
        verdict->witness[kind].found = true;
    }
    if (user && !verdict->user.found) {
        verdict->user = *witness;
        verdict->user.found = true;
        verdict->user_kind = kind;
    }
}

static void judge_mode_pair(struct judgement *j, unsigned user, unsigned variation, unsigned seed)
{
    const struct isa *isa = j->trial->probe->isa;
    const struct observation *s = seen_at(j->trial, 0, variation, seed);
    const struct observation *u = seen_at(j->trial, user, variation, seed);
    bool outside = isa->variations[variation].outside;
    struct witness w = {.mode_a = 0,
                        .mode_b = (uint8_t)user,
                        .variation_a = (uint8_t)variation,
                        .variation_b = (uint8_t)variation,
                        .seed = (uint8_t)seed,
                        .component = -2};

    if (s->seen == SEEN_MEMORY || u->seen == SEEN_MEMORY || s->seen == SEEN_NOTHING ||
        u->seen == SEEN_NOTHING)
        return;
    if (s->seen == SEEN_RAN && trapped(u)) {
        j->tally.privileged |= 1ull << variation;
        note(j, EVIDENCE_PRIVILEGED, &w, outside);
    } else if (u->seen == SEEN_RAN) {
        j->tally.unprivileged |= 1ull << variation;
        if (trapped(s))
            note(j, EVIDENCE_LEAK, &w, outside);
        else if (results_differ(j->trial, j->verdict, &w))
            note(j, EVIDENCE_MODE, &w, outside);
    }
}

static void judge_state(struct judgement *j, unsigned mode, unsigned variation, unsigned seed)
{
    const struct isa *isa = j->trial->probe->isa;
    const struct observation *a = seen_at(j->trial, mode, variation, seed);
    const struct observation *base = seen_at(j->trial, mode, 0, seed);
    bool outside = isa->variations[variation].outside;
    struct witness w = {.mode_a = (uint8_t)mode,
                        .mode_b = (uint8_t)mode,
                        .variation_a = (uint8_t)variation,
                        .variation_b = (uint8_t)variation,
                        .seed = (uint8_t)seed};

    if (a->seen != SEEN_RAN)
        return;
    j->verdict->ran = true;
    j->verdict->ran_user |= isa->modes[mode].user;
    if (controls(j->trial, j->verdict, &w))
        note(j, EVIDENCE_CONTROL, &w, outside);
    if (variation == 0 || base->seen != SEEN_RAN)
        return;
    w.variation_a = 0;
    if (results_differ(j->trial, j->verdict, &w))
        note(j, EVIDENCE_LOCATION, &w, outside);
}

static void judge_all(struct judgement *j)
{
    const struct isa *isa = j->trial->probe->isa;

    for (unsigned v = 0; v < isa->variation_count && !j->again; v++) {
        if (!variation_used(j->trial, v))
            continue;
        for (unsigned s = 0; s < isa->seeds && !j->again; s++) {
            if (!seed_used(j->trial, s))
                continue;
            for (unsigned m = 0; m < isa->mode_count && !j->again; m++)
                judge_state(j, m, v, s);
            for (unsigned m = 1; m < isa->mode_count && !j->again; m++)
                judge_mode_pair(j, m, v, s);
        }
    }
}

static void join(char *to, size_t size, const char *word, const char *text)
{
    size_t used = strlen(to);

    if (text && !strstr(to, text))
        snprintf(to + used, size - used, "%s%s", used ? word : "", text);
}

/* Puts into words where the instruction is privileged and where it is not. */
static void find_condition(const struct isa *isa, const struct tally *tally, struct verdict *out)
{
    uint64_t inside = 0;

    for (unsigned v = 0; v < isa->variation_count; v++)
        if (!isa->variations[v].outside)
            inside |= 1ull << v;
    out->without.privileged = tally->privileged && !tally->unprivileged;
    out->within.privileged = (tally->privileged & inside) && !(tally->unprivileged & inside);
    out->conditional = tally->privileged && tally->unprivileged;
    out->condition[0] = 0;
    if (!out->conditional)
        return;
    uint64_t mixed = tally->privileged & tally->unprivileged;
    if (mixed & inside)
        join(out->condition, sizeof out->condition, "", "the operands ask for it");
    for (unsigned v = 0; v < isa->variation_count; v++) {
        const struct isa_variation *variation = &isa->variations[v];

        if (((mixed & inside) && !variation->outside) || (mixed >> v & 1))
            continue;
        if ((tally->privileged & 1) && (tally->unprivileged >> v & 1))
            join(out->condition, sizeof out->condition, " and ", variation->condition);
        if ((tally->unprivileged & 1) && (tally->privileged >> v & 1))
            join(out->condition, sizeof out->condition, " or ", variation->holds);
    }
    if (!out->condition[0])
        snprintf(out->condition, sizeof out->condition, "the operands ask for it");
}

/* One seed in the unchanged state: an encoding that traps whatever is tried needs no more. */
static bool always_traps(struct trial *trial)
{
    const struct isa *isa = trial->probe->isa;

    for (unsigned s = 0; s < isa->seeds; s++)
        for (unsigned m = 0; m < isa->mode_count; m++)
            if (seed_used(trial, s) && seen_at(trial, m, 0, s)->seen == SEEN_RAN)
                return false;
    return true;
}

static void run_all(struct trial *trial, struct verdict *verdict)
{
    const struct isa *isa = trial->probe->isa;

    for (unsigned v = 0; v < isa->variation_count; v++) {
        if (!variation_used(trial, v))
            continue;
        if (v == 1 && trial->sweep && always_traps(trial))
            return;
        for (unsigned m = 0; m < isa->mode_count; m++)
            for (unsigned s = 0; s < isa->seeds; s++)
                if (seed_used(trial, s)) {
                    run(trial, m, v, s, seen_at(trial, m, v, s));
                    verdict->experiments++;
                }
    }
}

static void clear(struct trial *trial)
{
    for (unsigned i = 0; i < ISA_MAX_STATES * ISA_MAX_SEEDS; i++)
        trial->seen[i].seen = SEEN_NOTHING;
}

/* The same state twice: what differs then is no effect of M or R. */
static void run_noise(struct trial *trial, struct verdict *verdict)
{
    static struct observation again;
    const struct isa *isa = trial->probe->isa;

    for (unsigned m = 0; m < isa->mode_count; m++)
        for (unsigned s = 0; s < isa->seeds; s++) {
            const struct observation *first = seen_at(trial, m, 0, s);

            if (!seed_used(trial, s) || first->seen != SEEN_RAN)
                continue;
            run(trial, m, 0, s, &again);
            verdict->experiments++;
            find_noise(isa, first, &again, verdict);
            if (trial->sweep)
                break;
        }
}

void verdict_reach(struct trial *trial, const uint8_t *bytes, size_t size, struct verdict *verdict)
{
    struct judgement j = {.trial = trial, .verdict = verdict};

    memset(verdict, 0, sizeof *verdict);
    probe_set_code(trial->probe, bytes, size);
    clear(trial);
    run_all(trial, verdict);
    run_noise(trial, verdict);
    for (unsigned i = 0; i < CONFIRMATIONS; i++) {
        uint64_t noise = verdict->noise;
        uint32_t experiments = verdict->experiments;

        memset(verdict, 0, sizeof *verdict);
        verdict->noise = noise;
        verdict->experiments = experiments;
        j = (struct judgement){.trial = trial, .verdict = verdict};
        judge_all(&j);
        if (!j.again)
            break;
    }
    find_condition(trial->probe->isa, &j.tally, verdict);
    verdict->lost = trial->lost_count;
    verdict->lost_signal = trial->lost_signal;
}
