/* The digest's mixing function, and what it takes from the devices. */
#ifndef VMM_VM_DIGEST_H
#define VMM_VM_DIGEST_H

#include <stdint.h>

#include "arch/x86/walk.h"

struct board;
struct vmm_vm;

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

/* Takes the processor's state into `hash`. */
uint64_t digest_processor(uint64_t hash, const struct vmm_vm *vm);

/* What the processor itself writes to may differ between two correct machines. This is where:
 * guest-physical frames that hold page tables in use, a bit each; and stretches of descriptor
 * tables, by the access byte (the sixth) of the first descriptor in a page. */
#define DIGEST_FRAMES    ((1u << 30) / X86_PAGE_SIZE)
#define DIGEST_STRETCHES 40u
struct digest_live {
    uint8_t bits[DIGEST_FRAMES / 8];
    struct digest_stretch {
        uint32_t physical, count;
    } stretches[DIGEST_STRETCHES];
    unsigned stretch_count;
};

void digest_find_live(struct digest_live *live, const struct vmm_vm *vm);

/* The page at guest-physical `address` as it is compared, into `copy`: accessed bits in what is
 * live are clear. Returns how many that were. */
unsigned digest_mask(const struct digest_live *live, uint32_t address, const uint8_t *page,
                     uint8_t *copy);

#endif
