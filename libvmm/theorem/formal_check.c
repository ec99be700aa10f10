/* The homomorphism f(e(S)) = e'(f(S)), tried.
 *
 * First every single instruction from every state, and from every number of steps that the VMMs may
 * have made by then (which only a clock can tell apart): what holds there holds for sequences of
 * any length, one instruction at a time, as in the paper's proof, so long as the VMM remembers
 * nothing but f's image. Then, from every state with fresh VMMs, every sequence of two
 * instructions, of three, and so on: so the first failure found is a shortest one, and a module
 * that does remember something is caught as well. */
#include <string.h>

#include "formal.h"

struct search {
    const struct vmm_formal_machine *machine;
    struct formal_check *check;
    uint64_t state;
    uint16_t steps[FORMAL_LEVELS];
    uint8_t sequence[VMM_THEOREM_LENGTH];
};

/* One instruction in both worlds, compared. The reading of a clock that no VMM can intercept is
 * compared as at the time that the clock shows there: equivalence is but for timing. */
static bool advance(const struct vmm_formal_machine *machine, struct formal_check *check,
                    const struct formal_instruction *instruction, struct formal_state *bare,
                    struct formal_hosted *hosted, char *why, size_t room)
{
    uint16_t own = bare->t, shown = hosted->state.t;
    formal_hosted_step(machine, instruction, hosted);
    bool delayed = hosted->direct && instruction->reads_clock && own != shown;
    if (delayed)
        bare->t = shown;
    formal_step(machine, instruction, bare);
    if (delayed)
        bare->t = (uint16_t)((own + 1u) % machine->ticks);
    check->timing |= delayed;
    check->checks++;
    check->direct += hosted->direct;
    return formal_agrees(machine, bare, hosted, why, room);
}

static struct formal_hosted start(const struct search *search, const struct formal_state *bare)
{
    struct formal_hosted hosted = {.levels = search->check->levels,
                                   .hybrid = search->check->hybrid,
                                   .modules = search->check->modules};
    formal_map(search->machine, bare, search->steps, &hosted);
    return hosted;
}

static enum formal_finding note_failure(struct search *search, unsigned length)
{
    struct formal_check *check = search->check;
    check->failed_length = length;
    memcpy(check->failed, search->sequence, sizeof check->failed);
    check->failed_state = search->state;
    memcpy(check->failed_steps, search->steps, sizeof check->failed_steps);
    return FORMAL_FAILS;
}

/* Continues a sequence of `depth` instructions to one of `length`. Shorter ones have been compared
 * before, but their last states are compared again, which costs less than to keep them. */
static enum formal_finding extend(struct search *search, unsigned depth, unsigned length,
                                  const struct formal_state *bare,
                                  const struct formal_hosted *hosted)
{
    const struct vmm_formal_machine *machine = search->machine;
    struct formal_check *check = search->check;
    for (unsigned i = 0; i < machine->instruction_count; i++) {
        if (check->checks >= check->budget)
            return FORMAL_BOUND;
        struct formal_state next_bare = *bare;
        struct formal_hosted next_hosted = *hosted;
        next_hosted.entries = 0;
        search->sequence[depth] = (uint8_t)i;
        bool agrees =
            advance(machine, check, &machine->instruction[i], &next_bare, &next_hosted, NULL, 0);
        check->entries += next_hosted.entries;
        if (!agrees)
            return note_failure(search, depth + 1);
        if (depth + 1 == length)
            continue;
        enum formal_finding finding = extend(search, depth + 1, length, &next_bare, &next_hosted);
        if (finding != FORMAL_HOLDS)
            return finding;
    }
    return FORMAL_HOLDS;
}

static enum formal_finding try_all_states(struct search *search, unsigned length)
{
    for (search->state = 0; search->state < search->machine->states; search->state++) {
        struct formal_state bare;
        formal_state_at(search->machine, search->state, &bare);
        struct formal_hosted hosted = start(search, &bare);
        enum formal_finding finding = extend(search, 0, length, &bare, &hosted);
        if (finding != FORMAL_HOLDS)
            return finding;
    }
    return FORMAL_HOLDS;
}

/* Sets the VMMs' books to the next of all their combinations; false after the last. */
static bool next_steps(struct search *search)
{
    for (unsigned level = 0; level < search->check->levels; level++) {
        search->steps[level]++;
        if (search->steps[level] < search->machine->ticks)
            return true;
        search->steps[level] = 0;
    }
    return false;
}

enum formal_finding formal_check(const struct vmm_formal_machine *machine,
                                 struct formal_check *check)
{
    struct search search = {.machine = machine, .check = check};
    enum formal_finding finding;
    uint64_t sequences = machine->instruction_count;
    do
        finding = try_all_states(&search, 1);
    while (finding == FORMAL_HOLDS && next_steps(&search));
    if (finding == FORMAL_HOLDS)
        check->sequences = sequences;
    for (unsigned length = 2; length <= check->length && finding == FORMAL_HOLDS; length++) {
        finding = try_all_states(&search, length);
        sequences *= machine->instruction_count;
        if (finding == FORMAL_HOLDS)
            check->sequences += sequences;
    }
    return finding;
}

/* ---- the trace of a failure ---- */

#define LINE 640 /* bytes of text */

struct tracer {
    const struct vmm_formal_machine *machine;
    bool (*line)(void *context, const char *text);
    void *context;
};

static bool trace_state(const struct tracer *tracer, const char *label,
                        const struct formal_state *state)
{
    char text[LINE] = "";
    formal_append(text, sizeof text, "%s", label);
    formal_describe(tracer->machine, state, text, sizeof text);
    return tracer->line(tracer->context, text);
}

/* The real state of the machine that has the VMMs in it; E' is shown without their own cells. */
static bool trace_hosted(const struct tracer *tracer, const char *label,
                         const struct formal_hosted *hosted)
{
    char text[LINE] = "";
    formal_append(text, sizeof text, "%s", label);
    formal_describe(tracer->machine, &hosted->state, text, sizeof text);
    for (unsigned i = 0; i < hosted->levels; i++) {
        formal_append(text, sizeof text, ", VMM %u: virtual M=%c", i + 1,
                      hosted->vmm[i].virtual_supervisor ? 's' : 'u');
        if (tracer->machine->ticks)
            formal_append(text, sizeof text, ", %u steps", hosted->vmm[i].steps);
    }
    return tracer->line(tracer->context, text);
}

static bool trace_step(const struct tracer *tracer, const struct formal_check *check,
                       const struct formal_instruction *instruction, struct formal_state *bare,
                       struct formal_hosted *hosted, bool *agrees)
{
    char text[LINE] = "", why[LINE] = "", walk[LINE] = "";
    struct formal_check scratch = *check;
    hosted->walk = walk;
    hosted->walk_room = sizeof walk;
    *agrees = advance(tracer->machine, &scratch, instruction, bare, hosted, why, sizeof why);
    hosted->walk = NULL;
    formal_append(text, sizeof text, "%s: %s", instruction->name, walk);
    if (!tracer->line(tracer->context, text) || !trace_state(tracer, "  e(S)     = ", bare) ||
        !trace_hosted(tracer, "  e'(f(S)) = ", hosted))
        return false;
    if (*agrees)
        return true;
    struct formal_hosted image = *hosted;
    uint16_t steps[FORMAL_LEVELS];
    for (unsigned i = 0; i < FORMAL_LEVELS; i++)
        steps[i] = hosted->vmm[i].steps;
    formal_map(tracer->machine, bare, steps, &image);
    return trace_hosted(tracer, "  f(e(S))  = ", &image) && tracer->line(tracer->context, why);
}

bool formal_trace(const struct vmm_formal_machine *machine, const struct formal_check *check,
                  bool (*line)(void *context, const char *text), void *context)
{
    struct formal_check copy = *check;
    struct search search = {.machine = machine, .check = &copy};
    struct tracer tracer = {machine, line, context};
    struct formal_state bare;
    memcpy(search.steps, check->failed_steps, sizeof search.steps);
    formal_state_at(machine, check->failed_state, &bare);
    struct formal_hosted hosted = start(&search, &bare);
    if (!trace_state(&tracer, "S    = ", &bare) || !trace_hosted(&tracer, "f(S) = ", &hosted))
        return false;
    bool agrees = true;
    for (unsigned i = 0; i < check->failed_length && agrees; i++)
        if (!trace_step(&tracer, check, &machine->instruction[check->failed[i]], &bare, &hosted,
                        &agrees))
            return false;
    return !agrees || line(context, "the replay agrees: a replaced module does not do the same "
                                    "every time that it is called");
}
