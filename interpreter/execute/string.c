/* String instructions (SDM volume 2, MOVS, CMPS, STOS, LODS, SCAS, REP): one element at a time.
 * With a repeat prefix one execution is one iteration, after which ECX says whether others are
 * left; the instruction is then met again at the same EIP, so that it can be interrupted, or fault,
 * between any two. The destination is always in ES, the source in DS or the segment of a prefix. */
#include "flags.h"

static bool repeated(const struct x86_instruction *insn)
{
    return insn->flags & (X86_INSN_REP | X86_INSN_REPNE);
}

static uint32_t count_left(const struct cpu_state *cpu, const struct x86_instruction *insn)
{
    return cpu->gpr[X86_ECX] & width_mask(insn->address_size);
}

static uint32_t index_of(const struct cpu_state *cpu, const struct x86_instruction *insn,
                         enum x86_gpr number)
{
    return cpu->gpr[number] & width_mask(insn->address_size);
}

static void advance(struct cpu_state *cpu, const struct x86_instruction *insn, enum x86_gpr number)
{
    uint32_t step = (cpu->eflags & X86_DF) ? 0u - insn->width : insn->width;

    set_register(cpu, number, insn->address_size, cpu->gpr[number] + step);
}

/* The end of an iteration: counts it, and says whether the next one is to follow. */
static void count_iteration(struct execution *x, const struct x86_instruction *insn)
{
    if (repeated(insn)) {
        set_register(x->cpu, X86_ECX, insn->address_size, x->cpu->gpr[X86_ECX] - 1);
        x->repeats = count_left(x->cpu, insn) != 0;
    }
}

/* CMPS and SCAS repeat while (REPE) or until (REPNE) they find equality. */
static void count_comparison(struct execution *x, const struct x86_instruction *insn)
{
    bool equal = x->cpu->eflags & X86_ZF;

    count_iteration(x, insn);
    if (equal != !!(insn->flags & X86_INSN_REP)) {
        x->repeats = false;
    }
}

static enum x86_status load_source(struct execution *x, const struct x86_instruction *insn,
                                   uint32_t *value)
{
    return execute_load(x, insn->segment, index_of(x->cpu, insn, X86_ESI), insn->width, value);
}

static enum x86_status load_destination(struct execution *x, const struct x86_instruction *insn,
                                        uint32_t *value)
{
    return execute_load(x, X86_ES, index_of(x->cpu, insn, X86_EDI), insn->width, value);
}

static enum x86_status store_destination(struct execution *x, const struct x86_instruction *insn,
                                         uint32_t value)
{
    return execute_store(x, X86_ES, index_of(x->cpu, insn, X86_EDI), insn->width, value);
}

/* A repeated instruction whose count is 0 is done before it has begun. */
static bool nothing_left(const struct execution *x, const struct x86_instruction *insn)
{
    return repeated(insn) && count_left(x->cpu, insn) == 0;
}

enum x86_status execute_movs(struct execution *x, const struct x86_instruction *insn)
{
    uint32_t value;
    enum x86_status status;

    if (nothing_left(x, insn)) {
        return X86_OK;
    }
    status = load_source(x, insn, &value);
    if (status == X86_OK) {
        status = store_destination(x, insn, value);
    }
    if (status == X86_OK) {
        advance(x->cpu, insn, X86_ESI);
        advance(x->cpu, insn, X86_EDI);
        count_iteration(x, insn);
    }
    return status;
}

enum x86_status execute_cmps(struct execution *x, const struct x86_instruction *insn)
{
    uint32_t mask = width_mask(insn->width), a, b;
    enum x86_status status;

    if (nothing_left(x, insn)) {
        return X86_OK;
    }
    status = load_destination(x, insn, &b);
    if (status == X86_OK) {
        status = load_source(x, insn, &a);
    }
    if (status == X86_OK) {
        set_flags(x->cpu, flags_subtract(a, b, (a - b) & mask, insn->width));
        advance(x->cpu, insn, X86_ESI);
        advance(x->cpu, insn, X86_EDI);
        count_comparison(x, insn);
    }
    return status;
}

enum x86_status execute_stos(struct execution *x, const struct x86_instruction *insn)
{
    enum x86_status status;

    if (nothing_left(x, insn)) {
        return X86_OK;
    }
    status = store_destination(x, insn, get_register(x->cpu, X86_EAX, insn->width));
    if (status == X86_OK) {
        advance(x->cpu, insn, X86_EDI);
        count_iteration(x, insn);
    }
    return status;
}

enum x86_status execute_lods(struct execution *x, const struct x86_instruction *insn)
{
    uint32_t value;
    enum x86_status status;

    if (nothing_left(x, insn)) {
        return X86_OK;
    }
    status = load_source(x, insn, &value);
    if (status == X86_OK) {
        set_register(x->cpu, X86_EAX, insn->width, value);
        advance(x->cpu, insn, X86_ESI);
        count_iteration(x, insn);
    }
    return status;
}

enum x86_status execute_scas(struct execution *x, const struct x86_instruction *insn)
{
    uint32_t a = get_register(x->cpu, X86_EAX, insn->width), b;
    enum x86_status status;

    if (nothing_left(x, insn)) {
        return X86_OK;
    }
    status = load_destination(x, insn, &b);
    if (status == X86_OK) {
        set_flags(x->cpu, flags_subtract(a, b, (a - b) & width_mask(insn->width), insn->width));
        advance(x->cpu, insn, X86_EDI);
        count_comparison(x, insn);
    }
    return status;
}
