/* Puts a student's functions into the slots of one virtual machine; the grader's process and the
 * prompt do the same. What would be a way around the lab is taken away: the library's own routine
 * (VMM_OUTCOME_STANDARD) counts as missing, and its own decision is not shown. */
#ifndef LABS_GRADER_INSTALL_H
#define LABS_GRADER_INSTALL_H

#include "labs/grader/machine.h"
#include "labs/lab.h"

#include <string.h>

static inline struct vmm_outcome lab_routine(void *context, struct vmm_call *call)
{
    const struct lab_module *module = context;
    struct vmm_outcome outcome = module->routine(NULL, call);
    if (outcome.kind == VMM_OUTCOME_STANDARD)
        outcome.kind = VMM_OUTCOME_MISSING;
    return outcome;
}

static inline enum vmm_decision lab_decide(void *context, const struct vmm_trap *trap)
{
    const struct lab_module *module = context;
    struct vmm_trap shown = *trap;
    shown.standard = VMM_DECIDE_REFLECT;
    return module->decide(NULL, &shown);
}

static inline enum vmm_delivery_end lab_deliver(void *context, struct vmm_delivery *delivery,
                                                struct vmm_event *fault)
{
    const struct lab_module *module = context;
    enum vmm_delivery_end end = module->deliver(NULL, delivery, fault);
    return end == VMM_DELIVERY_STANDARD ? VMM_DELIVERY_MISSING : end;
}

static inline struct vmm_shadow_answer lab_ask(void *context, const struct vmm_shadow_fault *fault)
{
    const struct lab_module *module = context;
    struct vmm_shadow_answer answer = module->ask(NULL, fault);
    if (answer.kind == VMM_SHADOW_STANDARD)
        answer.kind = VMM_SHADOW_MISSING;
    return answer;
}

static inline uint32_t lab_keep(void *context, const struct vmm_shadow_change *change)
{
    const struct lab_module *module = context;
    return module->keep ? module->keep(NULL, change) : change->rights;
}

static inline uint32_t lab_give_frame(void *context, const struct vmm_frame_request *request)
{
    const struct lab_tenant *tenant = context;
    return tenant->module->give(tenant->plan, request);
}

static inline bool lab_allow_port(void *context, const struct vmm_port_access *access)
{
    const struct lab_tenant *tenant = context;
    return tenant->module->allow(tenant->plan, tenant->vm, access);
}

/* The slots of the allocator, on one of several VMs. */
static inline int lab_fill_tenant(struct lab_machine *machine, unsigned i,
                                  const struct lab_module *module, struct vmm_error *error)
{
    const struct lab_tenant tenant = {module, &machine->plan, i};
    if (!module->routine)
        return vmm_module_remove(machine->vm[i], module->slot, error);
    if (strcmp(module->slot, "allocator.ports") == 0) {
        machine->allow[i] = tenant;
        return vmm_module_replace_ports(machine->vm[i], lab_allow_port, &machine->allow[i], error);
    }
    machine->give[i] = tenant;
    return vmm_module_replace_frames(machine->vm[i], lab_give_frame, &machine->give[i], error);
}

static inline bool lab_of_machine(const struct lab_module *module)
{
    return strcmp(module->slot, "allocator.ports") == 0 ||
           strcmp(module->slot, "allocator.frames") == 0;
}

static inline int lab_fill(struct vmm_vm *vm, const struct lab_module *module,
                           struct vmm_error *error)
{
    void *context = (void *)module;
    if (lab_of_machine(module))
        return VMM_OK;    /* for a machine with several VMs: lab_install_machine */
    if (!module->routine) /* of whichever type it is */
        return vmm_module_remove(vm, module->slot, error);
    if (strcmp(module->slot, "dispatcher.decision") == 0)
        return vmm_module_replace_decision(vm, lab_decide, context, error);
    if (strcmp(module->slot, "dispatcher.delivery") == 0)
        return vmm_module_replace_delivery(vm, lab_deliver, context, error);
    if (strcmp(module->slot, "dispatcher.nested") == 0)
        return vmm_module_replace_nested(vm, module->nest, NULL, error);
    if (strcmp(module->slot, "allocator.shadow") == 0)
        return vmm_module_replace_shadow(vm, lab_ask, lab_keep, context, error);
    return vmm_module_replace(vm, module->slot, lab_routine, context, error);
}

/* Fills the slots. VMM_OK, or what the library says to the first that it does not take. */
static inline int lab_install(struct vmm_vm *vm, const struct lab_module *module,
                              struct vmm_error *error)
{
    int status = VMM_OK;
    for (; module->slot && status == VMM_OK; module++)
        status = lab_fill(vm, module, error);
    return status;
}

/* The same on each VM of a machine. */
static inline int lab_install_machine(struct lab_machine *machine, const struct lab_module *module,
                                      struct vmm_error *error)
{
    int status = VMM_OK;
    for (unsigned i = 0; i < machine->plan.vms && status == VMM_OK; i++)
        for (const struct lab_module *at = module; at->slot && status == VMM_OK; at++)
            status = machine->plan.vms > 1 && lab_of_machine(at)
                         ? lab_fill_tenant(machine, i, at, error)
                         : lab_fill(machine->vm[i], at, error);
    return status;
}

#endif
