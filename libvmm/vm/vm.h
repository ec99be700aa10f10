/* A virtual machine from the inside: what the public handle stands for. */
#ifndef VMM_VM_VM_H
#define VMM_VM_VM_H

#include "allocator/ports.h"
#include "dispatcher/dispatcher.h"
#include "dispatcher/vcpu.h"
#include "machine.h"
#include "symbols.h"
#include "tape.h"
#include "vmm/vm.h"

struct history;
struct watches;
struct page_store;
struct pages;

struct vmm_vm {
    struct machine *machine;     /* shared with the VMs beside it */
    struct cpu_context *context; /* the processor while others have it; NULL on a bare machine */
    uint32_t memory_size;        /* bytes, guest-physical */
    struct frame_map map;        /* these four: unless bare */
    struct ports *ports;
    struct vcpu *vcpu;
    uint16_t owner;
    struct board board;
    struct dispatcher dispatcher;
    struct vmm_console console;
    struct symbols symbols;      /* of its image */
    struct modules *modules;     /* that were replaced (module.c); NULL: none */
    uint32_t breaks[CPU_BREAKS]; /* linear addresses: the processor's while it is this VM's turn */
    unsigned break_count;
    struct tape tape;         /* the console, as it came */
    struct page_store *store; /* of its snapshots; NULL: it never had one */
    struct pages *base;       /* memory as it was when ... */
    uint32_t base_epoch;      /* ... this epoch of the dirty log began; NULL: not known */
    struct history *history;  /* NULL: none */
    struct watches *watches;  /* NULL: it never had one */
    uint64_t timeline;        /* changes from outside so far */
    bool loaded;
    enum vmm_stop stop;
    uint64_t host_ns;
    char stop_text[400];
};

/* Runs until `limit` instructions have retired since power-on, past no breakpoint but, with `pass`,
 * the one that the guest stands at. */
enum vmm_stop vm_run_to(struct vmm_vm *vm, uint64_t limit, bool pass);

/* The same, at no watchpoint. */
enum vmm_stop vm_run_past(struct vmm_vm *vm, uint64_t limit, bool pass);

/* Whether it can be run on from there. */
bool vm_resumable(enum vmm_stop stop);

/* The guest, or something that decides how it goes on, was changed from outside. */
void vm_changed(struct vmm_vm *vm);

/* What vmm_registers shows of `state`. */
void vm_show_registers(const struct cpu_state *state, struct vmm_registers *registers);

/* Bytes of guest-physical memory, from address 0. */
static inline uint32_t vm_memory_size(const struct vmm_vm *vm)
{
    return vm->memory_size;
}

/* The guest-physical page that holds `physical`, to be looked at; NULL without memory. */
static inline const uint8_t *vm_page(const struct vmm_vm *vm, uint32_t physical)
{
    const struct x86_memory *memory = vm->dispatcher.memory;
    return physical < vm_memory_size(vm) ? memory->page(memory->context, physical, false) : 0;
}

/* What the guest's page tables lead to, as a guest-physical address: its tables may hold machine
 * addresses. FRAMES_NONE if it is no memory of the guest's. */
static inline uint32_t vm_physical(const struct vmm_vm *vm, uint32_t address)
{
    const struct dispatcher *d = &vm->dispatcher;
    return d->linear == d->memory ? address : frame_map_guest(&vm->map, address);
}

/* The number of the machine frame behind the guest-physical page that holds `physical`. */
static inline uint32_t vm_frame(const struct vmm_vm *vm, uint32_t physical)
{
    uint32_t machine = vm->vcpu ? frame_map_machine(&vm->map, physical) : physical;
    return machine >> MEMORY_FRAME_SHIFT;
}

#endif
