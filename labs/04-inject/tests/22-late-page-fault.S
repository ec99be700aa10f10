/* name: a page fault while another exception is delivered
 * points: 2
 * hint: contributory, then a page fault: not a double fault; the page fault is delivered, and CR2 is its address
 */
#include "guest.inc"
begin:
    setup
    paging
    mov $AT(idt), %esi
    mov $0x180fa0, %edi
    movl $0x180003, AT(page_table) + 0x600
    movl $0x181003, AT(page_table) + 0x604
    mov $32, %ecx
    rep movsl
    mov $AT(idt) + 96, %esi
    mov $0x181000, %edi
    mov $32, %ecx
    rep movsl
    movl $((handler - start) + (CODE << 16)), 0x181010
    movl $0, AT(page_table) + 0x600
    mov $0x180000, %eax
    invlpg (%eax)
    movl $0x180fa0, AT(idt_pointer) + 2
    lidt AT(idt_pointer)
    xor %ecx, %ecx
    div %ecx
    hlt
handler:
    pop %ecx
    mov %cr2, %edx
    finish
    tables
    page_tables
