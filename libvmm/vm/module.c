/* The slots of the VMM's modules: finding them by name, filling and emptying them on one VM. What
 * is in a slot, the rooms know (dispatcher/modules.h, interpreter/interpreter.h). */
#include "module.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatcher/hw.h"
#include "dispatcher/technique.h"
#include "vm.h"
#include "vm/error.h"

enum { FIRST = INTERPRETER_FIRST, END = INTERPRETER_END, NAME = 40 };

/* ---- policies: slots that are no interpreter routine ---- */

enum policy { DECISION, DELIVERY, NESTED, FRAMES, SHADOW, PORTS, TRANSLATOR, HARDWARE, POLICIES };

static const struct {
    const char *name;
    size_t slot;         /* in struct dispatch_modules */
    bool of_interpreter; /* wherever there are routines; else where the processor is virtual */
} policies[POLICIES] = {
    [DECISION] = {"dispatcher.decision", offsetof(struct dispatch_modules, decision), false},
    [DELIVERY] = {"dispatcher.delivery", offsetof(struct dispatch_modules, delivery), true},
    [NESTED] = {"dispatcher.nested", offsetof(struct dispatch_modules, nested), true},
    [FRAMES] = {"allocator.frames", offsetof(struct dispatch_modules, frames), false},
    [SHADOW] = {"allocator.shadow", offsetof(struct dispatch_modules, shadow), false},
    [PORTS] = {"allocator.ports", offsetof(struct dispatch_modules, ports), true},
    [TRANSLATOR] = {"interpreter.translator", offsetof(struct dispatch_modules, translator), false},
    [HARDWARE] = {"dispatcher.hardware", offsetof(struct dispatch_modules, hardware), false},
};

static unsigned policy_named(const char *name)
{
    unsigned policy = 0;
    while (policy < POLICIES && strcmp(policies[policy].name, name) != 0)
        policy++;
    return policy;
}

/* ---- names ---- */

static char names[END][NAME];
static pthread_once_t named = PTHREAD_ONCE_INIT;

static void make_names(void)
{
    for (unsigned kind = FIRST; kind < END; kind++)
        snprintf(names[kind], NAME, "interpreter.%s", record_cause_name(TRAP_INSTRUCTION + kind));
}

const char *module_routine_name(unsigned kind)
{
    pthread_once(&named, make_names);
    return kind >= FIRST && kind < END ? names[kind] : 0;
}

const char *vmm_module(size_t i)
{
    if (i < POLICIES)
        return policies[i].name;
    return i - POLICIES < END - FIRST ? module_routine_name((unsigned)(i - POLICIES) + FIRST) : 0;
}

/* The kind whose routine `name` is; END if there is none. */
static unsigned find_routine(const char *name)
{
    unsigned kind = FIRST;
    while (kind < END && strcmp(module_routine_name(kind), name) != 0)
        kind++;
    return kind;
}

/* ---- slots of a VM ---- */

static struct interpreter *table(struct vmm_vm *vm)
{
    struct dispatcher *d = &vm->dispatcher;
    return d->technique->interpreter ? d->technique->interpreter(d) : 0;
}

static enum slot *policy_slot(struct dispatch_modules *modules, unsigned policy)
{
    return (enum slot *)(void *)((char *)modules + policies[policy].slot);
}

/* Where the state of a policy's slot is; NULL if `name` is no policy of this VM. */
static enum slot *find_policy(struct vmm_vm *vm, const char *name)
{
    struct dispatcher *d = &vm->dispatcher;
    unsigned policy = policy_named(name);
    if (policy == POLICIES || !(policies[policy].of_interpreter ? d->technique->interpreter != NULL
                                                                : d->technique->virtualizes))
        return 0;
    if (policy == SHADOW && !(vm->vcpu && vm->vcpu->shadow))
        return 0; /* nested tables */
    if (policy == FRAMES && !d->technique->on_demand)
        return 0;
    if (policy == TRANSLATOR && !d->technique->translator)
        return 0;
    if (policy == HARDWARE && !(d->technique->assisted && vm->vcpu && !vm->vcpu->shadow))
        return 0;
    return policy_slot(&d->modules, policy);
}

static int unknown(const char *name, struct vmm_error *error)
{
    if (policy_named(name) != POLICIES || find_routine(name) != END)
        return error_set(error, VMM_E_UNSUPPORTED,
                         "This virtual machine's technique never comes to the module '%s'; use "
                         "one that has it, such as trap.",
                         name);
    return error_set(error, VMM_E_USAGE,
                     "There is no module '%.60s'; vmm_module lists them, such as interpreter.cli.",
                     name);
}

static struct modules *modules_of(struct vmm_vm *vm)
{
    if (!vm->modules) {
        vm->modules = calloc(1, sizeof *vm->modules);
        vm->dispatcher.modules.routines = vm->dispatcher.modules.context = vm->modules;
    }
    if (vm->modules)
        vm->modules->dispatcher = &vm->dispatcher;
    return vm->modules;
}

static int no_memory(struct vmm_error *error)
{
    return error_set(error, VMM_E_MEMORY, "The host has no memory for another module.");
}

static int no_function(struct vmm_error *error)
{
    return error_set(error, VMM_E_USAGE,
                     "A module must be a function; to take one away use vmm_module_remove.");
}

/* ---- policies ---- */

static unsigned decide(void *context, const struct x86_event *event,
                       const struct x86_instruction *insn, bool monitor, enum decision standard)
{
    static const enum vmm_decision shown[] = {[DECIDE_REFLECT] = VMM_DECIDE_REFLECT,
                                              [DECIDE_EMULATE] = VMM_DECIDE_EMULATE,
                                              [DECIDE_ALLOCATE] = VMM_DECIDE_ALLOCATE};
    const struct modules *modules = context;
    const struct cpu_state *guest = modules->dispatcher->guest;
    const struct vmm_trap trap = {
        .vector = event->vector,
        .error_code = event->has_error_code ? event->error_code : 0,
        .address = event->vector == X86_PAGE ? event->cr2 : 0,
        .monitor = monitor,
        .eip = guest->eip,
        .ring = guest->cpl,
        .instruction = insn && module_routine_name(insn->kind)
                           ? record_cause_name(TRAP_INSTRUCTION + insn->kind)
                           : 0,
        .standard = shown[standard],
    };
    switch ((unsigned)modules->decide(modules->decide_context, &trap)) {
    case VMM_DECIDE_REFLECT: return DECIDE_REFLECT;
    case VMM_DECIDE_EMULATE: return DECIDE_EMULATE;
    case VMM_DECIDE_ALLOCATE: return DECIDE_ALLOCATE;
    default: return DECISIONS;
    }
}

static bool allow(void *context, const struct port_access *access)
{
    const struct modules *modules = context;
    const struct vmm_port_access shown = {
        .port = access->port, .size = access->size, .in = access->in, .value = access->value};
    return modules->allow(modules->allow_context, &shown);
}

/* The VM's modules, ready to have one put into the slot of `policy`; NULL with *code set. */
static struct modules *fill(struct vmm_vm *vm, enum policy policy, bool function,
                            struct vmm_error *error, int *code)
{
    enum slot *slot = find_policy(vm, policies[policy].name);
    struct modules *modules = 0;
    error_clear(error);
    *code = VMM_OK;
    if (!function)
        *code = no_function(error);
    else if (!slot)
        *code = unknown(policies[policy].name, error);
    else if (!(modules = modules_of(vm)))
        *code = no_memory(error);
    else
        *slot = SLOT_REPLACED;
    return modules;
}

int vmm_module_replace_decision(struct vmm_vm *vm, vmm_decide *function, void *context,
                                struct vmm_error *error)
{
    int code;
    struct modules *modules = fill(vm, DECISION, function, error, &code);
    if (modules) {
        modules->decide = function;
        modules->decide_context = context;
        vm->dispatcher.modules.decide = decide;
    }
    return code;
}

int vmm_module_replace_delivery(struct vmm_vm *vm, vmm_deliver *function, void *context,
                                struct vmm_error *error)
{
    int code;
    struct modules *modules = fill(vm, DELIVERY, function, error, &code);
    if (modules) {
        modules->deliver = function;
        modules->deliver_context = context;
        vm->dispatcher.modules.deliver = module_deliver;
    }
    return code;
}

int vmm_module_replace_nested(struct vmm_vm *vm, vmm_nest *function, void *context,
                              struct vmm_error *error)
{
    int code;
    struct modules *modules = fill(vm, NESTED, function, error, &code);
    if (modules) {
        modules->nest = function;
        modules->nest_context = context;
        vm->dispatcher.modules.nest = module_nest;
    }
    return code;
}

/* Shadow tables stand for what the slot's module once decided: with another they are made anew. */
static void use_shadow(struct vmm_vm *vm)
{
    module_use_shadow(vm->modules, vm->vcpu, vm->dispatcher.modules.shadow);
    if (!vm->loaded)
        return;
    machine_turn(vm->machine, vm);
    vm->dispatcher.technique->modified(&vm->dispatcher);
}

/* So do translations. */
static void use_translator(struct vmm_vm *vm)
{
    module_use_translator(vm->modules, &vm->dispatcher.modules);
    if (!vm->loaded)
        return;
    machine_turn(vm->machine, vm);
    vm->dispatcher.technique->modified(&vm->dispatcher);
}

/* The hardware is configured anew, and the nested table, which stands for what the module once
 * answered, is kept: there is nothing in it that is not the VM's. */
static void use_hardware(struct vmm_vm *vm)
{
    module_use_hardware(vm->modules, &vm->dispatcher.modules);
}

int vmm_module_replace_hardware(struct vmm_vm *vm, const struct vmm_hardware *hardware,
                                void *context, struct vmm_error *error)
{
    const struct vmm_hardware *h = hardware;
    int code;
    struct modules *modules =
        fill(vm, HARDWARE, h && h->intercept && h->exit && h->fill && h->window, error, &code);
    if (modules) {
        modules->hardware = *hardware;
        modules->hardware_context = context;
        use_hardware(vm);
    }
    return code;
}

int vmm_log_writes(struct vmm_vm *vm, bool log, struct vmm_error *error)
{
    error_clear(error);
    if (!find_policy(vm, policies[HARDWARE].name))
        return error_set(error, VMM_E_UNSUPPORTED,
                         "Only a virtual machine under hw with nested paging can log writes.");
    if (vm->loaded)
        return error_set(error, VMM_E_STATE,
                         "This virtual machine has a guest; call vmm_log_writes before vmm_load.");
    hw_log_writes(&vm->dispatcher, log);
    return VMM_OK;
}

bool module_start(struct vmm_vm *vm)
{
    const struct dispatcher *d = &vm->dispatcher;
    bool shadow = d->modules.shadow != SLOT_STANDARD && vm->vcpu->shadow;
    bool translator = d->modules.translator != SLOT_STANDARD && d->technique->translator;
    if ((shadow || translator) && !modules_of(vm))
        return false;
    if (shadow)
        use_shadow(vm);
    if (translator)
        use_translator(vm);
    return true;
}

/* Frames that a guest has are its own: they are given before it is there, or as it needs them. */
static int use_frames(struct vmm_vm *vm, vmm_give_frame *give, void *context,
                      struct vmm_error *error)
{
    if (vm->loaded)
        return error_set(error, VMM_E_STATE,
                         "This virtual machine has a guest, and its frames; fill or empty the slot "
                         "before vmm_load.");
    vm->modules->give = give;
    vm->modules->give_context = context;
    module_use_frames(vm->modules, &vm->map);
    return VMM_OK;
}

int vmm_module_replace_frames(struct vmm_vm *vm, vmm_give_frame *function, void *context,
                              struct vmm_error *error)
{
    const enum slot before = vm->dispatcher.modules.frames;
    int code;
    if (!fill(vm, FRAMES, function, error, &code))
        return code;
    code = use_frames(vm, function, context, error);
    if (code != VMM_OK)
        vm->dispatcher.modules.frames = before;
    return code;
}

int vmm_module_replace_shadow(struct vmm_vm *vm, vmm_shadow_ask *function, vmm_shadow_keep *keep,
                              void *context, struct vmm_error *error)
{
    int code;
    struct modules *modules = fill(vm, SHADOW, function, error, &code);
    if (modules) {
        modules->shadow_ask = function;
        modules->shadow_keep = keep;
        modules->shadow_context = context;
        use_shadow(vm);
    }
    return code;
}

int vmm_module_replace_translator(struct vmm_vm *vm, const struct vmm_translator *translator,
                                  void *context, struct vmm_error *error)
{
    int code;
    struct modules *modules =
        fill(vm, TRANSLATOR, translator && translator->translate, error, &code);
    if (modules) {
        modules->translator = *translator;
        modules->translator_context = context;
        use_translator(vm);
    }
    return code;
}

int vmm_module_replace_ports(struct vmm_vm *vm, vmm_allow_port *function, void *context,
                             struct vmm_error *error)
{
    int code;
    struct modules *modules = fill(vm, PORTS, function, error, &code);
    if (modules) {
        modules->allow = function;
        modules->allow_context = context;
        vm->dispatcher.modules.allow = allow;
    }
    return code;
}

static int set_policy(struct vmm_vm *vm, enum slot *slot, enum slot value, struct vmm_error *error)
{
    if (!modules_of(vm))
        return no_memory(error);
    if (slot == &vm->dispatcher.modules.frames && *slot != value) {
        /* What gave all frames at once cannot give them again. */
        int code = value == SLOT_EMPTY ? use_frames(vm, NULL, NULL, error)
                                       : error_set(error, VMM_E_UNSUPPORTED,
                                                   "The library gives frames when a virtual "
                                                   "machine is created; create another one.");
        if (code != VMM_OK)
            return code;
    }
    *slot = value;
    if (slot == &vm->dispatcher.modules.shadow)
        use_shadow(vm);
    if (slot == &vm->dispatcher.modules.translator)
        use_translator(vm);
    if (slot == &vm->dispatcher.modules.hardware)
        use_hardware(vm);
    return VMM_OK;
}

/* ---- routines, and all of them ---- */

int vmm_module_replace(struct vmm_vm *vm, const char *name, vmm_routine *function, void *context,
                       struct vmm_error *error)
{
    struct interpreter *interpreter = table(vm);
    unsigned kind = find_routine(name);
    error_clear(error);
    if (!function)
        return no_function(error);
    if (find_policy(vm, name))
        return error_set(error, VMM_E_USAGE,
                         "'%s' is no interpreter routine; it has a function of its own, "
                         "vmm_module_replace_%s.",
                         name, strchr(name, '.') + 1);
    if (!interpreter || kind == END)
        return unknown(name, error);
    struct modules *modules = modules_of(vm);
    if (!modules)
        return no_memory(error);
    modules->routine[kind] = (struct module_routine){function, context};
    interpreter->routines[kind] = module_call;
    return VMM_OK;
}

int vmm_module_remove(struct vmm_vm *vm, const char *name, struct vmm_error *error)
{
    struct interpreter *interpreter = table(vm);
    enum slot *policy = find_policy(vm, name);
    unsigned kind = find_routine(name);
    error_clear(error);
    if (policy)
        return set_policy(vm, policy, SLOT_EMPTY, error);
    if (!interpreter || kind == END)
        return unknown(name, error);
    interpreter->routines[kind] = 0;
    return VMM_OK;
}

int vmm_module_restore(struct vmm_vm *vm, const char *name, struct vmm_error *error)
{
    struct interpreter *interpreter = table(vm);
    enum slot *policy = find_policy(vm, name);
    unsigned kind = find_routine(name);
    error_clear(error);
    if (!policy && (!interpreter || kind == END))
        return unknown(name, error);
    bool there;
    if (policy) {
        struct dispatch_modules standard;
        modules_init(&standard);
        enum slot own = *policy_slot(&standard, policy_named(name));
        int code = set_policy(vm, policy, own, error);
        if (code != VMM_OK)
            return code;
        there = own == SLOT_STANDARD;
    } else {
        interpreter->routines[kind] = interpreter_standard.routines[kind];
        there = interpreter->routines[kind];
    }
    if (!there)
        return error_set(error, VMM_E_UNSUPPORTED, "This build of the library leaves '%s' out.",
                         name);
    return VMM_OK;
}

enum vmm_module_state vmm_module_state(struct vmm_vm *vm, const char *name)
{
    static const enum vmm_module_state states[] = {[SLOT_STANDARD] = VMM_MODULE_STANDARD,
                                                   [SLOT_REPLACED] = VMM_MODULE_REPLACED,
                                                   [SLOT_EMPTY] = VMM_MODULE_MISSING};
    const struct interpreter *interpreter = table(vm);
    const enum slot *policy = find_policy(vm, name);
    unsigned kind = find_routine(name);
    if (policy)
        return states[*policy];
    if (!interpreter || kind == END)
        return VMM_MODULE_UNKNOWN;
    if (!interpreter->routines[kind])
        return VMM_MODULE_MISSING;
    return interpreter->routines[kind] == module_call ? VMM_MODULE_REPLACED : VMM_MODULE_STANDARD;
}
