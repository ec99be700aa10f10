/* The seam between the dispatcher and the techniques: how a guest's supervisor code is executed is
 * one small table of functions, in a file of its own. */
#ifndef DISPATCHER_TECHNIQUE_H
#define DISPATCHER_TECHNIQUE_H

#include "arch/x86/walk.h"
#include "dispatcher/dispatcher.h"
#include "vmm/debug.h"

struct interpreter;
struct translator;
struct vmm_translation;

/* What a VM's configuration says to the technique that has hardware to configure. */
struct technique_options {
    struct vmcb_intercepts intercepts;
    bool shadow; /* shadow page tables in place of nested ones */
};

struct technique {
    const char *name;
    /* The guest gets a virtual processor, and memory from the allocator. */
    bool virtualizes;
    /* Pages of guest memory may get their frames one by one: it keeps nowhere where one was. */
    bool on_demand;
    /* The processor virtualizes: there is a VMCB to configure. */
    bool assisted;
    /* Makes dispatcher->own, when the virtual processor and its memory are there. False if there is
     * not memory enough. May be NULL. */
    bool (*create)(struct dispatcher *dispatcher, const struct technique_options *options);
    /* Has the hardware deliver `event` when the guest is entered again. False: it cannot, and the
     * VMM delivers. May be NULL. */
    bool (*inject)(struct dispatcher *dispatcher, const struct x86_event *event);
    uint32_t reserve; /* frames that the VMM may need for it, besides the virtual processor's */
    /* Handles an exit of the processor; dispatcher->halted or ->shutdown is set where the guest
     * stops executing. */
    enum cpu_action (*exit)(struct dispatcher *dispatcher, const struct cpu_exit *exit);
    /* Which instructions it wants to see before they are executed. */
    bool (*wants)(struct dispatcher *dispatcher, const struct cpu_state *state,
                  const struct x86_instruction *insn);
    /* Which of them are never to be executed in the mode of `state`: they are patched to trap. May
     * be NULL: none. */
    bool (*patches)(struct dispatcher *dispatcher, const struct cpu_state *state,
                    const struct x86_instruction *insn);
    /* cpu_client.retires, where the technique makes code itself. May be NULL. */
    unsigned (*retires)(void *dispatcher, uint32_t pc, uint32_t size);
    /* Has the guest interrupts enabled? Could one arrive now, no shadow in the way? */
    bool (*enabled)(const struct dispatcher *dispatcher);
    bool (*interruptible)(const struct dispatcher *dispatcher);
    /* May the guest open its interrupt window, or have it open, without an exit? NULL: always. */
    bool (*window)(const struct dispatcher *dispatcher);
    /* RDTSC that the processor can answer at once, as nothing is changed by it but EAX, EDX and
     * EIP: whether it may. */
    bool (*reads_time)(struct dispatcher *dispatcher, const struct engine_glance *now);
    /* Delivers the external interrupt `vector` to the guest. */
    void (*interrupt)(struct dispatcher *dispatcher, uint8_t vector);
    /* The processor has stopped running the guest: brings dispatcher->guest up to date. May be
     * NULL. */
    void (*stopped)(struct dispatcher *dispatcher);
    /* Runs the guest as cpu_run does, which it stands in for. NULL: the processor runs it. */
    enum cpu_stop (*run)(struct dispatcher *dispatcher, uint64_t deadline);
    /* The table of interpreter routines of this VM; NULL if there is no memory. The member is NULL
     * where no routine is ever asked. */
    struct interpreter *(*interpreter)(struct dispatcher *dispatcher);
    /* After every change of the guest's IF and control, table and task registers, and every access
     * to a port, the dispatcher is asked whether it was watched: it is an exit, or interpreted. */
    bool tells_control;
    /* How many frames of the pool it holds, besides the virtual processor's. NULL: none. */
    uint32_t (*frames)(const struct dispatcher *dispatcher);
    /* Whether the page at `offset` in the VMM's own 4 MB is writable for the guest's kernel,
     * because nothing in it is of use beyond one instruction of the guest's. NULL: none is. */
    bool (*lends)(const struct dispatcher *dispatcher, uint32_t offset);
    /* What of dispatcher->own a snapshot has to keep, because it does not follow from the guest's
     * state: a copy, to be freed with free(), NULL without memory; and puts it back, in a guest
     * whose state and memory are those of then already. NULL: nothing. */
    void *(*keep)(const struct dispatcher *dispatcher);
    void (*put_back)(struct dispatcher *dispatcher, const void *kept);
    /* Frees dispatcher->own. May be NULL. */
    void (*destroy)(struct dispatcher *dispatcher);
    /* dispatcher->guest, or guest memory, was changed from outside, between runs. */
    void (*modified)(struct dispatcher *dispatcher);
    /* Where supervisor code is translated: the statistics, and the translator; NULL elsewhere. */
    bool (*translation)(const struct dispatcher *dispatcher, struct vmm_translation *translation);
    const struct translator *(*translator)(const struct dispatcher *dispatcher);
    /* What lies beneath the guest's page tables: the shadow entries, and the machine address, for
     * walk->linear and walk->guest. NULL where there is nothing. */
    void (*walk)(const struct dispatcher *dispatcher, struct vmm_walk *walk);
};

/* What `walk` went through, as debuggers see it. */
static inline struct vmm_levels technique_levels(const struct x86_walk *walk)
{
    return (struct vmm_levels){
        .count = walk->levels,
        .large = walk->large,
        .pde_address = walk->pde_address,
        .pde = walk->pde,
        .pte_address = walk->pte_address,
        .pte = walk->pte,
        .mapped = walk->end == X86_WALK_MAPPED,
        .physical = walk->physical,
    };
}

extern const struct technique technique_bare, technique_trap, technique_interp, technique_hybrid,
    technique_patch, technique_para, technique_hw, technique_bt;

#endif
