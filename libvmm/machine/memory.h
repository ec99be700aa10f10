/* Machine (host-physical) memory: the frames that the VMM shares out, and the firmware area above
 * them that only the machine layer sees: VMCB, nested page tables, the page that answers for
 * addresses without memory. On a bare machine guest-physical and machine addresses are the same. */
#ifndef VMM_MACHINE_MEMORY_H
#define VMM_MACHINE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#define MEMORY_FRAME_SHIFT   12
#define MEMORY_FRAME_SIZE    4096u
#define MEMORY_MINIMUM       (1u << 20)
#define MEMORY_MAXIMUM       0xe0000000u /* bytes of machine memory */
#define MEMORY_FIRMWARE      0xf0000000u /* machine address of the firmware area */
#define MEMORY_FIRMWARE_SIZE (8u << 20)

struct memory {
    uint8_t *bytes; /* `size` bytes, zeroed at power-on */
    uint32_t size;  /* bytes, a multiple of the frame size */
    uint8_t *firmware;
};

/* Allocates `size` bytes (rounded up to frames). Returns false if the host has not got them. */
bool memory_init(struct memory *memory, uint32_t size);
void memory_destroy(struct memory *memory);

/* About to look at all of it: has the host map what nobody has touched in one go, which spares a
 * fault a page. */
void memory_populate(const struct memory *memory);

static inline uint32_t memory_frames(const struct memory *memory)
{
    return memory->size >> MEMORY_FRAME_SHIFT;
}

/* The host address of the frame that holds machine address `address`, or NULL without memory. */
static inline uint8_t *memory_frame(const struct memory *memory, uint32_t address)
{
    return address < memory->size ? memory->bytes + (address & ~(MEMORY_FRAME_SIZE - 1)) : 0;
}

#endif
