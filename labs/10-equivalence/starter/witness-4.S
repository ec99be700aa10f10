/* A witness against suspect 4: a guest that ends otherwise than on the bare machine, within 60
 * instructions, because of the module that is at fault and of nothing else. */
#include "guest.inc"
begin:
    finish
    tables
