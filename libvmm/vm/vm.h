/* A virtual machine from the inside: what the public handle stands for. */
#ifndef VMM_VM_VM_H
#define VMM_VM_VM_H

#include "allocator/ports.h"
#include "dispatcher/dispatcher.h"
#include "dispatcher/vcpu.h"
#include "machine.h"
#include "symbols.h"
#include "vmm/vm.h"

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
    bool loaded;
    enum vmm_stop stop;
    uint64_t host_ns;
    char stop_text[256];
};

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

/* The number of the machine frame behind the guest-physical page that holds `physical`. */
static inline uint32_t vm_frame(const struct vmm_vm *vm, uint32_t physical)
{
    uint32_t machine = vm->vcpu ? frame_map_machine(&vm->map, physical) : physical;
    return machine >> MEMORY_FRAME_SHIFT;
}

#endif
