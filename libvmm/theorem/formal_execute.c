/* The hardware of a formal machine: what an instruction does to a state.
 *
 * The first rule whose guard is true is taken; its assignments all see the old state and happen
 * together. Every storage address goes through R = (l, b): an address a memory-traps if a >= b, or
 * if a + l lies beyond the storage. A value that R cannot hold memory-traps too. P advances by one
 * unless the rule sets it. */
#include "formal.h"

struct evaluation {
    const struct vmm_formal_machine *machine;
    const struct formal_state *state;
    unsigned displacement; /* the physical address of cell 0 */
    bool memory_trap;
};

/* Relocates a virtual address and gives the index of its cell, or sets `memory_trap`. Below the
 * displacement lie the VMMs, which are no part of `state`: l can point there only after the map f
 * is broken already, so that it is enough to refuse the access. */
static unsigned relocate(struct evaluation *evaluation, int64_t address)
{
    const struct formal_psw *psw = &evaluation->state->psw;
    if (address < 0 || address >= psw->b) {
        evaluation->memory_trap = true;
        return 0;
    }
    int64_t index = address + psw->l - evaluation->displacement;
    if (index < 0 || index >= evaluation->machine->storage) {
        evaluation->memory_trap = true;
        return 0;
    }
    return (unsigned)index;
}

static int64_t wrap(uint64_t value)
{
    return (int64_t)value;
}

static int64_t evaluate(struct evaluation *evaluation, uint16_t index)
{
    const struct formal_node *node = &evaluation->machine->node[index];
    const struct formal_state *state = evaluation->state;
    switch ((enum formal_op)node->op) {
    case FORMAL_NUMBER: return node->number;
    case FORMAL_M: return state->psw.supervisor;
    case FORMAL_P: return state->psw.p;
    case FORMAL_L: return state->psw.l;
    case FORMAL_B: return state->psw.b;
    case FORMAL_T: return state->t;
    case FORMAL_PSW: return formal_encode(evaluation->machine, &state->psw);
    case FORMAL_CELL: return state->cell[relocate(evaluation, evaluate(evaluation, node->left))];
    case FORMAL_NEGATE: return wrap(-(uint64_t)evaluate(evaluation, node->left));
    case FORMAL_NOT: return !evaluate(evaluation, node->left);
    case FORMAL_AND: return evaluate(evaluation, node->left) && evaluate(evaluation, node->right);
    case FORMAL_OR: return evaluate(evaluation, node->left) || evaluate(evaluation, node->right);
    default: break;
    }
    int64_t left = evaluate(evaluation, node->left);
    int64_t right = evaluate(evaluation, node->right);
    switch ((enum formal_op)node->op) {
    case FORMAL_ADD: return wrap((uint64_t)left + (uint64_t)right);
    case FORMAL_SUBTRACT: return wrap((uint64_t)left - (uint64_t)right);
    case FORMAL_MULTIPLY: return wrap((uint64_t)left * (uint64_t)right);
    case FORMAL_EQUAL: return left == right;
    case FORMAL_UNEQUAL: return left != right;
    case FORMAL_LESS: return left < right;
    case FORMAL_AT_MOST: return left <= right;
    case FORMAL_GREATER: return left > right;
    default: return left >= right;
    }
}

static uint16_t reduce(int64_t value, unsigned period)
{
    int64_t rest = value % (int64_t)period;
    return (uint16_t)(rest < 0 ? rest + period : rest);
}

/* Whether the machine has the value: as it is, or in a VM that lies `displacement` cells up. */
static bool has_value(const uint16_t *values, unsigned count, int64_t value, unsigned displacement)
{
    for (unsigned i = 0; i < count; i++)
        if (values[i] == value || values[i] + (int64_t)displacement == value)
            return true;
    return false;
}

static void assign(struct evaluation *evaluation, const struct formal_assignment *assignment,
                   struct formal_state *next)
{
    const struct vmm_formal_machine *machine = evaluation->machine;
    int64_t value = evaluate(evaluation, assignment->value);
    switch ((enum formal_op)assignment->place) {
    case FORMAL_M: next->psw.supervisor = value != 0; break;
    case FORMAL_P: next->psw.p = reduce(value, machine->pcs); break;
    case FORMAL_L:
        evaluation->memory_trap |=
            !has_value(machine->l, machine->l_count, value, evaluation->displacement);
        next->psw.l = (uint16_t)value;
        break;
    case FORMAL_B:
        evaluation->memory_trap |= !has_value(machine->b, machine->b_count, value, 0);
        next->psw.b = (uint16_t)value;
        break;
    case FORMAL_PSW: next->psw = formal_decode(machine, reduce(value, machine->psws)); break;
    default:
        next->cell[relocate(evaluation, evaluate(evaluation, assignment->address))] =
            reduce(value, machine->psws);
    }
}

static enum formal_effect apply_rule(struct evaluation *evaluation, const struct formal_rule *rule,
                                     struct formal_state *state)
{
    const struct vmm_formal_machine *machine = evaluation->machine;
    if (rule->trap)
        return FORMAL_TRAPPED;
    struct formal_state next = *state;
    bool jumped = false;
    for (unsigned i = 0; i < rule->count; i++) {
        const struct formal_assignment *assignment = &machine->assignment[rule->first + i];
        assign(evaluation, assignment, &next);
        jumped |= assignment->place == FORMAL_P || assignment->place == FORMAL_PSW;
    }
    if (evaluation->memory_trap)
        return FORMAL_MEMORY_TRAPPED;
    if (!jumped)
        next.psw.p = reduce(state->psw.p + 1, machine->pcs);
    *state = next;
    return FORMAL_DONE;
}

enum formal_effect formal_execute(const struct vmm_formal_machine *machine,
                                  const struct formal_instruction *instruction,
                                  struct formal_state *state, unsigned displacement)
{
    static const struct formal_rule nothing = {.always = true};
    struct evaluation evaluation = {machine, state, displacement, false};
    const struct formal_rule *taken = &nothing;
    for (unsigned i = 0; i < instruction->rules; i++) {
        const struct formal_rule *rule = &machine->rule[instruction->first_rule + i];
        bool guard = rule->always || evaluate(&evaluation, rule->guard);
        if (evaluation.memory_trap)
            return FORMAL_MEMORY_TRAPPED;
        if (guard) {
            taken = rule;
            break;
        }
    }
    return apply_rule(&evaluation, taken, state);
}

void formal_trap(const struct vmm_formal_machine *machine, struct formal_state *state)
{
    state->cell[0] = formal_encode(machine, &state->psw);
    state->psw = formal_decode(machine, state->cell[1]);
}

enum formal_effect formal_step(const struct vmm_formal_machine *machine,
                               const struct formal_instruction *instruction,
                               struct formal_state *state)
{
    enum formal_effect effect = formal_execute(machine, instruction, state, 0);
    if (effect != FORMAL_DONE)
        formal_trap(machine, state);
    if (machine->ticks)
        state->t = (uint16_t)((state->t + 1) % machine->ticks);
    return effect;
}
