/* Who may access I/O ports: IOPL, and the I/O permission bitmap of the TSS (SDM volume 1,
 * section 19.5 "protection mechanism"; volume 2, IN). */
#ifndef VMM_ARCH_X86_PORT_H
#define VMM_ARCH_X86_PORT_H

#include <stdint.h>

#include "memory.h"

/* Whether the processor may access the `size` (1, 2 or 4) ports from `port` on: always in real mode
 * and with CPL <= IOPL; else, and always in virtual-8086 mode, if all their bits in the bitmap of a
 * 32-bit TSS are 0. The processor reads two bytes of the bitmap: the second lies within the limit
 * too, or the access is refused. X86_OK; X86_FAULT: #GP(0) or a page fault; X86_NEED_PAGE. */
enum x86_status x86_port_allowed(const struct cpu_state *cpu, const struct x86_memory *memory,
                                 uint16_t port, unsigned size, struct x86_event *fault);

#endif
