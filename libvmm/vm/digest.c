/* The state digest: FNV-1a, 64 bits, over the guest's registers field by field (structures have
 * padding), its memory, and virtual time. */
#include <string.h>

#include "arch/x86/walk.h"
#include "vm.h"

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * 0x100000001b3u;
}

static uint64_t mix_segment(uint64_t hash, const struct x86_segment *segment)
{
    hash = mix(hash, segment->selector);
    hash = mix(hash, segment->base);
    hash = mix(hash, segment->limit);
    return mix(hash, segment->attributes);
}

static uint64_t mix_state(uint64_t hash, const struct cpu_state *s)
{
    for (unsigned i = 0; i < 8; i++)
        hash = mix(hash, s->gpr[i]);
    hash = mix(hash, s->eip);
    /* The engine clears RF only at the end of a block. */
    hash = mix(hash, s->eflags & ~(uint32_t)X86_RF);
    for (unsigned i = 0; i < X86_SREGS; i++)
        hash = mix_segment(hash, &s->seg[i]);
    hash = mix_segment(hash, &s->ldtr);
    hash = mix_segment(hash, &s->tr);
    hash = mix(hash, (uint64_t)s->gdtr.base << 16 | s->gdtr.limit);
    hash = mix(hash, (uint64_t)s->idtr.base << 16 | s->idtr.limit);
    hash = mix(hash, (uint64_t)s->cr0 << 32 | s->cr2);
    hash = mix(hash, (uint64_t)s->cr3 << 32 | s->cr4);
    return mix(hash, s->cpl);
}

uint64_t vmm_digest(const struct vmm_vm *vm)
{
    uint64_t hash = mix_state(0xcbf29ce484222325u, vm->dispatcher.guest);
    for (uint32_t at = 0; at < vm->memory_size; at += 8) {
        uint64_t word;
        x86_read_physical(vm->dispatcher.memory, at, &word, sizeof word);
        hash = mix(hash, word);
    }
    return vm->machine->cpu.host_clock ? hash : mix(hash, dispatcher_time(&vm->dispatcher));
}
