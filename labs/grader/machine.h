/* The machine that a test's guest runs on: one virtual machine, or several that take turns, one
 * instruction each. What the guests are promised stands in the image, behind the numbers that the
 * grader draws:
 *
 *     offset 6    'V', how many VMs (without it: one); 'L', writes to memory are logged; 'P', the
 *                 module is asked how many exits there will be: struct lab_workload from offset 40
 *                 on, which the guest follows
 *     offset 8    32 bytes of random numbers; the last four become the VM's number
 *     offset 40   struct lab_plan from `limit` on */
#ifndef LABS_GRADER_MACHINE_H
#define LABS_GRADER_MACHINE_H

#include "labs/grader/evidence.h"
#include "labs/lab.h"

enum {
    LAB_AT = 0x100000,  /* where a guest is loaded */
    LAB_NUMBER_AT = 36, /* offsets in a guest of several VMs */
    LAB_PLAN_AT = 40,
    LAB_MACHINE_MEMORY = 2 << 20 /* bytes of each of several VMs */
};

/* A VM and what it was promised: the context of the allocator's slots. */
struct lab_tenant {
    const struct lab_module *module;
    const struct lab_plan *plan;
    unsigned vm;
};

struct lab_machine {
    struct lab_plan plan;
    struct lab_tenant give[LAB_VMS], allow[LAB_VMS];
    struct vmm_vm *vm[LAB_VMS];
    struct lab_evidence evidence[LAB_VMS];
    bool done[LAB_VMS];
    unsigned turn;
};

static inline void lab_read_plan(struct lab_plan *plan, const uint8_t *guest, size_t size)
{
    *plan = (struct lab_plan){.vms = 1};
    if (size < LAB_PLAN_AT + sizeof *plan || guest[6] != 'V')
        return;
    memcpy(&plan->limit, guest + LAB_PLAN_AT, sizeof *plan - offsetof(struct lab_plan, limit));
    plan->vms = guest[7] > LAB_VMS ? LAB_VMS : guest[7] ? guest[7] : 1;
    if (plan->grant_count > LAB_GRANTS)
        plan->grant_count = LAB_GRANTS;
}

/* What the guest says that it does; counts that are drawn are 1 to 8. False: it says nothing. */
static inline bool lab_read_workload(struct lab_workload *work, const uint8_t *guest, size_t size)
{
    const size_t drawn = offsetof(struct lab_workload, pages);
    if (size < LAB_PLAN_AT + sizeof *work || guest[6] != 'P')
        return false;
    memcpy(work, guest + LAB_PLAN_AT, sizeof *work);
    for (size_t i = 0; i < drawn / sizeof(uint32_t); i++)
        ((uint32_t *)work)[i] = (guest[8 + i] >> 1 & 7) + 1;
    return true;
}

static inline void lab_machine_destroy(struct lab_machine *machine)
{
    for (unsigned i = LAB_VMS; i-- > 0;)
        vmm_destroy(machine->vm[i]);
}

/* The VMs, powered on; a guest of one VM is loaded, those of several are later. */
static inline bool lab_machine_create(struct lab_machine *machine, const char *technique,
                                      const uint8_t *guest, size_t size, struct vmm_error *error)
{
    memset(machine, 0, sizeof *machine);
    lab_read_plan(&machine->plan, guest, size);
    if (machine->plan.vms == 1) {
        machine->vm[0] = lab_vm(technique, guest, size, &machine->evidence[0], error);
        return machine->vm[0] != NULL;
    }
    for (unsigned i = 0; i < machine->plan.vms; i++) {
        struct lab_evidence *evidence = &machine->evidence[i];
        const struct vmm_config config = {
            .technique = technique,
            .memory_size = LAB_MACHINE_MEMORY,
            .vms = machine->plan.vms,
            .beside = i ? machine->vm[0] : NULL,
            .console = {.context = evidence, .output = lab_count_output}};
        evidence->stride = 1;
        evidence->vm = i;
        machine->vm[i] = vmm_create(&config, error);
        if (!machine->vm[i])
            return false;
    }
    return true;
}

/* Loads the guests of several VMs, once the slots are filled. */
static inline bool lab_machine_load(struct lab_machine *machine, const uint8_t *guest, size_t size,
                                    struct vmm_error *error)
{
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = guest, .size = (uint32_t)size}};
    for (unsigned i = 0; machine->plan.vms > 1 && i < machine->plan.vms; i++) {
        if (vmm_load(machine->vm[i], &image, error) != VMM_OK)
            return false;
        vmm_write_physical(machine->vm[i], LAB_AT + LAB_NUMBER_AT, &i, sizeof i);
    }
    return true;
}

/* Lets the VM whose turn it is run on; `*evidence` is what came of it. Whether anybody is left. */
static inline bool lab_machine_step(struct lab_machine *machine, struct lab_evidence *evidence)
{
    unsigned count = machine->plan.vms, i = machine->turn;
    while (machine->done[i])
        i = (i + 1) % count;
    machine->done[i] = !lab_step(machine->vm[i], &machine->evidence[i]);
    machine->turn = (i + 1) % count;
    *evidence = machine->evidence[i];
    for (i = 0; i < count; i++)
        if (!machine->done[i])
            return true;
    return false;
}

#endif
