/** @file
 * Virtual machines: creating one, loading a guest into it, running it, and looking at it.
 *
 * A VM is run by a technique (how the guest's supervisor code is executed). `bare` is the machine
 * itself without a VMM, the reference for all others: Popek and Goldberg's equivalence is equality
 * with it. Nothing here prints or exits; a guest can do nothing to the host but end. */
#ifndef VMM_VM_H
#define VMM_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** A virtual machine. */
struct vmm_vm;

/** Where the guest's console (COM1 and port 0xE9, in order) goes to and its input comes from. */
struct vmm_console {
    void *context; /**< handed to both calls */
    /** Takes `count` bytes of output. NULL: output is dropped. */
    void (*output)(void *context, const uint8_t *bytes, size_t count);
    /** Puts at most `room` bytes of input into `bytes`, returns how many; never blocks for long.
     * NULL: there is no input. */
    size_t (*input)(void *context, uint8_t *bytes, size_t room);
};

/** How time passes in a VM. */
enum vmm_clock {
    VMM_CLOCK_VIRTUAL, /**< one cycle of 100 MHz an instruction: every run is the same */
    VMM_CLOCK_HOST     /**< the host's: for interactive use and for speed */
};

/** How the memory of a VM is mapped under a technique that leaves the choice (hw). */
enum vmm_mmu {
    VMM_MMU_DEFAULT, /**< nested */
    VMM_MMU_NESTED,  /**< nested page tables, which the processor walks beneath the guest's own */
    VMM_MMU_SHADOW   /**< shadow page tables, as before processors could do that */
};

/** What a VM is made of. Zeros are the defaults. */
struct vmm_config {
    const char *technique;      /**< "bare", "trap"; NULL: "bare" */
    uint32_t memory_size;       /**< bytes, 1 MB to 1 GB; 0: 64 MB */
    enum vmm_clock clock;       /**< how time passes */
    struct vmm_console console; /**< copied */
    bool interactive;           /**< somebody may type at any time: an idle guest is waited for */
    bool keep_going;            /**< silent sensitive instructions are counted, and run */
    uint32_t code_cache;        /**< bytes for translated code (bt), 64 KB at least; 0: the most */
    unsigned vms;               /**< make a machine that has room for so many VMs like this one */
    enum vmm_mmu mmu;           /**< technique hw only */
    const char *intercepts;     /**< hw only: what exits to the VMM, names of vmm_intercept with
                                   commas between them ("cr3,hlt,default"); NULL: "default" */
    struct vmm_vm *beside;      /**< live on this VM's machine; NULL: on a new one */
};

/** A file for a guest: an image, an initrd, a module. The contents are borrowed. */
struct vmm_file {
    const char *name;     /**< for error sentences; may be NULL */
    const uint8_t *bytes; /**< the contents; the caller's */
    uint32_t size;        /**< bytes */
};

/** A Multiboot module and the string that the kernel sees beside it. */
struct vmm_module {
    struct vmm_file file; /**< the module itself */
    const char *cmdline;  /**< NULL: empty */
};

/** What to load, and how. */
struct vmm_image {
    const char *kind;     /**< "auto", "multiboot", "linux", "flat@ADDRESS", "boot"; NULL: "auto" */
    struct vmm_file file; /**< must stay valid as long as the VM, for a boot sector */
    const struct vmm_file *initrd;    /**< Linux only; NULL: none */
    const char *cmdline;              /**< Linux and Multiboot; NULL: empty */
    const struct vmm_module *modules; /**< Multiboot only; NULL: none */
    size_t module_count;              /**< how many modules */
};

/** Why a VM stopped. */
enum vmm_stop {
    VMM_STOP_NONE,       /**< it has not: vmm_run can go on */
    VMM_STOP_EXIT,       /**< the guest wrote to port 0xF4 */
    VMM_STOP_RESET,      /**< the guest asked for a reset */
    VMM_STOP_HALT,       /**< HLT, and nothing can ever wake it */
    VMM_STOP_SHUTDOWN,   /**< a triple fault */
    VMM_STOP_LIMIT,      /**< the instruction limit was reached */
    VMM_STOP_DIVERGENCE, /**< the technique no longer does what the bare machine would */
    VMM_STOP_USER,       /**< vmm_interrupt */
    VMM_STOP_STUCK,      /**< exceptions for ever, no instruction executed */
    VMM_STOP_FAILURE,    /**< the engine failed */
    VMM_STOP_BREAK,      /**< before an instruction with a breakpoint: see debug.h */
    VMM_STOP_TRAP,       /**< behind a trap that was waited for: see debug.h */
    VMM_STOP_WATCH       /**< behind an instruction that changed what is watched: see debug.h */
};

/** Registers of a guest, as the guest believes them to be. */
struct vmm_registers {
    uint32_t gpr[8];          /**< EAX ECX EDX EBX ESP EBP ESI EDI */
    uint32_t eip;             /**< offset in CS of the next instruction */
    uint32_t eflags;          /**< with the arithmetic flags evaluated */
    uint16_t segment[6];      /**< selectors: ES CS SS DS FS GS */
    uint32_t segment_base[6]; /**< linear addresses */
    uint32_t cr0;             /**< PE, PG, WP and the rest */
    uint32_t cr2;             /**< linear address of the last page fault */
    uint32_t cr3;             /**< guest-physical address of the page directory */
    uint32_t cr4;             /**< PSE, PGE, TSD, DE, PCE */
    uint32_t gdt_base;        /**< linear address */
    uint32_t idt_base;        /**< linear address */
    uint16_t gdt_limit;       /**< bytes - 1 */
    uint16_t idt_limit;       /**< bytes - 1 */
    uint16_t ldt;             /**< selector */
    uint16_t tr;              /**< selector */
    uint8_t cpl;              /**< 0 to 3 */
};

/** What a run came to. Instructions are counted as they retire. */
struct vmm_statistics {
    const char *technique;        /**< its name; static string */
    enum vmm_stop stop;           /**< why the VM stopped last */
    uint32_t exit_code;           /**< VMM_STOP_EXIT: the value written to port 0xF4 */
    int status;                   /**< what a process that ran the guest exits with */
    uint64_t guest_instructions;  /**< retired since power-on: the sum of the four below */
    uint64_t direct;              /**< executed by the processor as they are */
    uint64_t translated;          /**< executed as their translation */
    uint64_t interpreted;         /**< simulated one after the other */
    uint64_t repeats;             /**< of `interpreted`: iterations of string instructions that
                                     another one of the same followed */
    uint64_t emulated;            /**< simulated by an interpreter routine after a trap */
    uint64_t virtual_time;        /**< cycles of 100 MHz, idle time included */
    uint64_t host_ns;             /**< spent in vmm_run */
    uint64_t exceptions;          /**< faults and traps so far */
    uint64_t software_interrupts; /**< INT n, INT3 and INTO so far */
    uint64_t interrupts;          /**< external interrupts accepted so far */
    uint64_t port_accesses;       /**< IN and OUT so far, each iteration of INS and OUTS */
    uint64_t intercepts; /**< instructions that the machine layer completed for the engine */
    uint64_t patched;    /**< places whose instruction was rewritten to trap */
};

/** The version, "0.1.0". Static string. */
const char *vmm_version(void);

/** Creates a VM, powered on, without a guest; `config` NULL: all defaults. Returns NULL with
 * `error` set: VMM_E_USAGE (an unknown technique, an impossible memory size), VMM_E_MEMORY,
 * VMM_E_UNSUPPORTED (the engine cannot be trusted). The caller owns the VM and gives it to
 * vmm_destroy. To the other functions here NULL is a VM that does nothing: who does not look at
 * vmm_create's result hears of it from them. */
struct vmm_vm *vmm_create(const struct vmm_config *config, struct vmm_error *error);

/** Frees a VM; NULL is allowed. */
void vmm_destroy(struct vmm_vm *vm);

/** Loads a guest into a VM that has none. Returns VMM_OK or another code, with `error` set and the
 * VM as it was: VMM_E_USAGE, VMM_E_IMAGE, VMM_E_MEMORY, VMM_E_STATE. */
int vmm_load(struct vmm_vm *vm, const struct vmm_image *image, struct vmm_error *error);

/** Runs until the guest stops, or `instructions` more have retired (0: no limit; then the result is
 * VMM_STOP_LIMIT, and the VM can be run on). Running a VM that has stopped for good returns the
 * same reason again; one without a guest, VMM_STOP_NONE. */
enum vmm_stop vmm_run(struct vmm_vm *vm, uint64_t instructions);

/** Runs `count` VMs of one machine in turns, round-robin, until each has stopped for good or
 * `instructions` of each have retired (0: no limit). A turn is `slice` instructions, 0: 1,000,000;
 * with the host's clock, until the VM waits. Returns false if vmm_interrupt of one of them ended it
 * before. */
bool vmm_run_together(struct vmm_vm *const *vms, size_t count, uint64_t slice,
                      uint64_t instructions);

/** Makes a vmm_run in progress return VMM_STOP_USER soon. May be called from a signal handler. */
void vmm_interrupt(struct vmm_vm *vm);

/** One sentence that says why the VM stopped, without a line end; the VM's. */
const char *vmm_stop_text(const struct vmm_vm *vm);

/** The reason as --stats prints it: "exit", "halt". Static string. */
const char *vmm_stop_name(enum vmm_stop stop);

/** Copies the guest's registers. */
void vmm_registers(const struct vmm_vm *vm, struct vmm_registers *registers);

/** Copies `count` bytes of guest memory at the guest-physical address `address`. Returns how many
 * there were memory for. Without any side effect. */
size_t vmm_read_physical(const struct vmm_vm *vm, uint32_t address, void *bytes, size_t count);

/** The same at a linear address, through the guest's page tables, with the supervisor's rights and
 * without setting accessed bits. */
size_t vmm_read_linear(const struct vmm_vm *vm, uint32_t address, void *bytes, size_t count);

/** Copies the statistics. */
void vmm_statistics(const struct vmm_vm *vm, struct vmm_statistics *statistics);

/** The state digest: a hash over registers, control, debug and table registers, guest memory,
 * devices and virtual time. Equal states have equal digests. Accessed bits in the page tables in
 * use are left out, as two correct machines may differ in them; floating-point and vector registers
 * are as well. */
uint64_t vmm_digest(const struct vmm_vm *vm);

/** How many accessed bits, set in the page tables in use, the digest leaves out. */
unsigned vmm_digest_masked(const struct vmm_vm *vm);

/** The `i`th technique's name, or NULL beyond the last. Static strings. */
const char *vmm_technique(size_t i);

/** The `i`th name that vmm_config's `intercepts` may have, groups ("default", "all", "none", "cr3")
 * first; NULL beyond the last. Static strings. */
const char *vmm_intercept(size_t i);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
