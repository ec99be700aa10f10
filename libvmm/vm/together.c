/* Several VMs on one machine, in turns. */
#include <stdlib.h>

#include "allocator/slices.h"
#include "vm.h"

#define SLICE_DEFAULT 1000000u /* instructions: 10 ms of virtual time */

bool vmm_run_together(struct vmm_vm *const *vms, size_t count, uint64_t slice,
                      uint64_t instructions)
{
    size_t turn;
    uint64_t give;
    struct slices slices = {.count = count, .slice = slice ? slice : SLICE_DEFAULT};
    slices.vm = calloc(count ? count : 1, sizeof *slices.vm);
    if (!slices.vm)
        return false;
    for (size_t i = 0; i < count; i++)
        slices.vm[i].left = instructions ? instructions : UINT64_MAX;
    bool interrupted = false;
    while (!interrupted && slices_next(&slices, &turn, &give)) {
        enum vmm_stop stop = vmm_run(vms[turn], give);
        interrupted = stop == VMM_STOP_USER;
        slices.vm[turn].done = stop != VMM_STOP_LIMIT;
    }
    free(slices.vm);
    return !interrupted;
}
