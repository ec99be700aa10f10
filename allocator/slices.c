/* Round-robin: each VM that wants to run gets its turn before another gets a second one. */
#include "slices.h"

bool slices_next(struct slices *slices, size_t *vm, uint64_t *instructions)
{
    for (size_t i = 0; i < slices->count; i++) {
        size_t candidate = (slices->next + i) % slices->count;
        struct slices_vm *it = &slices->vm[candidate];

        if (it->done || it->left == 0) {
            continue;
        }
        *vm = candidate;
        *instructions = it->left < slices->slice ? it->left : slices->slice;
        it->left -= *instructions;
        slices->next = (candidate + 1) % slices->count;
        return true;
    }
    return false;
}
