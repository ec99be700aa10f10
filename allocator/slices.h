/* The allocator's last resource: time on the processor, given out in slices by turns. */
#ifndef ALLOCATOR_SLICES_H
#define ALLOCATOR_SLICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who has had how much, `count` VMs in the order of their turns. */
struct slices {
    size_t count, next;
    uint64_t slice; /* instructions of one turn */
    struct slices_vm {
        uint64_t left; /* instructions that it may still be given */
        bool done;     /* it wants no more */
    } * vm;            /* the caller's, `count` of them */
};

/* The VM whose turn it is, and in `*instructions` how many it gets, which are taken from what it
 * has left. False if nobody wants a turn. */
bool slices_next(struct slices *slices, size_t *vm, uint64_t *instructions);

#endif
