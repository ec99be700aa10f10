/* What the small kernel asks of its glue (lab 8): on the bare machine these are instructions, here
 * they are hypercalls (<vmm/hypercall.h>) and words of the page that kernel and VMM share. The
 * kernel's other files include this through arch.h, whose other half is what the bare machine does.
 */
#ifndef GLUE_H
#define GLUE_H

#include "layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vmm/hypercall.h>

/* ---- what the kernel has for you ---- */

/* Code and data of the kernel, code and data of user programs: flat, accessed (trap.c). */
extern uint64_t gdt[6];
/* Where vector 0 to 48 and, behind them, SYSCALL_VECTOR are entered (entry.S). */
extern uint32_t trap_stubs[50];
/* 4096 bytes of zeros, 0 when there are none left (memory.c). */
uint32_t frame_alloc(void);
/* Ends the run with a sentence and exit code 99 (main.c). */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- there is somebody to ask ---- */

/* A page of its own. */
extern volatile struct vmm_hc_shared shared;

/* The first thing that the kernel does. */
void arch_begin(void);
/* Any number of bytes; as few hypercalls as there can be. */
void put_chars(const char *bytes, size_t count);
/* One byte that has been typed; false if there is none. Does not wait. */
bool received(char *c);
/* Ends the run with an exit code. Does not return. */
void power_off(uint32_t code);

/* ---- traps, and the way out ---- */

/* Segments, segment registers, handlers. All handlers are entered with events masked; user programs
 * may raise the breakpoint (3) and SYSCALL_VECTOR. */
void tables_init(void);
/* ESP for events that interrupt ring 3. */
void set_kernel_stack(uint32_t top);
/* Jumped to with the registers as they were and the stack as IRET wants it. Assembly. */
void leave_kernel(void);
/* The address of the last page fault. */
uint32_t read_cr2(void);

/* ---- time, and the interrupt flag ---- */

/* A timer event `hz` times a second. */
void timer_init(uint32_t hz);
void irq_disable(void);
void irq_enable(void);
/* Masks events; what irq_restore needs to make it as it was. */
uint32_t irq_save(void);
void irq_restore(uint32_t was);
/* Called with events masked: waits for one, and has it handled. One that came before is one.
 * Events are masked again behind it. */
void irq_wait(void);

/* ---- machine addresses ---- */

/* All of memory, one to one, for the kernel, in `directory`, which is empty; then paging is on. */
void map_memory(uint32_t *directory, uint32_t bytes);
/* An entry of a page table or directory as the kernel wrote it: with a guest-physical address. */
uint32_t entry_get(const uint32_t *entry);

/* ---- changes of page tables ---- */

/* Writes an entry. It need not count before entries_done, write_cr3 or invlpg. */
void entry_set(uint32_t *entry, uint32_t value);
void entries_done(void);
void write_cr3(uint32_t directory);
/* Whatever was written for this address counts now. */
void invlpg(uint32_t address);
/* A frame of zeros becomes a page table; data again, once no directory leads to it. */
void table_begin(uint32_t frame);
void table_end(uint32_t frame);
/* The same for a directory, which has the kernel's entries already. Behind directory_end the frame
 * is anybody's at once. */
void directory_begin(uint32_t frame);
void directory_end(uint32_t frame);

/* ---- there is nothing to do here ---- */

static inline void irq_entered(void)
{
}

static inline void irq_leaving(uint32_t frame_eflags)
{
    (void)frame_eflags;
}

static inline bool user_segment_writable(uint32_t selector)
{
    return selector == USER_DATA;
}

#endif
