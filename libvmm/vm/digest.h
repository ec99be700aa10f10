/* The digest's mixing function, and what it takes from the devices. */
#ifndef VMM_VM_DIGEST_H
#define VMM_VM_DIGEST_H

#include <stdint.h>

struct board;

/* Takes `value` into `hash`. Every step is a bijection of the hash, so that one difference is never
 * lost; the shift spreads the high bits, which the multiplication alone would leave where they are.
 */
static inline uint64_t digest_mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

/* Takes the state of all devices into `hash`, field by field, their timers included; what belongs
 * to the host or only counts is left out. */
uint64_t digest_board(uint64_t hash, const struct board *board);

#endif
