/* Resource control (Popek and Goldberg 1974, section 3: it must be impossible for a program to
 * affect the system resources; the allocator is invoked upon any attempt). Here it is a property of
 * the tables that the processor walks while the guest runs, and can be read off them:
 *
 *   - no entry leads to a frame that is not the VM's, or to a table that is not the allocator's;
 *   - the VMM's own 4 MB, in every address space, are closed to ring 3 and read-only in ring 1, but
 *     for what a technique lends;
 *   - no page that holds a page table or descriptor table in use is writable: it is traced;
 *   - nested tables lead to the frame that the VM has for the page, and nowhere else;
 *   - every frame that the VMM holds is accounted for;
 *   - every access to a model-specific register is an exit.
 *
 * And of what reaches the devices: no port and no interrupt line that the allocator did not give to
 * the VM. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/descriptors.h"
#include "audit.h"
#include "dispatcher/hw.h"
#include "dispatcher/technique.h"
#include "machine/engine.h"
#include "vm.h"

struct check {
    const struct vmm_vm *vm;
    struct vmm_audit *audit;
    const uint32_t *page; /* guest-physical page number by machine frame, UINT32_MAX for none */
    uint32_t frames;
};

static __attribute__((format(printf, 3, 4))) void
found(struct vmm_audit *audit, const struct vmm_vm *vm, const char *format, ...)
{
    va_list arguments;
    if (audit->violation_count < VMM_AUDIT_VIOLATIONS) {
        struct vmm_audit_violation *v = &audit->violations[audit->violation_count];
        v->instruction = dispatcher_instructions(&vm->dispatcher);
        va_start(arguments, format);
        vsnprintf(v->text, sizeof v->text, format, arguments);
        va_end(arguments);
    }
    audit->violation_count++;
}

#define violation(check, ...) found((check)->audit, (check)->vm, __VA_ARGS__)

static uint16_t owner_of(const struct check *check, uint32_t machine)
{
    return frames_owner(check->vm->map.pool, machine >> MEMORY_FRAME_SHIFT);
}

/* Traced pages are writable while one instruction is stepped with them open. */
static bool is_open(const struct vcpu *vcpu, uint32_t guest)
{
    for (unsigned i = 0; i < vcpu->opened; i++)
        if ((vcpu->open[i].guest ^ guest) < MEMORY_FRAME_SIZE)
            return true;
    return false;
}

static void check_slot(struct check *check, const struct shadow_entry *entry)
{
    if (entry->value != descriptors_slot_entry(&check->vm->vcpu->tables))
        violation(check, "the VMM's slot %u of the directory at 0x%08x holds 0x%08x", entry->index,
                  entry->table, entry->value);
    if (entry->value & X86_PTE_US)
        violation(check, "the VMM's memory is open to ring 3 in slot %u of the directory at 0x%08x",
                  entry->index, entry->table);
}

static void check_leaf(struct check *check, const struct shadow_entry *entry)
{
    const struct vmm_vm *vm = check->vm;
    uint32_t machine = entry->value & X86_PAGE_MASK, frame = machine >> MEMORY_FRAME_SHIFT;
    uint16_t owner = owner_of(check, machine);
    uint32_t page = frame < check->frames ? check->page[frame] : UINT32_MAX;
    if (frame >= check->frames)
        return; /* no memory of the machine's: what the guest has none at is mapped there */
    if (owner != vm->owner || page == UINT32_MAX) {
        violation(check, "entry %u of the shadow table at 0x%08x reaches frame 0x%x of %s",
                  entry->index, entry->table, frame,
                  owner == FRAMES_VMM    ? "the VMM"
                  : owner == FRAMES_FREE ? "nobody"
                                         : "another VM");
        return;
    }
    uint32_t guest = page << MEMORY_FRAME_SHIFT;
    if ((entry->value & X86_PTE_RW) && shadow_traced(vm->vcpu->shadow, guest) &&
        !is_open(vm->vcpu, guest))
        violation(check, "the guest can write to the traced page 0x%08x by entry %u of 0x%08x",
                  guest, entry->index, entry->table);
}

static void check_entry(void *context, const struct shadow_entry *entry)
{
    struct check *check = context;
    check->audit->entries++;
    if (owner_of(check, entry->table) != FRAMES_VMM)
        violation(check, "the shadow table at 0x%08x is not in a frame of the VMM", entry->table);
    if (entry->vmm)
        check_slot(check, entry);
    else if (!entry->directory)
        check_leaf(check, entry);
    else if (!entry->to_table)
        violation(check, "entry %u of the directory at 0x%08x leads to no shadow table: 0x%08x",
                  entry->index, entry->table, entry->value);
}

static void check_guest_table(void *context, uint32_t guest)
{
    struct check *check = context;
    if (!shadow_traced(check->vm->vcpu->shadow, guest))
        violation(check, "the page table at 0x%08x is in use and not traced", guest);
}

/* What is behind the VMM's slot: the shadow descriptor tables. */
static bool is_lent(const struct check *check, unsigned page)
{
    const struct dispatcher *d = &check->vm->dispatcher;
    return d->technique->lends && d->technique->lends(d, page << MEMORY_FRAME_SHIFT);
}

static void check_vmm_pages(struct check *check)
{
    const struct descriptors *tables = &check->vm->vcpu->tables;
    const struct frames *pool = check->vm->map.pool;
    const uint32_t *entry =
        (const uint32_t *)(const void *)memory_frame(pool->memory, tables->page_table);
    if (owner_of(check, tables->page_table) != FRAMES_VMM)
        violation(check, "the table of the VMM's slot is not in a frame of the VMM");
    for (unsigned i = 0; i < MEMORY_FRAME_SIZE / sizeof *entry; i++) {
        if (!(entry[i] & X86_PTE_P))
            continue;
        check->audit->entries++;
        uint32_t closed = X86_PTE_US | (is_lent(check, i) ? 0u : X86_PTE_RW);
        if (entry[i] & closed)
            violation(check, "page %u of the VMM's slot is open to %s", i,
                      entry[i] & X86_PTE_US ? "ring 3" : "writes");
        if (owner_of(check, entry[i] & X86_PAGE_MASK) != FRAMES_VMM)
            violation(check, "page %u of the VMM's slot is not in a frame of the VMM", i);
    }
}

static void check_descriptor_pages(struct check *check)
{
    const struct vcpu *vcpu = check->vm->vcpu;
    for (unsigned t = 0; t < DESCRIPTORS_TABLES; t++) {
        const struct shadow_descriptor_table *table = &vcpu->tables.table[t];
        uint32_t first = table->base >> MEMORY_FRAME_SHIFT;
        uint32_t last = (table->base + table->size - 1) >> MEMORY_FRAME_SHIFT;
        for (uint32_t i = 0;
             table->size && !table->let_go && i <= last - first && i <= DESCRIPTORS_PAGES; i++) {
            uint32_t guest = table->page[i];
            if (guest < check->vm->memory_size && !shadow_traced(vcpu->shadow, guest))
                violation(check, "the %s's page at 0x%08x is in use and not traced",
                          t == DESCRIPTORS_GDT ? "GDT" : "LDT", guest);
        }
    }
}

static void check_shadows(struct check *check)
{
    const struct vcpu *vcpu = check->vm->vcpu;
    shadow_visit(vcpu->shadow, check_entry, check);
    shadow_visit_guest_tables(vcpu->shadow, check_guest_table, check);
    if (vcpu->assist == VCPU_COMPRESSED)
        check_descriptor_pages(check);
}

static void check_nested_entry(void *context, const struct nested_entry *entry)
{
    struct check *check = context;
    uint32_t frame = entry->value >> MEMORY_FRAME_SHIFT;
    check->audit->entries++;
    if (owner_of(check, entry->table) != FRAMES_VMM)
        violation(check, "the nested table at 0x%08x is not in a frame of the VMM", entry->table);
    if (entry->directory) {
        if (owner_of(check, entry->value) != FRAMES_VMM)
            violation(check, "the nested table for 0x%08x is not in a frame of the VMM",
                      entry->guest);
        return;
    }
    if (frame >= check->frames)
        return; /* no memory of the machine's */
    if (owner_of(check, entry->value) != check->vm->owner)
        violation(check, "the nested entry for 0x%08x reaches frame 0x%x of %s", entry->guest,
                  frame, owner_of(check, entry->value) == FRAMES_VMM ? "the VMM" : "another");
    else if (check->page[frame] != entry->guest >> MEMORY_FRAME_SHIFT)
        violation(check, "the nested entry for 0x%08x shows the frame of page 0x%x", entry->guest,
                  check->page[frame]);
}

static void check_tables(struct check *check)
{
    const struct hw *hw = check->vm->dispatcher.technique->assisted ? check->vm->dispatcher.own : 0;
    if (hw && hw->nested)
        nested_visit(hw->nested, check_nested_entry, check);
    else
        check_shadows(check);
}

/* Whose frames are whose. Returns how many the VMM has. */
static uint32_t check_owners(struct check *check)
{
    const struct vmm_vm *vm = check->vm;
    uint32_t owned = 0;
    for (uint32_t page = 0; page < vm->map.pages; page++)
        if (!frame_map_unbacked(&vm->map, page << MEMORY_FRAME_SHIFT) &&
            owner_of(check, vm->map.frame[page] << MEMORY_FRAME_SHIFT) != vm->owner)
            violation(check, "guest page 0x%08x has a frame of another owner",
                      page << MEMORY_FRAME_SHIFT);
    for (uint32_t frame = 0; frame < check->frames; frame++)
        owned += frames_owner(vm->map.pool, frame) == FRAMES_VMM;
    return owned;
}

/* What the VMM took from the pool, and what it knows that it has. */
static void check_account(struct check *check, uint32_t owned)
{
    const struct vmm_vm *vm = check->vm;
    const struct technique *technique = vm->dispatcher.technique;
    uint32_t known = vm->vcpu->assist == VCPU_COMPRESSED ? VCPU_FRAMES : 0;
    if (vm->vcpu->shadow)
        known += shadow_statistics(vm->vcpu->shadow).tables;
    if (technique->frames)
        known += technique->frames(&vm->dispatcher);
    if (owned != known)
        violation(check, "the VMM has %u frames and knows of %u: the others are lost", owned,
                  known);
}

/* How much the allocator has decided so far about what check_tables looks at. */
static uint64_t decisions(const struct vmm_vm *vm)
{
    const struct hw *hw = vm->dispatcher.technique->assisted ? vm->dispatcher.own : 0;
    if (hw && hw->nested)
        return nested_statistics(hw->nested).decisions;
    return shadow_statistics(vm->vcpu->shadow).decisions;
}

void audit_resources(const struct vmm_vm *vm, const uint32_t *pages, struct audit_seen *seen,
                     struct vmm_audit *audit)
{
    struct check check = {.vm = vm, .audit = audit, .page = pages};
    if (!engine_guards_msrs(vm->machine->cpu.engine))
        violation(&check, "the guest can reach model-specific registers without an exit");
    /* Under a technique that walks no shadow tables there are none to check. */
    if (!vm->vcpu || !vm->dispatcher.technique->walk)
        return;
    const struct audit_seen now = {true, vm->map.pool->changes, seen->frames, decisions(vm)};
    const struct audit_seen before = *seen;
    *seen = now;
    check.frames = memory_frames(&vm->machine->memory);
    if (!before.known || before.owners != now.owners)
        seen->frames = check_owners(&check);
    check_account(&check, seen->frames);
    if (!before.known || before.owners != now.owners || before.decisions != now.decisions)
        check_tables(&check);
    if (vm->vcpu->assist == VCPU_COMPRESSED)
        check_vmm_pages(&check);
}

/* ---- devices ---- */

static void on_access(void *context, uint16_t port, unsigned size)
{
    struct audit_guard *guard = context;
    if (!ports_allow(guard->vm->ports, guard->vm->owner, port, size))
        found(guard->audit, guard->vm,
              "an access of %u byte%s at port 0x%x reached the devices, and the allocator gave the "
              "guest no such port",
              size, size == 1 ? "" : "s", port);
}

static void on_line(void *context, unsigned input)
{
    struct audit_guard *guard = context;
    if (lines_owner(guard->vm->ports, input) != guard->vm->owner)
        found(guard->audit, guard->vm,
              "the guest got an interrupt of line %u, which the allocator did not give to it",
              input);
}

void audit_guard(struct audit_guard *guard, struct vmm_vm *vm, struct vmm_audit *audit)
{
    *guard = (struct audit_guard){vm, audit};
    if (vm->ports)
        vm->board.guard =
            (struct board_guard){.context = guard, .access = on_access, .line = on_line};
}
