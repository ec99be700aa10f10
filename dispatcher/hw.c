/* The VMCB of a virtual machine: made, configured, and asked. See hw.h. */
#include "hw.h"

#include <stdlib.h>
#include <string.h>

#include "allocator/ports.h"
#include "arch/x86/descriptor.h"
#include "arch/x86/walk.h"
#include "vcpu.h"

/* Frames for nested tables: a directory, and every table that it may lead to. */
enum { NESTED_TABLES = 1025 };

/* ---- life ---- */

/* A port that the allocator has not given to this VM is never the hardware's to access. */
static void configure_ports(const struct dispatcher *d, struct hw *hw,
                            struct vmcb_intercepts *intercepts)
{
    bool all = intercepts->word[VMCB_EXIT_IOIO / 32] >> (VMCB_EXIT_IOIO % 32) & 1;
    hw->all_ports = all;
    memset(hw->iopm, all ? 0xff : 0, VMCB_IOPM_FRAMES * MEMORY_FRAME_SIZE);
    for (uint32_t port = 0; !all && port < PORTS_COUNT; port++)
        if (!ports_allow(d->ports, d->owner, (uint16_t)port, 1)) {
            hw->iopm[port / 8] |= (uint8_t)(1u << port % 8);
            vmcb_intercept(intercepts, VMCB_EXIT_IOIO);
        }
}

/* What shadow page tables cannot do without: whatever changes or shows what the processor walks. */
static void require_for_shadows(struct vmcb_intercepts *intercepts)
{
    static const uint8_t registers[] = {0, 3, 4};
    for (size_t i = 0; i < sizeof registers; i++) {
        vmcb_intercept(intercepts, VMCB_EXIT_CR_READ + registers[i]);
        vmcb_intercept(intercepts, VMCB_EXIT_CR_WRITE + registers[i]);
    }
    vmcb_intercept(intercepts, VMCB_EXIT_INVLPG);
    vmcb_intercept(intercepts, VMCB_EXIT_EXCP + X86_PAGE);
}

static void configure(const struct dispatcher *d, struct hw *hw,
                      const struct technique_options *options)
{
    struct vmcb_intercepts intercepts = options->intercepts;
    if (!hw->nested)
        require_for_shadows(&intercepts);
    configure_ports(d, hw, &intercepts);
    memset(hw->msrpm, 0xff, VMCB_MSRPM_FRAMES * MEMORY_FRAME_SIZE);
    memcpy(hw->vmcb->bytes + VMCB_INTERCEPTS, &intercepts, sizeof intercepts);
    vmcb_put(hw->vmcb, VMCB_IOPM_BASE, 8, hw->frames + MEMORY_FRAME_SIZE);
    vmcb_put(hw->vmcb, VMCB_MSRPM_BASE, 8, hw->frames + (1 + VMCB_IOPM_FRAMES) * MEMORY_FRAME_SIZE);
    vmcb_put(hw->vmcb, VMCB_ASID, 4, d->owner);
    vmcb_put(hw->vmcb, VMCB_V_INTR, 8, VMCB_V_INTR_MASKING);
    if (!hw->nested)
        return;
    vmcb_put(hw->vmcb, VMCB_NP_ENABLE, 8, 1);
    vmcb_put(hw->vmcb, VMCB_N_CR3, 8, nested_root(hw->nested));
}

bool hw_create(struct dispatcher *d, const struct technique_options *options)
{
    const struct frame_map *map = d->vcpu->map;
    struct hw *hw = calloc(1, sizeof *hw);
    if (!hw)
        return false;
    d->own = hw;
    hw->pool = map->pool;
    hw->frames = frames_take_run(map->pool, HW_FRAMES);
    if (hw->frames == FRAMES_NONE)
        return false;
    hw->vmcb = (struct vmcb *)(void *)memory_frame(map->pool->memory, hw->frames);
    hw->iopm = hw->vmcb->bytes + MEMORY_FRAME_SIZE;
    hw->msrpm = hw->iopm + VMCB_IOPM_FRAMES * MEMORY_FRAME_SIZE;
    if (!options->shadow) {
        hw->nested = nested_create(map, NESTED_TABLES, MEMORY_MAXIMUM);
        if (!hw->nested)
            return false;
    }
    hw->chosen = options->intercepts;
    configure(d, hw, options);
    vmcb_save(hw->vmcb, &d->vcpu->state);
    hw->changed = true;
    return true;
}

void hw_destroy(struct dispatcher *d)
{
    struct hw *hw = d->own;
    if (!hw)
        return;
    if (hw->nested && d->cpu->nesting->root == nested_root(hw->nested))
        cpu_nest(d->cpu, NESTING_FLAT);
    nested_destroy(hw->nested);
    for (unsigned i = 0; hw->frames != FRAMES_NONE && i < HW_FRAMES; i++)
        frames_give_back(hw->pool, hw->frames + i * MEMORY_FRAME_SIZE);
    free(hw);
    d->own = 0;
}

uint32_t hw_frames(const struct dispatcher *d)
{
    const struct hw *hw = d->own;
    return HW_FRAMES + (hw->nested ? nested_statistics(hw->nested).tables : 0);
}

/* ---- the VMCB from outside ---- */

struct vmcb *hw_look(const struct dispatcher *d)
{
    const struct hw *hw = d->own;
    return d->technique->assisted && hw ? hw->vmcb : 0;
}

/* Code that was translated for other intercepts has to go. */
void hw_changed(struct dispatcher *d)
{
    struct hw *hw = d->own;
    hw->changed = true;
    hw->all_ports = true;
    for (size_t i = 0; i < PORTS_COUNT / 8; i++)
        hw->all_ports &= hw->iopm[i] == 0xff;
    d->cpu->translate_anew = true;
}

void hw_intercept(struct dispatcher *d, const struct vmcb_intercepts *wanted)
{
    struct hw *hw = d->own;
    struct vmcb_intercepts intercepts = wanted ? *wanted : hw->chosen;
    if (!hw->nested)
        require_for_shadows(&intercepts);
    configure_ports(d, hw, &intercepts);
    memcpy(hw->vmcb->bytes + VMCB_INTERCEPTS, &intercepts, sizeof intercepts);
    hw_changed(d);
}

void hw_log_writes(struct dispatcher *d, bool log)
{
    struct hw *hw = d->own;
    nested_log(hw->nested, log);
}

/* ---- exits ---- */

unsigned hw_exit_code(const struct cpu_exit *exit)
{
    switch (exit->kind) {
    case CPU_EXCEPTION: return VMCB_EXIT_EXCP + exit->event.vector;
    case CPU_SOFTWARE_INTERRUPT:
    case CPU_INSTRUCTION:
    case CPU_SITE:
    case CPU_PATCH: return vmcb_instruction_exit(&exit->insn);
    case CPU_NESTED_FAULT: return VMCB_EXIT_NPF;
    default: return VMCB_EXIT_NONE;
    }
}

static uint16_t port_of(const struct cpu_state *state, const struct x86_instruction *insn)
{
    bool immediate = insn->kind == X86_KIND_IN_IMMEDIATE || insn->kind == X86_KIND_OUT_IMMEDIATE;
    return (uint16_t)(immediate ? insn->immediate & 0xff : state->gpr[X86_EDX]);
}

/* What comes to CR0 by MOV and LMSW; CLTS touches TS alone. */
static bool changes_more_than_ts(const struct cpu_state *state, const struct x86_instruction *insn)
{
    const uint32_t ignored = X86_CR0_TS | X86_CR0_MP;
    switch (insn->kind) {
    case X86_KIND_CLTS: return false;
    case X86_KIND_LMSW: return true; /* the operand may lie in memory: taken for the worst */
    default: return (state->cr0 ^ state->gpr[insn->rm]) & ~ignored;
    }
}

/* Exceptions of the instruction itself come first: outside ring 0 those of privileged ones. */
static bool may_execute(const struct cpu_state *state, const struct x86_instruction *insn)
{
    switch (insn->kind) {
    case X86_KIND_RDTSC: return !state->cpl || !(state->cr4 & X86_CR4_TSD);
    case X86_KIND_SMSW:
    case X86_KIND_SGDT:
    case X86_KIND_SIDT:
    case X86_KIND_SLDT:
    case X86_KIND_STR:
    case X86_KIND_PUSHF:
    case X86_KIND_POPF:
    case X86_KIND_IRET:
    case X86_KIND_INT:
    case X86_KIND_INT3:
    case X86_KIND_INTO:
    case X86_KIND_ICEBP:
    case X86_KIND_CPUID:
    case X86_KIND_PAUSE:
    case X86_KIND_VMMCALL:
    case X86_KIND_RSM:
    case X86_KIND_IN_IMMEDIATE:
    case X86_KIND_IN_DX:
    case X86_KIND_OUT_IMMEDIATE:
    case X86_KIND_OUT_DX:
    case X86_KIND_INS:
    case X86_KIND_OUTS: return true;
    default: return state->cpl == 0;
    }
}

/* The bitmaps and CR0 depend on operands; what else is intercepted once always is. */
bool hw_always_intercepts(const struct dispatcher *d, const struct cpu_state *state,
                          const struct x86_instruction *insn)
{
    const struct hw *hw = d->own;
    unsigned code = vmcb_instruction_exit(insn);
    if (code == VMCB_EXIT_NONE || !vmcb_intercepts(hw->vmcb, code) || !may_execute(state, insn))
        return false;
    switch (code) {
    case VMCB_EXIT_CR_WRITE:
    case VMCB_EXIT_MSR:
    case VMCB_EXIT_RDTSC: return false;
    case VMCB_EXIT_IOIO: return state->cpl == 0 && hw->all_ports;
    default: return true;
    }
}

bool hw_intercepts(const struct dispatcher *d, const struct cpu_exit *exit, unsigned code)
{
    const struct hw *hw = d->own;
    const struct cpu_state *state = &d->cpu->state;
    const struct x86_instruction *insn = &exit->insn;
    if (code == VMCB_EXIT_NPF)
        return true;
    if (exit->kind == CPU_EXCEPTION)
        return vmcb_intercepts(hw->vmcb, code);
    if (code == VMCB_EXIT_NONE || !may_execute(state, insn))
        return false;
    if (code == VMCB_EXIT_CR_WRITE && !vmcb_intercepts(hw->vmcb, code))
        return vmcb_intercepts(hw->vmcb, VMCB_EXIT_CR0_SEL_WRITE) &&
               changes_more_than_ts(state, insn);
    if (!vmcb_intercepts(hw->vmcb, code))
        return false;
    switch (code) {
    case VMCB_EXIT_IOIO: return vmcb_iopm_intercepts(hw->iopm, port_of(state, insn), insn->width);
    case VMCB_EXIT_MSR:
        return vmcb_msrpm_intercepts(hw->msrpm, state->gpr[X86_ECX], insn->kind == X86_KIND_WRMSR);
    default: return true;
    }
}

unsigned hw_reported(const struct dispatcher *d, unsigned code)
{
    const struct hw *hw = d->own;
    bool selective = code == VMCB_EXIT_CR_WRITE && !vmcb_intercepts(hw->vmcb, code);
    return selective ? VMCB_EXIT_CR0_SEL_WRITE : code;
}

/* ---- what is told of an exit ---- */

/* Section 15.10.2: TYPE, STR, REP, the size at bits 4 to 6, the address size at 7 to 9, the segment
 * that OUTS reads from at 10 to 12 (0 is ES, where INS writes), the port. */
static uint64_t port_info(const struct cpu_state *state, const struct x86_instruction *insn)
{
    bool in = insn->kind == X86_KIND_IN_IMMEDIATE || insn->kind == X86_KIND_IN_DX ||
              insn->kind == X86_KIND_INS;
    bool repeat = insn->flags & (X86_INSN_REP | X86_INSN_REPNE);
    unsigned segment = insn->kind == X86_KIND_OUTS ? insn->segment : (unsigned)X86_ES;
    return (uint64_t)port_of(state, insn) << 16 | segment << 10 |
           (insn->flags & X86_INSN_STRING ? (insn->address_size == 4 ? 1u << 8 : 1u << 7) : 0u) |
           (unsigned)insn->width << 4 | (unsigned)repeat << 3 |
           (insn->flags & X86_INSN_STRING ? 1u << 2 : 0u) | in;
}

void hw_exit_info(const struct dispatcher *d, const struct cpu_exit *exit, unsigned code,
                  const struct hw_fault *fault, uint64_t *info1, uint64_t *info2)
{
    const struct cpu_state *state = &d->cpu->state;
    const struct x86_instruction *insn = &exit->insn;
    *info1 = *info2 = 0;
    switch (code) {
    case VMCB_EXIT_NPF: /* section 15.25.6 */
        *info1 = exit->error | (fault->table ? VMCB_NPF_TABLE : VMCB_NPF_FINAL);
        *info2 = exit->physical;
        return;
    case VMCB_EXIT_IOIO:
        *info1 = port_info(state, insn);
        *info2 = state->eip + insn->length;
        return;
    case VMCB_EXIT_MSR: *info1 = insn->kind == X86_KIND_WRMSR; return;
    default: break;
    }
    if (exit->kind != CPU_EXCEPTION)
        return;
    *info1 = exit->event.has_error_code ? exit->event.error_code : 0;
    *info2 = exit->event.vector == X86_PAGE ? exit->event.cr2 : 0;
}
