/* name: LAR, LSL, VERR and VERW
 * points: 3
 * hint: they look into the shadow descriptor tables, whose rings and limits are not the guest's
 */
#include "guest.inc"
begin:
    setup
    xor %eax, %eax
    mov $CODE, %ecx
    lar %ecx, %eax
    setz %bl
    lsl %ecx, %edx
    setz %bh
    add %edx, %eax
    mov $TASK, %ecx
    lar %ecx, %edx
    lsl %ecx, %esi
    add %esi, %edx
    mov $ABSENT, %ecx
    lar %ecx, %ebp
    mov $BEYOND, %edi
    verr %di
    setz %ch
    mov $DATA, %edi
    verw %di
    setz %cl
    mov $0x1b, %edi
    verr %di
    pushf
    pop %esi
    finish
    tables
