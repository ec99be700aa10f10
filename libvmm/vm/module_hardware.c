/* Between hardware assist and a module from outside (AMD APM volume 2, chapter 15): it says which
 * events exit, what becomes of them, and what the nested table holds. What it answers is checked
 * before it is done: a frame that is not the VM's would be an end of resource control (Popek and
 * Goldberg 1974, section 3), an event that VMRUN would refuse, or an exit that comes again and
 * again, an end of the guest. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86/walk.h"
#include "dispatcher/hw.h"
#include "module.h"
#include "vm.h"

#define ENTRY_RIGHTS ((uint32_t)(X86_PTE_P | X86_PTE_RW | X86_PTE_US))
#define ENTRY_MARKS  ((uint32_t)(X86_PTE_A | X86_PTE_D))
#define ENTRY_BITS   (X86_PAGE_MASK | ENTRY_RIGHTS | ENTRY_MARKS)

static bool __attribute__((format(printf, 2, 3)))
refuse(const struct modules *modules, const char *format, ...)
{
    char reason[160];
    va_list arguments;
    int used = snprintf(reason, sizeof reason, "Module dispatcher.hardware misbehaved: it ");
    va_start(arguments, format);
    vsnprintf(reason + used, sizeof reason - (size_t)used, format, arguments);
    va_end(arguments);
    dispatcher_refuse(modules->dispatcher, reason);
    return false;
}

static bool missing(const struct modules *modules)
{
    dispatcher_refuse(modules->dispatcher,
                      "Module missing: this virtual machine has no dispatcher.hardware");
    return false;
}

/* ---- the nested table ---- */

static const char *owner_of(const struct modules *modules, uint32_t machine, char room[32])
{
    const struct frames *pool = modules->dispatcher->vcpu->map->pool;
    const uint32_t frame = machine >> MEMORY_FRAME_SHIFT;
    const uint16_t owner = frames_owner(pool, frame);
    if (frame >= memory_frames(pool->memory))
        return "outside of the machine's memory";
    if (owner < FRAMES_FIRST_VM)
        return owner == FRAMES_FREE ? "nobody's" : "the monitor's";
    snprintf(room, 32, "VM %u's", owner - FRAMES_FIRST_VM);
    return room;
}

static uint32_t page_of(const struct nested_question *q)
{
    return q->guest & X86_PAGE_MASK;
}

static bool directory_is_possible(const struct modules *modules, const struct nested_question *q,
                                  uint32_t entry)
{
    uint32_t table = entry & X86_PAGE_MASK, wanted = q->pde & X86_PTE_P ? q->pde : q->table;
    if (table == nested_root(((struct hw *)modules->dispatcher->own)->nested))
        return refuse(modules, "led the directory entry for 0x%08x to the directory itself",
                      page_of(q));
    if (table != (wanted & X86_PAGE_MASK))
        return refuse(modules,
                      "led the directory entry for 0x%08x to 0x%08x; its table is at 0x%08x",
                      page_of(q), table, wanted & X86_PAGE_MASK);
    if (entry & ~ENTRY_BITS)
        return refuse(modules,
                      "set bits 0x%x of a directory entry; frames are scattered, so there "
                      "are tables of 4 KB pages only",
                      entry & ~ENTRY_BITS);
    if (q->pde & ENTRY_MARKS & ~entry)
        return refuse(modules, "cleared A of the directory entry for 0x%08x", page_of(q));
    return true;
}

static bool frame_is_possible(const struct modules *modules, const struct nested_question *q,
                              uint32_t entry)
{
    uint32_t machine = entry & X86_PAGE_MASK;
    const struct frame_map *map = modules->dispatcher->vcpu->map;
    char room[32];
    if (q->frame == FRAMES_NONE)
        return refuse(modules, "mapped 0x%08x, where this virtual machine has no memory",
                      page_of(q));
    if (!(entry & X86_PTE_P))
        return refuse(modules, "called 0x%08x mapped, and its table entry 0x%08x is not present",
                      page_of(q), entry);
    if (frames_owner(map->pool, machine >> MEMORY_FRAME_SHIFT) != map->owner)
        return refuse(modules, "mapped 0x%08x to the frame at 0x%08x, which is %s", page_of(q),
                      machine, owner_of(modules, machine, room));
    if (entry & ~ENTRY_BITS)
        return refuse(modules, "set bits 0x%x of a table entry", entry & ~ENTRY_BITS);
    if (q->pte & ENTRY_MARKS & ~entry)
        return refuse(modules, "cleared A or D of the table entry for 0x%08x", page_of(q));
    return true;
}

static bool rights_are_possible(const struct modules *modules, const struct nested_question *q,
                                const struct nested_answer *answer)
{
    const bool write = q->error & NESTING_WRITE;
    const uint32_t wanted = X86_PTE_P | X86_PTE_US | (write ? X86_PTE_RW : 0u);
    const uint32_t both = answer->pde & answer->pte;
    if (wanted & ~both)
        return refuse(modules,
                      "mapped 0x%08x with the entries 0x%08x and 0x%08x, which refuse the access "
                      "(error code 0x%x) again",
                      page_of(q), answer->pde, answer->pte, q->error);
    if (q->log && !write && (both & X86_PTE_RW))
        return refuse(modules, "made 0x%08x writable by a read, while writes are logged",
                      page_of(q));
    return true;
}

static enum nested_kind fill(void *context, const struct nested_question *q,
                             struct nested_answer *answer)
{
    const struct modules *modules = context;
    const struct vmm_nested_fault fault = {.guest = q->guest,
                                           .error_code = q->error,
                                           .directory_entry = q->pde,
                                           .table_entry = q->pte,
                                           .new_table = q->table,
                                           .frame = q->frame,
                                           .log = q->log};
    const struct vmm_nested_answer given =
        modules->hardware.fill(modules->hardware_context, &fault);
    *answer = (struct nested_answer){given.directory_entry, given.table_entry};
    switch ((unsigned)given.kind) {
    case VMM_FILL_MAP:
        return directory_is_possible(modules, q, answer->pde) &&
                       frame_is_possible(modules, q, answer->pte) &&
                       rights_are_possible(modules, q, answer)
                   ? NESTED_MAP
                   : NESTED_UNDECIDED;
    case VMM_FILL_NOTHING:
        if (q->frame == FRAMES_NONE)
            return NESTED_NOTHING;
        refuse(modules, "called 0x%08x a place without memory; it is the virtual machine's",
               page_of(q));
        return NESTED_UNDECIDED;
    case VMM_FILL_STANDARD:
        if (nested_standard.fill)
            return nested_standard.fill(0, q, answer);
        missing(modules);
        return NESTED_UNDECIDED;
    case VMM_FILL_MISSING: missing(modules); return NESTED_UNDECIDED;
    default:
        refuse(modules, "called a nested page fault %u, and there is none of that kind",
               (unsigned)given.kind);
        return NESTED_UNDECIDED;
    }
}

/* ---- exits ---- */

static void show(const struct modules *modules, const struct assist_question *q,
                 struct vmm_vmexit *exit)
{
    const struct cpu_state *guest = &modules->dispatcher->vcpu->state;
    *exit = (struct vmm_vmexit){.code = vmcb_exit_number(q->code),
                                .info1 = q->info1,
                                .info2 = q->info2,
                                .vector = q->vector};
    vm_show_registers(guest, &exit->registers);
    if (q->code == VMCB_EXIT_CPUID)
        cpu_identify(guest->gpr[X86_EAX], exit->cpuid);
    if (!q->exit || q->exit->kind == CPU_EXCEPTION || q->exit->kind == CPU_NESTED_FAULT)
        return;
    exit->length = q->exit->insn.length;
    cpu_fetch(modules->dispatcher->cpu, guest->seg[X86_CS].base + guest->eip, exit->bytes,
              exit->length);
}

/* What VMRUN says to an EVENTINJ (section 15.20), and that an interrupt which the controller has
 * given out is not lost. */
static bool take_event(const struct modules *modules, const struct assist_question *q,
                       uint64_t wanted, struct x86_event *event)
{
    enum { EXTERNAL = 0, EXCEPTION = 3, SOFTWARE = 4 };
    const uint32_t exceptions = 0xf7dfb, with_code = 0x27d00;
    const uint8_t vector = wanted & 0xff, type = wanted >> 8 & 7;
    const bool code = wanted >> 11 & 1, valid = wanted >> 31 & 1;
    const uint32_t bit = vector < 32 ? 1u << vector : 0;
    if (!valid || wanted & 0x7ffff000u ||
        (type != EXTERNAL && type != EXCEPTION && type != SOFTWARE))
        return refuse(modules, "put 0x%llx into EVENTINJ, which is no event of section 15.20",
                      (unsigned long long)wanted);
    if (!q->exit && (type != EXTERNAL || vector != q->vector))
        return refuse(modules, "lost interrupt 0x%x: it injected event 0x%llx in its place",
                      q->vector, (unsigned long long)wanted);
    if (q->exit && type == EXTERNAL)
        return refuse(modules, "injected external interrupt 0x%x, which no device asked for",
                      vector);
    if (type == EXCEPTION && (!(bit & exceptions) || code != !!(bit & with_code)))
        return refuse(modules, "injected exception %u with%s an error code", vector,
                      code ? "" : "out");
    if (type == SOFTWARE && q->exit->kind != CPU_SOFTWARE_INTERRUPT)
        return refuse(modules, "injected INT 0x%x, which the guest did not execute", vector);
    *event = (struct x86_event){.kind = type == EXTERNAL    ? X86_EXTERNAL_INTERRUPT
                                        : type == EXCEPTION ? X86_EXCEPTION
                                                            : X86_SOFTWARE_INTERRUPT,
                                .vector = vector,
                                .has_error_code = code,
                                .error_code = code ? (uint32_t)(wanted >> 32) : 0,
                                .cr2 = vector == X86_PAGE ? (uint32_t)q->info2 : 0,
                                .length = type == SOFTWARE ? q->exit->event.length : 0};
    return true;
}

static bool take_registers(const struct modules *modules, const struct vmm_vmexit *exit,
                           const struct vmm_registers *before, struct assist_answer *answer)
{
    struct vmm_registers rest = exit->registers;
    memcpy(rest.gpr, before->gpr, sizeof rest.gpr);
    rest.eip = before->eip;
    if (memcmp(&rest, before, sizeof rest) != 0)
        return refuse(modules,
                      "changed more of the guest's registers than the general ones and EIP");
    if (exit->registers.eip == before->eip)
        return refuse(modules,
                      "resumed the guest at the instruction that has just exited (EXITCODE "
                      "0x%llx), which would exit again",
                      (unsigned long long)exit->code);
    answer->end = ASSIST_RESUME;
    answer->eip = exit->registers.eip;
    memcpy(answer->gpr, exit->registers.gpr, sizeof answer->gpr);
    return true;
}

static bool take_port(const struct modules *modules, const struct assist_question *q,
                      const struct vmm_vmexit *exit, struct assist_answer *answer)
{
    const struct vmm_port_access *port = &exit->port;
    const unsigned kind = q->exit->insn.kind;
    if (q->code != VMCB_EXIT_IOIO || kind == X86_KIND_INS || kind == X86_KIND_OUTS)
        return refuse(modules,
                      "accessed a port for an exit (EXITCODE 0x%llx) that is no IN and no "
                      "OUT of a register",
                      (unsigned long long)exit->code);
    if (port->size != 1 && port->size != 2 && port->size != 4)
        return refuse(modules, "asked for a port access of %u bytes", port->size);
    answer->end = ASSIST_PORT;
    answer->port = (struct port_access){
        .port = port->port, .size = port->size, .in = port->in, .value = port->value};
    return true;
}

/* The instruction is done. */
static bool take_done(const struct modules *modules, const struct assist_question *q,
                      const struct vmm_vmexit *exit, const struct vmm_registers *before,
                      unsigned end, struct assist_answer *answer)
{
    const struct cpu_state *guest = &modules->dispatcher->vcpu->state;
    if (!exit->length)
        return refuse(modules, "called an instruction done where none has exited (EXITCODE 0x%llx)",
                      (unsigned long long)exit->code);
    switch (end) {
    case VMM_EXIT_RESUME: return take_registers(modules, exit, before, answer);
    case VMM_EXIT_IO: return take_port(modules, q, exit, answer);
    case VMM_EXIT_IDLE:
        if (q->code != VMCB_EXIT_HLT)
            return refuse(modules, "let the guest wait, where it did not execute HLT");
        answer->end = ASSIST_IDLE;
        answer->eip = guest->eip + exit->length;
        memcpy(answer->gpr, guest->gpr, sizeof answer->gpr);
        return true;
    default: answer->end = ASSIST_EMULATE; break;
    }
    return interpreter_simulates(&q->exit->insn) ||
           refuse(modules, "left an instruction to the interpreter that has no routine");
}

static bool on_exit_of_guest(void *context, const struct assist_question *q,
                             struct assist_answer *answer)
{
    struct modules *modules = context;
    struct vmm_vmexit exit;
    show(modules, q, &exit);
    const struct vmm_registers before = exit.registers;
    unsigned end = (unsigned)modules->hardware.exit(modules->hardware_context, &exit);
    switch (end) {
    case VMM_EXIT_RESUME:
    case VMM_EXIT_EMULATE:
    case VMM_EXIT_IO:
    case VMM_EXIT_IDLE: return take_done(modules, q, &exit, &before, end, answer);
    case VMM_EXIT_INJECT:
        answer->end = ASSIST_INJECT;
        return take_event(modules, q, exit.event, &answer->event);
    case VMM_EXIT_FILL:
        answer->end = ASSIST_ALLOCATE;
        return q->code == VMCB_EXIT_NPF ||
               refuse(modules, "took EXITCODE 0x%llx for a nested page fault",
                      (unsigned long long)exit.code);
    case VMM_EXIT_STANDARD:
        return modules_own_assist ? modules_own_assist->exit(0, q, answer) : missing(modules);
    case VMM_EXIT_MISSING: return missing(modules);
    default: return refuse(modules, "came to end %u, and there is none", end);
    }
}

static bool window(void *context, bool *wanted)
{
    const struct modules *modules = context;
    const struct dispatcher *d = modules->dispatcher;
    const struct hw *hw = d->own;
    const struct vmm_window shown = {.v_intr = vmcb_get(hw->vmcb, VMCB_V_INTR, 8),
                                     .eflags = d->vcpu->state.eflags,
                                     .shadow = d->vcpu->state.interrupt_shadow};
    uint64_t v_intr = modules->hardware.window(modules->hardware_context, &shown);
    *wanted = v_intr & VMCB_V_IRQ;
    if (v_intr & ~(uint64_t)(VMCB_V_IRQ | VMCB_V_INTR_MASKING))
        return refuse(modules, "wrote 0x%llx to V_INTR; there are V_IRQ and V_INTR_MASKING here",
                      (unsigned long long)v_intr);
    return v_intr & VMCB_V_INTR_MASKING ||
           refuse(modules,
                  "cleared V_INTR_MASKING: the guest's IF would mask the host's interrupts");
}

/* ---- the slot ---- */

static void choose_intercepts(struct modules *modules)
{
    struct vmcb_intercepts set = {{0}};
    for (unsigned code = 0; code < VMCB_EXIT_BITS; code++)
        if (vmcb_exit_name(code)->option &&
            modules->hardware.intercept(modules->hardware_context, code))
            vmcb_intercept(&set, code);
    hw_intercept(modules->dispatcher, &set);
}

void module_use_hardware(struct modules *modules, struct dispatch_modules *slots)
{
    struct hw *hw = modules->dispatcher->own;
    slots->assist = slots->hardware == SLOT_STANDARD ? modules_own_assist : 0;
    if (slots->hardware == SLOT_REPLACED) {
        modules->assist_policy = (struct assist_policy){modules, on_exit_of_guest, window};
        modules->nested_policy = (struct nested_policy){modules, fill};
        slots->assist = &modules->assist_policy;
        choose_intercepts(modules);
    } else {
        hw_intercept(modules->dispatcher, 0);
    }
    nested_set_policy(hw->nested, slots->hardware == SLOT_REPLACED ? &modules->nested_policy : 0);
}
