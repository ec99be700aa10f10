/* Between the interpreter's table and a routine from outside: the routine gets a copy of the
 * virtual processor, and what it makes of it is checked before it becomes the guest's (Popek and
 * Goldberg 1974: resource control must not depend on who wrote v_i). Nonsense stops the guest. What
 * the hardware would check itself, such as a selector, the guest hears of as the fault that it is.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86/control.h"
#include "arch/x86/descriptor.h"
#include "arch/x86/walk.h"
#include "module.h"
#include "vm.h"

enum { MOST_BYTES = 4096 };

struct vmm_call_inside {
    struct interpreter_context *context;
    const struct x86_instruction *insn;
    struct modules *modules;
    struct vmm_registers before;
    bool too_much; /* an access of more than MOST_BYTES */
};

/* ---- an outcome that stops the guest ---- */

static struct outcome __attribute__((format(printf, 2, 3)))
refuse(const struct vmm_call_inside *inside, const char *format, ...)
{
    struct modules *modules = inside->modules;
    va_list arguments;
    int used = snprintf(modules->why, sizeof modules->why, "Module %s misbehaved: it ",
                        module_routine_name(inside->insn->kind));
    va_start(arguments, format);
    vsnprintf(modules->why + used, sizeof modules->why - (size_t)used, format, arguments);
    va_end(arguments);
    return (struct outcome){.kind = OUTCOME_REFUSED, .why = modules->why};
}

static struct outcome failed(enum x86_status status, const struct x86_event *fault)
{
    if (status == X86_NEED_PAGE)
        return (struct outcome){.kind = OUTCOME_NEED_PAGE};
    return (struct outcome){.kind = OUTCOME_INJECT, .event = *fault};
}

/* ---- the call ---- */

static struct vmm_instruction show_instruction(const struct interpreter_context *context,
                                               const struct x86_instruction *insn)
{
    const struct cpu_state *cpu = context->cpu;
    bool modrm = insn->flags & X86_INSN_MODRM, memory = insn->flags & X86_INSN_MEMORY;
    struct vmm_instruction shown = {
        .length = insn->length,
        .operand_size = insn->operand_size,
        .address_size = insn->address_size,
        .width = insn->width,
        .modrm = modrm,
        .reg = modrm ? insn->reg : 0,
        .rm = modrm ? insn->rm : 0,
        .memory = memory,
        .address = memory ? x86_effective_address(cpu, insn) : 0,
        .immediate = insn->immediate,
        .repeat = insn->flags & (X86_INSN_REP | X86_INSN_REPNE),
    };
    unsigned count =
        insn->length < sizeof shown.bytes ? insn->length : (unsigned)sizeof shown.bytes;
    x86_peek(cpu, context->memory, cpu->seg[X86_CS].base + cpu->eip, shown.bytes, count);
    return shown;
}

static bool user(const struct cpu_state *cpu)
{
    return (cpu->cr0 & X86_CR0_PE) && cpu->cpl == 3;
}

static bool ended(enum x86_status status, const struct x86_event *event, struct vmm_outcome *fault)
{
    if (status != X86_OK)
        *fault = (struct vmm_outcome){.kind = VMM_OUTCOME_INJECT,
                                      .vector = event->vector,
                                      .error_code = event->error_code,
                                      .address = event->cr2};
    return status == X86_OK;
}

static bool fits(struct vmm_call *call, size_t count, struct vmm_outcome *fault)
{
    *fault = (struct vmm_outcome){.kind = VMM_OUTCOME_MISSING};
    if (count > MOST_BYTES)
        call->inside->too_much = true;
    return count <= MOST_BYTES;
}

bool vmm_call_read(struct vmm_call *call, uint32_t linear, void *bytes, size_t count,
                   struct vmm_outcome *fault)
{
    const struct interpreter_context *context = call->inside->context;
    struct x86_event event = {0};
    return fits(call, count, fault) && ended(x86_read(context->cpu, context->memory, linear, bytes,
                                                      count, user(context->cpu), &event),
                                             &event, fault);
}

bool vmm_call_write(struct vmm_call *call, uint32_t linear, const void *bytes, size_t count,
                    struct vmm_outcome *fault)
{
    const struct interpreter_context *context = call->inside->context;
    struct x86_event event = {0};
    return fits(call, count, fault) && ended(x86_write(context->cpu, context->memory, linear, bytes,
                                                       count, user(context->cpu), &event),
                                             &event, fault);
}

/* ---- registers ---- */

/* What no routine can give the guest: the first thing found, or NULL. */
static const char *impossible_flags(const struct cpu_state *cpu, uint32_t eflags)
{
    const uint32_t settable =
        X86_ARITHMETIC | X86_TF | X86_IF | X86_DF | X86_IOPL | X86_NT | X86_RF | X86_AC | X86_ID;
    if ((eflags ^ cpu->eflags) & X86_VM)
        return "changed EFLAGS.VM";
    return (eflags ^ cpu->eflags) & ~settable ? "changed reserved bits of EFLAGS" : 0;
}

static const char *set_control(struct cpu_state *next, const struct vmm_registers *r)
{
    struct x86_event fault;
    uint32_t changed = next->cr0 ^ r->cr0;
    if ((changed & X86_CR0_PE) && next->cpl)
        return "changed CR0.PE outside ring 0";
    if (changed && (x86_load_cr0(next, r->cr0, &fault) != X86_OK || next->cr0 != r->cr0))
        return "gave CR0 an impossible value";
    if (next->cr4 != r->cr4 && x86_load_cr4(next, r->cr4, &fault) != X86_OK)
        return "gave CR4 an impossible value";
    next->cr2 = r->cr2;
    next->cr3 = r->cr3;
    return 0;
}

static const char *set_plain(struct cpu_state *next, const struct vmm_registers *r,
                             const struct vmm_registers *before)
{
    const char *why = impossible_flags(next, r->eflags);
    if (why)
        return why;
    if (r->cpl != before->cpl || r->segment[X86_CS] != before->segment[X86_CS])
        return "changed CS or CPL";
    if (memcmp(r->segment_base, before->segment_base, sizeof r->segment_base) != 0)
        return "changed the base of a segment, which only its descriptor can";
    memcpy(next->gpr, r->gpr, sizeof next->gpr);
    next->eip = r->eip;
    next->eflags = r->eflags;
    next->gdtr = (struct x86_table){r->gdt_base, r->gdt_limit};
    next->idtr = (struct x86_table){r->idt_base, r->idt_limit};
    return set_control(next, r);
}

static enum x86_status set_selectors(struct cpu_state *next, const struct x86_memory *memory,
                                     const struct vmm_registers *r,
                                     const struct vmm_registers *before, struct x86_event *fault)
{
    enum x86_status status = X86_OK;
    if (r->ldt != before->ldt)
        status = x86_load_ldtr(next, memory, r->ldt, fault);
    if (status == X86_OK && r->tr != before->tr)
        status = x86_load_tr(next, memory, r->tr, fault);
    for (unsigned i = 0; i < X86_SREGS && status == X86_OK; i++)
        if (r->segment[i] != before->segment[i])
            status = x86_load_segment(next, memory, i, r->segment[i], fault);
    return status;
}

/* A change that the allocator has to follow must be told. */
static const char *untold(const struct cpu_state *cpu, const struct cpu_state *next,
                          enum vmm_outcome_kind kind)
{
    const uint32_t paging0 = X86_CR0_PE | X86_CR0_WP | X86_CR0_PG;
    const uint32_t paging4 = X86_CR4_PSE | X86_CR4_PGE;
    if (kind == VMM_OUTCOME_ADDRESS_SPACE)
        return 0;
    if (cpu->cr3 != next->cr3 || ((cpu->cr0 ^ next->cr0) & paging0) ||
        ((cpu->cr4 ^ next->cr4) & paging4))
        return "changed the address space and did not say so";
    if (kind == VMM_OUTCOME_TABLES)
        return 0;
    return cpu->gdtr.base != next->gdtr.base || cpu->gdtr.limit != next->gdtr.limit ||
                   cpu->ldtr.selector != next->ldtr.selector ||
                   cpu->tr.selector != next->tr.selector
               ? "loaded a descriptor table or TR and did not say so"
               : 0;
}

/* The instruction retires with the registers that the routine left. */
static struct outcome retire(const struct vmm_call_inside *inside, const struct vmm_registers *r,
                             const struct vmm_outcome *wanted, struct outcome outcome)
{
    struct cpu_state *cpu = inside->context->cpu, next = *cpu;
    struct x86_event fault = {0};
    const char *why = set_plain(&next, r, &inside->before);
    if (why)
        return refuse(inside, "%s", why);
    enum x86_status status =
        set_selectors(&next, inside->context->memory, r, &inside->before, &fault);
    if (status != X86_OK)
        return failed(status, &fault);
    why = untold(cpu, &next, wanted->kind);
    if (why)
        return refuse(inside, "%s", why);
    if (next.eip == inside->before.eip)
        next.eip += inside->insn->length;
    next.eflags &= ~(uint32_t)X86_RF;
    next.interrupt_shadow =
        wanted->kind == VMM_OUTCOME_DONE && wanted->shadow && !cpu->interrupt_shadow;
    *cpu = next;
    return outcome;
}

/* ---- what it asks for ---- */

static struct outcome inject(const struct vmm_call_inside *inside, const struct vmm_outcome *wanted)
{
    /* SDM volume 3, table 6-1: 2 is no exception, 9 and 15 are reserved. */
    const uint32_t exceptions = 0xf7dfb, with_code = 0x27d00;
    uint32_t bit = wanted->vector < 32 ? 1u << wanted->vector : 0;
    if (!(bit & exceptions))
        return refuse(inside, "injected vector %u, which is no exception", wanted->vector);
    if (wanted->error_code > ((bit & with_code) ? 0xffffu : 0))
        return refuse(inside, "injected vector %u with error code 0x%x", wanted->vector,
                      wanted->error_code);
    return (struct outcome){.kind = OUTCOME_INJECT,
                            .event = {.kind = X86_EXCEPTION,
                                      .vector = wanted->vector,
                                      .has_error_code = bit & with_code,
                                      .error_code = wanted->error_code,
                                      .cr2 = wanted->address}};
}

static struct outcome interrupt(const struct vmm_call_inside *inside,
                                const struct vmm_outcome *wanted)
{
    return (struct outcome){.kind = OUTCOME_INJECT,
                            .event = {.kind = X86_SOFTWARE_INTERRUPT,
                                      .vector = wanted->vector,
                                      .length = inside->insn->length}};
}

static struct outcome port(const struct vmm_call_inside *inside, const struct vmm_outcome *wanted)
{
    const struct x86_instruction *insn = inside->insn;
    const struct vmm_port_access *access = &wanted->port;
    bool string = insn->kind == X86_KIND_INS || insn->kind == X86_KIND_OUTS;
    if (access->size != 1 && access->size != 2 && access->size != 4)
        return refuse(inside, "asked for a port access of %u bytes", access->size);
    if (string && (access->size != insn->width || access->in != (insn->kind == X86_KIND_INS)))
        return refuse(inside, "asked for another port access than its instruction makes");
    return (struct outcome){
        .kind = OUTCOME_PORT,
        .port = {.port = access->port,
                 .size = access->size,
                 .in = access->in,
                 .string = string,
                 .repeat = insn->flags & (X86_INSN_REP | X86_INSN_REPNE),
                 .value = access->size == 4 ? access->value
                                            : access->value & ((1u << access->size * 8) - 1)}};
}

static struct outcome standard(const struct vmm_call_inside *inside)
{
    return interpreter_run(&interpreter_standard, inside->context, inside->insn);
}

static struct outcome translate(const struct vmm_call_inside *inside, const struct vmm_registers *r,
                                const struct vmm_outcome *wanted)
{
    static const enum outcome_kind kinds[] = {
        [VMM_OUTCOME_DONE] = OUTCOME_DONE,         [VMM_OUTCOME_ADDRESS_SPACE] = OUTCOME_CR3,
        [VMM_OUTCOME_TABLES] = OUTCOME_TABLES,     [VMM_OUTCOME_IDLE] = OUTCOME_IDLE,
        [VMM_OUTCOME_INVALIDATE] = OUTCOME_INVLPG,
    };
    if (inside->too_much)
        return refuse(inside, "asked for more than %d bytes of guest memory at once", MOST_BYTES);
    switch ((unsigned)wanted->kind) {
    case VMM_OUTCOME_DONE:
    case VMM_OUTCOME_ADDRESS_SPACE:
    case VMM_OUTCOME_TABLES:
    case VMM_OUTCOME_IDLE:
    case VMM_OUTCOME_INVALIDATE:
        return retire(inside, r, wanted,
                      (struct outcome){.kind = kinds[wanted->kind], .linear = wanted->address});
    case VMM_OUTCOME_INJECT: return inject(inside, wanted);
    case VMM_OUTCOME_INTERRUPT: return interrupt(inside, wanted);
    case VMM_OUTCOME_PORT: return port(inside, wanted);
    case VMM_OUTCOME_STANDARD: return standard(inside);
    case VMM_OUTCOME_MISSING: return (struct outcome){.kind = OUTCOME_MISSING};
    default: return refuse(inside, "came to outcome %u, and there is none", (unsigned)wanted->kind);
    }
}

struct outcome module_call(struct interpreter_context *context, const struct x86_instruction *insn)
{
    struct modules *modules = context->modules;
    struct module_routine module = modules->routine[insn->kind];
    struct vmm_call_inside inside = {.context = context, .insn = insn, .modules = modules};
    struct vmm_call call = {.module = module_routine_name(insn->kind),
                            .instruction = show_instruction(context, insn),
                            .time = context->time,
                            .inside = &inside};
    vm_show_registers(context->cpu, &call.registers);
    inside.before = call.registers;
    struct vmm_outcome wanted = module.call(module.context, &call);
    return translate(&inside, &call.registers, &wanted);
}
