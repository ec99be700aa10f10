/* One machine, and who shares it. See machine.h. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>

#include "vm.h"

/* Where the frames of virtual machines lie is decided by this alone: every run is the same. */
#define SCATTER_SEED 1974u

struct machine *machine_new(uint32_t size, uint32_t reserve, bool host_clock,
                            const struct cpu_client *client, char *why, size_t room)
{
    struct machine *machine = calloc(1, sizeof *machine);
    snprintf(why, room, "The host has no memory for a machine of %u MB; choose a smaller one.",
             size >> 20);
    if (!machine)
        return 0;
    machine->next_owner = FRAMES_FIRST_VM;
    if (!memory_init(&machine->memory, size)) {
        free(machine);
        return 0;
    }
    if (!reserve || frames_init(&machine->frames, &machine->memory, reserve, SCATTER_SEED)) {
        if (cpu_init(&machine->cpu, &machine->memory, client, host_clock, why, room))
            return machine;
        frames_destroy(&machine->frames);
    }
    memory_destroy(&machine->memory);
    free(machine);
    return 0;
}

void machine_rest(struct machine *machine)
{
    struct vmm_vm *vm = machine->turn;
    for (unsigned i = 0; vm && i < vm->break_count; i++)
        cpu_break_remove(&machine->cpu, vm->breaks[i]);
    machine->turn = 0;
}

void machine_turn(struct machine *machine, struct vmm_vm *vm)
{
    if (machine->turn == vm)
        return;
    struct vmm_vm *before = machine->turn;
    machine_rest(machine);
    cpu_switch(&machine->cpu, before ? before->context : 0, vm->context);
    machine->turn = vm;
    for (unsigned i = 0; i < vm->break_count; i++)
        cpu_break_add(&machine->cpu, vm->breaks[i]);
}

void machine_leave(struct machine *machine)
{
    if (!machine || --machine->vms)
        return;
    cpu_destroy(&machine->cpu);
    frames_destroy(&machine->frames);
    memory_destroy(&machine->memory);
    free(machine);
}
