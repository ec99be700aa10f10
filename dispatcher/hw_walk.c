/* What a nested page fault was about (AMD APM volume 2, section 15.25.6): a page that the guest
 * wanted, or a page table that the processor wanted on the way there. The engine does not say it,
 * and so it is found out: the accesses of the instruction are walked through the guest's tables,
 * and the address of the fault is either that of an entry or that of a page.
 *
 *     linear address -- n entries of the guest's, each at a guest-physical address --> page
 *                              |                                                        |
 *                          m nested entries                                        m nested entries
 *
 * The sum, (n + 1) (m + 1) - 1, is what a miss of the TLB costs (Bhargava et al., ASPLOS 2008). */
#include "arch/x86/walk.h"
#include "hw.h"
#include "vcpu.h"

enum { NESTED_LEVELS = 2, TOUCHED = 10 };

struct touched {
    uint32_t linear[TOUCHED];
    unsigned count;
};

static void add(struct touched *touched, uint32_t linear)
{
    if (touched->count < TOUCHED)
        touched->linear[touched->count++] = linear;
}

static void add_strings(struct touched *touched, const struct cpu_state *state,
                        const struct x86_instruction *insn)
{
    add(touched, state->seg[insn->segment].base + state->gpr[X86_ESI]);
    add(touched, state->seg[X86_ES].base + state->gpr[X86_EDI]);
}

/* Where delivering an event reads and writes: the gate, a descriptor table, the TSS, the stack. */
static void add_delivery(struct touched *touched, const struct cpu_state *state,
                         const struct x86_event *event)
{
    add(touched, state->idtr.base + 8u * event->vector);
    add(touched, state->gdtr.base);
    add(touched, state->tr.base + 4);
}

/* The instruction at EIP; NULL if it cannot be read. */
static const struct x86_instruction *
instruction(const struct dispatcher *d, const struct cpu_exit *exit, struct x86_instruction *insn)
{
    const struct cpu_state *state = &d->cpu->state;
    uint8_t bytes[X86_INSN_MAX];
    if (exit->known)
        return exit->known;
    size_t count =
        x86_peek(state, &d->vcpu->quiet, state->seg[X86_CS].base + state->eip, bytes, sizeof bytes);
    bool code32 = state->seg[X86_CS].attributes & X86_SEG_DB;
    return x86_decode(bytes, (unsigned)count, code32, insn) ? insn : 0;
}

/* What the instruction at EIP touches, its operand first, for that is what most faults are about;
 * of what crosses a page both. */
static void find_touched(const struct dispatcher *d, const struct cpu_exit *exit,
                         struct touched *touched)
{
    const struct cpu_state *state = &d->cpu->state;
    const uint32_t pc = state->seg[X86_CS].base + state->eip;
    const uint32_t stack = state->seg[X86_SS].base + state->gpr[X86_ESP];
    struct x86_instruction spare;
    const struct x86_instruction *insn = instruction(d, exit, &spare);
    touched->count = 0;
    if (exit->delivering)
        add_delivery(touched, state, exit->delivering);
    if (insn && (insn->flags & (X86_INSN_MEMORY | X86_INSN_OFFSET))) {
        uint32_t operand = x86_effective_address(state, insn);
        add(touched, operand);
        add(touched, (operand + X86_PAGE_SIZE) & X86_PAGE_MASK);
    }
    if (insn && (insn->flags & X86_INSN_STRING))
        add_strings(touched, state, insn);
    add(touched, pc);
    add(touched, (pc + X86_PAGE_SIZE) & X86_PAGE_MASK);
    add(touched, stack - 4);
    add(touched, stack);
}

struct hw_fault hw_fault(const struct dispatcher *d, const struct cpu_exit *exit)
{
    const uint32_t physical = exit->physical;
    const struct cpu_state *state = &d->cpu->state;
    struct hw_fault fault = {.guest_levels = x86_paging(state) ? 2 : 0};
    struct touched touched = {.count = 0};
    if (fault.guest_levels)
        find_touched(d, exit, &touched);
    for (unsigned i = 0; i < touched.count; i++) {
        struct x86_walk walk;
        if (x86_probe(state, &d->vcpu->quiet, touched.linear[i], 0, &walk) != X86_OK)
            continue;
        if ((walk.levels >= 1 && walk.pde_address == physical) ||
            (walk.levels == 2 && walk.pte_address == physical)) {
            fault.table = true;
            break;
        }
        if (walk.end == X86_WALK_MAPPED && !((walk.physical ^ physical) & X86_PAGE_MASK)) {
            fault.guest_levels = walk.levels;
            break;
        }
    }
    fault.references = (fault.guest_levels + 1) * (NESTED_LEVELS + 1) - 1;
    return fault;
}
