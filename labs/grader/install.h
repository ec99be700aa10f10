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

/* A translator's functions, called for a lab: what the library's own would do is missing, and a
 * unit may be cut to its first instruction, so that each can be looked at by itself. */
struct lab_translator {
    const struct vmm_translator *functions;
    bool single;
};

static inline enum vmm_translate_end lab_translate(void *context, const struct vmm_code *code,
                                                   struct vmm_draft *draft)
{
    const struct lab_translator *t = context;
    enum vmm_translate_end end = t->functions->translate(NULL, code, draft);
    if (t->single && end == VMM_TRANSLATED && draft->count > 1 && draft->count <= VMM_UNIT_OPS)
        draft->count = 1;
    return end == VMM_TRANSLATE_STANDARD ? VMM_TRANSLATE_MISSING : end;
}

static inline bool lab_link(void *context, const struct vmm_exit *exit)
{
    const struct lab_translator *t = context;
    return !t->single && t->functions->link(NULL, exit);
}

static inline void lab_unlink(void *context, uint32_t unit, struct vmm_exits *exits)
{
    const struct lab_translator *t = context;
    t->functions->unlink(NULL, unit, exits);
}

static inline bool lab_stale(void *context, const struct vmm_unit *unit, uint32_t address,
                             uint32_t count)
{
    const struct lab_translator *t = context;
    return t->functions->stale(NULL, unit, address, count);
}

static inline void lab_flushed(void *context)
{
    const struct lab_translator *t = context;
    t->functions->flushed(NULL);
}

/* `t` lives as long as the VM. */
static inline int lab_fill_translator(struct vmm_vm *vm, const struct lab_module *module,
                                      bool single, struct lab_translator *t,
                                      struct vmm_error *error)
{
    const struct vmm_translator *functions = module->translator;
    *t = (struct lab_translator){functions, single};
    if (!functions || !functions->translate)
        return vmm_module_remove(vm, module->slot, error);
    const struct vmm_translator shown = {
        .translate = lab_translate,
        .link = functions->link ? lab_link : NULL,
        .unlink = functions->unlink ? lab_unlink : NULL,
        .stale = functions->stale ? lab_stale : NULL,
        .flushed = functions->flushed ? lab_flushed : NULL,
    };
    return vmm_module_replace_translator(vm, &shown, t, error);
}

/* Hardware assist, without the library's own answers. */
static inline bool lab_intercept(void *context, unsigned code)
{
    const struct lab_module *module = context;
    return module->hardware->intercept(NULL, code);
}

/* What the lab is about no routine does: IN, OUT, CPUID and HLT. */
static inline bool lab_by_hand(const struct vmm_vmexit *exit)
{
    bool string = exit->info1 & 1 << 2;
    return exit->code == VMM_EXIT_CPUID || exit->code == VMM_EXIT_HLT ||
           (exit->code == VMM_EXIT_IOIO && !string);
}

static inline enum vmm_exit_end lab_exit(void *context, struct vmm_vmexit *exit)
{
    const struct lab_module *module = context;
    const bool by_hand = lab_by_hand(exit);
    enum vmm_exit_end end = module->hardware->exit(NULL, exit);
    return end == VMM_EXIT_STANDARD || (end == VMM_EXIT_EMULATE && by_hand) ? VMM_EXIT_MISSING
                                                                            : end;
}

static inline struct vmm_nested_answer lab_fill_nested(void *context,
                                                       const struct vmm_nested_fault *fault)
{
    const struct lab_module *module = context;
    struct vmm_nested_answer answer = module->hardware->fill(NULL, fault);
    if (answer.kind == VMM_FILL_STANDARD)
        answer.kind = VMM_FILL_MISSING;
    return answer;
}

static inline uint64_t lab_window(void *context, const struct vmm_window *window)
{
    const struct lab_module *module = context;
    return module->hardware->window(NULL, window);
}

static inline int lab_fill_hardware(struct vmm_vm *vm, const struct lab_module *module,
                                    struct vmm_error *error)
{
    const struct vmm_hardware *h = module->hardware;
    const struct vmm_hardware shown = {lab_intercept, lab_exit, lab_fill_nested, lab_window};
    if (!h || !h->intercept || !h->exit || !h->fill || !h->window)
        return vmm_module_remove(vm, module->slot, error);
    return vmm_module_replace_hardware(vm, &shown, (void *)module, error);
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
    if (lab_of_machine(module) || strcmp(module->slot, "lab.exits") == 0)
        return VMM_OK; /* for a machine with several VMs: lab_install_machine; of no machine */
    if (strcmp(module->slot, "dispatcher.hardware") == 0)
        return lab_fill_hardware(vm, module, error);
    if (!module->routine) /* of whichever type it is */
        return vmm_module_remove(vm, module->slot, error);
    if (strcmp(module->slot, "dispatcher.decision") == 0)
        return vmm_module_replace_decision(vm, lab_decide, context, error);
    if (strcmp(module->slot, "dispatcher.delivery") == 0)
        return vmm_module_replace_delivery(vm, lab_deliver, context, error);
    if (strcmp(module->slot, "dispatcher.nested") == 0)
        return vmm_module_replace_nested(vm, module->nest, NULL, error);
    if (strcmp(module->slot, "interpreter.translator") == 0) {
        static struct lab_translator translator;
        return lab_fill_translator(vm, module, false, &translator, error);
    }
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

/* What the module says about the exits to come; nothing, where it is not asked. */
static inline uint64_t lab_prediction(const struct lab_module *module, const uint8_t *guest,
                                      size_t size)
{
    struct lab_workload work;
    if (!lab_read_workload(&work, guest, size))
        return LAB_NO_PREDICTION;
    while (module->slot && strcmp(module->slot, "lab.exits") != 0)
        module++;
    return module->slot && module->predict ? module->predict(&work) : LAB_NO_PREDICTION;
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
