/** @file
 * Debugging a guest: breakpoints, stops at traps, its registers and memory to be changed, page
 * walks level by level, disassembly, the state of its devices. Nothing here is visible to the
 * guest, and a run goes the same way whether it was stopped or not. A step is vmm_run of one
 * instruction. */
#ifndef VMM_DEBUG_H
#define VMM_DEBUG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"
#include "vmm/record.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct vmm_vm;

/** Sets a breakpoint: vmm_run returns VMM_STOP_BREAK before the instruction at the linear address
 * `linear` is executed, in any address space and ring; run on, it executes the instruction. There
 * may be 32 in one VM. Returns VMM_OK, also if there is one already, or VMM_E_UNSUPPORTED with
 * `error` set. */
int vmm_break_add(struct vmm_vm *vm, uint32_t linear, struct vmm_error *error);

/** Deletes the breakpoint at `linear`. False if there is none. */
bool vmm_break_delete(struct vmm_vm *vm, uint32_t linear);

/** What a watchpoint watches. */
enum vmm_watch_kind {
    VMM_WATCH_MEMORY,   /**< bytes of memory, for a change of their value */
    VMM_WATCH_REGISTER, /**< a register, for a change of its value */
    VMM_WATCH_PORT,     /**< ports, for every access */
    VMM_WATCH_READ,     /**< bytes of memory, for being read by an instruction */
    VMM_WATCH_ACCESS    /**< bytes of memory, for being read or written, changed or not */
};

/** A watchpoint. */
struct vmm_watchpoint {
    enum vmm_watch_kind kind;
    uint32_t address; /**< a linear address, which must be mapped now and stands for what it is
                         mapped to now; or the first port */
    uint32_t length;  /**< bytes, 1 to 64; or how many ports */
    const char *name; /**< of a register as vmm_register knows it, or "if", the interrupt flag */
};

/** What a watchpoint was met by. */
struct vmm_watch_hit {
    unsigned number; /**< of the watchpoint, as vmm_watch_add gave it */
    uint32_t linear; /**< linear address of the instruction that changed it, or at which the event
                        came whose delivery did */
    uint32_t length; /**< bytes of `before` and `after`; a register has 4 */
    uint8_t before[64];       /**< what was there */
    uint8_t after[64];        /**< what is there now; of a port, what was read or written */
    uint16_t port;            /**< of VMM_WATCH_PORT */
    bool in;                  /**< it was read */
    enum vmm_watch_kind kind; /**< of the watchpoint */
};

/** Sets a watchpoint: vmm_run returns VMM_STOP_WATCH behind the instruction that changes what is
 * watched; there may be 32 in one VM. `number` (may be NULL) becomes its number. Memory is watched
 * by protection of its pages, control registers and ports by exits, so that the guest runs at
 * speed; for other registers and for reads it is stepped, instruction by instruction, and so it is
 * under a technique that does not tell: vmm_watch_steps. A read is an operand's or the stack's of
 * an instruction; what the processor reads for itself (tables, descriptors) is none. Returns
 * VMM_OK, or with `error` set VMM_E_USAGE (no such register, an impossible length), VMM_E_STATE
 * (nothing is mapped there), VMM_E_UNSUPPORTED (too many). */
int vmm_watch_add(struct vmm_vm *vm, const struct vmm_watchpoint *watchpoint, unsigned *number,
                  struct vmm_error *error);

/** Deletes the watchpoint `number`. False if there is none. */
bool vmm_watch_delete(struct vmm_vm *vm, unsigned number);

/** Whether the guest has to be stepped for the watchpoint `number`. */
bool vmm_watch_steps(const struct vmm_vm *vm, unsigned number);

/** What the last VMM_STOP_WATCH was for. False if there was none. */
bool vmm_watch_hit(const struct vmm_vm *vm, struct vmm_watch_hit *hit);

/** From now on `wanted` is asked about the record of every trap; when it returns true, vmm_run
 * returns VMM_STOP_TRAP behind that trap: handled, and the guest about to go on. `wanted` must not
 * run or change the VM. NULL: no trap is stopped at. */
void vmm_stop_at_traps(struct vmm_vm *vm,
                       bool (*wanted)(void *context, const struct vmm_record *record),
                       void *context);

/** The name of the `i`th register that vmm_register knows, or NULL beyond the last: the general
 * registers, eip, eflags, the selectors, control registers, table bases and limits, cpl. */
const char *vmm_register_name(size_t i);

/** Reads a register of the guest by its name. False if no register has that name. */
bool vmm_register(const struct vmm_vm *vm, const char *name, uint32_t *value);

/** Changes a register: a general one, eip, eflags (but not VM, RF and reserved bits), cr2 or cr3.
 * Returns VMM_OK; VMM_E_USAGE if no register has that name; VMM_E_UNSUPPORTED for one that cannot
 * be changed, VMM_E_STATE if the guest has ended; with `error` set. */
int vmm_set_register(struct vmm_vm *vm, const char *name, uint32_t value, struct vmm_error *error);

/** Whether the guest's present code segment is a 16-bit one. */
bool vmm_code16(const struct vmm_vm *vm);

/** Copies `count` bytes into guest memory at the guest-physical address `address`. Returns how many
 * there was memory for. Translated code is dropped where it must be. */
size_t vmm_write_physical(struct vmm_vm *vm, uint32_t address, const void *bytes, size_t count);

/** The same at a linear address, through the guest's page tables, read-only pages included, without
 * setting accessed and dirty bits. */
size_t vmm_write_linear(struct vmm_vm *vm, uint32_t address, const void *bytes, size_t count);

/** Entries of a two-level page table that a walk went through. */
struct vmm_levels {
    unsigned count;       /**< entries read: 0 (paging off), 1 or 2 */
    bool large;           /**< the directory's entry maps 4 MB */
    uint32_t pde_address; /**< physical address of the directory's entry; if count >= 1 */
    uint32_t pde;         /**< that entry */
    uint32_t pte_address; /**< physical address of the table's entry; if count == 2 */
    uint32_t pte;         /**< that entry */
    bool mapped;          /**< a supervisor read is allowed: `physical` holds */
    uint32_t physical;    /**< what the linear address means */
};

#define VMM_WALK_NESTED 3 /**< nested walks that one walk needs: two levels, and the page */

/** A walk from a linear address down to the machine. */
struct vmm_walk {
    uint32_t linear;          /**< where it begins */
    bool paging;              /**< the guest's CR0.PG */
    struct vmm_levels guest;  /**< the guest's own tables; addresses are guest-physical */
    bool user;                /**< user code may access the page (U/S of all levels) */
    bool writable;            /**< R/W of all levels */
    bool global;              /**< G of the last level, with CR4.PGE */
    const char *result;       /**< how it ended, "mapped"; static string */
    bool shadowed;            /**< the processor walks a shadow table: `shadow` holds */
    struct vmm_levels shadow; /**< the VMM's tables; addresses are the machine's */
    unsigned nested_count;    /**< nested walks made: one for each address that `guest` came to */
    /** The nested table's entries for these addresses: of the directory's entry, of the table's, of
     * the page; addresses are the machine's. */
    struct vmm_levels nested[VMM_WALK_NESTED];
    unsigned
        references;   /**< entries read in all, by the processor that walks both; 0: no nesting */
    bool has_machine; /**< `machine` holds */
    uint32_t machine; /**< machine address of the byte; on the bare machine the physical one */
};

/** Walks the tables for the linear address `linear` as for a supervisor read. No side effect. */
void vmm_walk(const struct vmm_vm *vm, uint32_t linear, struct vmm_walk *walk);

/** Page walks in two dimensions, of a VM with nested page tables, so far: as many as came to the
 * VMM, because a page was not in the nested table, and so not in the TLB either. */
struct vmm_nested_walks {
    uint64_t pages;      /**< that the guest missed: walks that end there */
    uint64_t tables;     /**< of the guest's page tables that the processor missed on the way */
    uint64_t references; /**< entries that the walks to the pages read: for n levels of the guest's
                              and m nested ones (n + 1) (m + 1) - 1 each */
    uint64_t fills;      /**< entries of the nested table that were made */
    uint64_t nowhere;    /**< of these, for addresses without memory */
    uint32_t frames;     /**< in use for nested tables */
};

/** Copies them; false if the VM has no nested page tables. */
bool vmm_nested_walks(const struct vmm_vm *vm, struct vmm_nested_walks *walks);

/** Pages side by side that the guest's tables map with the same rights. */
struct vmm_range {
    uint32_t linear;       /**< of the first byte */
    uint32_t pages;        /**< of 4 KB, at least 1 */
    bool user;             /**< user code may access them */
    bool writable;         /**< R/W of all levels */
    bool shadowed;         /**< the processor walks shadow tables */
    uint32_t shadow_pages; /**< of these pages, those that the shadow tables map at present */
};

/** Calls `take` with each such range of the guest's present address space, in ascending order,
 * until it returns false. With paging off there are none. No side effect. */
void vmm_ranges(const struct vmm_vm *vm, bool (*take)(void *context, const struct vmm_range *range),
                void *context);

/** A field of the virtual machine control block of a VM under hw (AMD APM volume 2, appendix B). */
struct vmm_vmcb_field {
    const char *name;  /**< AMD's: "EXITINFO1"; static string */
    const char *intel; /**< what Intel's VT-x calls it, "" if it has no such thing; static string */
    unsigned offset;   /**< in the block */
    unsigned bytes;    /**< its size */
    uint64_t value;    /**< as it is now */
    bool idle;         /**< zero, and of no use to most */
};

/** Copies the `i`th field, in the order of their offsets. False beyond the last, and under other
 * techniques. */
bool vmm_vmcb_field(const struct vmm_vm *vm, size_t i, struct vmm_vmcb_field *field);

/** An event of the guest's that exits to the VMM. */
struct vmm_intercepted {
    const char *name;  /**< as in vmm_config's intercepts: "cr3-write" */
    const char *exit;  /**< AMD's exit code: "VMEXIT_CR3_WRITE" */
    const char *intel; /**< what Intel's VT-x calls the exit or its control */
    unsigned code;     /**< the exit code's number */
};

/** Copies the `i`th event that the VMCB intercepts, in the order of exit codes; false beyond the
 * last, and under other techniques. */
bool vmm_intercepted(const struct vmm_vm *vm, size_t i, struct vmm_intercepted *intercepted);

/** The name of the `i`th device that vmm_device_text knows, or NULL beyond the last. */
const char *vmm_device(size_t i);

/** Describes a device's state in lines of text, each with a line end. Returns the length that it
 * would have with enough room; 0 for an unknown device. No side effect. */
size_t vmm_device_text(const struct vmm_vm *vm, const char *device, char *text, size_t room);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
