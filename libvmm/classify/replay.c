/* A witness once more: the two states, before and after the one instruction, component by
 * component. It runs in a process of its own, since the engine may not survive it. */
#include "classify/classification.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct vmm_replay_line *add_line(struct vmm_replay *replay, const char *name)
{
    if (replay->count == sizeof replay->line / sizeof *replay->line)
        return NULL;
    struct vmm_replay_line *line = &replay->line[replay->count++];
    snprintf(line->name, sizeof line->name, "%s", name);
    return line;
}

static void describe_outcome(const struct observation *seen, char *text, size_t size)
{
    switch (seen->seen) {
    case SEEN_RAN: snprintf(text, size, "executes"); break;
    case SEEN_TRAP: snprintf(text, size, "traps (%u)", seen->number); break;
    case SEEN_UNDEFINED: snprintf(text, size, "traps (undefined instruction)"); break;
    case SEEN_MEMORY: snprintf(text, size, "memory trap"); break;
    case SEEN_NOTHING: snprintf(text, size, "not executed"); break;
    }
}

/* Memory words of both runs, by address. */
static void add_memory(struct vmm_replay *replay, const struct observation *seen, unsigned runs)
{
    for (unsigned r = 0; r < runs; r++)
        for (unsigned i = 0; i < seen[r].change_count && i < OBSERVED_CHANGES; i++) {
            const struct change *change = &seen[r].change[i];
            struct vmm_replay_line *line = NULL;
            char name[32];

            snprintf(name, sizeof name, "memory 0x%" PRIx64, change->address);
            for (size_t k = 0; k < replay->count && !line; k++)
                if (strcmp(replay->line[k].name, name) == 0)
                    line = &replay->line[k];
            if (!line && (line = add_line(replay, name)))
                for (unsigned k = 0; k < 2; k++)
                    line->before[k] = line->after[k] = change->before;
            if (line)
                line->after[r] = change->after;
        }
}

static bool replay_here(const struct vmm_classification *c, size_t index,
                        const struct witness *witness, enum evidence kind,
                        struct vmm_replay *replay)
{
    static struct observation seen[2], before[2];
    const struct isa *isa = c->isa;
    struct probe *probe = probe_create(isa);
    unsigned runs = kind == EVIDENCE_CONTROL ? 1 : 2;

    if (!probe)
        return false;
    probe_set_code(probe, c->findings[index].bytes, c->findings[index].size);
    for (unsigned r = 0; r < runs; r++) {
        unsigned mode = r ? witness->mode_b : witness->mode_a;
        unsigned variation = r ? witness->variation_b : witness->variation_a;

        before[r] = *probe_before(probe, mode, variation, witness->seed);
        probe_run(probe, mode, variation, witness->seed, &seen[r]);
        witness_state(isa, witness, r, replay->state[r], sizeof replay->state[r]);
        describe_outcome(&seen[r], replay->outcome[r], sizeof replay->outcome[r]);
    }
    for (unsigned i = 0; i < isa->component_count; i++) {
        struct vmm_replay_line *line = add_line(replay, isa->components[i].name);

        for (unsigned r = 0; line && r < runs; r++) {
            line->before[r] = before[r].value[i];
            line->after[r] = seen[r].value[i];
        }
        if (line)
            line->compared_unequal = witness->component == (int)i;
    }
    size_t registers = replay->count;
    add_memory(replay, seen, runs);
    for (size_t i = registers; i < replay->count && witness->component == -1; i++) {
        struct vmm_replay_line *line = &replay->line[i];

        line->compared_unequal = line->after[0] != line->after[1];
    }
    probe_destroy(probe);
    return true;
}

static bool read_all(int fd, void *data, size_t size)
{
    char *p = data;

    while (size) {
        ssize_t n = read(fd, p, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

bool vmm_classification_replay(const struct vmm_classification *c, size_t index,
                               struct vmm_replay *replay)
{
    enum evidence kind;
    const struct witness *witness =
        index < c->count && !c->records[index].failure ? finding_witness(c, index, &kind) : NULL;
    int ends[2];

    memset(replay, 0, sizeof *replay);
    if (!witness || pipe(ends) != 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};

        for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
            signal(fatal[i], SIG_DFL);
        alarm(10);
        close(ends[0]);
        bool ok = replay_here(c, index, witness, kind, replay);
        /* Whole or not at all: the reader takes a short message for a failure. */
        ok = ok && write(ends[1], replay, sizeof *replay) == (ssize_t)sizeof *replay;
        _exit(ok ? 0 : 1);
    }
    close(ends[1]);
    bool ok = child > 0 && read_all(ends[0], replay, sizeof *replay);
    close(ends[0]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    if (!ok)
        memset(replay, 0, sizeof *replay);
    return ok;
}
