/* A witness against suspect 2: CR2 read into EDI lacks the offset in the page. */
#include "guest.inc"
begin:
    mov $0x12345678, %eax
    mov %eax, %cr2
    mov %cr2, %edi
    finish
    tables
