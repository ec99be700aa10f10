/* Physical memory: a stack of free page frames above the kernel, and for each frame the number of
 * page tables that map it. A frame of the kernel's own image (text of the user programs, the page
 * of zeros) is not counted: it is always shared, and never freed. */
#include "kernel.h"

extern char kernel_end[];
static uint32_t *free_frames; /* a stack of frame addresses */
static uint16_t *users;       /* by frame number, from first_frame on */
static uint32_t free_count, first_frame, frame_count;

void memory_init(uint32_t bytes)
{
    uint32_t start = (uint32_t)kernel_end, total = (bytes - start) / PAGE_SIZE;
    free_frames = (uint32_t *)start;
    users = (uint16_t *)(free_frames + total);
    first_frame = ((uint32_t)(users + total) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1u);
    frame_count = (bytes - first_frame) / PAGE_SIZE;
    memset(users, 0, frame_count * sizeof *users);
    /* The lowest frame is handed out first. */
    for (uint32_t i = frame_count; i-- > 0;)
        free_frames[free_count++] = first_frame + i * PAGE_SIZE;
}

static bool counted(uint32_t frame)
{
    return frame >= first_frame && frame - first_frame < frame_count * PAGE_SIZE;
}

static uint16_t *count_of(uint32_t frame)
{
    return &users[(frame - first_frame) / PAGE_SIZE];
}

uint32_t frame_alloc(void)
{
    uint32_t flags = irq_save(), frame = 0;
    if (free_count) {
        frame = free_frames[--free_count];
        *count_of(frame) = 1;
    }
    irq_restore(flags);
    if (frame)
        memset((void *)frame, 0, PAGE_SIZE);
    return frame;
}

void frame_get(uint32_t frame)
{
    uint32_t flags = irq_save();
    if (counted(frame))
        ++*count_of(frame);
    irq_restore(flags);
}

void frame_put(uint32_t frame)
{
    uint32_t flags = irq_save();
    if (counted(frame) && --*count_of(frame) == 0)
        free_frames[free_count++] = frame;
    irq_restore(flags);
}

bool frame_shared(uint32_t frame)
{
    return !counted(frame) || *count_of(frame) > 1;
}

uint32_t frames_free(void)
{
    return free_count;
}
