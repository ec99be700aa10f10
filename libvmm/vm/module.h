/* Replaced modules of one VM: what its slots call (module.c), and how an interpreter routine
 * (module_call.c) and a delivery (module_deliver.c) are called. */
#ifndef VMM_VM_MODULE_H
#define VMM_VM_MODULE_H

#include "allocator/nested.h"
#include "dispatcher/modules.h"
#include "dispatcher/vcpu.h"
#include "interpreter/interpreter.h"
#include "interpreter/translate/translate.h"
#include "vmm/assist.h"
#include "vmm/module.h"

struct modules {
    struct module_routine {
        vmm_routine *call;
        void *context;
    } routine[X86_KINDS];
    vmm_decide *decide;
    vmm_deliver *deliver;
    vmm_nest *nest;
    vmm_give_frame *give; /* NULL: the slot is empty */
    const struct frame_map *map;
    vmm_shadow_ask *shadow_ask;
    vmm_shadow_keep *shadow_keep;
    vmm_allow_port *allow;
    struct vmm_translator translator;
    void *decide_context, *deliver_context, *nest_context, *give_context, *shadow_context,
        *allow_context, *translator_context;
    struct shadow_policy shadow_policy;
    struct translator_policy translator_policy;
    struct vmm_hardware hardware;
    void *hardware_context;
    struct assist_policy assist_policy;
    struct nested_policy nested_policy;
    struct dispatcher *dispatcher;
    char why[128]; /* how a routine misbehaved */
};

/* The slot's name, "interpreter.cli"; NULL if no instruction of this kind has one. */
const char *module_routine_name(unsigned kind);

/* Stand in the dispatcher's slots for a delivery and a nesting that were replaced
 * (module_deliver.c). `context` is the struct modules. */
bool module_deliver(void *context, struct cpu_state *cpu, const struct x86_memory *memory,
                    const struct x86_event *event, struct x86_event *fault,
                    enum x86_status *status);
unsigned module_nest(void *context, const struct x86_event *first, const struct x86_event *second);

struct vmm_vm;

/* A VM has been created: what this build leaves out stops it. False: the host has no memory. */
bool module_start(struct vmm_vm *vm);

/* Has the shadow tables of `vcpu` decided about by what is in the slot (module_shadow.c). All are
 * dropped. */
void module_use_shadow(struct modules *modules, struct vcpu *vcpu, enum slot slot);

/* Has translations decided about by what is in the slot (module_translate.c). */
void module_use_translator(struct modules *modules, struct dispatch_modules *slots);

/* Has the frames of `map` given, one by one, by what is in the slot (module_frames.c). */
void module_use_frames(struct modules *modules, struct frame_map *map);

/* Has hardware assist be answered by what is in the slot (module_hardware.c). */
void module_use_hardware(struct modules *modules, struct dispatch_modules *slots);

/* Makes an event of an exception that a module raised. False: there is no such exception. */
bool module_take_exception(const struct vmm_event *wanted, struct x86_event *event);

/* Stands in the interpreter's table for a routine that was replaced. */
routine module_call;

#endif
