/* What the technique `para` has of its own: the guest's kernel runs at ring 1 and knows it. The
 * virtual processor is that of vcpu.h still, with two differences: its page tables, once it has
 * some, are the guest's own (allocator/direct_paging.h), and what would be its IDT and TSS the
 * guest has told the VMM by hypercalls (vmm/hypercall.h). */
#ifndef DISPATCHER_PARA_H
#define DISPATCHER_PARA_H

#include "allocator/direct_paging.h"
#include "dispatcher.h"
#include "vcpu.h"
#include "vmm/hypercall.h"

#define PARA_VECTORS     256u
#define PARA_GDT_ENTRIES 512u /* that a guest may name */

struct para {
    struct vcpu *vcpu;
    struct direct_paging paging;
    struct vmm_hc_shared *shared; /* in guest memory; NULL before VMM_HC_ATTACH */
    uint32_t shared_frame;        /* the machine's number of its frame */
    struct para_trap {
        uint32_t handler; /* 0: none */
        uint8_t ring;
        bool mask;
    } trap[PARA_VECTORS];
    uint16_t code, stack; /* selectors of the guest's kernel */
    uint32_t *tables;     /* machine addresses of the frames of P2M and M2P */
    uint32_t table_count;
};

/* Whether the guest lives on page tables of its own already. */
static inline bool para_paged(const struct para *para)
{
    return para->paging.root != FRAMES_NONE;
}

/* Whether events may interrupt the guest. */
static inline bool para_events_on(const struct para *para)
{
    return para->shared && para->shared->events_on;
}

/* The shared page, which the VMM is about to write to. */
static inline struct vmm_hc_shared *para_write_shared(const struct dispatcher *dispatcher,
                                                      struct para *para)
{
    cpu_written(dispatcher->cpu, para->shared_frame);
    return para->shared;
}

/* Performs the hypercall that the guest, its EIP behind it, has made. */
enum cpu_action hypercall(struct dispatcher *dispatcher, struct para *para);

/* The guest's kernel as a descriptor of the copied table says; false if that is none that the
 * guest's kernel (ring 0) or its user code (ring 3) can run on. */
bool para_code_segment(const struct vcpu *vcpu, uint16_t selector, unsigned ring,
                       struct x86_segment *segment);
bool para_stack_segment(const struct vcpu *vcpu, uint16_t selector, unsigned ring,
                        struct x86_segment *segment);

#endif
