/* What a student's file gives to the virtual machine: which of its functions goes into which slot
 * of the VMM. The functions' interface is <vmm/module.h>. */
#ifndef LAB_H
#define LAB_H

#include <vmm/vmm.h>

enum { LAB_VMS = 4, LAB_GRANTS = 12 };

/* What somebody was promised: ports from `first` on, in the order in which it was. */
struct lab_grant {
    uint16_t vm, first;
    uint32_t count;
};

/* A machine that several VMs share: who was promised what (lab 5). */
struct lab_plan {
    uint32_t vms;
    uint32_t limit;             /* frames that the VMs may have together */
    uint32_t promised[LAB_VMS]; /* to each of them, of these */
    uint32_t grant_count;
    struct lab_grant grants[LAB_GRANTS];
};

/* Which frame a page of a VM gets. */
typedef uint32_t lab_give(const struct lab_plan *plan, const struct vmm_frame_request *request);

/* Whether VM number `vm` may make this access. */
typedef bool lab_allow(const struct lab_plan *plan, unsigned vm,
                       const struct vmm_port_access *access);

/* What a guest is going to do, as often as it says (lab 9). It has no interrupts and no exceptions,
 * and IN and OUT to ports that are its own. */
struct lab_workload {
    uint32_t cpuid, rdmsr, out, cr3, invlpg, rdtsc;
    uint32_t pages;      /* of memory that it touches, its own code and tables among them */
    uint32_t void_pages; /* without memory, that it touches */
    uint32_t tables;     /* of the nested kind, with the directory, that these need */
};

/* How many exits that takes. */
typedef uint64_t lab_predict(const struct lab_workload *work);

/* One slot, and the function for it, of the type that the slot has. */
struct lab_module {
    const char *slot; /* "interpreter.cli"; NULL behind the last */
    union {
        vmm_routine *routine;                    /* interpreter. and an instruction */
        vmm_decide *decide;                      /* dispatcher.decision */
        vmm_deliver *deliver;                    /* dispatcher.delivery */
        vmm_nest *nest;                          /* dispatcher.nested */
        vmm_shadow_ask *ask;                     /* allocator.shadow, with `keep` */
        lab_give *give;                          /* allocator.frames */
        vmm_allow_port *allow_port;              /* allocator.ports */
        lab_allow *allow;                        /* allocator.ports of several VMs */
        const struct vmm_translator *translator; /* interpreter.translator */
        const struct vmm_hardware *hardware;     /* dispatcher.hardware */
        lab_predict *predict;                    /* lab.exits, which is no slot of the VMM */
    };
    vmm_shadow_keep *keep;
};

extern const struct lab_module lab_modules[];

#endif
