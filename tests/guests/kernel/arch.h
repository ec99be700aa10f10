/* What the builds of this kernel differ in.
 *
 * The normal build uses the processor as x86 kernels do. The other, compiled with -DVIRTUALIZABLE,
 * avoids every instruction that is sensitive but not privileged (Robin and Irvine 2000): executed
 * in a ring other than 0, those give another result without a trap, so that a monitor that relies
 * on traps never hears of them. What it does instead:
 *
 *   PUSHF, POPF          the interrupt flag's value is kept in a variable beside the flag itself
 *   SGDT, SIDT, SLDT,    the kernel knows what it loaded
 *   STR, SMSW
 *   LAR, LSL, VERR, VERW there is one user data segment: compare with its selector
 *   MOV, PUSH of segment on entry the segments are not read: the user's are known, the kernel's are
 *   registers            loaded anew
 *
 * CLI, STI, HLT, IN, OUT, IRET, LGDT, LIDT, LTR, INVLPG and MOV CR trap when they should, and stay.
 *
 * The paravirtual build (-DPARAVIRTUAL) has neither the ones nor the others: its half of all this
 * is paravirtual.h.
 */
#ifndef ARCH_H
#define ARCH_H

#include "layout.h"

#ifdef __ASSEMBLER__

/* clang-format off */
#ifdef VIRTUALIZABLE

    .macro save_segments
    pushl $USER_DATA
    pushl $USER_DATA
    pushl $USER_DATA
    pushl $USER_DATA
    .endm

    /* The frame's CS, 60 bytes up, tells where we return to; the kernel's segments are as they are. */
    .macro restore_segments
    testb $3, 60(%esp)
    jz 1f
    movl $USER_DATA, %eax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
1:  addl $16, %esp
    .endm

#else

    .macro save_segments
    pushl %ds
    pushl %es
    pushl %fs
    pushl %gs
    .endm

    .macro restore_segments
    popl %gs
    popl %fs
    popl %es
    popl %ds
    .endm

#endif
/* clang-format on */

#else /* C */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EFLAGS_IF 0x200u

struct trap_frame;

/* Prints one line about the processor's tables, read back where that is allowed. */
void arch_describe(void);

#ifdef PARAVIRTUAL
#ifdef LAB /* labs/08-hypercalls: the other half is a student's */
#include "glue.h"
#else
#include "paravirtual.h"
#endif
#else

/* This kernel runs on the machine that it was built for. */
static inline void arch_begin(void)
{
}

#ifdef VIRTUALIZABLE

/* The interrupt flag as this kernel left it; the processor's own is never read. */
extern volatile bool interrupts_on;

static inline void irq_disable(void)
{
    asm volatile("cli" ::: "memory");
    interrupts_on = false;
}

static inline void irq_enable(void)
{
    interrupts_on = true;
    asm volatile("sti" ::: "memory");
}

static inline uint32_t irq_save(void)
{
    uint32_t was = interrupts_on;
    irq_disable();
    return was;
}

static inline void irq_restore(uint32_t was)
{
    if (was)
        irq_enable();
}

/* A gate has turned interrupts off; IRET will give back what the frame holds. */
static inline void irq_entered(void)
{
    interrupts_on = false;
}

static inline void irq_leaving(uint32_t frame_eflags)
{
    interrupts_on = (frame_eflags & EFLAGS_IF) != 0;
}

static inline bool user_segment_writable(uint32_t selector)
{
    return selector == USER_DATA;
}

#else

static inline void irq_disable(void)
{
    asm volatile("cli" ::: "memory");
}

static inline void irq_enable(void)
{
    asm volatile("sti" ::: "memory");
}

static inline uint32_t irq_save(void)
{
    uint32_t eflags;
    asm volatile("pushfl; popl %0; cli" : "=r"(eflags)::"memory");
    return eflags;
}

static inline void irq_restore(uint32_t eflags)
{
    asm volatile("pushl %0; popfl" ::"r"(eflags) : "memory", "cc");
}

static inline void irq_entered(void)
{
}

static inline void irq_leaving(uint32_t frame_eflags)
{
    (void)frame_eflags;
}

static inline bool user_segment_writable(uint32_t selector)
{
    bool writable;
    asm volatile("verw %w1; setz %0" : "=q"(writable) : "r"(selector) : "cc");
    return writable;
}

#endif

/* Wakes at the next interrupt: STI takes effect behind HLT, so that none is missed between. */
static inline void irq_wait(void)
{
    irq_enable();
    asm volatile("hlt" ::: "memory");
    irq_disable();
}

static inline void outb(uint16_t port, uint8_t value)
{
    asm volatile("outb %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t value)
{
    asm volatile("outl %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint32_t read_cr2(void)
{
    uint32_t value;
    asm volatile("movl %%cr2, %0" : "=r"(value));
    return value;
}

static inline void write_cr3(uint32_t value)
{
    asm volatile("movl %0, %%cr3" ::"r"(value) : "memory");
}

static inline void invlpg(uint32_t address)
{
    asm volatile("invlpg (%0)" ::"r"(address) : "memory");
}

/* Entries of page tables, whose addresses are physical. */
static inline uint32_t entry_get(const uint32_t *entry)
{
    return *entry;
}

static inline void entry_set(uint32_t *entry, uint32_t value)
{
    *entry = value;
}

/* What became of entries counts from here on. */
static inline void entries_done(void)
{
}

/* A frame becomes a page table or directory, and data again. */
static inline void table_begin(uint32_t frame)
{
    (void)frame;
}

static inline void table_end(uint32_t frame)
{
    (void)frame;
}

static inline void directory_begin(uint32_t frame)
{
    (void)frame;
}

static inline void directory_end(uint32_t frame)
{
    (void)frame;
}

/* Ends the run with an exit code. */
static inline void power_off(uint32_t code)
{
    outl(0xF4, code);
    for (;;)
        asm volatile("cli; hlt");
}

#endif /* not PARAVIRTUAL */

#endif /* C */
#endif
