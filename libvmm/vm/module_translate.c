/* Between the binary translator and a policy from outside, which says what each instruction of the
 * guest becomes, and which exits are linked. It answers with a description, and the bytes are ours:
 * what is copied runs at ring 1 under shadow page tables, as the guest's own code does under
 * trap-and-emulate, so that a sensitive instruction which is copied comes to a wrong result in the
 * guest and to nothing else (Popek and Goldberg 1974: resource control). What no code cache can
 * hold stops the guest: a copied branch, a unit with a gap, an exit that does not exist. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dispatcher/dispatcher.h"
#include "module.h"

struct vmm_exits {
    const struct modules *modules;
    struct translator *translator;
};

_Static_assert((unsigned)VMM_CODE_UNREADABLE == (unsigned)X86_KINDS &&
                   (unsigned)VMM_CODE_MOV_FROM_SREG == (unsigned)X86_KIND_MOV_FROM_SREG &&
                   (unsigned)VMM_CODE_JCC == (unsigned)X86_KIND_JCC,
               "what students see are the decoder's kinds");

static void __attribute__((format(printf, 2, 3)))
refuse(const struct modules *modules, const char *format, ...)
{
    char reason[160];
    va_list arguments;
    int used = snprintf(reason, sizeof reason, "Module interpreter.translator misbehaved: it ");
    va_start(arguments, format);
    vsnprintf(reason + used, sizeof reason - (size_t)used, format, arguments);
    va_end(arguments);
    dispatcher_refuse(modules->dispatcher, reason);
}

/* ---- the code ---- */

void vmm_code_at(const struct vmm_code *code, uint32_t address,
                 struct vmm_code_instruction *instruction)
{
    struct x86_instruction insn;
    *instruction = (struct vmm_code_instruction){.kind = VMM_CODE_UNREADABLE, .address = address};
    if (!translator_code_at((const struct translator_code *)code->inside, address, &insn,
                            instruction->bytes))
        return;
    bool modrm = insn.flags & X86_INSN_MODRM;
    instruction->kind = (enum vmm_code_kind)insn.kind;
    instruction->length = insn.length;
    instruction->operand_size = insn.operand_size;
    instruction->reg = modrm ? insn.reg : 0;
    instruction->rm = modrm ? insn.rm : 0;
    instruction->sreg = insn.sreg;
    instruction->memory = insn.flags & X86_INSN_MEMORY;
    instruction->immediate = insn.immediate;
}

/* ---- a draft ---- */

/* It goes elsewhere, so that a copy of it would do so from the cache. */
static bool transfers(enum vmm_code_kind kind)
{
    switch (kind) {
    case VMM_CODE_IRET:
    case VMM_CODE_INT:
    case VMM_CODE_INT3:
    case VMM_CODE_INTO:
    case VMM_CODE_ICEBP: return true;
    default:
        return (kind >= VMM_CODE_CALL_FAR && kind <= VMM_CODE_SVM) ||
               (kind >= VMM_CODE_JMP && kind <= VMM_CODE_RET);
    }
}

static bool ends_unit(enum vmm_op_kind kind)
{
    return kind == VMM_OP_CALL_OUT || (kind >= VMM_OP_JUMP && kind != VMM_OP_BRANCH);
}

static bool is_word(unsigned word)
{
    return (word <= 4 && word != 1) ||
           (word >= VMM_WORD_SELECTOR && word < VMM_WORD_SELECTOR + X86_SREGS);
}

/* The instruction that an op is made from, for those that take something of it. */
static bool has_operand(const struct modules *modules, const struct vmm_op *op,
                        const struct vmm_code_instruction *insn)
{
    bool good = true;
    switch (op->kind) {
    case VMM_OP_BRANCH: good = insn->kind == VMM_CODE_JCC || insn->kind == VMM_CODE_LOOP; break;
    case VMM_OP_JUMP_INDIRECT:
    case VMM_OP_CALL_INDIRECT:
        good = (insn->kind == VMM_CODE_JMP_INDIRECT || insn->kind == VMM_CODE_CALL_INDIRECT) &&
               insn->operand_size == 4;
        break;
    default: break;
    }
    if (!good)
        refuse(modules,
               "takes the condition or operand of the instruction at 0x%08x, which has "
               "none of 32 bits",
               insn->address);
    return good;
}

static bool is_possible(const struct modules *modules, const struct vmm_op *op,
                        const struct vmm_code_instruction *insn)
{
    if ((unsigned)op->kind > VMM_OP_RET)
        refuse(modules, "makes the instruction at 0x%08x an op of kind %u", insn->address,
               (unsigned)op->kind);
    else if (op->length != insn->length)
        refuse(modules, "takes the instruction at 0x%08x for %u bytes; it has %u", insn->address,
               op->length, insn->length);
    else if (insn->length == 0 && op->kind != VMM_OP_CALL_OUT)
        refuse(modules, "translated what cannot be read, at 0x%08x; call out for it",
               insn->address);
    else if (op->kind == VMM_OP_COPY && transfers(insn->kind))
        refuse(modules,
               "copied the instruction at 0x%08x, which goes elsewhere: its copy would go "
               "there from the code cache",
               insn->address);
    else if (op->kind == VMM_OP_COPY && insn->kind == VMM_CODE_INVALID)
        refuse(modules, "copied the instruction at 0x%08x, which is none", insn->address);
    else if ((op->kind == VMM_OP_READ || op->kind == VMM_OP_PUSH) && !is_word(op->word))
        refuse(modules, "wants word %u of the processor at 0x%08x, which there is not", op->word,
               insn->address);
    else if (op->kind == VMM_OP_READ && op->gpr > 7)
        refuse(modules, "wants general register %u at 0x%08x", op->gpr, insn->address);
    else if (op->kind == VMM_OP_RET && op->value > VMM_RET_MOST)
        refuse(modules, "releases %u bytes at 0x%08x; an op can release %d", (unsigned)op->value,
               insn->address, VMM_RET_MOST);
    else
        return has_operand(modules, op, insn);
    return false;
}

static bool check(const struct modules *modules, const struct vmm_code *code,
                  const struct vmm_draft *draft)
{
    uint32_t at = code->address;
    if (draft->count == 0 || draft->count > VMM_UNIT_OPS) {
        refuse(modules, "made a unit of %u instructions at 0x%08x; 1 to %d can be", draft->count,
               at, VMM_UNIT_OPS);
        return false;
    }
    for (unsigned i = 0; i < draft->count; i++) {
        struct vmm_code_instruction insn;
        if (i && ends_unit(draft->op[i - 1].kind)) {
            refuse(modules, "went on at 0x%08x, behind an op that nothing falls through", at);
            return false;
        }
        if ((at ^ code->address) & X86_PAGE_MASK) {
            refuse(modules, "went on at 0x%08x, in another page than the unit's first instruction",
                   at);
            return false;
        }
        vmm_code_at(code, at, &insn);
        if (!is_possible(modules, &draft->op[i], &insn))
            return false;
        at += insn.length;
    }
    return true;
}

static unsigned missing(void *context, const struct translator *t,
                        const struct translator_code *code, struct vmm_op ops[VMM_UNIT_OPS])
{
    const struct modules *modules = context;
    (void)t;
    (void)code;
    (void)ops;
    dispatcher_refuse(modules->dispatcher,
                      "Module missing: this virtual machine has no interpreter.translator");
    return 0;
}

/* The library's own; NULL where it is left out. */
static const struct translator_policy *own(void)
{
    struct dispatch_modules standard;
    modules_init(&standard);
    return standard.translate;
}

static unsigned plan(void *context, const struct translator *t, const struct translator_code *code,
                     struct vmm_op ops[VMM_UNIT_OPS])
{
    const struct modules *modules = context;
    const struct vmm_code shown = {translator_code_begin(code), (void *)code};
    struct vmm_draft draft = {.count = 0};
    switch ((unsigned)modules->translator.translate(modules->translator_context, &shown, &draft)) {
    case VMM_TRANSLATED:
        if (!check(modules, &shown, &draft))
            return 0;
        memcpy(ops, draft.op, draft.count * sizeof *ops);
        return draft.count;
    case VMM_TRANSLATE_STANDARD:
        return own() ? own()->plan(own()->context, t, code, ops) : missing(context, t, code, ops);
    case VMM_TRANSLATE_MISSING: return missing(context, t, code, ops);
    default: refuse(modules, "came to no such end of a translation"); return 0;
    }
}

/* ---- links ---- */

static bool link(void *context, const struct vmm_exit *exit)
{
    const struct modules *modules = context;
    return modules->translator.link && modules->translator.link(modules->translator_context, exit);
}

void vmm_exits_cut(struct vmm_exits *exits, uint32_t exit)
{
    if (!translator_cut(exits->translator, exit))
        refuse(exits->modules, "cut exit number %u, which there is not", (unsigned)exit);
}

static void unlink_unit(void *context, struct translator *t, uint32_t unit)
{
    const struct modules *modules = context;
    struct vmm_exits exits = {modules, t};
    if (modules->translator.unlink)
        modules->translator.unlink(modules->translator_context, unit, &exits);
}

static bool stale(void *context, const struct vmm_unit *unit, uint32_t address, uint32_t count)
{
    const struct modules *modules = context;
    return !modules->translator.stale ||
           modules->translator.stale(modules->translator_context, unit, address, count);
}

static void flushed(void *context)
{
    const struct modules *modules = context;
    if (modules->translator.flushed)
        modules->translator.flushed(modules->translator_context);
}

/* ---- the slot ---- */

void module_use_translator(struct modules *modules, struct dispatch_modules *slots)
{
    modules->translator_policy = (struct translator_policy){
        .context = modules,
        .plan = slots->translator == SLOT_REPLACED ? plan : missing,
        .stale = stale,
        .link = link,
        .unlink = unlink_unit,
        .flushed = slots->translator == SLOT_REPLACED ? flushed : NULL,
    };
    slots->translate = slots->translator == SLOT_STANDARD ? own() : &modules->translator_policy;
}
