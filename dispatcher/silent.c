/* Silent sensitive instructions. See silent.h. */
#include "silent.h"

#include <stdio.h>
#include <string.h>

#include "arch/x86/walk.h"

enum {
    CONDITION = X86_ZF, /* what LAR, LSL, VERR and VERW answer with */
};

/* ---- what the instruction stores: a function of the state alone ---- */

struct stored {
    uint32_t base;
    uint32_t value;
};

static uint32_t flags_pushed(const struct cpu_state *state, const struct x86_instruction *insn)
{
    uint32_t flags = state->eflags & ~(uint32_t)(X86_VM | X86_RF);
    return insn->operand_size == 2 ? flags & 0xffff : flags;
}

static struct stored stored(const struct cpu_state *state, const struct x86_instruction *insn)
{
    switch (insn->kind) {
    case X86_KIND_PUSHF: return (struct stored){.value = flags_pushed(state, insn)};
    case X86_KIND_SGDT: return (struct stored){state->gdtr.base, state->gdtr.limit};
    case X86_KIND_SIDT: return (struct stored){state->idtr.base, state->idtr.limit};
    case X86_KIND_SLDT: return (struct stored){.value = state->ldtr.selector};
    case X86_KIND_STR: return (struct stored){.value = state->tr.selector};
    case X86_KIND_SMSW:
        return (struct stored){
            .value = insn->mod == 3 && insn->operand_size == 4 ? state->cr0 : state->cr0 & 0xffff};
    case X86_KIND_MOV_FROM_SREG:
    case X86_KIND_PUSH_SREG: return (struct stored){.value = state->seg[insn->sreg].selector};
    default: return (struct stored){.value = state->seg[X86_CS].selector}; /* far CALLs push CS */
    }
}

static bool stores_differ(struct vcpu *v, const struct x86_instruction *insn)
{
    struct stored guest = stored(&v->state, insn), real = stored(&v->cpu->state, insn);
    return guest.base != real.base || guest.value != real.value;
}

/* ---- what it takes from the stack and may silently not take ---- */

/* Outside ring 0 POPF leaves IOPL as it is, and IF too where CPL is above IOPL. */
static bool popf_differs(const struct vcpu *v, const struct x86_instruction *insn)
{
    const struct cpu_state *guest = &v->state;
    uint32_t popped, matters = 0;
    (void)insn;
    if (!vcpu_peek_stack(v, 0, &popped))
        return false;
    if (guest->cpl == 0)
        matters |= X86_IOPL;
    if (guest->cpl <= x86_iopl(guest))
        matters |= X86_IF;
    return (popped ^ guest->eflags) & matters;
}

/* A far RET to ring 1 stays at the ring where the guest's kernel really is. */
static bool far_return_differs(const struct vcpu *v, const struct x86_instruction *insn)
{
    uint32_t selector;
    return v->state.cpl == 0 && vcpu_peek_stack(v, insn->operand_size, &selector) &&
           (selector & X86_SELECTOR_RPL) == 1;
}

/* ---- what it finds out in the descriptor tables ---- */

static bool answers_differ(struct vcpu *v, const struct x86_instruction *insn)
{
    struct cpu_state guest = v->state, real = v->cpu->state;
    struct interpreter_context as_guest = {.cpu = &guest, .memory = &v->quiet};
    struct interpreter_context as_real = {.cpu = &real, .memory = &v->cpu->physical};
    struct outcome wanted = interpreter_run(&interpreter_standard, &as_guest, insn);
    struct outcome got = interpreter_run(&interpreter_standard, &as_real, insn);
    if (wanted.kind != OUTCOME_DONE || got.kind != OUTCOME_DONE)
        return false; /* a page is missing: it comes here again when the page is there */
    return memcmp(guest.gpr, real.gpr, sizeof guest.gpr) ||
           ((guest.eflags ^ real.eflags) & CONDITION);
}

/* ---- all of them ---- */

bool silent_kind(const struct x86_instruction *insn)
{
    switch (insn->kind) {
    case X86_KIND_PUSHF:
    case X86_KIND_POPF:
    case X86_KIND_SGDT:
    case X86_KIND_SIDT:
    case X86_KIND_SLDT:
    case X86_KIND_STR:
    case X86_KIND_SMSW:
    case X86_KIND_LAR:
    case X86_KIND_LSL:
    case X86_KIND_VERR:
    case X86_KIND_VERW:
    case X86_KIND_CALL_FAR:
    case X86_KIND_CALL_FAR_INDIRECT:
    case X86_KIND_RET_FAR: return true;
    case X86_KIND_MOV_FROM_SREG:
    case X86_KIND_PUSH_SREG: return insn->sreg == X86_CS || insn->sreg == X86_SS;
    default: return false;
    }
}

/* In virtual-8086 mode PUSHF and POPF trap, below IOPL 3. */
static bool traps(const struct vcpu *v, const struct x86_instruction *insn)
{
    const struct cpu_state *real = &v->cpu->state;
    return (real->eflags & X86_VM) && x86_iopl(real) < 3 &&
           (insn->kind == X86_KIND_PUSHF || insn->kind == X86_KIND_POPF);
}

bool silent_differs(struct vcpu *v, const struct x86_instruction *insn)
{
    if (traps(v, insn))
        return false;
    switch (insn->kind) {
    case X86_KIND_POPF: return popf_differs(v, insn);
    case X86_KIND_RET_FAR: return far_return_differs(v, insn);
    case X86_KIND_LAR:
    case X86_KIND_LSL:
    case X86_KIND_VERR:
    case X86_KIND_VERW: return answers_differ(v, insn);
    default: return silent_kind(insn) && stores_differ(v, insn);
    }
}

/* The manual's name. */
static const char *mnemonic(const struct x86_instruction *insn)
{
    switch (insn->kind) {
    case X86_KIND_MOV_FROM_SREG: return "mov";
    case X86_KIND_PUSH_SREG: return "push";
    case X86_KIND_CALL_FAR:
    case X86_KIND_CALL_FAR_INDIRECT: return "call";
    case X86_KIND_RET_FAR: return "ret";
    default: return record_cause_name(TRAP_INSTRUCTION + insn->kind);
    }
}

static struct silent_place *place(struct dispatcher *d, uint32_t linear)
{
    for (unsigned i = 0; i < d->silent_count; i++)
        if (d->silent[i].linear == linear)
            return &d->silent[i];
    if (d->silent_count == DISPATCH_SILENT)
        return 0;
    return &d->silent[d->silent_count++];
}

bool silent_found(struct dispatcher *d, const struct x86_instruction *insn)
{
    const struct cpu_state *guest = &d->vcpu->state;
    uint32_t linear = guest->seg[X86_CS].base + guest->eip;
    struct silent_place *found = place(d, linear);
    /* It comes here twice if its operand's page had to be filled in between. */
    bool again = d->silent_total && d->silent_time == d->cpu->time && !d->cpu->host_clock;
    if (again)
        return true;
    d->silent_time = d->cpu->time;
    if (found) {
        found->linear = linear;
        found->name = mnemonic(insn);
        found->ring = guest->cpl;
        found->count++;
    }
    d->silent_total++;
    if (d->keep_going)
        return true;
    d->diverged = true;
    return false;
}
