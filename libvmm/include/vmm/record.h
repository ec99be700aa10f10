/** @file
 * Records: one for each trap, saying what trapped, who handled it and what became of it. The VM
 * keeps the last ones; a sink may take all of them as they come. */
#ifndef VMM_RECORD_H
#define VMM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct vmm_vm;

#define VMM_RECORD_CHANGES 6  /**< changes that a record has room for */
#define VMM_RECORD_STEPS   3  /**< rooms that a trap passes through after the dispatcher, at most */
#define VMM_RECORDS_KEPT   64 /**< records that a VM keeps */

/** A part of the guest's state before and after a trap. */
struct vmm_change {
    const char *what; /**< "cr3", "if", "eax"; static string */
    uint32_t before;  /**< its value at the trap */
    uint32_t after;   /**< its value when the guest runs on */
};

/** One trap. */
struct vmm_record {
    uint64_t sequence;     /**< 1 for the first of this VM */
    uint64_t time;         /**< virtual time at the trap, cycles of 100 MHz */
    uint64_t instructions; /**< guest instructions retired before it */
    uint64_t host_ns;      /**< spent on it in the VMM, nanoseconds */
    unsigned vm;           /**< number of the VM on its machine, from 0 */
    const char *cause;     /**< what trapped: "mov_to_cr", "hidden_fault", "exception", "in" ...;
                              one of the causes that statistics count; static string */
    const char *routine;   /**< who handled it: an interpreter routine, an allocator policy or
                              "hardware"; static string */
    const char *outcome;   /**< what it came to: "done", "inject", "filled", ...; static string */
    char walk[8];          /**< rooms passed through: "DI", "DA", "DIDA"; "" for the bare machine */
    uint32_t eip;          /**< of the guest's instruction, an offset in its CS */
    uint32_t linear;       /**< the same as a linear address */
    uint16_t cs;           /**< the guest's selector */
    uint8_t ring;          /**< the guest's CPL, 0 to 3 */
    uint8_t length;        /**< how many of `bytes` could be read */
    uint8_t bytes[15];     /**< the instruction */
    bool code16;           /**< it is of a 16-bit code segment */
    bool has_vector;       /**< `vector` holds: an exception or interrupt was raised */
    uint8_t vector;        /**< exception or interrupt number, as raised by the processor */
    bool has_error_code;   /**< `error_code` holds */
    uint32_t error_code;   /**< as the processor raised it */
    bool has_address;      /**< `address` holds */
    uint32_t address;      /**< page fault, INVLPG: a linear address; port access: the port;
                              nested page fault: a guest-physical address */
    bool injected;         /**< the guest got an event: `injected_vector` */
    uint8_t injected_vector; /**< exception or interrupt number that the guest's handler sees */
    const char *exit;        /**< under hw: AMD's name of the #VMEXIT, "VMEXIT_CPUID"; NULL: none */
    const char *exit_intel;  /**< what Intel's VT-x calls it */
    uint64_t exit_code;      /**< EXITCODE, if there is an `exit` */
    uint64_t exit_info1;     /**< EXITINFO1 */
    uint64_t exit_info2;     /**< EXITINFO2 */
    unsigned change_count;   /**< how many of `changes` hold */
    struct vmm_change changes[VMM_RECORD_CHANGES]; /**< filled while records are watched */
};

/** How often something trapped, and what it cost. */
struct vmm_cause_count {
    const char *cause; /**< as in vmm_record; static string */
    uint64_t count;    /**< traps so far */
    uint64_t ns_total; /**< host nanoseconds spent on them */
};

/** A place where the guest executed a sensitive instruction that did not trap, with another result
 * than on the bare machine. */
struct vmm_silent {
    const char *mnemonic; /**< the manual's name in lower case; static string */
    uint32_t linear;      /**< the instruction's linear address */
    uint8_t ring;         /**< the guest's CPL */
    uint64_t count;       /**< how often */
};

/** Calls `sink` with every record from now on; NULL: with none. The record is valid in the call
 * only. Sinks must not run or change the VM. */
void vmm_watch(struct vmm_vm *vm, void (*sink)(void *context, const struct vmm_record *record),
               void *context);

/** Copies the record that is `back` traps old (0: the last one). False if it is not kept. */
bool vmm_last_record(const struct vmm_vm *vm, unsigned back, struct vmm_record *record);

/** What Intel's VT-x has in its exit qualification for the exit that EXITINFO1 describes (SDM
 * volume 3, section 28.2.1): of a nested page fault (an EPT violation), a port access or an access
 * to a control register. False for other records; then it is 0 or means something else. */
bool vmm_exit_qualification(const struct vmm_record *record, uint64_t *qualification);

/** Describes EXITINFO1 bit by bit, in a line without an end; "" where it has no bits. Returns its
 * length. */
size_t vmm_exit_bits(const struct vmm_record *record, char *text, size_t room);

/** Copies the `i`th cause that has occurred, in a fixed order; false beyond the last. */
bool vmm_cause(const struct vmm_vm *vm, size_t i, struct vmm_cause_count *cause);

/** Copies the `i`th such place, in the order in which they were met; false beyond the last that was
 * kept (64). More than one only if the VM was created with keep_going. */
bool vmm_silent(const struct vmm_vm *vm, size_t i, struct vmm_silent *silent);

/** How often that happened, at places that were not kept too. */
uint64_t vmm_silent_total(const struct vmm_vm *vm);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
