/** @file
 * The audit of a technique: Popek and Goldberg's three properties of a VMM (CACM 17(7), 1974,
 * section 3) as measurements. *Equivalence*: the guest runs bare and under the technique in
 * lockstep, and the two states are compared; the first instruction after which they differ is
 * found. *Resource control*: invariants of the allocator's tables, checked on the way.
 * *Efficiency*: the share of instructions that the processor executed without the VMM. */
#ifndef VMM_AUDIT_H
#define VMM_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"
#include "vmm/vm.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define VMM_AUDIT_DIFFERENCES 32 /**< differing parts that a divergence has room for */
#define VMM_AUDIT_VIOLATIONS  32 /**< violations that a result keeps */

/** What to audit. Zeros are the defaults. */
struct vmm_audit_request {
    /** The virtual machine; of its console only what `input` says holds, `keep_going` is always
     * set, the clock is virtual, and it has its machine to itself. */
    struct vmm_config config;
    struct vmm_image image; /**< the guest; borrowed until the call returns */
    const uint8_t *input;   /**< what both guests can read from their consoles; NULL: nothing */
    size_t input_size;      /**< bytes of it */
    uint64_t every;         /**< instructions between comparisons; 0: 100,000 */
    bool exits;             /**< compare, and check resource control, at every trap as well */
    uint64_t most;          /**< instructions after which the audit ends; 0: no limit */
    /** Called with each VM of the technique after it was loaded, before it runs: to replace modules
     * (module.h). It must do the same each time. May be NULL. */
    void (*prepare)(void *context, struct vmm_vm *vm);
    /** Called after each comparison with the instructions so far; false ends the audit there. May
     * be NULL. */
    bool (*progress)(void *context, uint64_t instructions);
    void *context; /**< handed to both */
};

/** A part of the state that is one thing on the bare machine and another under the technique. */
struct vmm_audit_difference {
    char name[32]; /**< "esp", "if", "cs.limit", "memory 0x00104ff8", "console", "pic" */
    char bare[80]; /**< its value there, as text: "0x00000202" */
    char vm[80];   /**< and there */
};

/** The first divergence. */
struct vmm_audit_divergence {
    uint64_t instruction;   /**< number of the instruction after which the states differ, from 1; 0:
                                 they differ before the first */
    uint32_t eip;           /**< of that instruction, an offset in CS */
    uint32_t linear;        /**< the same as a linear address */
    uint8_t ring;           /**< the CPL at it */
    bool code16;            /**< it is of a 16-bit code segment */
    uint8_t length;         /**< how many of `bytes` hold; 0: it cannot be read */
    uint8_t bytes[15];      /**< the instruction */
    char text[96];          /**< its text: "popfd"; "" if there is none */
    char symbol[96];        /**< "main+0x7"; "" without symbols */
    const char *class_name; /**< by experiment: "sensitive, unprivileged"; static string */
    char bare_event[64];    /**< the trap in this step on the bare machine, "" for none */
    char vm_event[64];      /**< and under the technique: "mov_to_cr: done" */
    bool silent;            /**< the technique knows it as sensitive, and not trapping */
    const char *property;   /**< what does not hold: "equivalence"; static string */
    char explanation[512];  /**< why, in a few sentences */
    size_t difference_count; /**< how many parts differ, kept or not */
    struct vmm_audit_difference differences[VMM_AUDIT_DIFFERENCES]; /**< the first of them */
};

/** A breach of resource control. */
struct vmm_audit_violation {
    uint64_t instruction; /**< instructions that had retired when it was found */
    char text[160];       /**< which invariant, and where; one sentence without a full stop */
};

/** What an audit came to. */
struct vmm_audit {
    const char *technique; /**< its name; static string */
    uint64_t instructions; /**< of the technique's run: up to the last comparison */
    uint64_t comparisons;  /**< of the two states on the way */
    enum vmm_stop stop;    /**< how the technique's run ended */
    bool equivalent;       /**< no difference was found */
    struct vmm_audit_divergence divergence; /**< unless equivalent */
    uint64_t entries;                       /**< shadow entries that were looked at */
    size_t violation_count;                 /**< violations found, kept or not */
    struct vmm_audit_violation violations[VMM_AUDIT_VIOLATIONS]; /**< the first of them */
    uint64_t rerun;    /**< instructions that each machine ran again to find the divergence */
    uint64_t snapshot; /**< where it began each time: the instruction at which the last snapshots of
                            both, equal, were taken; 0: power-on, as there are none (too early, or
                            `prepare` is set, as a module may have a state of its own) */
    double direct; /**< share of the instructions that the processor executed by itself, 0 to 1 */
};

/** Audits. Returns VMM_OK, whatever it found, with `*audit` filled in; or another code, with
 * `error` set: those of vmm_create and vmm_load; VMM_E_USAGE for the technique "bare" and for a
 * configuration that asks for a host clock or for other VMs. */
int vmm_audit(const struct vmm_audit_request *request, struct vmm_audit *audit,
              struct vmm_error *error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
