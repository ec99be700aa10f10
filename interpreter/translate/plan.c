/* The library's own policy for translations: where a unit ends, what each of its instructions
 * becomes, and which writes to its code are its end. What is innocuous is copied; what is sensitive
 * becomes other instructions with the same effect on the virtual processor, if it is frequent and
 * that is simple, and else is called out for (Adams and Agesen, ASPLOS 2006, section 3.1).
 *
 * CLI and STI are copied: the real IF is the virtual one. So are loads of DS, ES, FS and GS, which
 * the shadow descriptor tables are for. */
#include "unit.h"

/* Selectors of CS and SS carry the VMM's ring. */
static bool shows_ring(const struct x86_instruction *insn)
{
    return insn->sreg == X86_CS || insn->sreg == X86_SS;
}

static void read_word(struct vmm_op *op, unsigned gpr, unsigned word)
{
    op->kind = VMM_OP_READ;
    op->gpr = (uint8_t)gpr;
    op->word = (uint8_t)word;
}

static void of_sreg(struct vmm_op *op, const struct x86_instruction *insn)
{
    bool wide = insn->operand_size == 4;
    unsigned word = VMM_WORD_SELECTOR + insn->sreg;
    if (!shows_ring(insn)) {
        op->kind = VMM_OP_COPY;
    } else if (insn->kind == X86_KIND_PUSH_SREG && wide) {
        op->kind = VMM_OP_PUSH;
        op->word = (uint8_t)word;
    } else if (insn->kind == X86_KIND_MOV_FROM_SREG && wide && insn->mod == 3) {
        read_word(op, insn->rm, word);
    }
}

static void of_flags(struct vmm_op *op, const struct x86_instruction *insn)
{
    if (insn->operand_size == 4)
        op->kind = insn->kind == X86_KIND_PUSHF ? VMM_OP_PUSH_FLAGS : VMM_OP_POP_FLAGS;
}

/* Near transfers, `behind` being the next instruction's address. */
static void of_transfer(struct vmm_op *op, const struct x86_instruction *insn, uint32_t behind)
{
    static const uint8_t kinds[X86_KINDS] = {[X86_KIND_JMP] = VMM_OP_JUMP,
                                             [X86_KIND_JCC] = VMM_OP_BRANCH,
                                             [X86_KIND_LOOP] = VMM_OP_BRANCH,
                                             [X86_KIND_CALL] = VMM_OP_CALL,
                                             [X86_KIND_JMP_INDIRECT] = VMM_OP_JUMP_INDIRECT,
                                             [X86_KIND_CALL_INDIRECT] = VMM_OP_CALL_INDIRECT,
                                             [X86_KIND_RET] = VMM_OP_RET};
    bool ret = insn->kind == X86_KIND_RET;
    if (insn->operand_size != 4 || (ret && insn->immediate > VMM_RET_MOST))
        return;
    op->kind = kinds[insn->kind];
    op->target = behind + insn->immediate;
    op->value = ret ? insn->immediate : behind;
}

static bool is_standard(const struct translator *t, const struct x86_instruction *insn)
{
    return t->routines->routines[insn->kind] == interpreter_standard.routines[insn->kind];
}

static struct vmm_op choose(const struct translator *t, const struct x86_instruction *insn,
                            uint32_t behind)
{
    struct vmm_op op = {.kind = VMM_OP_CALL_OUT, .length = insn->length};
    if (insn->flags & X86_INSN_LOCK && insn->kind != X86_KIND_OTHER)
        return op;
    if (!is_standard(t, insn))
        return op;
    switch (insn->kind) {
    case X86_KIND_OTHER:
    case X86_KIND_ARPL:
    case X86_KIND_CLI:
    case X86_KIND_STI:
    case X86_KIND_RDTSC: /* intercepted, and answered without a world switch */
        op.kind = VMM_OP_COPY;
        break;
    case X86_KIND_PAUSE: op.kind = VMM_OP_NOTHING; break;
    case X86_KIND_MOV_FROM_SREG:
    case X86_KIND_MOV_TO_SREG:
    case X86_KIND_PUSH_SREG:
    case X86_KIND_POP_SREG: of_sreg(&op, insn); break;
    case X86_KIND_LOAD_FAR_POINTER:
        if (insn->sreg != X86_SS)
            op.kind = VMM_OP_COPY;
        break;
    case X86_KIND_PUSHF:
    case X86_KIND_POPF: of_flags(&op, insn); break;
    case X86_KIND_MOV_FROM_CR:
        if (insn->reg < 5 && insn->reg != 1)
            read_word(&op, insn->rm, insn->reg);
        break;
    case X86_KIND_JMP:
    case X86_KIND_JCC:
    case X86_KIND_LOOP:
    case X86_KIND_CALL:
    case X86_KIND_JMP_INDIRECT:
    case X86_KIND_CALL_INDIRECT:
    case X86_KIND_RET: of_transfer(&op, insn, behind); break;
    default: break;
    }
    return op;
}

static bool ends_unit(const struct vmm_op *op)
{
    switch (op->kind) {
    case VMM_OP_CALL_OUT:
    case VMM_OP_JUMP:
    case VMM_OP_CALL:
    case VMM_OP_JUMP_INDIRECT:
    case VMM_OP_CALL_INDIRECT:
    case VMM_OP_RET: return true;
    default: return false;
    }
}

/* Past branches that are not taken, to what always goes elsewhere, or to the end of the page. */
static unsigned plan(void *context, const struct translator *t, const struct translator_code *code,
                     struct vmm_op ops[VMM_UNIT_OPS])
{
    uint32_t begin = translator_code_begin(code), at = begin;
    unsigned count = 0;
    bool goes_on = true;
    (void)context;
    while (goes_on && count < VMM_UNIT_OPS && ((at ^ begin) & X86_PAGE_MASK) == 0) {
        struct x86_instruction insn;
        uint8_t bytes[X86_INSN_MAX];
        bool there = translator_code_at(code, at, &insn, bytes);
        ops[count] =
            there ? choose(t, &insn, at + insn.length) : (struct vmm_op){.kind = VMM_OP_CALL_OUT};
        at += ops[count].length;
        goes_on = !ends_unit(&ops[count++]);
    }
    return count;
}

static bool stale(void *context, const struct vmm_unit *unit, uint32_t address, uint32_t count)
{
    (void)context;
    return address - unit->linear < unit->length || unit->linear - address < count;
}

const struct translator_policy translator_standard = {.plan = plan, .stale = stale};
