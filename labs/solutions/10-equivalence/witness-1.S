/* A witness against suspect 1: STI with the carry flag set loses it. */
#include "guest.inc"
begin:
    stc
    sti
    finish
    tables
