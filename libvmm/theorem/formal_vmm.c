/* The VMM <D, A, {v_i}> that is constructed for a formal machine, as a function on states that is
 * entered at traps, and the map f from states of the bare machine to states with the VMM inside.
 *
 *   bare machine            f            machine with a VMM
 *   E[0..w-1]              ---->         E'[0..3]      the VMM: E'[0] and E'[1] for the hardware's
 *                                                      traps, the virtual mode, its steps
 *                                        E'[4..w+3]    the VM's storage
 *   M                                    M' = u; M is kept by the VMM as the virtual mode
 *   P                                    P' = P
 *   R = (l, b)                           R' = (l + 4, b)
 *   T                                    T' = T + the steps that the VMM has made
 *
 * A VMM inside a VM is f applied twice: it is a program of the virtual machine that it is in. Traps
 * come to the outermost VMM, vmm[0], which passes on to the next what belongs to the next's VM;
 * what the inner one does with PSWs is privileged and so comes back to the outer one.
 *
 * The clock is one wire for all levels, outside <E, M, P, R>, and f does not relocate it. A VMM
 * that has to simulate an instruction which reads T corrects its reading by the steps it knows of:
 * its own. That is the timing dependency of Theorem 2. */
#include <string.h>

#include "formal.h"

static void tick(const struct vmm_formal_machine *machine, uint16_t *count)
{
    if (machine->ticks)
        *count = (uint16_t)((*count + 1) % machine->ticks);
}

static void walk(struct formal_hosted *hosted, const char *format, const char *word)
{
    if (hosted->walk)
        formal_append(hosted->walk, hosted->walk_room, format, word);
}

void formal_map(const struct vmm_formal_machine *machine, const struct formal_state *bare,
                const uint16_t steps[FORMAL_LEVELS], struct formal_hosted *hosted)
{
    unsigned t = bare->t;
    hosted->state = *bare;
    hosted->state.psw.supervisor = false;
    hosted->state.psw.l = (uint16_t)(bare->psw.l + hosted->levels * FORMAL_VMM_CELLS);
    for (unsigned i = 0; i < hosted->levels; i++) {
        bool innermost = i + 1 == hosted->levels;
        hosted->vmm[i] = (struct formal_vmm){
            .new = {.supervisor = true},
            /* Seen from an outer VMM, its VM is running an inner VMM's VM: in mode u. */
            .virtual_supervisor = innermost && bare->psw.supervisor,
            .steps = steps[i],
        };
        t += steps[i];
    }
    hosted->state.t = (uint16_t)(machine->ticks ? t % machine->ticks : 0);
}

/* A VMM's turn begins: one step, of which it takes note. */
static void enter(const struct vmm_formal_machine *machine, struct formal_hosted *hosted,
                  unsigned level)
{
    tick(machine, &hosted->state.t);
    tick(machine, &hosted->vmm[level].steps);
    hosted->entries++;
    if (hosted->levels > 1)
        walk(hosted, " D%s", level ? "2" : "1");
    else
        walk(hosted, " %s", "D");
}

/* A: which real R = (l, b) the virtual one becomes. */
static void allocate(struct formal_hosted *hosted, struct formal_psw *psw)
{
    const struct vmm_theorem_modules *modules = hosted->modules;
    walk(hosted, " %s", "A");
    if (!modules || !modules->allocator) {
        psw->l = (uint16_t)(psw->l + FORMAL_VMM_CELLS);
        return;
    }
    unsigned l = psw->l, b = psw->b;
    modules->allocator(modules->context, FORMAL_VMM_CELLS, &l, &b);
    psw->l = (uint16_t)(l & 0xff);
    psw->b = (uint16_t)(b & 0xff);
}

/* The VMM at `level` lets its VM go on with a virtual PSW. Loading the real one is privileged: an
 * inner VMM's attempt enters the VMM below it, which does it for it. */
static void resume(const struct vmm_formal_machine *machine, struct formal_hosted *hosted,
                   unsigned level, struct formal_psw psw)
{
    for (;;) {
        hosted->vmm[level].virtual_supervisor = psw.supervisor;
        allocate(hosted, &psw);
        psw.supervisor = false;
        if (level == 0)
            break;
        enter(machine, hosted, --level);
    }
    hosted->state.psw = psw;
}

static uint16_t below(unsigned value, unsigned period)
{
    return (uint16_t)(value % period);
}

/* Lets a module that replaces the v_i have a go at the virtual state. */
static bool run_replacement(const struct vmm_formal_machine *machine,
                            const struct formal_hosted *hosted,
                            const struct formal_instruction *instruction,
                            struct formal_state *state)
{
    const struct vmm_theorem_modules *modules = hosted->modules;
    if (!modules || !modules->routine)
        return false;
    unsigned cells[FORMAL_CELLS];
    for (unsigned i = 0; i < machine->storage; i++)
        cells[i] = state->cell[i];
    struct vmm_formal_state view = {state->psw.supervisor, state->psw.p, state->psw.l,
                                    state->psw.b,          state->t,     cells,
                                    machine->storage,      machine->psws};
    if (!modules->routine(modules->context, instruction->name, &view))
        return false;
    state->psw = (struct formal_psw){view.supervisor, below(view.p, machine->pcs),
                                     below(view.l, 256), below(view.b, 256)};
    for (unsigned i = 0; i < machine->storage; i++)
        state->cell[i] = below(cells[i], machine->psws);
    return true;
}

/* v_i: the instruction's effect on the virtual state; what traps in supervisor mode too (a call of
 * the supervisor) is a virtual trap.
 * The clock has gone on by the attempt and by this VMM's steps since the instruction was met. */
static void simulate(const struct vmm_formal_machine *machine, struct formal_hosted *hosted,
                     unsigned level, const struct formal_instruction *instruction,
                     struct formal_state *state)
{
    if (machine->ticks) {
        unsigned late = hosted->vmm[level].steps + 1u;
        state->t = below(hosted->state.t + 2 * machine->ticks - late, machine->ticks);
    }
    if (run_replacement(machine, hosted, instruction, state) ||
        formal_execute(machine, instruction, state, 0) == FORMAL_DONE) {
        walk(hosted, " v_%s", instruction->name);
        return;
    }
    walk(hosted, "%s", " virtual trap");
    formal_trap(machine, state);
}

/* The innermost VMM deals with a trap of its VM. `psw` is the real one of the machine it runs on.
 */
static void dispatch(const struct vmm_formal_machine *machine, struct formal_hosted *hosted,
                     unsigned level, const struct formal_instruction *instruction,
                     enum formal_effect effect)
{
    const struct formal_vmm *vmm = &hosted->vmm[level];
    struct formal_state state = hosted->state;
    state.psw = vmm->old;
    state.psw.supervisor = vmm->virtual_supervisor;
    state.psw.l = (uint16_t)(state.psw.l - FORMAL_VMM_CELLS);
    if (effect == FORMAL_TRAPPED && vmm->virtual_supervisor) {
        simulate(machine, hosted, level, instruction, &state);
    } else {
        walk(hosted, "%s", " virtual trap");
        formal_trap(machine, &state);
    }
    memcpy(hosted->state.cell, state.cell, sizeof state.cell);
    resume(machine, hosted, level, state.psw);
}

/* The hardware's trap: the outermost VMM is entered, and passes on what is not its own VM's but its
 * VM's VM's, by a virtual trap into the VMM that runs there. */
static void trap(const struct vmm_formal_machine *machine, struct formal_hosted *hosted,
                 const struct formal_instruction *instruction, enum formal_effect effect)
{
    struct formal_psw psw = hosted->state.psw;
    walk(hosted, "%s", effect == FORMAL_TRAPPED ? "trap:" : "memory trap:");
    unsigned level = 0;
    for (;; level++) {
        hosted->vmm[level].old = psw;
        enter(machine, hosted, level);
        if (level + 1 == hosted->levels)
            break;
        walk(hosted, "%s", " A");
        psw.l = (uint16_t)(psw.l - FORMAL_VMM_CELLS);
        hosted->vmm[level].virtual_supervisor = true;
    }
    dispatch(machine, hosted, level, instruction, effect);
}

/* The hybrid VMM interprets every instruction of virtual supervisor mode: a step of its own, and
 * the instruction's time. */
static void interpret(const struct vmm_formal_machine *machine, struct formal_hosted *hosted,
                      const struct formal_instruction *instruction)
{
    struct formal_state state = hosted->state;
    tick(machine, &hosted->state.t);
    enter(machine, hosted, 0);
    state.psw.supervisor = true;
    state.psw.l = (uint16_t)(state.psw.l - FORMAL_VMM_CELLS);
    simulate(machine, hosted, 0, instruction, &state);
    memcpy(hosted->state.cell, state.cell, sizeof state.cell);
    resume(machine, hosted, 0, state.psw);
}

void formal_hosted_step(const struct vmm_formal_machine *machine,
                        const struct formal_instruction *instruction, struct formal_hosted *hosted)
{
    hosted->direct = false;
    if (hosted->hybrid && hosted->vmm[0].virtual_supervisor) {
        interpret(machine, hosted, instruction);
        return;
    }
    enum formal_effect effect =
        formal_execute(machine, instruction, &hosted->state, hosted->levels * FORMAL_VMM_CELLS);
    tick(machine, &hosted->state.t);
    hosted->direct = effect == FORMAL_DONE;
    if (hosted->direct)
        walk(hosted, "%s", "executed directly");
    else
        trap(machine, hosted, instruction, effect);
}

/* The state of the bare machine that `hosted` is the image of, as far as there is one. */
static struct formal_state unmap(const struct vmm_formal_machine *machine,
                                 const struct formal_hosted *hosted)
{
    struct formal_state state = hosted->state;
    state.psw.supervisor = hosted->vmm[hosted->levels - 1].virtual_supervisor;
    state.psw.l = (uint16_t)(state.psw.l - hosted->levels * FORMAL_VMM_CELLS);
    for (unsigned i = 0; machine->ticks && i < hosted->levels; i++)
        state.t = below(state.t + machine->ticks - hosted->vmm[i].steps, machine->ticks);
    return state;
}

static void explain(const struct vmm_formal_machine *machine, const struct formal_state *bare,
                    const struct formal_state *seen, const struct formal_hosted *hosted, char *why,
                    size_t room)
{
    const struct formal_psw *real = &hosted->state.psw;
    unsigned displacement = hosted->levels * FORMAL_VMM_CELLS;
    if (real->supervisor || real->l < displacement)
        formal_append(why, room,
                      "resource control is lost: the VM runs with M'=%c, R'=(%u,%u) and its "
                      "storage begins at %u; the two differ in",
                      real->supervisor ? 's' : 'u', real->l, real->b, displacement);
    else
        formal_append(why, room, "equivalence is lost: the two differ in");
    for (unsigned i = 0; i < machine->storage; i++)
        if (bare->cell[i] != seen->cell[i])
            formal_append(why, room, " E[%u]", i);
    const struct {
        const char *name;
        unsigned bare, seen;
    } parts[] = {{"M", bare->psw.supervisor, seen->psw.supervisor},
                 {"P", bare->psw.p, seen->psw.p},
                 {"l", bare->psw.l, seen->psw.l},
                 {"b", bare->psw.b, seen->psw.b},
                 {"T", bare->t, seen->t}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].bare != parts[i].seen)
            formal_append(why, room, " %s", parts[i].name);
}

bool formal_agrees(const struct vmm_formal_machine *machine, const struct formal_state *bare,
                   const struct formal_hosted *hosted, char *why, size_t room)
{
    struct formal_state seen = unmap(machine, hosted);
    if (!hosted->state.psw.supervisor && formal_same(machine, bare, &seen))
        return true;
    if (why)
        explain(machine, bare, &seen, hosted, why, room);
    return false;
}
