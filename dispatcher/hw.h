/* Hardware-assisted virtualization: the guest runs in the processor's guest mode, its kernel in
 * ring 0, on its own descriptor tables; what the VMM wants to see of it, it says in a VMCB
 * (machine/ vmcb.h). This is what a VM has for that, and the two halves of a world switch. */
#ifndef DISPATCHER_HW_H
#define DISPATCHER_HW_H

#include "allocator/nested.h"
#include "dispatcher.h"
#include "machine/vmcb.h"
#include "technique.h"

struct hw {
    struct vmcb *vmcb;     /* in a frame of the VMM's, as the bitmaps behind it */
    uint8_t *iopm, *msrpm; /* one bit a port; two bits an MSR: reads, writes */
    uint32_t frames;       /* machine address of the VMCB */
    struct frames *pool;
    struct vmcb_intercepts chosen; /* by who made the VM */
    struct nested *nested;         /* NULL: shadow page tables */
    bool all_ports;                /* every bit of it is set */
    bool changed;                  /* the VMCB is to be checked, and its save area loaded */
    bool injecting;                /* EVENTINJ: */
    struct x86_event event;
};

/* Frames of the pool that a VM needs, besides page tables. */
#define HW_FRAMES (1 + VMCB_IOPM_FRAMES + VMCB_MSRPM_FRAMES)

bool hw_create(struct dispatcher *dispatcher, const struct technique_options *options);
void hw_destroy(struct dispatcher *dispatcher);

/* How many frames of the pool a VM has for it now. */
uint32_t hw_frames(const struct dispatcher *dispatcher);

/* The VMCB of a VM, with the guest's state of now in it, to be looked at; NULL for other
 * techniques.
 */
struct vmcb *hw_look(const struct dispatcher *dispatcher);

/* Somebody has changed the VMCB or a bitmap, between runs: the guest's state is taken from it, and
 * it is checked as VMRUN does. */
void hw_changed(struct dispatcher *dispatcher);

/* Has another set of events exit from now on, NULL: those that the VM was made with; what the VM
 * must not do by itself always does. To be called between runs. */
void hw_intercept(struct dispatcher *dispatcher, const struct vmcb_intercepts *intercepts);

/* Whether nested tables are filled so that the first write to each page exits. */
void hw_log_writes(struct dispatcher *dispatcher, bool log);

/* The event that `exit` is in SVM's terms, VMCB_EXIT_NONE for none. */
unsigned hw_exit_code(const struct cpu_exit *exit);

/* Whether the configured VMCB has it come to the VMM. */
bool hw_intercepts(const struct dispatcher *dispatcher, const struct cpu_exit *exit, unsigned code);

/* The code that EXITCODE gets for an intercepted one: CR0 has two intercepts for writes. */
unsigned hw_reported(const struct dispatcher *dispatcher, unsigned code);

/* Whether `insn` exits whenever it is executed in the mode of `state`, whatever its operands. */
bool hw_always_intercepts(const struct dispatcher *dispatcher, const struct cpu_state *state,
                          const struct x86_instruction *insn);

/* A nested page fault, by the guest's state of now (hw_walk.c). */
struct hw_fault {
    bool table;            /* the processor wanted an entry of a guest's page table */
    unsigned guest_levels; /* that the walk goes through: 0 (paging off), 1 or 2 */
    unsigned references;   /* entries that such a walk reads in both dimensions */
};
struct hw_fault hw_fault(const struct dispatcher *dispatcher, const struct cpu_exit *exit);

/* EXITINFO1 and EXITINFO2 for it (APM volume 2, section 15.10.2 and others). `fault` is of a nested
 * page fault; others need none. */
void hw_exit_info(const struct dispatcher *dispatcher, const struct cpu_exit *exit, unsigned code,
                  const struct hw_fault *fault, uint64_t *info1, uint64_t *info2);

#endif
