/* Reads leave no trace in memory, so that they are told of an instruction before it is executed:
 * its operands and its stack, through the guest's tables to the guest-physical bytes. What was
 * foreseen holds if the instruction then retires. A fault or an interrupt in its place leads
 * elsewhere, and is known by that. */
#include "watch_access.h"

#include "arch/x86/walk.h"
#include "vmm/debug.h"

static uint32_t linear_eip(const struct vmm_vm *vm)
{
    const struct cpu_state *guest = vm->dispatcher.guest;
    return guest->seg[X86_CS].base + guest->eip;
}

/* ---- where it leads ---- */

static uint32_t target(const struct vmm_vm *vm, const struct watch_access *access,
                       const struct x86_instruction *insn)
{
    uint32_t eip = 0;
    vmm_read_linear(vm, access->list[0].linear, &eip, insn->operand_size);
    return vm->dispatcher.guest->seg[X86_CS].base + eip;
}

static void find_next(const struct vmm_vm *vm, const struct x86_instruction *insn,
                      struct watch_access *access)
{
    const uint32_t behind = access->at + insn->length;
    const bool indirect =
        (insn->kind == X86_KIND_CALL_INDIRECT || insn->kind == X86_KIND_JMP_INDIRECT) &&
        (insn->flags & X86_INSN_MEMORY);
    access->next[0] = access->next[1] = behind;
    if (insn->flags & (X86_INSN_REP | X86_INSN_REPNE))
        access->next[1] = access->at;
    else if (insn->kind == X86_KIND_CALL)
        access->next[0] = behind + insn->immediate;
    else if (insn->kind == X86_KIND_RET || indirect)
        access->next[0] = target(vm, access, insn);
    else
        access->leads_anywhere = insn->flags & X86_INSN_BRANCH;
}

void watch_access_look(const struct vmm_vm *vm, struct watch_access *access)
{
    const struct dispatcher *d = &vm->dispatcher;
    uint8_t bytes[X86_INSN_MAX];
    struct x86_instruction insn;
    *access = (struct watch_access){.at = linear_eip(vm), .interrupts = d->statistics.interrupts};
    size_t there = vmm_read_linear(vm, access->at, bytes, sizeof bytes);
    if (!x86_decode(bytes, (unsigned)there, !vmm_code16(vm), &insn))
        return;
    access->count = x86_accesses(d->guest, &insn, access->list);
    if (access->count)
        find_next(vm, &insn, access);
}

bool watch_access_retired(const struct vmm_vm *vm, const struct watch_access *access)
{
    const struct dispatcher *d = &vm->dispatcher;
    uint32_t now = linear_eip(vm);
    /* An interrupt that came behind it. */
    if (d->statistics.interrupts != access->interrupts && d->watch.at != access->at)
        now = d->watch.at;
    return access->leads_anywhere || now == access->next[0] || now == access->next[1];
}

/* ---- what it touches ---- */

static bool overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size)
{
    return a - b < b_size || b - a < a_size;
}

/* Of `size` bytes at `linear`, those in one page. */
static bool touches(const struct vmm_vm *vm, uint32_t linear, uint32_t size,
                    const uint32_t pages[2], uint32_t address, uint32_t length)
{
    const uint32_t offset = address & ~X86_PAGE_MASK, room = X86_PAGE_SIZE - offset,
                   first = length < room ? length : room, in_page = linear & ~X86_PAGE_MASK;
    struct vmm_walk walk;
    if (!overlap(in_page, size, offset, first) && !(length > first && in_page < length - first))
        return false;
    vmm_walk(vm, linear, &walk);
    if (!walk.guest.mapped)
        return false;
    const uint32_t physical = vm_physical(vm, walk.guest.physical);
    return overlap(physical, size, pages[0] | offset, first) ||
           (length > first && overlap(physical, size, pages[1], length - first));
}

unsigned watch_access_of(const struct vmm_vm *vm, const struct watch_access *access,
                         const uint32_t pages[2], uint32_t address, uint32_t length)
{
    unsigned how = 0;
    for (unsigned i = 0; i < access->count; i++) {
        uint32_t linear = access->list[i].linear;
        for (uint32_t left = access->list[i].size; left;) {
            uint32_t room = X86_PAGE_SIZE - (linear & ~X86_PAGE_MASK),
                     size = left < room ? left : room;
            if (touches(vm, linear, size, pages, address, length))
                how |= (access->list[i].read ? 1u : 0) | (access->list[i].write ? 2u : 0);
            linear += size;
            left -= size;
        }
    }
    return how;
}
