/* Control and debug registers as the processor modelled takes them (SDM volume 3, sections 2.5 and
 * 17.2; volume 2, MOV to and from control and debug registers): which bits exist, which are
 * reserved, and which combinations are refused. The privilege of the instruction is the caller's.
 */
#ifndef VMM_ARCH_X86_CONTROL_H
#define VMM_ARCH_X86_CONTROL_H

#include <stdint.h>

#include "memory.h"

/* Load CR0 and CR4. X86_OK; X86_FAULT with #GP(0), and nothing changed: PG without PE, NW without
 * CD; a bit of CR4 that stands for a feature which CPUID does not show. Undefined bits of CR0 are
 * dropped, and ET is always set. */
enum x86_status x86_load_cr0(struct cpu_state *cpu, uint32_t value, struct x86_event *fault);
enum x86_status x86_load_cr4(struct cpu_state *cpu, uint32_t value, struct x86_event *fault);

/* CR0 after LMSW of `value`: MP, EM and TS as given, PE set but never cleared. */
uint32_t x86_lmsw(const struct cpu_state *cpu, uint16_t value);

/* Resolves the debug register `*number`: with CR4.DE 4 and 5 do not exist (X86_FAULT, #UD), without
 * they are 6 and 7. */
enum x86_status x86_debug_register(const struct cpu_state *cpu, unsigned *number,
                                   struct x86_event *fault);

/* What debug register `number` (0 to 3, 6, 7) holds after `value` is written to it. */
uint32_t x86_debug_value(unsigned number, uint32_t value);

#endif
