/* Frames are handed out from a stack that was shuffled once (Fisher and Yates, with a generator of
 * our own so that a seed means the same everywhere); the VMM's reserve lies beneath, in order. A VM
 * is not given the frame that has the page's own number, nor the one behind its neighbour's, as
 * long as the pool offers another. */
#include "frames.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CANDIDATES 8u /* how many free frames are looked at before a poor one is accepted */

/* The owner of a free frame that somebody has had: it is to be zeroed. */
#define USED_BEFORE 0xffffu

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

bool frames_init(struct frames *pool, struct memory *memory, uint32_t reserve, uint32_t seed)
{
    uint32_t count = memory_frames(memory);
    uint32_t state = seed ? seed : 1;

    *pool = (struct frames){.memory = memory, .free_count = count, .reserve = reserve};
    if (count < reserve) {
        return false;
    }
    pool->owner = calloc(count, sizeof *pool->owner);
    pool->free = malloc(count * sizeof *pool->free);
    if (!pool->owner || !pool->free) {
        frames_destroy(pool);
        return false;
    }
    for (uint32_t i = 0; i < reserve; i++) {
        pool->free[i] = i;
    }
    for (uint32_t i = reserve; i < count; i++) {
        uint32_t other = reserve + next_random(&state) % (i + 1 - reserve);

        pool->free[i] = pool->free[other];
        pool->free[other] = i;
    }
    return true;
}

void frames_destroy(struct frames *pool)
{
    free(pool->owner);
    free(pool->free);
    *pool = (struct frames){0};
}

uint32_t frames_available(const struct frames *pool)
{
    return pool->free_count > pool->reserve ? pool->free_count - pool->reserve : 0;
}

uint16_t frames_owner(const struct frames *pool, uint32_t frame)
{
    uint16_t owner = frame < memory_frames(pool->memory) ? pool->owner[frame] : FRAMES_FREE;

    return owner == USED_BEFORE ? FRAMES_FREE : owner;
}

static uint32_t pop(struct frames *pool, uint16_t owner)
{
    uint32_t frame = pool->free[--pool->free_count];

    if (pool->owner[frame] == USED_BEFORE) {
        memset(memory_frame(pool->memory, frame << MEMORY_FRAME_SHIFT), 0, MEMORY_FRAME_SIZE);
    }
    pool->owner[frame] = owner;
    pool->changes++;
    return frame;
}

static void push(struct frames *pool, uint32_t frame, uint16_t owner)
{
    assert(frames_owner(pool, frame) == owner && owner != FRAMES_FREE);
    (void)owner;
    pool->owner[frame] = USED_BEFORE;
    pool->changes++;
    pool->free[pool->free_count++] = frame;
}

uint32_t frames_take(struct frames *pool)
{
    return pool->free_count ? pop(pool, FRAMES_VMM) << MEMORY_FRAME_SHIFT : FRAMES_NONE;
}

/* Brings `frame`, which is free, to the top of the stack. */
static void raise(struct frames *pool, uint32_t frame)
{
    uint32_t top = pool->free_count - 1, at = top;

    while (pool->free[at] != frame) {
        at--;
    }
    pool->free[at] = pool->free[top];
    pool->free[top] = frame;
}

uint32_t frames_take_run(struct frames *pool, uint32_t count)
{
    uint32_t run = 0;

    for (uint32_t frame = 0; frame < memory_frames(pool->memory); frame++) {
        run = frames_owner(pool, frame) == FRAMES_FREE ? run + 1 : 0;
        if (run < count) {
            continue;
        }
        for (uint32_t i = 0; i < count; i++) {
            raise(pool, frame - i);
            pop(pool, FRAMES_VMM);
        }
        return (frame - (count - 1)) << MEMORY_FRAME_SHIFT;
    }
    return FRAMES_NONE;
}

void frames_give_back(struct frames *pool, uint32_t machine)
{
    push(pool, machine >> MEMORY_FRAME_SHIFT, FRAMES_VMM);
}

/* Brings to the top of the stack a frame that does not suit `page` by accident. */
static void choose(struct frames *pool, const struct frame_map *map, uint32_t page)
{
    uint32_t top = pool->free_count - 1;
    uint32_t before = page ? map->frame[page - 1] : FRAMES_NONE;

    for (uint32_t i = 0; i < CANDIDATES && i <= top; i++) {
        uint32_t frame = pool->free[top - i];

        if (frame != page && (!page || frame != before + 1)) {
            pool->free[top - i] = pool->free[top];
            pool->free[top] = frame;
            return;
        }
    }
}

bool frame_map_init(struct frame_map *map, struct frames *pool, uint16_t owner, uint32_t size)
{
    uint32_t pages = (uint32_t)(((uint64_t)size + MEMORY_FRAME_SIZE - 1) >> MEMORY_FRAME_SHIFT);

    assert(owner >= FRAMES_FIRST_VM);
    *map = (struct frame_map){.pool = pool, .owner = owner};
    if (pages > frames_available(pool)) {
        return false;
    }
    map->frame = malloc((pages ? pages : 1) * sizeof *map->frame);
    if (!map->frame) {
        return false;
    }
    for (; map->pages < pages; map->pages++) {
        choose(pool, map, map->pages);
        map->frame[map->pages] = pop(pool, owner);
    }
    return true;
}

uint32_t frame_map_guest(const struct frame_map *map, uint32_t machine)
{
    for (uint32_t page = 0; page < map->pages; page++) {
        if (map->frame[page] == machine >> MEMORY_FRAME_SHIFT) {
            return page << MEMORY_FRAME_SHIFT | (machine & (MEMORY_FRAME_SIZE - 1));
        }
    }
    return FRAMES_NONE;
}

static void release(struct frame_map *map)
{
    for (uint32_t page = 0; page < map->pages; page++) {
        if (map->frame[page] != FRAMES_NONE) {
            push(map->pool, map->frame[page], map->owner);
        }
        map->frame[page] = FRAMES_NONE;
    }
}

void frame_map_on_demand(struct frame_map *map, uint32_t (*give)(void *context, uint32_t page),
                         void *context)
{
    release(map);
    map->give = give;
    map->give_context = context;
}

/* Takes one frame, which must be free, out of the stack. */
static void claim(struct frames *pool, uint32_t frame, uint16_t owner)
{
    uint32_t at = 0;

    while (pool->free[at] != frame) {
        at++;
        assert(at < pool->free_count);
    }
    pool->free[at] = pool->free[pool->free_count - 1];
    pool->free[pool->free_count - 1] = frame;
    pop(pool, owner);
}

bool frame_map_back(const struct frame_map *map, uint32_t guest)
{
    uint32_t page = guest >> MEMORY_FRAME_SHIFT;
    uint32_t frame;

    if (!frame_map_unbacked(map, guest)) {
        return true;
    }
    frame = map->give(map->give_context, page);
    if (frame == FRAMES_NONE) {
        return false;
    }
    claim(map->pool, frame, map->owner);
    map->frame[page] = frame;
    return true;
}

void frame_map_destroy(struct frame_map *map)
{
    release(map);
    free(map->frame);
    *map = (struct frame_map){0};
}
