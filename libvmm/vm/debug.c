/* A debugger's view of a guest: stops, registers, memory and walks. What a technique keeps beside
 * the guest's own state, it adds through its seam (dispatcher/technique.h). */
#include "vmm/debug.h"

#include <string.h>
#include <strings.h>

#include "arch/x86/walk.h"
#include "dispatcher/technique.h"
#include "vm.h"
#include "vm/error.h"

/* ---- stops ---- */

static unsigned find_break(const struct vmm_vm *vm, uint32_t linear)
{
    unsigned i = 0;
    while (i < vm->break_count && vm->breaks[i] != linear)
        i++;
    return i;
}

int vmm_break_add(struct vmm_vm *vm, uint32_t linear, struct vmm_error *error)
{
    error_clear(error);
    if (find_break(vm, linear) < vm->break_count)
        return VMM_OK;
    if (vm->break_count == CPU_BREAKS)
        return error_set(error, VMM_E_UNSUPPORTED,
                         "There are %u breakpoints already; delete one before you set another.",
                         CPU_BREAKS);
    if (vm->machine->turn == vm && !cpu_break_add(vm->dispatcher.cpu, linear))
        return error_set(error, VMM_E_UNSUPPORTED,
                         "The engine has no room for another breakpoint; delete one.");
    vm->breaks[vm->break_count++] = linear;
    return VMM_OK;
}

bool vmm_break_delete(struct vmm_vm *vm, uint32_t linear)
{
    unsigned i = find_break(vm, linear);
    if (i == vm->break_count)
        return false;
    vm->breaks[i] = vm->breaks[--vm->break_count];
    if (vm->machine->turn == vm)
        cpu_break_remove(vm->dispatcher.cpu, linear);
    return true;
}

void vmm_stop_at_traps(struct vmm_vm *vm,
                       bool (*wanted)(void *context, const struct vmm_record *record),
                       void *context)
{
    vm->dispatcher.recorder.stop = wanted;
    vm->dispatcher.recorder.stop_context = context;
}

/* ---- registers ---- */

enum width { BITS_8, BITS_16, BITS_32 };

static const struct named_register {
    char name[12];
    uint16_t offset; /* in struct vmm_registers */
    uint8_t width;
    bool writable;
} registers[] = {
#define REGISTER(name, member, width, writable)                                                    \
    {                                                                                              \
        name, offsetof(struct vmm_registers, member), width, writable                              \
    }
    REGISTER("eax", gpr[0], BITS_32, true),     REGISTER("ecx", gpr[1], BITS_32, true),
    REGISTER("edx", gpr[2], BITS_32, true),     REGISTER("ebx", gpr[3], BITS_32, true),
    REGISTER("esp", gpr[4], BITS_32, true),     REGISTER("ebp", gpr[5], BITS_32, true),
    REGISTER("esi", gpr[6], BITS_32, true),     REGISTER("edi", gpr[7], BITS_32, true),
    REGISTER("eip", eip, BITS_32, true),        REGISTER("eflags", eflags, BITS_32, true),
    REGISTER("es", segment[0], BITS_16, false), REGISTER("cs", segment[1], BITS_16, false),
    REGISTER("ss", segment[2], BITS_16, false), REGISTER("ds", segment[3], BITS_16, false),
    REGISTER("fs", segment[4], BITS_16, false), REGISTER("gs", segment[5], BITS_16, false),
    REGISTER("cr0", cr0, BITS_32, false),       REGISTER("cr2", cr2, BITS_32, true),
    REGISTER("cr3", cr3, BITS_32, true),        REGISTER("cr4", cr4, BITS_32, false),
    REGISTER("gdt", gdt_base, BITS_32, false),  REGISTER("gdtlimit", gdt_limit, BITS_16, false),
    REGISTER("idt", idt_base, BITS_32, false),  REGISTER("idtlimit", idt_limit, BITS_16, false),
    REGISTER("ldt", ldt, BITS_16, false),       REGISTER("tr", tr, BITS_16, false),
    REGISTER("cpl", cpl, BITS_8, false),
#undef REGISTER
};
#define REGISTERS (sizeof registers / sizeof *registers)

const char *vmm_register_name(size_t i)
{
    return i < REGISTERS ? registers[i].name : 0;
}

static const struct named_register *find_register(const char *name)
{
    for (size_t i = 0; i < REGISTERS; i++)
        if (strcasecmp(registers[i].name, name) == 0)
            return &registers[i];
    return 0;
}

bool vmm_register(const struct vmm_vm *vm, const char *name, uint32_t *value)
{
    const struct named_register *found = find_register(name);
    struct vmm_registers all;
    if (!found)
        return false;
    vmm_registers(vm, &all);
    const uint8_t *at = (const uint8_t *)&all + found->offset;
    uint16_t half;
    switch (found->width) {
    case BITS_8: *value = *at; break;
    case BITS_16:
        memcpy(&half, at, sizeof half);
        *value = half;
        break;
    default: memcpy(value, at, sizeof *value); break;
    }
    return true;
}

static void assign(struct cpu_state *state, const char *name, uint32_t value)
{
    static const char *const gprs[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    const uint32_t flags =
        X86_ARITHMETIC | X86_TF | X86_IF | X86_DF | X86_IOPL | X86_NT | X86_AC | X86_ID;
    for (unsigned i = 0; i < 8; i++)
        if (strcmp(name, gprs[i]) == 0)
            state->gpr[i] = value;
    if (strcmp(name, "eip") == 0)
        state->eip = value;
    else if (strcmp(name, "eflags") == 0)
        state->eflags = (state->eflags & ~flags) | (value & flags);
    else if (strcmp(name, "cr2") == 0)
        state->cr2 = value;
    else if (strcmp(name, "cr3") == 0)
        state->cr3 = value;
}

int vmm_set_register(struct vmm_vm *vm, const char *name, uint32_t value, struct vmm_error *error)
{
    struct dispatcher *d = &vm->dispatcher;
    const struct named_register *found = find_register(name);
    error_clear(error);
    if (!found)
        return error_set(error, VMM_E_USAGE, "There is no register '%s'.", name);
    if (!found->writable)
        return error_set(error, VMM_E_UNSUPPORTED,
                         "'%s' has parts that software cannot see; let the guest change it.",
                         found->name);
    if (!vm_resumable(vm->stop))
        return error_set(error, VMM_E_STATE, "The guest has ended; start it again.");
    machine_turn(vm->machine, vm);
    assign(d->guest, found->name, value);
    d->technique->modified(d);
    vm_changed(vm);
    return VMM_OK;
}

bool vmm_code16(const struct vmm_vm *vm)
{
    return !(vm->dispatcher.guest->seg[X86_CS].attributes & X86_SEG_DB);
}

/* ---- memory ---- */

size_t vmm_write_physical(struct vmm_vm *vm, uint32_t address, const void *bytes, size_t count)
{
    const struct x86_memory *memory = vm->dispatcher.memory;
    size_t done = 0;
    while (done < count && address + done < vm->memory_size) {
        uint32_t at = address + (uint32_t)done, offset = at & ~X86_PAGE_MASK;
        size_t chunk = X86_PAGE_SIZE - offset;
        if (chunk > count - done)
            chunk = count - done;
        uint8_t *page = memory->page(memory->context, at & X86_PAGE_MASK, true);
        if (!page)
            break;
        memcpy(page + offset, (const uint8_t *)bytes + done, chunk);
        done += chunk;
    }
    machine_turn(vm->machine, vm);
    vm->dispatcher.technique->modified(&vm->dispatcher);
    if (vm->loaded)
        vm_changed(vm);
    return done;
}

static enum x86_status probe(const struct vmm_vm *vm, uint32_t linear, struct x86_walk *walk)
{
    return x86_probe(vm->dispatcher.guest, vm->dispatcher.linear, linear, 0, walk);
}

size_t vmm_write_linear(struct vmm_vm *vm, uint32_t address, const void *bytes, size_t count)
{
    size_t done = 0;
    while (done < count) {
        uint32_t at = address + (uint32_t)done;
        size_t chunk = X86_PAGE_SIZE - (at & ~X86_PAGE_MASK);
        struct x86_walk walk;
        if (chunk > count - done)
            chunk = count - done;
        if (probe(vm, at, &walk) != X86_OK || walk.end != X86_WALK_MAPPED)
            break;
        size_t written =
            vmm_write_physical(vm, walk.physical, (const uint8_t *)bytes + done, chunk);
        done += written;
        if (written < chunk)
            break;
    }
    return done;
}

/* ---- walks ---- */

void vmm_walk(const struct vmm_vm *vm, uint32_t linear, struct vmm_walk *walk)
{
    const struct dispatcher *d = &vm->dispatcher;
    struct x86_walk guest = {0};
    *walk = (struct vmm_walk){.linear = linear, .paging = x86_paging(d->guest)};
    if (probe(vm, linear, &guest) != X86_OK) {
        walk->result = "a table lies where there is no memory";
        return;
    }
    walk->guest = technique_levels(&guest);
    walk->user = guest.user;
    walk->writable = guest.writable;
    walk->global = guest.global;
    walk->result = x86_walk_end_text(guest.end);
    if (d->technique->walk) {
        d->technique->walk(d, walk);
        return;
    }
    walk->has_machine = walk->guest.mapped;
    walk->machine = walk->guest.physical;
}
