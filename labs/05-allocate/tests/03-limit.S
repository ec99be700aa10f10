/* name: a guest that wants everything
 * points: 3
 * hint: all VMs together have plan->limit frames at the most; the page that holds the guest is one of them
 */
#define VMS 2
#define PLAN 12, 0, 0, 0, 0
#define GRANTS 
#include "guest.inc"
    vm 0
    finish
    vm 1
    touch 0, 20
    finish
    end
