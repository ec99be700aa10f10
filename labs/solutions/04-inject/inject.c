/* Lab 4, the reference: how an exception or interrupt enters its handler through the guest's IDT
 * (Intel SDM volume 3, chapter 6: 6.11 and 6.12 gates and the stack switch, 6.13 error codes, 6.15
 * which vectors are faults, table 6-5 double faults; INT n in volume 2 has it as pseudocode). */
#include "lab.h"

#include <string.h>

enum { TF = 1 << 8, IF = 1 << 9, NT = 1 << 14, RF = 1 << 16 };
enum { ESP = 4, CS = 1, SS = 2 };
enum { DIVIDE = 0, DOUBLE_FAULT = 8, TSS = 10, NOT_PRESENT, STACK, PROTECTION, PAGE };
enum { EXT = 1, IDT = 2, RPL = 3, TI = 4 };
enum { INTERRUPT_GATE = 0xe, TRAP_GATE = 0xf };

/* The high half of a descriptor or gate. */
enum {
    WRITABLE = 1 << 9,
    CONFORMING = 1 << 10,
    CODE = 1 << 11,
    SEGMENT = 1 << 12,
    PRESENT = 1 << 15
};

static unsigned dpl(uint32_t high)
{
    return high >> 13 & 3;
}

static bool raise(const struct vmm_delivery *delivery, uint8_t vector, uint32_t code,
                  struct vmm_event *fault)
{
    if (delivery->event.kind != VMM_EVENT_SOFTWARE)
        code |= EXT;
    *fault = (struct vmm_event){.vector = vector, .has_error_code = true, .error_code = code};
    return false;
}

/* ---- tables ---- */

/* The gate of the event's vector, found fit to go through. */
static bool read_gate(struct vmm_delivery *delivery, uint32_t gate[2], struct vmm_event *fault)
{
    const struct vmm_registers *guest = &delivery->registers;
    const struct vmm_event *event = &delivery->event;
    uint32_t offset = event->vector * 8u, code = offset | IDT;
    if (offset + 7 > guest->idt_limit)
        return raise(delivery, PROTECTION, code, fault);
    if (!vmm_delivery_read(delivery, guest->idt_base + offset, gate, 8, fault))
        return false;
    unsigned type = gate[1] >> 8 & 0x1f;
    if (type != INTERRUPT_GATE && type != TRAP_GATE)
        return raise(delivery, PROTECTION, code, fault);
    if (event->kind == VMM_EVENT_SOFTWARE && dpl(gate[1]) < guest->cpl)
        return raise(delivery, PROTECTION, code, fault);
    if (!(gate[1] & PRESENT))
        return raise(delivery, NOT_PRESENT, code, fault);
    return true;
}

/* A descriptor of the GDT; a selector beyond it raises `vector`. */
static bool read_descriptor(struct vmm_delivery *delivery, uint16_t selector, uint8_t vector,
                            uint32_t descriptor[2], struct vmm_event *fault)
{
    const struct vmm_registers *guest = &delivery->registers;
    uint32_t offset = selector & ~(RPL | TI);
    if (!offset)
        return raise(delivery, vector, 0, fault);
    if ((selector & TI) || offset + 7 > guest->gdt_limit)
        return raise(delivery, vector, selector & ~RPL, fault);
    return vmm_delivery_read(delivery, guest->gdt_base + offset, descriptor, 8, fault);
}

/* The ring that the handler runs in, by its code segment. */
static bool read_handler(struct vmm_delivery *delivery, uint16_t selector, uint8_t *ring,
                         struct vmm_event *fault)
{
    const struct vmm_registers *guest = &delivery->registers;
    uint32_t code[2];
    if (!read_descriptor(delivery, selector, PROTECTION, code, fault))
        return false;
    if (!(code[1] & SEGMENT) || !(code[1] & CODE) || dpl(code[1]) > guest->cpl)
        return raise(delivery, PROTECTION, selector & ~RPL, fault);
    if (!(code[1] & PRESENT))
        return raise(delivery, NOT_PRESENT, selector & ~RPL, fault);
    *ring = code[1] & CONFORMING ? guest->cpl : (uint8_t)dpl(code[1]);
    return true;
}

/* ---- the stack ---- */

struct stack {
    uint16_t selector;
    uint32_t base, esp;
};

static uint32_t base_of(const uint32_t descriptor[2])
{
    return descriptor[0] >> 16 | (descriptor[1] & 0xff) << 16 | (descriptor[1] & 0xff000000);
}

/* The stack that the TSS has for `ring`. */
static bool switch_stack(struct vmm_delivery *delivery, uint8_t ring, struct stack *stack,
                         struct vmm_event *fault)
{
    uint32_t offset = 4 + ring * 8u, words[2], data[2];
    if (offset + 5 > delivery->tss_limit)
        return raise(delivery, TSS, delivery->registers.tr & ~RPL, fault);
    if (!vmm_delivery_read(delivery, delivery->tss_base + offset, words, 8, fault))
        return false;
    stack->esp = words[0];
    stack->selector = (uint16_t)words[1];
    if (!read_descriptor(delivery, stack->selector, TSS, data, fault))
        return false;
    uint32_t code = stack->selector & ~RPL;
    if ((stack->selector & RPL) != ring || dpl(data[1]) != ring || !(data[1] & SEGMENT) ||
        (data[1] & CODE) || !(data[1] & WRITABLE))
        return raise(delivery, TSS, code, fault);
    if (!(data[1] & PRESENT))
        return raise(delivery, STACK, code, fault);
    stack->base = base_of(data);
    return true;
}

/* Faults return to the instruction itself, which must not meet its breakpoint again. */
static uint32_t flags_to_push(const struct vmm_delivery *delivery)
{
    /* #DB, NMI, #BP, #OF, #DF and #MC are no faults. */
    const uint32_t no_faults = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 8 | 1 << 18;
    bool fault = delivery->event.kind == VMM_EVENT_EXCEPTION &&
                 !(no_faults >> delivery->event.vector & 1);
    uint32_t eflags = delivery->registers.eflags & ~(uint32_t)RF;
    return fault ? eflags | RF : eflags;
}

/* What the handler finds on its stack, the last word pushed first in `frame`. */
static unsigned build_frame(const struct vmm_delivery *delivery, bool inward, uint32_t frame[6])
{
    const struct vmm_registers *guest = &delivery->registers;
    unsigned count = 0;
    if (delivery->event.has_error_code)
        frame[count++] = delivery->event.error_code;
    frame[count++] = guest->eip + delivery->event.length;
    frame[count++] = guest->segment[CS];
    frame[count++] = flags_to_push(delivery);
    if (inward) {
        frame[count++] = guest->gpr[ESP];
        frame[count++] = guest->segment[SS];
    }
    return count;
}

/* ---- the delivery ---- */

static enum vmm_delivery_end deliver(void *context, struct vmm_delivery *delivery,
                                     struct vmm_event *fault)
{
    struct vmm_registers *guest = &delivery->registers;
    struct stack stack = {guest->segment[SS], guest->segment_base[SS], guest->gpr[ESP]};
    uint32_t gate[2], frame[6];
    uint8_t ring;
    (void)context;
    if (delivery->event.kind == VMM_EVENT_EXCEPTION && delivery->event.vector == PAGE)
        guest->cr2 = delivery->event.address;
    if (!read_gate(delivery, gate, fault) || !read_handler(delivery, gate[0] >> 16, &ring, fault))
        return VMM_DELIVERY_FAULT;
    bool inward = ring < guest->cpl;
    if (inward && !switch_stack(delivery, ring, &stack, fault))
        return VMM_DELIVERY_FAULT;
    unsigned size = build_frame(delivery, inward, frame) * 4;
    stack.esp -= size;
    if (!vmm_delivery_write(delivery, ring, stack.base + stack.esp, frame, size, fault))
        return VMM_DELIVERY_FAULT;
    guest->segment[SS] = stack.selector;
    guest->gpr[ESP] = stack.esp;
    guest->segment[CS] = (uint16_t)((gate[0] >> 16 & ~RPL) | ring);
    guest->cpl = ring;
    guest->eip = (gate[1] & 0xffff0000) | (gate[0] & 0xffff);
    guest->eflags &= ~(uint32_t)(TF | NT | RF);
    if ((gate[1] >> 8 & 0x1f) == INTERRUPT_GATE)
        guest->eflags &= ~(uint32_t)IF;
    return VMM_DELIVERED;
}

/* ---- an exception during a delivery ---- */

static bool contributory(const struct vmm_event *event)
{
    return event->kind == VMM_EVENT_EXCEPTION &&
           (event->vector == DIVIDE || (event->vector >= TSS && event->vector <= PROTECTION));
}

static bool page_fault(const struct vmm_event *event)
{
    return event->kind == VMM_EVENT_EXCEPTION && event->vector == PAGE;
}

static enum vmm_nested nest(void *context, const struct vmm_event *first,
                            const struct vmm_event *second)
{
    (void)context;
    if (first->kind == VMM_EVENT_EXCEPTION && first->vector == DOUBLE_FAULT)
        return VMM_NESTED_SHUTDOWN;
    if (contributory(first) && contributory(second))
        return VMM_NESTED_DOUBLE_FAULT;
    if (page_fault(first) && (page_fault(second) || contributory(second)))
        return VMM_NESTED_DOUBLE_FAULT;
    return VMM_NESTED_SECOND;
}

const struct lab_module lab_modules[] = {
    {"dispatcher.delivery", .deliver = deliver},
    {"dispatcher.nested", .nest = nest},
    {NULL},
};
