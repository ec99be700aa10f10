/** @file
 * The interface between a paravirtual guest and the technique `para`: hypercalls, and the page that
 * both share. Guests include it too, in C and in assembly. It is a small Xen (Barham et al., SOSP
 * 2003): the kernel knows that it runs at ring 1, asks for what it may not do, and keeps page
 * tables that the processor uses as they are.
 *
 *     int $0x82       EAX: number; EBX, ECX, EDX: arguments
 *                     EAX: 0 or more, or an error; everything else is kept
 *
 * Only the guest's kernel may call. Addresses are linear unless said otherwise; what they lead to
 * is reached with the kernel's own rights. A call that fails changes nothing, but for batches,
 * which end at the first update that fails.
 *
 * The guest starts as Multiboot has it, on flat segments without paging. Page tables hold *machine*
 * addresses: two read-only tables at fixed linear addresses translate, one word a page. No page
 * table may be mapped writable; with that the VMM lets the processor walk it. */
#ifndef VMM_HYPERCALL_H
#define VMM_HYPERCALL_H

/* What CPUID answers to VMM_HC_LEAF: EBX, ECX, EDX, "libvmm  para". Nobody else does. */
#define VMM_HC_LEAF 0x40000000
#define VMM_HC_EBX  0x7662696c
#define VMM_HC_ECX  0x20206d6d
#define VMM_HC_EDX  0x61726170

#define VMM_HC_VECTOR  0x82
#define VMM_HC_VERSION 1

/* EBX: guest-physical address of a page for struct vmm_hc_shared, which is a data page from then
 * on. The first call; returns VMM_HC_VERSION. Events are masked. */
#define VMM_HC_ATTACH 0
/* EBX: address, ECX: bytes (65536 at most). Returns how many were written or read; reading does not
 * wait. */
#define VMM_HC_CONSOLE_WRITE 1
#define VMM_HC_CONSOLE_READ  2
/* EBX: address, ECX: entries (512 at most). The table is copied; later stores do not count. Only
 * code and data segments whose accessed bit is set may be present. DPL 0 becomes ring 1. */
#define VMM_HC_SET_GDT 3
/* EBX: address of struct vmm_hc_trap, ECX: how many (256 at most), EDX: the kernel's code selector,
 * its stack selector in the upper half. Copied. Vectors that are not named have no handler. */
#define VMM_HC_SET_TRAPS 4
/* EBX: address of struct vmm_hc_update, ECX: how many (VMM_HC_BATCH at most). ECX becomes the
 * number of updates that were made. */
#define VMM_HC_MMU 5
/* The stack has EAX, EIP, CS, EFLAGS, and to ring 3 ESP and SS: goes there. IF is the events' mask.
 */
#define VMM_HC_IRET 6
/* Events are let through; returns behind the next one. */
#define VMM_HC_YIELD 7
/* EBX: the 8254's divisor of 1193182 Hz, 2 to 65535, for a periodic event; 0: none. */
#define VMM_HC_SET_TIMER 8
/* EBX: exit code. Does not return. */
#define VMM_HC_SHUTDOWN 9
/* Nothing by itself: events that wait come, if they are let through. To be called when
 * `event_waits` is found set after unmasking. */
#define VMM_HC_EVENTS 10

/* Errors */
#define VMM_HC_E_NUMBER   (-1) /* no such call */
#define VMM_HC_E_ADDRESS  (-2) /* there is nothing, or it may not be accessed so */
#define VMM_HC_E_ARGUMENT (-3) /* a number is out of range */
#define VMM_HC_E_OWNER    (-4) /* a frame that the guest does not have */
#define VMM_HC_E_TYPE     (-5) /* a page table would be writable, or a frame have two uses */
#define VMM_HC_E_ENTRY    (-6) /* reserved bits, a large or a global page, the VMM's own slot */
#define VMM_HC_E_STATE    (-7) /* not now: before ATTACH, or before paging */

/* Vectors of events: what would be interrupts 0 to 15 */
#define VMM_HC_EVENT_BASE    0x20
#define VMM_HC_EVENT_TIMER   0
#define VMM_HC_EVENT_CONSOLE 4

/* The VMM's 4 MB, read-only for the kernel: machine address of guest page i at P2M[i]; guest page
 * of machine frame i at M2P[i], all ones where that is not the guest's. Bits 12 up. */
#define VMM_HC_SLOT 1023
#define VMM_HC_P2M  0xffc00000
#define VMM_HC_M2P  0xffe80000

/* Targets of updates: the machine address of an entry of a page table or directory in use, which
 * gets the value; or one of these. */
#define VMM_HC_PIN_TABLE     0x1  /* value: machine address of a page; it is a page table ... */
#define VMM_HC_PIN_DIRECTORY 0x5  /* ... or directory from now on, used or not */
#define VMM_HC_UNPIN         0x9  /* value: machine address; what is used no more is data again */
#define VMM_HC_SWITCH        0xd  /* value: machine address of a directory, the new CR3 */
#define VMM_HC_FLUSH         0x11 /* the TLB */
#define VMM_HC_INVALIDATE    0x15 /* value: linear address, whose translation is stale */

#define VMM_HC_BATCH 1024

#ifndef __ASSEMBLER__

#include <stdint.h>

struct vmm_hc_shared {
    uint32_t events_on;     /* written by the guest: 1 lets events through; 0 at a handler's start
                               if its gate says so */
    uint32_t event_waits;   /* written by the VMM: one came while they were masked */
    uint32_t fault_address; /* of the last page fault */
    uint32_t kernel_stack;  /* written by the guest: ESP for events that interrupt ring 3 */
    uint32_t pages;         /* of guest-physical memory */
};

struct vmm_hc_trap {
    uint8_t vector;
    uint8_t ring; /* 3: user code may raise it by INT n */
    uint8_t mask; /* 1: entered with events masked */
    uint8_t reserved;
    uint32_t handler;
};

struct vmm_hc_update {
    uint32_t target, value;
};

static inline int32_t vmm_hypercall(uint32_t number, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
    int32_t result;
    __asm__ volatile("int %[vector]"
                     : "=a"(result), "+c"(ecx)
                     : "a"(number), "b"(ebx), "d"(edx), [vector] "i"(VMM_HC_VECTOR)
                     : "memory");
    return result;
}

#endif
#endif
