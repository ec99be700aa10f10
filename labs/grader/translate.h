/* Three runs of one guest with a student's translator, each on a VM of its own:
 *
 *     SINGLE   units of one instruction, and a state after each: what an instruction becomes
 *     TRAPS    whole units, and a state after each trap (of a kernel: after many instructions):
 * where units end, what they are linked to WHOLE    whole units, undisturbed: the end, and what it
 * cost
 *
 * A state inside a unit would not do: up to there the VMM interprets. */
#ifndef LABS_GRADER_TRANSLATE_H
#define LABS_GRADER_TRANSLATE_H

#include "labs/grader/evidence.h"

enum lab_pass { LAB_SINGLE, LAB_TRAPS, LAB_WHOLE, LAB_PASSES };

enum {
    LAB_TRANSLATE_STATES = 400,    /* of a pass, at the most */
    LAB_TRANSLATE_LIMIT = 8000000, /* instructions that a guest may take */
    LAB_TRANSLATE_STRIDE = 20000,  /* instructions between two states of a kernel */
    LAB_TRANSLATE_MOST = LAB_PASSES * LAB_TRANSLATE_STATES
};

/* A state, and what it took to get there. */
struct lab_translation {
    struct lab_evidence state;
    uint32_t pass;
    uint64_t interpreted; /* instructions */
    uint64_t lookups;     /* searches for a unit */
    uint64_t units;       /* that were made */
};

struct lab_run {
    struct vmm_vm *vm;
    struct lab_translation now;
    unsigned states;
    uint64_t stride, last; /* instructions */
};

static inline bool lab_run_create(struct lab_run *run, enum lab_pass pass, const char *technique,
                                  const uint8_t *guest, size_t size, struct vmm_error *error)
{
    *run = (struct lab_run){.now = {.pass = pass, .state = {.stop = VMM_STOP_LIMIT}},
                            .stride = lab_is_kernel(guest, size) ? LAB_TRANSLATE_STRIDE : 1};
    run->vm = lab_vm(technique, guest, size, &run->now.state, error);
    return run->vm;
}

static inline bool lab_wants_trap(void *context, const struct vmm_record *record)
{
    const struct lab_run *run = context;
    /* Delivering an event takes no instruction: there would be two states of one number. And behind
     * a hidden fault the instruction is about to be tried again. */
    return !record->injected && strcmp(record->cause, "hidden_fault") != 0 &&
           record->instructions > run->last;
}

static inline void lab_run_look(struct lab_run *run, enum vmm_stop stop)
{
    struct lab_evidence *state = &run->now.state;
    struct vmm_statistics statistics;
    struct vmm_translation translation = {0};
    vmm_statistics(run->vm, &statistics);
    vmm_translation(run->vm, &translation);
    vmm_registers(run->vm, &state->registers);
    lab_look_at_stack(run->vm, state);
    state->stop = stop == VMM_STOP_TRAP ? VMM_STOP_LIMIT : stop; /* it goes on */
    state->exit_code = statistics.exit_code;
    state->instructions = run->last = statistics.guest_instructions;
    state->digest = vmm_digest(run->vm);
    snprintf(state->text, sizeof state->text, "%s", vmm_stop_text(run->vm));
    run->now.interpreted = statistics.interpreted;
    run->now.lookups = translation.lookups;
    run->now.units = translation.units;
    run->states++;
}

/* To the next state of its pass; whether there is another. */
static inline bool lab_run_step(struct lab_run *run)
{
    bool traps = run->now.pass == LAB_TRAPS && run->states + 1 < LAB_TRANSLATE_STATES;
    bool stride = run->now.pass == LAB_SINGLE || (traps && run->stride > 1);
    uint64_t most = stride ? run->stride : LAB_TRANSLATE_LIMIT - run->last;
    vmm_stop_at_traps(run->vm, traps && !stride ? lab_wants_trap : NULL, run);
    enum vmm_stop stop = vmm_run(run->vm, most);
    lab_run_look(run, stop);
    return run->states < LAB_TRANSLATE_STATES &&
           (stop == VMM_STOP_TRAP || (stride && stop == VMM_STOP_LIMIT));
}

#endif
