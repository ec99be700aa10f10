/* Between the delivery of events and a module from outside: an exception or interrupt enters its
 * handler as somebody else's code says (SDM volume 3, chapter 6). The module gets a copy of the
 * virtual processor; before it becomes the guest's, the segments that it names are loaded here,
 * with the checks of the manual, so that no answer makes a processor that cannot exist. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86/deliver.h"
#include "arch/x86/descriptor.h"
#include "arch/x86/walk.h"
#include "module.h"
#include "vm.h"

enum { MOST_BYTES = 4096 };
#define DR7_GD (1u << 13)

struct vmm_delivery_inside {
    const struct cpu_state *cpu;
    const struct x86_memory *memory;
    bool too_much;
};

static bool __attribute__((format(printf, 2, 3)))
refuse(struct modules *modules, const char *format, ...)
{
    char reason[160];
    va_list arguments;
    int used = snprintf(reason, sizeof reason, "Module dispatcher.delivery misbehaved: it ");
    va_start(arguments, format);
    vsnprintf(reason + used, sizeof reason - (size_t)used, format, arguments);
    va_end(arguments);
    dispatcher_refuse(modules->dispatcher, reason);
    return false;
}

/* ---- events, inside and out ---- */

static struct vmm_event show_event(const struct x86_event *event)
{
    static const enum vmm_event_kind kinds[] = {[X86_EXCEPTION] = VMM_EVENT_EXCEPTION,
                                                [X86_SOFTWARE_INTERRUPT] = VMM_EVENT_SOFTWARE,
                                                [X86_EXTERNAL_INTERRUPT] = VMM_EVENT_EXTERNAL};
    bool exception = event->kind == X86_EXCEPTION;
    return (struct vmm_event){
        .kind = kinds[event->kind],
        .vector = event->vector,
        .has_error_code = exception && event->has_error_code,
        .error_code = exception && event->has_error_code ? event->error_code : 0,
        .address = exception && event->vector == X86_PAGE ? event->cr2 : 0,
        .length = event->kind == X86_SOFTWARE_INTERRUPT ? event->length : 0,
    };
}

bool module_take_exception(const struct vmm_event *wanted, struct x86_event *event)
{
    /* SDM volume 3, table 6-1: 2 is no exception, 9 and 15 are reserved. */
    const uint32_t exceptions = 0xf7dfb;
    bool exists = wanted->vector < 32 && (exceptions >> wanted->vector & 1);
    bool code = exists && x86_has_error_code(wanted->vector);
    if (!exists || wanted->error_code > (code ? 0xffffu : 0))
        return false;
    *event = (struct x86_event){.kind = X86_EXCEPTION,
                                .vector = wanted->vector,
                                .has_error_code = code,
                                .error_code = wanted->error_code,
                                .cr2 = wanted->vector == X86_PAGE ? wanted->address : 0};
    return true;
}

/* ---- guest memory ---- */

static bool ended(enum x86_status status, const struct x86_event *event, struct vmm_event *fault)
{
    if (status != X86_OK)
        *fault = show_event(event);
    return status == X86_OK;
}

static bool fits(struct vmm_delivery *delivery, size_t count, struct vmm_event *fault)
{
    *fault = (struct vmm_event){.vector = X86_GP, .has_error_code = true};
    if (count > MOST_BYTES)
        delivery->inside->too_much = true;
    return count <= MOST_BYTES;
}

bool vmm_delivery_read(struct vmm_delivery *delivery, uint32_t linear, void *bytes, size_t count,
                       struct vmm_event *fault)
{
    const struct vmm_delivery_inside *inside = delivery->inside;
    struct x86_event event = {0};
    return fits(delivery, count, fault) &&
           ended(x86_read(inside->cpu, inside->memory, linear, bytes, count, false, &event), &event,
                 fault);
}

/* Words are pushed from the top down: the first one that is refused is the one with the highest
 * address, and CR2 is where it begins. */
static enum x86_status refused_word(const struct vmm_delivery_inside *inside, uint32_t linear,
                                    size_t count, bool user, struct x86_event *event)
{
    enum x86_status status = X86_OK;
    for (size_t at = count & ~(size_t)3; at >= 4 && status == X86_OK; at -= 4)
        status =
            x86_writable(inside->cpu, inside->memory, linear + (uint32_t)at - 4, 4, user, event);
    return status;
}

bool vmm_delivery_write(struct vmm_delivery *delivery, unsigned ring, uint32_t linear,
                        const void *bytes, size_t count, struct vmm_event *fault)
{
    const struct vmm_delivery_inside *inside = delivery->inside;
    struct x86_event event = {0}, first;
    if (!fits(delivery, count, fault))
        return false;
    enum x86_status status =
        x86_write(inside->cpu, inside->memory, linear, bytes, count, ring == 3, &event);
    if (status == X86_FAULT && refused_word(inside, linear, count, ring == 3, &first) == X86_FAULT)
        event = first;
    return ended(status, &event, fault);
}

/* ---- the processor that comes of it ---- */

/* A delivery is no business of these registers. */
static const char *changed(const struct vmm_registers *r, const struct vmm_registers *before)
{
    if (r->cr0 != before->cr0 || r->cr3 != before->cr3 || r->cr4 != before->cr4)
        return "changed CR0, CR3 or CR4";
    if (r->gdt_base != before->gdt_base || r->gdt_limit != before->gdt_limit ||
        r->idt_base != before->idt_base || r->idt_limit != before->idt_limit ||
        r->ldt != before->ldt || r->tr != before->tr)
        return "changed a system table or the task";
    for (unsigned i = 0; i < X86_SREGS; i++)
        if (i != X86_CS && i != X86_SS && r->segment[i] != before->segment[i])
            return "changed a data segment";
    return (r->eflags ^ before->eflags) & ~(uint32_t)(X86_TF | X86_IF | X86_NT | X86_RF)
               ? "changed EFLAGS other than TF, IF, NT and RF"
               : 0;
}

/* The handler's code segment: through it the processor enters the ring that the module named. */
static bool enter_code(struct modules *modules, struct cpu_state *next,
                       const struct x86_memory *memory, const struct vmm_registers *r)
{
    struct x86_descriptor code = {0};
    struct x86_event fault;
    uint16_t selector = r->segment[X86_CS];
    uint32_t linear;
    bool good = !x86_selector_null(selector) &&
                x86_descriptor_fetch(next, memory, selector, &code, &linear, &fault) == X86_OK &&
                x86_is_code(code.high) && (code.high & X86_SEG_PRESENT) &&
                X86_SEG_DPL(code.high) <= next->cpl;
    unsigned cpl = (code.high & X86_SEG_DC) ? next->cpl : X86_SEG_DPL(code.high);
    if (!good || (selector & X86_SELECTOR_RPL) != cpl || r->cpl != cpl ||
        x86_descriptor_mark(next, memory, linear, &code, &fault) != X86_OK)
        return refuse(modules,
                      "entered CS 0x%04x at CPL %u, which the guest's descriptors do not allow",
                      selector, r->cpl);
    next->seg[X86_CS] = x86_descriptor_segment(selector, code);
    next->cpl = (uint8_t)cpl;
    return true;
}

static bool enter_stack(struct modules *modules, struct cpu_state *next,
                        const struct x86_memory *memory, const struct vmm_registers *r,
                        const struct vmm_registers *before)
{
    struct x86_event fault;
    if (next->cpl == before->cpl && r->segment[X86_SS] == before->segment[X86_SS])
        return true;
    if (x86_load_segment(next, memory, X86_SS, r->segment[X86_SS], &fault) == X86_OK)
        return true;
    return refuse(modules, "left SS 0x%04x at CPL %u, which is no stack of this ring",
                  r->segment[X86_SS], next->cpl);
}

static bool adopt(struct modules *modules, struct cpu_state *cpu, const struct x86_memory *memory,
                  const struct x86_event *event, const struct vmm_registers *r,
                  const struct vmm_registers *before)
{
    struct cpu_state next = *cpu;
    const char *why = changed(r, before);
    if (why)
        return refuse(modules, "%s", why);
    if (!enter_code(modules, &next, memory, r) || !enter_stack(modules, &next, memory, r, before))
        return false;
    memcpy(next.gpr, r->gpr, sizeof next.gpr);
    next.eip = r->eip;
    next.eflags = r->eflags;
    next.cr2 = r->cr2;
    next.interrupt_shadow = false;
    if (event->kind == X86_EXCEPTION && event->vector == X86_DB)
        next.dr[7] &= ~DR7_GD; /* its handler may use the debug registers (section 17.2.4) */
    *cpu = next;
    return true;
}

/* ---- the call ---- */

/* The library's own, one attempt: its faults are the module's. */
static bool standard(struct modules *modules, struct cpu_state *cpu,
                     const struct x86_memory *memory, const struct x86_event *event,
                     enum x86_status *status)
{
    struct x86_delivery log;
    *status = x86_deliver(cpu, memory, event, &log);
    if (*status == X86_NEED_PAGE)
        return refuse(modules, "left an event to the library that it cannot deliver");
    return true;
}

bool module_deliver(void *context, struct cpu_state *cpu, const struct x86_memory *memory,
                    const struct x86_event *event, struct x86_event *fault, enum x86_status *status)
{
    struct modules *modules = context;
    struct vmm_delivery_inside inside = {.cpu = cpu, .memory = memory};
    struct vmm_delivery delivery = {.event = show_event(event),
                                    .tss_base = cpu->tr.base,
                                    .tss_limit = cpu->tr.limit,
                                    .inside = &inside};
    struct vmm_event raised = {0};
    vm_show_registers(cpu, &delivery.registers);
    struct vmm_registers before = delivery.registers;
    enum vmm_delivery_end end = modules->deliver(modules->deliver_context, &delivery, &raised);
    if (inside.too_much)
        return refuse(modules, "asked for more than %d bytes of guest memory at once", MOST_BYTES);
    switch ((unsigned)end) {
    case VMM_DELIVERED:
        *status = X86_OK;
        return adopt(modules, cpu, memory, event, &delivery.registers, &before);
    case VMM_DELIVERY_FAULT:
        if (!module_take_exception(&raised, fault))
            return refuse(modules, "raised vector %u with error code 0x%x, which is no exception",
                          raised.vector, raised.error_code);
        cpu->cr2 = delivery.registers.cr2;
        *status = X86_FAULT;
        return true;
    case VMM_DELIVERY_STANDARD: return standard(modules, cpu, memory, event, status);
    case VMM_DELIVERY_MISSING:
        dispatcher_refuse(modules->dispatcher,
                          "Module missing: this virtual machine has no dispatcher.delivery");
        return false;
    default: return refuse(modules, "came to end %u, and there is none", (unsigned)end);
    }
}

unsigned module_nest(void *context, const struct x86_event *first, const struct x86_event *second)
{
    static const enum x86_nested ends[] = {[VMM_NESTED_SECOND] = X86_NESTED_SECOND,
                                           [VMM_NESTED_DOUBLE_FAULT] = X86_NESTED_DOUBLE_FAULT,
                                           [VMM_NESTED_SHUTDOWN] = X86_NESTED_SHUTDOWN,
                                           [VMM_NESTED_MISSING] = X86_NESTED_MISSING};
    const struct modules *modules = context;
    struct vmm_event one = show_event(first), two = show_event(second);
    unsigned end = (unsigned)modules->nest(modules->nest_context, &one, &two);
    return end < sizeof ends / sizeof *ends ? (unsigned)ends[end] : X86_NESTED_ENDS;
}
