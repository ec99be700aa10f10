/* A kernel that does one architectural event again and again: the nanobenchmarks of Adams and
 * Agesen (ASPLOS 2006, section 6.3) and a few more. */
#ifndef NANO_H
#define NANO_H

#include "arch.h"

struct operation {
    const char *name, *what;
    uint32_t (*run)(uint32_t n); /* does it `n` times; a checksum */
};

extern const struct operation event_operations[], memory_operations[];

/* Memory beyond the image, one to one. User addresses are at USER. */
enum { PAGE = 4096, MAPPED = 0x1000000, POOL = 0x800000, USER = 0x40000000 };
enum { P = 1, W = 2, U = 4, COPY = 0x200 }; /* COPY is the kernel's own: copy on write */

/* cpu.c: descriptor tables, paging, the interrupt controllers */
void cpu_init(void);
void timer_init(uint32_t divisor);
void set_gate(uint8_t vector, const char *handler, unsigned ring);
void set_kernel_stack(uint32_t top);
extern uint32_t directory[1024], low_tables[MAPPED / PAGE];

/* start.S */
void enter_user(const char *code); /* runs it at ring 3 until INT 0x81 */
extern const char leave_user[], on_system_call[], on_divide[], on_absent[], on_copy[], on_tick[];
extern const char user_system_calls[];
extern volatile uint32_t events, ticks, rounds;
void switch_stack(uint32_t *old_esp, uint32_t new_esp);

/* Called on a fault at a page marked COPY (memory.c). */
void copy_page(void);

#endif
