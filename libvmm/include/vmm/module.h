/** @file
 * Modules of the VMM, and how a program puts its own in their place on one virtual machine.
 *
 * Popek and Goldberg's control program (CACM 17(7), 1974, section 3) is a dispatcher, an allocator
 * and one interpreter routine for each privileged instruction. Here each is a slot with a name:
 *
 *     dispatcher.decision   whose an exception is: the guest's, interpreter's or allocator's
 *     dispatcher.delivery   how an exception or interrupt enters its handler
 *     dispatcher.nested     what an exception during a delivery comes to
 *     dispatcher.hardware   intercepts, exits and nested page tables under hw: see assist.h
 *     allocator.frames      which frame of the machine a page of the guest's memory gets
 *     allocator.shadow      what a page fault is, and what a shadow page-table entry allows
 *     allocator.ports       which ports the guest may use
 *     interpreter.translator  what code becomes under bt, and how its units are linked
 *     interpreter.cli       what CLI does; interpreter.mov_to_cr, interpreter.in_dx, ...
 *
 * A slot holds the library's own module, one of yours, or nothing: then the first trap that comes
 * to it stops the VM with VMM_STOP_FAILURE and a sentence that begins with "Module missing". So
 * does a module of yours that comes to nonsense, with "Module NAME misbehaved". A module that never
 * returns, or that writes outside its own memory, is beyond anybody's help; it is called in the
 * thread that runs the VM, and must not run, load, change or destroy a VM of the same machine. */
#ifndef VMM_MODULE_H
#define VMM_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"
#include "vmm/vm.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** What a routine came to: what the dispatcher is to do next. The instruction retires with those
 * marked so; the guest's registers are then what the call's `registers` hold, and EIP is behind the
 * instruction unless the routine changed it. With all others the registers stay as they were. */
enum vmm_outcome_kind {
    VMM_OUTCOME_DONE,          /**< nothing more: the instruction retires */
    VMM_OUTCOME_INJECT,        /**< deliver the exception `vector`, EIP at the instruction */
    VMM_OUTCOME_INTERRUPT,     /**< deliver `vector` as INT n does: the gate decides if it may */
    VMM_OUTCOME_ADDRESS_SPACE, /**< retires; CR3, or what CR0 and CR4 say about paging, is new */
    VMM_OUTCOME_TABLES,        /**< retires; GDT, LDT or task register is new */
    VMM_OUTCOME_INVALIDATE,    /**< retires; the translation of linear `address` is stale */
    VMM_OUTCOME_IDLE,          /**< retires; the guest waits for an interrupt */
    VMM_OUTCOME_PORT,          /**< perform `port`; what comes in goes to AL, AX, EAX, with INS to
                                    memory, and then the instruction retires */
    VMM_OUTCOME_STANDARD,      /**< the library's own routine is to do it */
    VMM_OUTCOME_MISSING        /**< as if the slot were empty: stop */
};

/** An access to I/O ports that a routine asks for. */
struct vmm_port_access {
    uint16_t port;  /**< the first one */
    uint8_t size;   /**< bytes: 1, 2 or 4 */
    bool in;        /**< from the device to the guest */
    uint32_t value; /**< what goes out */
};

/** The result of a routine. Zeros are VMM_OUTCOME_DONE. */
struct vmm_outcome {
    enum vmm_outcome_kind kind;  /**< what to do */
    uint8_t vector;              /**< INJECT: an exception (0 to 19); INTERRUPT: any */
    uint32_t error_code;         /**< INJECT: of the exceptions that have one */
    uint32_t address;            /**< linear: INVALIDATE; INJECT of a page fault, for CR2 */
    struct vmm_port_access port; /**< PORT */
    bool shadow;                 /**< DONE: no interrupt before the next instruction (STI) */
};

/** The instruction that trapped, decoded. */
struct vmm_instruction {
    uint8_t bytes[15];    /**< as fetched */
    uint8_t length;       /**< bytes, prefixes included */
    uint8_t operand_size; /**< 2 or 4 bytes */
    uint8_t address_size; /**< 2 or 4 bytes */
    uint8_t width;        /**< port accesses: 1, 2 or 4 bytes; else 0 */
    bool modrm;           /**< there is a ModR/M byte: `reg` and `rm` hold */
    uint8_t reg;          /**< its reg field: a register, control register or opcode extension */
    uint8_t rm;           /**< its r/m field: a general register, unless `memory` */
    bool memory;          /**< the operand is in memory, at linear address `address` */
    uint32_t address;     /**< linear; the limit of its segment is not checked */
    uint32_t immediate;   /**< sign-extended where the instruction does so; 0 without one */
    bool repeat;          /**< a REP prefix on INS or OUTS */
};

/** Of the library: what it needs to serve a call. */
struct vmm_call_inside;

/** One call of a routine: the virtual processor and the instruction to simulate on it. Good until
 * the routine returns. */
struct vmm_call {
    const char *module;                 /**< the slot: "interpreter.cli"; static string */
    struct vmm_instruction instruction; /**< what trapped */
    uint64_t time;                      /**< virtual time, cycles of 100 MHz */
    /** The guest's registers, to be changed in place. Selectors of ES, SS, DS, FS, GS, LDT and TR
     * are loaded by way of the guest's descriptor tables with all checks, and what these find is
     * delivered to the guest. CS, CPL and segment bases must stay; so must what EFLAGS, CR0 and CR4
     * reserve, and EFLAGS.VM. */
    struct vmm_registers registers;
    struct vmm_call_inside *inside; /**< the library's */
};

/** An interpreter routine: simulates `call->instruction` on `call->registers`. `context` is what it
 * was registered with. */
typedef struct vmm_outcome vmm_routine(void *context, struct vmm_call *call);

/** Reads `count` bytes, at most 4096, of guest memory at a linear address, with the guest's rights
 * at its CPL, and sets accessed bits as the processor does. If the guest may not, the result is
 * false and `*fault` the outcome to return: a page fault. The page tables are those at the trap,
 * whatever `registers` hold by now. */
bool vmm_call_read(struct vmm_call *call, uint32_t linear, void *bytes, size_t count,
                   struct vmm_outcome *fault);

/** Writes, all or nothing, in the same manner. What is written stays, whatever the outcome. */
bool vmm_call_write(struct vmm_call *call, uint32_t linear, const void *bytes, size_t count,
                    struct vmm_outcome *fault);

/** Who handles an exception that the processor raised while the guest ran. */
enum vmm_decision {
    VMM_DECIDE_REFLECT, /**< the guest: it is delivered through its IDT */
    VMM_DECIDE_EMULATE, /**< the interpreter: the instruction is sensitive */
    VMM_DECIDE_ALLOCATE /**< the allocator: a page fault, hidden or true */
};

/** An exception to decide about. */
struct vmm_trap {
    uint8_t vector;             /**< 0 to 31 */
    uint32_t error_code;        /**< as the processor raised it; 0 if it has none */
    uint32_t address;           /**< page faults: the linear address */
    bool monitor;               /**< page faults: the address is in the 4 MB that the VMM's own
                                     tables take of the guest's address space */
    uint32_t eip;               /**< of the instruction, an offset in CS */
    uint8_t ring;               /**< the guest's CPL */
    const char *instruction;    /**< the kind of a sensitive one: "cli"; NULL: another, or it cannot
                                     be read; static string */
    enum vmm_decision standard; /**< the library's own decision; VMM_DECIDE_REFLECT in a build that
                                     leaves it out */
};

/** A dispatcher's decision. */
typedef enum vmm_decision vmm_decide(void *context, const struct vmm_trap *trap);

/** What is delivered through the guest's IDT (SDM volume 3, chapter 6). */
enum vmm_event_kind {
    VMM_EVENT_EXCEPTION, /**< raised by the processor: a gate's DPL is not looked at */
    VMM_EVENT_SOFTWARE,  /**< INT n, INT3, INTO: the gate's DPL has to be >= CPL */
    VMM_EVENT_EXTERNAL   /**< from the interrupt controller */
};

/** An exception or interrupt. */
struct vmm_event {
    enum vmm_event_kind kind; /**< where it comes from */
    uint8_t vector;           /**< its number: the gate's in the IDT */
    bool has_error_code;      /**< exceptions 8, 10 to 14 and 17: `error_code` is pushed */
    uint32_t error_code;      /**< 0 without one */
    uint32_t address;         /**< page faults: the linear address, for CR2 */
    uint8_t length;           /**< SOFTWARE: bytes of the instruction; EIP is its address, and the
                                   address to return to lies behind it */
};

/** Of the library: what it needs to serve a delivery. */
struct vmm_delivery_inside;

/** One attempt to deliver an event, in protected mode. Good until the module returns. */
struct vmm_delivery {
    struct vmm_event event; /**< what is to be delivered */
    uint32_t tss_base;      /**< linear address of the current task's TSS */
    uint32_t tss_limit;     /**< its bytes - 1 */
    /** The guest's registers, to be changed in place: CS, SS, CPL, EIP, ESP, EFLAGS and CR2. The
     * hidden parts of CS and SS are loaded by their selectors afterwards. */
    struct vmm_registers registers;
    struct vmm_delivery_inside *inside; /**< the library's */
};

/** What an attempt came to. */
enum vmm_delivery_end {
    VMM_DELIVERED,         /**< the registers are at the handler's first instruction */
    VMM_DELIVERY_FAULT,    /**< it raised another exception: of the registers only CR2 is kept */
    VMM_DELIVERY_STANDARD, /**< the library is to do it: what was written stays */
    VMM_DELIVERY_MISSING   /**< as if the slot were empty: stop */
};

/** Delivers `delivery->event`. With VMM_DELIVERY_FAULT `*fault` is the exception that came of it:
 * an exception's vector, error code and address; the rest is ignored. `context` is what it was
 * registered with. */
typedef enum vmm_delivery_end vmm_deliver(void *context, struct vmm_delivery *delivery,
                                          struct vmm_event *fault);

/** Reads `count` bytes, at most 4096, at a linear address, as the processor reads its tables: with
 * the supervisor's rights. False: `*fault` is the page fault that it came to. */
bool vmm_delivery_read(struct vmm_delivery *delivery, uint32_t linear, void *bytes, size_t count,
                       struct vmm_event *fault);

/** Writes, all or nothing, with the rights of `ring`: 3 is a user, 0 to 2 the supervisor. What is
 * written stays, whatever the end. Returns as vmm_delivery_read; of words that the guest may not
 * write the fault is that of the highest one, which a push meets first. */
bool vmm_delivery_write(struct vmm_delivery *delivery, unsigned ring, uint32_t linear,
                        const void *bytes, size_t count, struct vmm_event *fault);

/** What an exception during a delivery comes to (SDM volume 3, table 6-5). */
enum vmm_nested {
    VMM_NESTED_SECOND,       /**< it is delivered in the place of the first */
    VMM_NESTED_DOUBLE_FAULT, /**< exception 8 with error code 0 is delivered */
    VMM_NESTED_SHUTDOWN,     /**< the processor stops: a triple fault */
    VMM_NESTED_MISSING       /**< as if the slot were empty: stop */
};

/** Decides, while `first` was to be delivered and `second` was raised by that. */
typedef enum vmm_nested vmm_nest(void *context, const struct vmm_event *first,
                                 const struct vmm_event *second);

/** An allocator's policy for ports: whether the guest may make this access. One that it may not
 * reads as ones, and what it writes is lost. */
typedef bool vmm_allow_port(void *context, const struct vmm_port_access *access);

/** A page fault under shadow page tables, with the guest's two entries for the address, as the
 * processor found them. A shadow entry has the rights of 32-bit paging: P (1), R/W (2), U/S (4). */
struct vmm_shadow_fault {
    uint32_t linear;          /**< the address */
    uint32_t error_code;      /**< the processor's, of the *shadow* tables: P 1, W/R 2, U/S 4 */
    uint32_t directory_entry; /**< the guest's */
    uint32_t table_entry;     /**< the guest's; 0 if the directory entry leads to no table */
    bool large;               /**< the directory entry maps a page of 4 MB */
    bool write_protect;       /**< the guest's CR0.WP */
    bool traced;              /**< the page that is mapped holds a table of the guest's that has
                                   a shadow: a page table, or a descriptor table */
};

/** What a page fault is. */
enum vmm_shadow_kind {
    VMM_SHADOW_TRUE,     /**< the guest's own: its tables do not allow the access */
    VMM_SHADOW_HIDDEN,   /**< the guest's tables allow it: the shadow is filled */
    VMM_SHADOW_TRACE,    /**< so they do, but it writes to a page that is traced: the shadow is
                              filled, the one instruction stepped, and the entry that it writes
                              looked at (vmm_shadow_written) */
    VMM_SHADOW_STANDARD, /**< the library is to decide; it does so from the guest's tables alone */
    VMM_SHADOW_MISSING   /**< as if the slot were empty: stop */
};

/** The answer to a page fault. */
struct vmm_shadow_answer {
    enum vmm_shadow_kind kind;
    uint32_t error_code;       /**< TRUE: for the guest's handler */
    uint32_t directory_entry;  /**< the guest's, as the processor leaves it: A (0x20), D (0x40) */
    uint32_t table_entry;      /**< the same */
    uint32_t directory_rights; /**< HIDDEN, TRACE: of the shadow's directory entry */
    uint32_t table_rights;     /**< and of its table entry; there is one for 4 MB pages, too */
};

/** Says what a page fault is. What belongs to the library it does itself: paging that is off,
 * entries with reserved bits, and where a shadow entry leads to. `context` is what it was
 * registered with. */
typedef struct vmm_shadow_answer vmm_shadow_ask(void *context,
                                                const struct vmm_shadow_fault *fault);

/** The guest has written to a page-table entry that a shadow entry stands for. */
struct vmm_shadow_change {
    uint32_t entry;  /**< the guest's, as it is now */
    uint32_t rights; /**< the shadow's: P, R/W, U/S */
    bool directory;  /**< it is in a directory */
    bool large;      /**< and maps 4 MB */
    bool moved;      /**< the guest's entry leads elsewhere now */
};

/** Returns the rights that the shadow entry keeps; it cannot get more than it has. 0: it is taken
 * out, and filled in anew at the next access. */
typedef uint32_t vmm_shadow_keep(void *context, const struct vmm_shadow_change *change);

/** Who has a frame of machine memory. */
enum {
    VMM_FRAME_FREE,    /**< nobody: it may be given away */
    VMM_FRAME_VMM,     /**< the monitor itself; also what is no frame of this machine */
    VMM_FRAME_FIRST_VM /**< VM 0, the first of this machine; VM 1 is one more, and so on */
};
#define VMM_NO_FRAME UINT32_MAX /**< no frame is given */

/** Of the library: what it needs to serve a request. */
struct vmm_frame_inside;

/** A page of a VM is touched for the first time, and needs a frame. Good until the module returns.
 */
struct vmm_frame_request {
    unsigned vm;                           /**< the VM's number on its machine, from 0 */
    uint32_t page;                         /**< of its guest-physical memory: address / 4096 */
    uint32_t pages;                        /**< that memory's size */
    uint32_t frames;                       /**< of the machine, with the monitor's own */
    uint32_t available;                    /**< how many more may be given to VMs */
    const struct vmm_frame_inside *inside; /**< the library's */
};

/** Who has frame number `frame`: VMM_FRAME_FREE and so on. */
unsigned vmm_frame_owner(const struct vmm_frame_request *request, uint32_t frame);

/** Returns the number of a free frame, which the page has from then on, zeroed; or VMM_NO_FRAME:
 * the VM is stopped. */
typedef uint32_t vmm_give_frame(void *context, const struct vmm_frame_request *request);

/** What a slot holds. */
enum vmm_module_state {
    VMM_MODULE_STANDARD, /**< the library's own module */
    VMM_MODULE_REPLACED, /**< yours */
    VMM_MODULE_MISSING,  /**< nothing: taken away, or left out of this build */
    VMM_MODULE_UNKNOWN   /**< there is no such slot on this VM */
};

/** The `i`th slot's name, or NULL beyond the last. Static strings; the same for every VM, but those
 * of the dispatcher are of no use where nothing traps, nor any under `bare`. */
const char *vmm_module(size_t i);

/** What the slot `name` of a VM holds. */
enum vmm_module_state vmm_module_state(struct vmm_vm *vm, const char *name);

/** Puts `routine` into the slot `name`, an interpreter routine's; it is called with `context`.
 * VMM_OK; VMM_E_USAGE: no such slot, or `routine` is NULL; VMM_E_UNSUPPORTED: the technique never
 * comes to it; VMM_E_MEMORY. `error` may be NULL. */
int vmm_module_replace(struct vmm_vm *vm, const char *name, vmm_routine *routine, void *context,
                       struct vmm_error *error);

/** Puts `decide` into the slot "dispatcher.decision". Returns as vmm_module_replace. */
int vmm_module_replace_decision(struct vmm_vm *vm, vmm_decide *decide, void *context,
                                struct vmm_error *error);

/** Puts `give` into the slot "allocator.frames": from now on the VM's pages get their frames one by
 * one. To be done before vmm_load. Returns as vmm_module_replace, and VMM_E_STATE: the VM has a
 * guest.
 */
int vmm_module_replace_frames(struct vmm_vm *vm, vmm_give_frame *give, void *context,
                              struct vmm_error *error);

/** Puts `ask` and `keep` into the slot "allocator.shadow". All shadow tables are dropped. Returns
 * as vmm_module_replace. */
int vmm_module_replace_shadow(struct vmm_vm *vm, vmm_shadow_ask *ask, vmm_shadow_keep *keep,
                              void *context, struct vmm_error *error);

/** Puts `allow` into the slot "allocator.ports". Returns as vmm_module_replace. */
int vmm_module_replace_ports(struct vmm_vm *vm, vmm_allow_port *allow, void *context,
                             struct vmm_error *error);

/** Puts `deliver` into the slot "dispatcher.delivery". Returns as vmm_module_replace. Real mode and
 * virtual-8086 mode stay the library's. */
int vmm_module_replace_delivery(struct vmm_vm *vm, vmm_deliver *deliver, void *context,
                                struct vmm_error *error);

/** Puts `nest` into the slot "dispatcher.nested", which is asked only if "dispatcher.delivery" is
 * replaced. Returns as vmm_module_replace. */
int vmm_module_replace_nested(struct vmm_vm *vm, vmm_nest *nest, void *context,
                              struct vmm_error *error);

/** Takes the module out of the slot `name`. Returns as vmm_module_replace. */
int vmm_module_remove(struct vmm_vm *vm, const char *name, struct vmm_error *error);

/** Puts the library's own module back. Returns as vmm_module_replace; VMM_E_UNSUPPORTED also if
 * this build leaves it out. */
int vmm_module_restore(struct vmm_vm *vm, const char *name, struct vmm_error *error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
