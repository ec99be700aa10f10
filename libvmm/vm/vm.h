/* A virtual machine from the inside: what the public handle stands for. */
#ifndef VMM_VM_VM_H
#define VMM_VM_VM_H

#include "dispatcher/dispatcher.h"
#include "machine/memory.h"
#include "symbols.h"
#include "vmm/vm.h"

struct vmm_vm {
    struct memory memory;
    struct board board;
    struct dispatcher dispatcher;
    struct cpu cpu;
    struct vmm_console console;
    struct symbols symbols; /* of its image */
    bool loaded;
    enum vmm_stop stop;
    uint64_t host_ns;
    char stop_text[256];
};

#endif
