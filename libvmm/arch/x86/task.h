/* Task switching by the processor (SDM volume 3, chapter 7): the state of the old task goes into
 * its TSS, the new task's comes out of its own, with 32-bit and 16-bit TSSs. Few kernels use it for
 * more than one thing: a double fault handler that needs a stack of its own, behind a task gate. */
#ifndef VMM_ARCH_X86_TASK_H
#define VMM_ARCH_X86_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

/* What causes the switch (table 7-2: busy flags, NT and the back link depend on it). */
enum x86_task_cause {
    X86_TASK_JUMP,
    X86_TASK_CALL, /* CALL, or an event through a task gate: the new task is nested */
    X86_TASK_RETURN,
};

/* Switches to the task of the TSS `selector`. `next_eip` is the address at which the old task goes
 * on. For an event through a task gate, `external` is the EXT bit for error codes, and `error_code`
 * (if `has_error_code`) is pushed on the new task's stack. The checks of the instruction that comes
 * here (privilege of gate and TSS) are the caller's; the TSS itself is checked here.
 * X86_OK: `cpu` is in the new task. X86_FAULT: `fault` is to be delivered on `cpu`, which is
 * unchanged if it came before the switch was committed, and is the new task, at its first
 * instruction, if it came after (section 7.3, steps 10 and later). X86_NEED_PAGE: nothing was
 * changed. */
struct x86_task_request {
    enum x86_task_cause cause;
    uint16_t selector;
    uint32_t next_eip;
    bool external;
    bool has_error_code;
    uint32_t error_code;
};
enum x86_status x86_task_switch(struct cpu_state *cpu, const struct x86_memory *memory,
                                const struct x86_task_request *request, struct x86_event *fault);

#endif
