/** @file
 * The part of a VMM that hardware assist leaves to write, as a module of one's own: which events
 * stop the guest, what becomes of each, and the nested page table (AMD APM volume 2, chapter 15).
 *
 *     guest --- an event with its intercept bit set ---> #VMEXIT ---> exit() ----+
 *       ^                                                               |        | nested fault
 *       |                                                               |      fill()
 *       +--------------------------- VMRUN <----------------------------+--------+
 *
 * The slot is "dispatcher.hardware", of VMs under `hw` with nested paging. Codes, fields and bits
 * are those of the manual. What a module answers is looked at before it is done; an answer that
 * cannot be stops the guest with "Module dispatcher.hardware misbehaved". */
#ifndef VMM_ASSIST_H
#define VMM_ASSIST_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/error.h"
#include "vmm/module.h"
#include "vmm/vm.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** EXITCODE (APM volume 2, appendix C). Codes below VMM_INTERCEPT_BITS have an intercept bit each.
 */
enum vmm_exit_code {
    VMM_EXIT_CR0_READ = 0x00,  /**< and CRn at 0x00 + n */
    VMM_EXIT_CR0_WRITE = 0x10, /**< and CRn at 0x10 + n */
    VMM_EXIT_CR3_WRITE = 0x13,
    VMM_EXIT_CR4_WRITE = 0x14,
    VMM_EXIT_DR0_READ = 0x20,
    VMM_EXIT_DR0_WRITE = 0x30,
    VMM_EXIT_EXCP0 = 0x40, /**< and exception n at 0x40 + n */
    VMM_EXIT_INTR = 0x60,  /**< an external interrupt: `vector` */
    VMM_EXIT_VINTR = 0x64, /**< one that waited for its window: `vector` */
    VMM_EXIT_CR0_SEL_WRITE = 0x65,
    VMM_EXIT_RDTSC = 0x6e,
    VMM_EXIT_RDPMC = 0x6f,
    VMM_EXIT_PUSHF = 0x70,
    VMM_EXIT_POPF = 0x71,
    VMM_EXIT_CPUID = 0x72,
    VMM_EXIT_RSM = 0x73,
    VMM_EXIT_IRET = 0x74,
    VMM_EXIT_SWINT = 0x75,
    VMM_EXIT_INVD = 0x76,
    VMM_EXIT_HLT = 0x78,
    VMM_EXIT_INVLPG = 0x79,
    VMM_EXIT_IOIO = 0x7b,
    VMM_EXIT_MSR = 0x7c,
    VMM_EXIT_SHUTDOWN = 0x7f,
    VMM_EXIT_VMRUN = 0x80, /**< has to be intercepted: VMRUN refuses the VMCB otherwise */
    VMM_EXIT_VMMCALL = 0x81,
    VMM_EXIT_WBINVD = 0x89,
    VMM_INTERCEPT_BITS = 0xa0,
    VMM_EXIT_NPF = 0x400 /**< a nested page fault: always exits */
};

/** What becomes of an exit. */
enum vmm_exit_end {
    VMM_EXIT_RESUME,  /**< the instruction is done: the guest goes on with `registers`, of which the
                           general ones and EIP may be new */
    VMM_EXIT_EMULATE, /**< an interpreter routine of the library's is to do the instruction */
    VMM_EXIT_IO,      /**< `port` is accessed, and the instruction is done */
    VMM_EXIT_IDLE,    /**< the instruction is done, and the guest waits for an interrupt */
    VMM_EXIT_INJECT,  /**< `event` goes to EVENTINJ */
    VMM_EXIT_FILL,    /**< `fill` is asked: nested page faults */
    VMM_EXIT_STANDARD, /**< the library is to answer */
    VMM_EXIT_MISSING   /**< as if the slot were empty: stop */
};

/** An exit. The last four members are the answer's. Good until the module returns. */
struct vmm_vmexit {
    uint64_t code;  /**< EXITCODE */
    uint64_t info1; /**< EXITINFO1, as the manual has it for this code */
    uint64_t info2; /**< EXITINFO2 */
    uint8_t vector; /**< VMM_EXIT_INTR, VMM_EXIT_VINTR: the interrupt controller's */
    uint8_t length; /**< bytes of the instruction; 0 where none has exited */
    uint8_t bytes[15];
    uint32_t cpuid[4]; /**< VMM_EXIT_CPUID: EAX, EBX, ECX and EDX of the virtual processor */
    struct vmm_registers registers; /**< the guest's, at the instruction */
    struct vmm_port_access port;    /**< VMM_EXIT_IO */
    uint64_t event;                 /**< EVENTINJ: vector (bits 0 to 7), type (8 to 10: 0 external
                                         interrupt, 3 exception, 4 INT n), EV (11), V (31), error
                                         code (32 to 63) */
};

/** A guest-physical address that the nested table does not map, or not so. */
struct vmm_nested_fault {
    uint32_t guest;           /**< guest-physical address */
    uint32_t error_code;      /**< EXITINFO1: P 1 (entries are there, and refuse), W 2, U/S 4 */
    uint32_t directory_entry; /**< the two entries as they are, in the format of 32-bit paging */
    uint32_t table_entry;     /**< 0 where there is no table */
    uint32_t new_table;       /**< machine address of a zeroed frame for a table; VMM_NO_FRAME: the
                                   directory has one for this address */
    uint32_t frame;           /**< machine address of the frame that the allocator has for the page;
                                   VMM_NO_FRAME: the VM has no memory there */
    bool log;                 /**< writes are logged (vmm_log_writes) */
};

/** What becomes of it. */
enum vmm_fill_kind {
    VMM_FILL_MAP,      /**< the two entries are made, and the access is repeated */
    VMM_FILL_NOTHING,  /**< no memory is there: reads give ones, writes are lost */
    VMM_FILL_STANDARD, /**< the library is to answer */
    VMM_FILL_MISSING   /**< as if the slot were empty: stop */
};

/** The answer. */
struct vmm_nested_answer {
    enum vmm_fill_kind kind;
    uint32_t directory_entry, table_entry; /**< VMM_FILL_MAP */
};

/** An interrupt waits that the guest cannot take. */
struct vmm_window {
    uint64_t v_intr; /**< the VMCB's field at 0x60, as it is */
    uint32_t eflags; /**< the guest's */
    bool shadow;     /**< it is in an interrupt shadow */
};

/** V_IRQ and V_INTR_MASKING of that field (section 15.21). */
enum { VMM_V_IRQ = 1 << 8, VMM_V_INTR_MASKING = 1 << 24 };

/** The module: all four are asked, with the context that they were registered with. */
struct vmm_hardware {
    /** Whether the event with exit code `code` is intercepted. Asked for each when the module is
     * put into its slot. Ports that the VM was not given are intercepted whatever it says. */
    bool (*intercept)(void *context, unsigned code);
    /** What becomes of an exit. */
    enum vmm_exit_end (*exit)(void *context, struct vmm_vmexit *exit);
    /** What a nested page fault comes to. */
    struct vmm_nested_answer (*fill)(void *context, const struct vmm_nested_fault *fault);
    /** Returns the field V_INTR: with V_IRQ the guest exits (VMM_EXIT_VINTR) as soon as it can take
     * an interrupt; without, the interrupt waits for whatever exit is next. */
    uint64_t (*window)(void *context, const struct vmm_window *window);
};

/** Puts `hardware`, which is copied, into the slot "dispatcher.hardware". VMM_OK; VMM_E_USAGE: a
 * function is NULL; VMM_E_UNSUPPORTED: the VM is not under `hw`, or has shadow page tables;
 * VMM_E_MEMORY. `error` may be NULL. */
int vmm_module_replace_hardware(struct vmm_vm *vm, const struct vmm_hardware *hardware,
                                void *context, struct vmm_error *error);

/** Before vmm_load: from now on a page of the VM becomes writable in the nested table by the first
 * write to it, and not before; who logs these faults knows which pages are dirty (Clark et al.,
 * NSDI 2005, section 3.1). Returns VMM_OK, VMM_E_UNSUPPORTED, or VMM_E_STATE: the VM has a guest.
 */
int vmm_log_writes(struct vmm_vm *vm, bool log, struct vmm_error *error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
