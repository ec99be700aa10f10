/* The way back: IRET and IRETD (SDM volume 2, IRET; volume 3, section 6.12.1), in all their forms:
 * to the same ring, outward with a stack switch and with the data segments checked, into
 * virtual-8086 mode, in virtual-8086 mode (needs IOPL 3), in real mode, and out of a nested task.
 */
#ifndef VMM_ARCH_X86_IRET_H
#define VMM_ARCH_X86_IRET_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

/* Carries out IRET (`size32`: IRETD) at `cpu->eip`, an instruction of `length` bytes. X86_OK: `cpu`
 * is at the address returned to. X86_FAULT: `fault` is to be delivered on `cpu`, unchanged (out of
 * a nested task: see x86_task_switch). X86_NEED_PAGE: nothing was changed. */
enum x86_status x86_iret(struct cpu_state *cpu, const struct x86_memory *memory, bool size32,
                         uint8_t length, struct x86_event *fault);

/* EFLAGS after POPF, POPFD or IRET of `value` at the given CPL in the current mode: `size32` says
 * which bits the operand has; IOPL is kept unless CPL is 0, IF unless CPL <= IOPL; VM is kept (IRET
 * changes it itself), RF is taken only if `rf`. */
uint32_t x86_eflags_load(const struct cpu_state *cpu, uint32_t value, bool size32, bool rf);

/* What IRET and RET far share in protected mode: where to, and how the stack is left. */
struct x86_return {
    uint16_t selector;
    uint32_t eip;
    unsigned size;    /* of the words on the stack: 2 or 4 bytes */
    uint32_t skip;    /* bytes to release from the current stack; SS:ESP lie there if it changes */
    uint32_t release; /* bytes to release from the outer stack */
};

/* Checks and carries out such a return: code segment, EIP and, outward, the stack. EFLAGS is the
 * caller's. Returns as x86_iret. */
enum x86_status x86_return_far(struct cpu_state *cpu, const struct x86_memory *memory,
                               const struct x86_return *to, struct x86_event *fault);

/* An outward return nulls DS, ES, FS and GS where the new CPL may not use them (volume 2, RET). */
void x86_null_privileged_segments(struct cpu_state *cpu);

#endif
