/* name: a machine without a limit
 * points: 2
 * hint: there are frames of the monitor, and frame numbers that do not exist: vmm_frame_owner knows
 */
#define VMS 2
#define PLAN 4096, 0, 0, 0, 0
#define GRANTS 
#include "guest.inc"
    vm 0
    touch 0, 12
    finish
    vm 1
    touch 0, 12
    finish
    end
