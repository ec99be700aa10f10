/* The allocator's first resource: frames of machine memory (Popek and Goldberg 1974, section 3:
 * the allocator keeps a VM to the part of the resources that it was given; Waldspurger 2002,
 * section 2: what a guest calls physical memory is one more level of mapping).
 *
 * Each frame has one owner: nobody, the VMM, or one VM. A VM's guest-physical memory is a map from
 * page to frame. The frames are scattered on purpose, in an order that only the seed decides, so
 * that a guest-physical address never passes for a machine address by accident. */
#ifndef VMM_ALLOCATOR_FRAMES_H
#define VMM_ALLOCATOR_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/memory.h"

#define FRAMES_FREE     0u
#define FRAMES_VMM      1u
#define FRAMES_FIRST_VM 2u
#define FRAMES_NONE     0xffffffffu /* no frame, no machine address */

/* All frames of one machine. */
struct frames {
    struct memory *memory; /* borrowed */
    uint16_t *owner;       /* by frame number */
    uint32_t *free;        /* frame numbers, a stack in scattered order */
    uint32_t free_count;
    uint32_t reserve; /* free frames that only the VMM may still take */
    uint64_t changes; /* of owners, so far */
};

/* The guest-physical memory of one VM: addresses from 0, without a hole. */
struct frame_map {
    struct frames *pool; /* borrowed */
    uint16_t owner;
    uint32_t pages;
    uint32_t *frame; /* by guest-physical page number; FRAMES_NONE: it has none yet */
    /* Somebody else gives frames, page by page, when they are first needed: the number of a frame,
     * or FRAMES_NONE. NULL: all pages have theirs. */
    uint32_t (*give)(void *context, uint32_t page);
    void *give_context;
};

/* Makes every frame of `memory`, which must outlive the pool, free; the last `reserve` of them are
 * kept for the VMM's own structures. Returns false if the host lacks memory or there are fewer
 * frames than that. */
bool frames_init(struct frames *pool, struct memory *memory, uint32_t reserve, uint32_t seed);
void frames_destroy(struct frames *pool);

/* How many frames a VM may still be given. */
uint32_t frames_available(const struct frames *pool);

/* Who owns `frame`: FRAMES_FREE, FRAMES_VMM, or a VM; FRAMES_FREE for one that does not exist. */
uint16_t frames_owner(const struct frames *pool, uint32_t frame);

/* Takes a zeroed frame for the VMM. Returns its machine address, or FRAMES_NONE if none is left. */
uint32_t frames_take(struct frames *pool);

/* Takes `count` frames that lie behind each other, for what the processor addresses as a whole.
 * Returns the machine address of the first, or FRAMES_NONE; each is given back by itself. */
uint32_t frames_take_run(struct frames *pool, uint32_t count);

/* Gives back a frame that frames_take returned. */
void frames_give_back(struct frames *pool, uint32_t machine);

/* Gives the VM `owner` (>= FRAMES_FIRST_VM, one map each) zeroed frames for `size` bytes, rounded
 * up to pages. Returns false, and takes nothing, if the pool or the host has not enough. */
bool frame_map_init(struct frame_map *map, struct frames *pool, uint16_t owner, uint32_t size);

/* Gives all frames back, and has `give` asked from now on. */
void frame_map_on_demand(struct frame_map *map, uint32_t (*give)(void *context, uint32_t page),
                         void *context);

/* Sees to it that the page at guest-physical address `guest`, if it is memory, has a frame, which
 * is zeroed. False: it was not given one. */
bool frame_map_back(const struct frame_map *map, uint32_t guest);

/* Gives all frames back. */
void frame_map_destroy(struct frame_map *map);

/* The machine address of guest-physical address `guest`, FRAMES_NONE where there is no memory. */
static inline uint32_t frame_map_machine(const struct frame_map *map, uint32_t guest)
{
    uint32_t page = guest >> MEMORY_FRAME_SHIFT;

    return page < map->pages && map->frame[page] != FRAMES_NONE
               ? map->frame[page] << MEMORY_FRAME_SHIFT | (guest & (MEMORY_FRAME_SIZE - 1))
               : FRAMES_NONE;
}

/* The other way round: the guest-physical address of machine address `machine`, FRAMES_NONE if its
 * frame is not the VM's. It looks through the map. */
uint32_t frame_map_guest(const struct frame_map *map, uint32_t machine);

/* Whether `guest` is memory that has no frame yet: zeros, as far as anybody can tell. */
static inline bool frame_map_unbacked(const struct frame_map *map, uint32_t guest)
{
    uint32_t page = guest >> MEMORY_FRAME_SHIFT;

    return page < map->pages && map->frame[page] == FRAMES_NONE;
}

/* The host address of the page that holds guest-physical address `guest`, or NULL. */
static inline uint8_t *frame_map_page(const struct frame_map *map, uint32_t guest)
{
    uint32_t machine = frame_map_machine(map, guest);

    return machine == FRAMES_NONE ? 0 : memory_frame(map->pool->memory, machine);
}

#endif
