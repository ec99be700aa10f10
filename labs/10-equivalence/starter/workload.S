/* A guest with a bit of everything that a VMM has to simulate. All five suspects go wrong here,
 * somewhere; on its way nothing stops it. */
#include "guest.inc"
begin:
    mov $0x12345678, %eax
    mov %eax, %cr2
    cli
    setup
    mov %cr0, %ebx
    mov %cr3, %ecx
    mov $40, %esi
1:  add %esi, %eax
    rol $3, %eax
    xor %eax, %ebx
    dec %esi
    jnz 1b
    sti
    nop
    cli
    out %al, $0x80
    in $0x61, %al
    mov $0x3fd, %edx
    in %dx, %al
    cmp %ebx, %ebx
    stc
    sti
    nop
    cli
    mov $0x2fe00, %eax
    mov %eax, %cr2
    mov $30, %esi
2:  lea (%eax, %esi, 4), %eax
    imul $7, %eax
    dec %esi
    jnz 2b
    mov %cr2, %edi
    mov $0x61, %edx
    mov $0xabcd1234, %eax
    in %dx, %al
    in %dx, %ax
    in %dx, %eax
    lidt AT(wide)
    lidt AT(idt_pointer)
    mov %cr2, %ebx
    push $0
    popf
    enter_user user, 3
user:
    mov $25, %esi
3:  add $11, %ebx
    dec %esi
    jnz 3b
    mov $0x23, %eax
    mov %eax, %ds
    mov $0x4b, %eax
    mov %eax, %es
    mov %es:AT(wide), %ecx
    finish
wide:
    .word 0x7ff
    .long AT(idt)
    tables
