/* Numbers that C, assembly and the user programs share: selectors, the address space, system calls.
 *
 *   0x00000000  physical memory, one to one, 4 MB pages, supervisor, global
 *   0x40000000  the user image: text, data, bss, then the heap (sbrk)
 *   0x60000000  mmap
 *   0x7fff0000  the stack, down from 0x80000000
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#define KERNEL_CODE  0x08
#define KERNEL_DATA  0x10
#define USER_CODE    0x1b
#define USER_DATA    0x23
#define TSS_SELECTOR 0x28

#define PAGE_SIZE  4096
#define USER_BASE  0x40000000
#define HEAP_END   0x60000000
#define MMAP_BASE  0x60000000
#define STACK_BASE 0x7fff0000
#define USER_TOP   0x80000000

#define IRQ_BASE       0x20 /* where the 8259As' vectors start */
#define SYSCALL_VECTOR 0x80

/* int 0x80: number in EAX, arguments in EBX, ECX, EDX; result in EAX, negative for an error */
#define SYS_EXIT   1
#define SYS_FORK   2
#define SYS_READ   3
#define SYS_WRITE  4
#define SYS_OPEN   5
#define SYS_CLOSE  6
#define SYS_WAIT   7
#define SYS_EXEC   11
#define SYS_GETPID 20
#define SYS_SBRK   45
#define SYS_MMAP   90
#define SYS_MUNMAP 91
#define SYS_YIELD  158
#define SYS_SLEEP  162
#define SYS_TICKS  200
#define SYS_PS     201
#define SYS_LIST   202
#define SYS_HALT   203

/* Status of a child that an exception ended: this plus the vector. */
#define KILLED 0x100

#endif
