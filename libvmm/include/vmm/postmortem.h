/** @file
 * What is left when a guest has stopped: a report for people, an ELF core for debuggers, and the
 * pieces of the report by themselves. Looking changes nothing. */
#ifndef VMM_POSTMORTEM_H
#define VMM_POSTMORTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/trace.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct vmm_vm;

#define VMM_FRAMES 32 /**< frames that a backtrace in a report has at most */

/** One frame of a backtrace. */
struct vmm_frame {
    uint32_t pc;   /**< linear: the next instruction, further out a return address */
    uint32_t base; /**< EBP: where the frame's saved EBP is, an offset in SS */
};

/** Follows the chain of saved EBPs of 32-bit code, innermost frame first, as long as it leads
 * outwards through readable memory. Code compiled without frame pointers breaks it. Puts at most
 * `room` frames into `frames` and returns how many; 1 for 16-bit code. */
unsigned vmm_backtrace(const struct vmm_vm *vm, struct vmm_frame *frames, unsigned room);

/** Writes the walk of the linear address `linear`, level by level and bit by bit, through the
 * guest's page tables and, where the technique has any, through the shadow tables that the
 * processor walks. Returns whether everything was written. */
bool vmm_walk_text(const struct vmm_vm *vm, uint32_t linear, vmm_write *write, void *context);

/** Writes the guest's registers, a few lines. Returns whether everything was written. */
bool vmm_registers_text(const struct vmm_vm *vm, vmm_write *write, void *context);

/** Writes the report on a VM that has stopped: registers, code and stack, a backtrace with symbols,
 * the walks of EIP and CR2, the last 16 traps. Less than 16 KB. Returns whether everything was
 * written. */
bool vmm_postmortem(const struct vmm_vm *vm, vmm_write *write, void *context);

/** Writes a core file: ELF for i386 with the guest's registers (NT_PRSTATUS) and its memory, once,
 * with a segment for each run of linear pages that its page tables map to adjacent frames; with
 * paging off one segment for all of it. EIP and ESP are offsets in CS and SS, as in the registers.
 * Returns VMM_OK, VMM_E_IO if `write` refused, or VMM_E_MEMORY. */
int vmm_core(const struct vmm_vm *vm, vmm_write *write, void *context);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
