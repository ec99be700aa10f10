/* The census: the guest is stepped, each instruction decoded before it is executed, and a model of
 * a TLB is asked about every page that it touches (two arrays with the time of the last use; SDM
 * volume 3, section 4.10, says what empties them). See vmm/census.h. */
#include "vmm/census.h"

#include <string.h>

#include "arch/x86/decode.h"
#include "arch/x86/walk.h"
#include "vm.h"

enum { TLB_ENTRIES = 64 };

struct tlb {
    struct {
        uint32_t page, mask; /* linear address, and which bits of one are the page's */
        bool global;         /* it outlives a change of CR3 */
        uint64_t used;       /* 0: the entry is free */
    } entry[TLB_ENTRIES];
    uint64_t clock;
};

struct counter {
    struct vmm_vm *vm;
    struct vmm_census *census;
    struct tlb data, code;
};

/* ---- the TLB ---- */

static bool hit(struct tlb *tlb, uint32_t linear)
{
    for (unsigned i = 0; i < TLB_ENTRIES; i++)
        if (tlb->entry[i].used && tlb->entry[i].page == (linear & tlb->entry[i].mask)) {
            tlb->entry[i].used = ++tlb->clock;
            return true;
        }
    return false;
}

static void insert(struct tlb *tlb, uint32_t linear, bool large, bool global)
{
    unsigned oldest = 0;
    for (unsigned i = 1; i < TLB_ENTRIES; i++)
        if (tlb->entry[i].used < tlb->entry[oldest].used)
            oldest = i;
    tlb->entry[oldest].mask = large ? 0xFFC00000 : 0xFFFFF000;
    tlb->entry[oldest].page = linear & tlb->entry[oldest].mask;
    tlb->entry[oldest].global = global;
    tlb->entry[oldest].used = ++tlb->clock;
}

static void forget(struct tlb *tlb, uint32_t linear)
{
    for (unsigned i = 0; i < TLB_ENTRIES; i++)
        if (tlb->entry[i].page == (linear & tlb->entry[i].mask))
            tlb->entry[i].used = 0;
}

/* A new CR3; or, with `all`, a change of how paging works. */
static void empty(struct tlb *tlb, bool all)
{
    for (unsigned i = 0; i < TLB_ENTRIES; i++)
        if (all || !tlb->entry[i].global)
            tlb->entry[i].used = 0;
}

/* An access; what is not mapped misses, and does not get an entry (SDM volume 3, section 4.10.2.3).
 */
static void access_page(struct counter *c, struct tlb *tlb, uint32_t linear)
{
    const struct dispatcher *d = &c->vm->dispatcher;
    struct x86_walk walk;
    if (!x86_paging(d->guest) || hit(tlb, linear))
        return;
    c->census->tlb_misses++;
    if (x86_probe(d->guest, d->linear, linear, 0, &walk) == X86_OK && walk.end == X86_WALK_MAPPED)
        insert(tlb, linear, walk.large, walk.global);
}

/* ---- one instruction ---- */

/* LEA only computes an address, and the hints (0F 0D, 0F 18 to 0F 1F: PREFETCH, NOP) need not be
 * followed. */
static bool accesses(const struct x86_instruction *insn)
{
    if (insn->kind == X86_KIND_INVLPG || !(insn->flags & (X86_INSN_MEMORY | X86_INSN_OFFSET)))
        return false;
    return insn->map == 0 ? insn->opcode != 0x8D
                          : insn->map > 1 || (insn->opcode != 0x0D && insn->opcode >> 3 != 3);
}

static void count_operands(struct counter *c, const struct x86_instruction *insn)
{
    const struct cpu_state *s = c->vm->dispatcher.guest;
    access_page(c, &c->code, s->seg[X86_CS].base + s->eip);
    if (accesses(insn))
        access_page(c, &c->data, x86_effective_address(s, insn));
    if (insn->flags & X86_INSN_STRING) {
        unsigned opcode = insn->opcode & 0xFE; /* but for the width */
        if (opcode == 0xA4 || opcode == 0xA6 || opcode == 0xAC || opcode == 0x6E)
            access_page(c, &c->data, s->seg[insn->segment].base + s->gpr[X86_ESI]);
        if (opcode != 0xAC && opcode != 0x6E) /* not LODS, not OUTS */
            access_page(c, &c->data, s->seg[X86_ES].base + s->gpr[X86_EDI]);
    }
    if (insn->kind == X86_KIND_CALL || insn->kind == X86_KIND_RET || insn->kind == X86_KIND_IRET)
        access_page(c, &c->data, s->seg[X86_SS].base + s->gpr[X86_ESP]);
}

static void empty_both(struct counter *c, bool all)
{
    empty(&c->data, all);
    empty(&c->code, all);
}

/* An instruction that has retired. */
static void count_kind(struct counter *c, const struct x86_instruction *insn)
{
    switch (insn->kind) {
    case X86_KIND_RET:
    case X86_KIND_CALL_INDIRECT:
    case X86_KIND_JMP_INDIRECT: c->census->indirect++; break;
    case X86_KIND_LMSW:
    case X86_KIND_CLTS: c->census->control_writes++; break;
    case X86_KIND_INVLPG:
        forget(&c->data, x86_effective_address(c->vm->dispatcher.guest, insn));
        forget(&c->code, x86_effective_address(c->vm->dispatcher.guest, insn));
        break;
    case X86_KIND_MOV_TO_CR:
        if (insn->reg == 3)
            empty_both(c, false);
        c->census->space_switches += insn->reg == 3;
        c->census->control_writes += insn->reg != 3;
        break;
    default: break;
    }
}

static bool decode(const struct vmm_vm *vm, struct x86_instruction *insn)
{
    const struct dispatcher *d = &vm->dispatcher;
    const struct cpu_state *s = d->guest;
    uint8_t bytes[X86_INSN_MAX];
    size_t count = x86_peek(s, d->linear, s->seg[X86_CS].base + s->eip, bytes, sizeof bytes);
    return x86_decode(bytes, (unsigned)count, s->seg[X86_CS].attributes & X86_SEG_DB, insn);
}

/* What the control registers mean for the TLBs: CR3 may also change by a task switch, or under
 * "para" by a hypercall; PG and the bits of CR4 empty them of global entries, too. */
static void count_translation(struct counter *c, uint32_t cr0, uint32_t cr3, uint32_t cr4)
{
    const struct cpu_state *s = c->vm->dispatcher.guest;
    bool all = ((s->cr0 ^ cr0) & X86_CR0_PG) || s->cr4 != cr4;
    if (all || s->cr3 != cr3)
        empty_both(c, all);
}

/* Executes one instruction; false if the guest has stopped. */
static bool step(struct counter *c)
{
    struct vmm_statistics before, after;
    struct x86_instruction insn = {0};
    const struct cpu_state *s = c->vm->dispatcher.guest;
    const uint32_t cr0 = s->cr0, cr3 = s->cr3, cr4 = s->cr4, eip = s->eip;
    bool known = !c->vm->dispatcher.halted && decode(c->vm, &insn);
    vmm_statistics(c->vm, &before);
    if (known)
        count_operands(c, &insn);
    enum vmm_stop stop = vmm_run(c->vm, 1);
    vmm_statistics(c->vm, &after);
    c->census->instructions += after.guest_instructions - before.guest_instructions;
    c->census->exceptions += after.exceptions - before.exceptions;
    c->census->software_interrupts += after.software_interrupts - before.software_interrupts;
    c->census->interrupts += after.interrupts - before.interrupts;
    c->census->port_accesses += after.port_accesses - before.port_accesses;
    if (known && after.exceptions == before.exceptions) {
        count_kind(c, &insn);
        /* REP retires with each iteration, and is one instruction when it is done */
        c->census->port_instructions +=
            after.port_accesses != before.port_accesses && s->eip != eip;
    }
    count_translation(c, cr0, cr3, cr4);
    return stop == VMM_STOP_LIMIT;
}

bool vmm_count(struct vmm_vm *vm, uint64_t instructions, uint32_t until, struct vmm_census *census)
{
    struct counter c = {.vm = vm, .census = census};
    const uint64_t end = census->instructions + instructions;
    const struct cpu_state *s = vm->dispatcher.guest;
    while (census->instructions < end) {
        if (s->seg[X86_CS].base + s->eip == until)
            return true;
        if (!step(&c))
            return false;
    }
    return false;
}
