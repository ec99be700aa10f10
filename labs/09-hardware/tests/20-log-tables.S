/* name: logged page tables
 * points: 2
 * hint: the processor writes to the guest's page tables, too
 */
#define SPECIAL 'L'
#include "guest.inc"
begin:
    setup
    movl $0x200007, ENTRY(0)
    mov AT(directory), %eax
    paging
    mov 0x400000, %eax
    mov %edx, 0x400004
    mov ENTRY(0), %ebx
    mov AT(directory) + 4, %ecx
    finish
    tables
