/* Lab 3, the reference: Popek and Goldberg's v_i for the instructions that guard interrupts,
 * control registers, system tables and ports (Intel SDM volume 2; CACM 17(7), 1974, section 3). */
#include "lab.h"

#include <string.h>

enum { PE = 1 << 0, ET = 1 << 4, IF = 1 << 9, IOPL_SHIFT = 12 };
enum { EAX = 0, EDX = 2 };
enum { UNDEFINED_OPCODE = 6, GENERAL_PROTECTION = 13 };

static struct vmm_outcome done(void)
{
    return (struct vmm_outcome){.kind = VMM_OUTCOME_DONE};
}

static struct vmm_outcome fault(uint8_t vector)
{
    return (struct vmm_outcome){.kind = VMM_OUTCOME_INJECT, .vector = vector};
}

static bool privileged(const struct vmm_registers *guest)
{
    return !(guest->cr0 & PE) || guest->cpl == 0;
}

static bool may_use_io(const struct vmm_registers *guest)
{
    return !(guest->cr0 & PE) || guest->cpl <= (guest->eflags >> IOPL_SHIFT & 3);
}

static struct vmm_outcome cli(void *context, struct vmm_call *call)
{
    (void)context;
    if (!may_use_io(&call->registers))
        return fault(GENERAL_PROTECTION);
    call->registers.eflags &= ~(uint32_t)IF;
    return done();
}

static struct vmm_outcome sti(void *context, struct vmm_call *call)
{
    (void)context;
    if (!may_use_io(&call->registers))
        return fault(GENERAL_PROTECTION);
    call->registers.eflags |= IF;
    return (struct vmm_outcome){.kind = VMM_OUTCOME_DONE, .shadow = true};
}

static struct vmm_outcome hlt(void *context, struct vmm_call *call)
{
    (void)context;
    if (!privileged(&call->registers))
        return fault(GENERAL_PROTECTION);
    return (struct vmm_outcome){.kind = VMM_OUTCOME_IDLE};
}

static struct vmm_outcome mov_from_cr(void *context, struct vmm_call *call)
{
    struct vmm_registers *guest = &call->registers;
    uint32_t *to = &guest->gpr[call->instruction.rm];
    (void)context;
    if (!privileged(guest))
        return fault(GENERAL_PROTECTION);
    switch (call->instruction.reg) {
    case 0: *to = guest->cr0; break;
    case 2: *to = guest->cr2; break;
    case 3: *to = guest->cr3; break;
    case 4: *to = guest->cr4; break;
    default: return fault(UNDEFINED_OPCODE);
    }
    return done();
}

static struct vmm_outcome mov_to_cr(void *context, struct vmm_call *call)
{
    struct vmm_registers *guest = &call->registers;
    uint32_t value = guest->gpr[call->instruction.rm];
    (void)context;
    if (!privileged(guest))
        return fault(GENERAL_PROTECTION);
    switch (call->instruction.reg) {
    case 0: guest->cr0 = value | ET; break;
    case 2: guest->cr2 = value; return done();
    case 3: guest->cr3 = value; break;
    case 4: guest->cr4 = value; break;
    default: return fault(UNDEFINED_OPCODE);
    }
    return (struct vmm_outcome){.kind = VMM_OUTCOME_ADDRESS_SPACE};
}

/* The operand of LGDT and LIDT, or the fault that reading it is. */
static bool read_table(struct vmm_call *call, uint16_t *limit, uint32_t *base,
                       struct vmm_outcome *failed)
{
    uint8_t bytes[6];
    *failed = fault(GENERAL_PROTECTION);
    if (!privileged(&call->registers) ||
        !vmm_call_read(call, call->instruction.address, bytes, sizeof bytes, failed))
        return false;
    memcpy(limit, bytes, 2);
    memcpy(base, bytes + 2, 4);
    if (call->instruction.operand_size == 2)
        *base &= 0xffffff;
    return true;
}

static struct vmm_outcome lgdt(void *context, struct vmm_call *call)
{
    struct vmm_outcome failed;
    (void)context;
    if (!read_table(call, &call->registers.gdt_limit, &call->registers.gdt_base, &failed))
        return failed;
    return (struct vmm_outcome){.kind = VMM_OUTCOME_TABLES};
}

static struct vmm_outcome lidt(void *context, struct vmm_call *call)
{
    struct vmm_outcome failed;
    (void)context;
    if (!read_table(call, &call->registers.idt_limit, &call->registers.idt_base, &failed))
        return failed;
    return done();
}

static struct vmm_outcome port(struct vmm_call *call, uint16_t number, bool in)
{
    if (!may_use_io(&call->registers))
        return fault(GENERAL_PROTECTION);
    return (struct vmm_outcome){.kind = VMM_OUTCOME_PORT,
                                .port = {.port = number,
                                         .size = call->instruction.width,
                                         .in = in,
                                         .value = call->registers.gpr[EAX]}};
}

static struct vmm_outcome in(void *context, struct vmm_call *call)
{
    (void)context;
    return port(call, call->instruction.immediate & 0xff, true);
}

static struct vmm_outcome in_dx(void *context, struct vmm_call *call)
{
    (void)context;
    return port(call, (uint16_t)call->registers.gpr[EDX], true);
}

static struct vmm_outcome out(void *context, struct vmm_call *call)
{
    (void)context;
    return port(call, call->instruction.immediate & 0xff, false);
}

static struct vmm_outcome out_dx(void *context, struct vmm_call *call)
{
    (void)context;
    return port(call, (uint16_t)call->registers.gpr[EDX], false);
}

static struct vmm_outcome invlpg(void *context, struct vmm_call *call)
{
    (void)context;
    if (!privileged(&call->registers))
        return fault(GENERAL_PROTECTION);
    return (struct vmm_outcome){.kind = VMM_OUTCOME_INVALIDATE,
                                .address = call->instruction.address};
}

const struct lab_module lab_modules[] = {
    {"interpreter.cli", .routine = cli},
    {"interpreter.sti", .routine = sti},
    {"interpreter.hlt", .routine = hlt},
    {"interpreter.mov_from_cr", .routine = mov_from_cr},
    {"interpreter.mov_to_cr", .routine = mov_to_cr},
    {"interpreter.lgdt", .routine = lgdt},
    {"interpreter.lidt", .routine = lidt},
    {"interpreter.in", .routine = in},
    {"interpreter.in_dx", .routine = in_dx},
    {"interpreter.out", .routine = out},
    {"interpreter.out_dx", .routine = out_dx},
    {"interpreter.invlpg", .routine = invlpg},
    {.slot = NULL},
};
