/* name: a frame for every page
 * points: 3
 * hint: any frame whose owner is VMM_FRAME_FREE
 */
#define VMS 2
#define PLAN 64, 32, 32, 0, 0
#define GRANTS 
#include "guest.inc"
    vm 0
    touch 0
    touch 7, 3
    finish
    vm 1
    touch 1, 2
    finish
    end
