/* Lab 7, the reference: a binary translator of x86 system code. What is innocuous is copied; what is
 * sensitive is replaced, or left to the VMM; branches become exits, which are linked to the units
 * they lead to, and cut when these die (Adams and Agesen, ASPLOS 2006, section 3; Bruening's
 * DynamoRIO thesis, 2004, sections 2.2 and 6.2). */
#include "lab.h"

enum { ES, CS, SS, DS, FS, GS };
enum { PAGE = 4096, NONE = 0 };

/* ---- instructions ---- */

static bool ends_unit(enum vmm_op_kind kind)
{
    return kind == VMM_OP_CALL_OUT || kind == VMM_OP_JUMP || kind == VMM_OP_CALL ||
           kind == VMM_OP_JUMP_INDIRECT || kind == VMM_OP_CALL_INDIRECT || kind == VMM_OP_RET;
}

/* CS and SS have the monitor's ring in them; a load of SS with the guest's ring faults. */
static bool shows_ring(const struct vmm_code_instruction *insn)
{
    return insn->sreg == CS || insn->sreg == SS;
}

static enum vmm_op_kind read_selector(struct vmm_op *op, const struct vmm_code_instruction *insn)
{
    if (!shows_ring(insn))
        return VMM_OP_COPY;
    if (insn->memory || insn->operand_size == 2)
        return VMM_OP_CALL_OUT;
    op->word = VMM_WORD_SELECTOR + insn->sreg;
    op->gpr = insn->rm;
    return VMM_OP_READ;
}

static enum vmm_op_kind push_selector(struct vmm_op *op, const struct vmm_code_instruction *insn)
{
    if (!shows_ring(insn))
        return VMM_OP_COPY;
    op->word = VMM_WORD_SELECTOR + insn->sreg;
    return insn->operand_size == 4 ? VMM_OP_PUSH : VMM_OP_CALL_OUT;
}

static enum vmm_op_kind read_control(struct vmm_op *op, const struct vmm_code_instruction *insn)
{
    op->word = insn->reg;
    op->gpr = insn->rm;
    return insn->reg <= 4 && insn->reg != 1 ? VMM_OP_READ : VMM_OP_CALL_OUT;
}

static enum vmm_op_kind transfer(struct vmm_op *op, const struct vmm_code_instruction *insn)
{
    uint32_t behind = insn->address + insn->length;
    op->target = behind + insn->immediate;
    op->value = behind;
    if (insn->operand_size != 4)
        return VMM_OP_CALL_OUT;
    switch (insn->kind) {
    case VMM_CODE_JMP: return VMM_OP_JUMP;
    case VMM_CODE_CALL: return VMM_OP_CALL;
    case VMM_CODE_JMP_INDIRECT: return VMM_OP_JUMP_INDIRECT;
    case VMM_CODE_CALL_INDIRECT: return VMM_OP_CALL_INDIRECT;
    case VMM_CODE_RET:
        op->value = insn->immediate;
        return op->value <= VMM_RET_MOST ? VMM_OP_RET : VMM_OP_CALL_OUT;
    default: return VMM_OP_BRANCH;
    }
}

static enum vmm_op_kind treat(struct vmm_op *op, const struct vmm_code_instruction *insn)
{
    bool wide = insn->operand_size == 4;
    switch (insn->kind) {
    case VMM_CODE_OTHER:
    case VMM_CODE_CLI:
    case VMM_CODE_STI:
    case VMM_CODE_ARPL:
    case VMM_CODE_RDTSC: return VMM_OP_COPY;
    case VMM_CODE_PAUSE: return VMM_OP_NOTHING;
    case VMM_CODE_PUSHF: return wide ? VMM_OP_PUSH_FLAGS : VMM_OP_CALL_OUT;
    case VMM_CODE_POPF: return wide ? VMM_OP_POP_FLAGS : VMM_OP_CALL_OUT;
    case VMM_CODE_MOV_FROM_CR: return read_control(op, insn);
    case VMM_CODE_MOV_FROM_SREG: return read_selector(op, insn);
    case VMM_CODE_PUSH_SREG: return push_selector(op, insn);
    case VMM_CODE_MOV_TO_SREG:
    case VMM_CODE_POP_SREG:
    case VMM_CODE_LOAD_FAR_POINTER: return insn->sreg == SS ? VMM_OP_CALL_OUT : VMM_OP_COPY;
    case VMM_CODE_JMP:
    case VMM_CODE_JCC:
    case VMM_CODE_LOOP:
    case VMM_CODE_CALL:
    case VMM_CODE_JMP_INDIRECT:
    case VMM_CODE_CALL_INDIRECT:
    case VMM_CODE_RET: return transfer(op, insn);
    default: return VMM_OP_CALL_OUT;
    }
}

/* ---- units ---- */

static enum vmm_translate_end translate(void *context, const struct vmm_code *code,
                                        struct vmm_draft *draft)
{
    uint32_t at = code->address;
    (void)context;
    do {
        struct vmm_code_instruction insn;
        struct vmm_op *op = &draft->op[draft->count++];
        vmm_code_at(code, at, &insn);
        *op = (struct vmm_op){.length = insn.length};
        op->kind = treat(op, &insn);
        at += insn.length;
        if (ends_unit(op->kind))
            break;
    } while (draft->count < VMM_UNIT_OPS && at / PAGE == code->address / PAGE);
    return VMM_TRANSLATED;
}

/* A unit dies with any of its bytes. */
static bool stale(void *context, const struct vmm_unit *unit, uint32_t address, uint32_t count)
{
    (void)context;
    return address < unit->linear + unit->length && unit->linear < address + count;
}

/* ---- links ---- */

static uint32_t leads_to[VMM_EXITS]; /* by the exit's number: a unit, or NONE */
static uint32_t exits;               /* numbers below this one may lead somewhere */

static bool link_exit(void *context, const struct vmm_exit *exit)
{
    (void)context;
    leads_to[exit->exit] = exit->to;
    if (exits <= exit->exit)
        exits = exit->exit + 1;
    return true;
}

static void unlink_unit(void *context, uint32_t unit, struct vmm_exits *to_cut)
{
    (void)context;
    for (uint32_t exit = 0; exit < exits; exit++)
        if (leads_to[exit] == unit) {
            vmm_exits_cut(to_cut, exit);
            leads_to[exit] = NONE;
        }
}

static void flushed(void *context)
{
    (void)context;
    for (uint32_t exit = 0; exit < exits; exit++)
        leads_to[exit] = NONE;
    exits = 0;
}

static const struct vmm_translator translator = {.translate = translate,
                                                 .link = link_exit,
                                                 .unlink = unlink_unit,
                                                 .stale = stale,
                                                 .flushed = flushed};

const struct lab_module lab_modules[] = {
    {"interpreter.translator", .translator = &translator},
    {NULL},
};
