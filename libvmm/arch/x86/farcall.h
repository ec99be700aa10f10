/* Far transfers: JMP, CALL and RET between segments (SDM volume 3, section 5.8; volume 2): direct,
 * through call gates with a change of stack and parameters copied, to a task (task.h), and in real
 * and virtual-8086 mode. */
#ifndef VMM_ARCH_X86_FARCALL_H
#define VMM_ARCH_X86_FARCALL_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

/* JMP and CALL to `selector`:`offset` by an instruction of `length` bytes at `cpu->eip` whose
 * operand size is 32 bits (`size32`) or 16. X86_OK, X86_FAULT, X86_NEED_PAGE as x86_iret. */
enum x86_status x86_far_jump(struct cpu_state *cpu, const struct x86_memory *memory,
                             uint16_t selector, uint32_t offset, bool size32, uint8_t length,
                             struct x86_event *fault);
enum x86_status x86_far_call(struct cpu_state *cpu, const struct x86_memory *memory,
                             uint16_t selector, uint32_t offset, bool size32, uint8_t length,
                             struct x86_event *fault);

/* RET far, which releases `release` bytes of parameters. Returns as x86_iret. */
enum x86_status x86_far_return(struct cpu_state *cpu, const struct x86_memory *memory, bool size32,
                               uint16_t release, struct x86_event *fault);

#endif
