#include "codepages.h"

#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "dirty.h"

/* A page that is opened more often than this within CODE_PAGE_CALM cycles is taken for mixed code
 * and data, and its stores are stepped. */
enum { CODE_PAGE_RESTLESS = 8, CODE_PAGE_CALM = 1000000 };

bool codepages_init(struct cpu *cpu)
{
    cpu->pages = calloc(memory_frames(cpu->memory), sizeof *cpu->pages);
    cpu->open_before = malloc((size_t)CPU_OPEN * MEMORY_FRAME_SIZE);
    return cpu->pages && cpu->open_before;
}

void codepages_destroy(struct cpu *cpu)
{
    for (uint32_t i = 0; cpu->pages && i < memory_frames(cpu->memory); i++)
        free(cpu->pages[i]);
    free(cpu->pages);
    free(cpu->open_before);
}

static struct cpu_watch *find_watch(struct cpu *cpu, uint32_t frame)
{
    for (unsigned i = 0; i < cpu->watch_count; i++)
        if (cpu->watches[i].frame == frame)
            return &cpu->watches[i];
    return 0;
}

bool cpu_watch_add(struct cpu *cpu, uint32_t frame)
{
    struct cpu_watch *watch = find_watch(cpu, frame);
    if (!watch) {
        if (cpu->watch_count == CPU_WATCHES)
            return false;
        watch = &cpu->watches[cpu->watch_count++];
        *watch = (struct cpu_watch){.frame = frame};
        engine_protect(cpu->engine, frame, false);
        engine_flush_tlb(cpu->engine);
    }
    watch->users++;
    return true;
}

/* The protection goes with the next write. */
void cpu_watch_remove(struct cpu *cpu, uint32_t frame)
{
    struct cpu_watch *watch = find_watch(cpu, frame);
    if (watch && --watch->users == 0)
        *watch = cpu->watches[--cpu->watch_count];
}

bool codepages_watched(struct cpu *cpu)
{
    for (unsigned i = 0; i < cpu->open; i++)
        if (find_watch(cpu, cpu->open_address[i] >> MEMORY_FRAME_SHIFT))
            return true;
    return false;
}

void cpu_look_again(struct cpu *cpu)
{
    cpu->translate_anew = true;
}

static void lock(struct cpu *cpu, uint32_t frame, struct code_page *page)
{
    if (page->locked)
        return;
    page->locked = true;
    engine_protect(cpu->engine, frame, false);
    engine_flush_tlb(cpu->engine);
}

void codepages_cover(struct cpu *cpu, uint32_t physical, unsigned size)
{
    uint32_t frame = physical >> MEMORY_FRAME_SHIFT;
    if (frame >= memory_frames(cpu->memory)) {
        cpu->uncovered = true;
        return; /* code in the page that answers for no memory: nobody can write it */
    }
    struct code_page *page = cpu->pages[frame];
    if (!page)
        page = cpu->pages[frame] = calloc(1, sizeof *page);
    if (!page) {
        cpu->uncovered = true;
        return;
    }
    uint32_t offset = physical & (MEMORY_FRAME_SIZE - 1);
    for (uint32_t i = offset; i < offset + size && i < MEMORY_FRAME_SIZE; i++)
        page->covered[i / 8] |= (uint8_t)(1u << (i % 8));
    lock(cpu, frame, page);
}

bool codepages_patch(struct cpu *cpu, uint32_t physical, unsigned size)
{
    codepages_cover(cpu, physical, size);
    struct code_page *page = cpu->pages[physical >> MEMORY_FRAME_SHIFT];
    uint32_t offset = physical & (MEMORY_FRAME_SIZE - 1);
    uint8_t bit = (uint8_t)(1u << (offset % 8));
    if (!page || (page->patched[offset / 8] & bit))
        return false;
    page->patched[offset / 8] |= bit;
    return true;
}

void codepages_drop(struct cpu *cpu, uint32_t frame)
{
    struct code_page *page = frame < memory_frames(cpu->memory) ? cpu->pages[frame] : 0;
    if (!page)
        return;
    engine_drop_code(cpu->engine, frame << MEMORY_FRAME_SHIFT, MEMORY_FRAME_SIZE, 0, false);
    memset(page->covered, 0, sizeof page->covered);
    cpu->statistics.code_drops++;
}

bool codepages_drop_all(struct cpu *cpu)
{
    if (cpu->uncovered)
        return false;
    for (uint32_t frame = 0; frame < memory_frames(cpu->memory); frame++)
        if (cpu->pages[frame] && cpu->pages[frame]->locked)
            codepages_drop(cpu, frame);
    return true;
}

static void unlock(struct cpu *cpu, uint32_t frame, struct code_page *page)
{
    codepages_drop(cpu, frame);
    page->locked = false;
    engine_protect(cpu->engine, frame, !find_watch(cpu, frame));
}

void cpu_written(struct cpu *cpu, uint32_t frame)
{
    dirty_note(cpu, frame); /* the protection goes with the next write of the processor's */
    if (frame < memory_frames(cpu->memory) && cpu->pages[frame] && cpu->pages[frame]->locked)
        codepages_drop(cpu, frame);
}

/* Does the block being executed come from this frame? */
static bool executing_from(const struct cpu *cpu, uint32_t frame)
{
    const struct block *block = cpu->block;
    return block &&
           (block->physical >> MEMORY_FRAME_SHIFT == frame ||
            ((block->flags & BLOCK_SPANS) && block->next_frame >> MEMORY_FRAME_SHIFT == frame));
}

bool codepages_fault(struct cpu *cpu, uint32_t physical, uint32_t address)
{
    uint32_t frame = address >> MEMORY_FRAME_SHIFT;
    struct code_page *page = frame < memory_frames(cpu->memory) ? cpu->pages[frame] : 0;
    dirty_note(cpu, frame);
    bool watched = find_watch(cpu, frame);
    if (frame < memory_frames(cpu->memory) && !(page && page->locked) && !watched) {
        /* A first write; or it was opened meanwhile, and the engine's TLB was behind. */
        engine_protect(cpu->engine, frame, true);
        return true;
    }
    cpu->statistics.code_writes++;
    if (page && page->locked && !watched && !executing_from(cpu, frame)) {
        if (cpu->time - page->last > CODE_PAGE_CALM)
            page->opened = 0;
        page->last = cpu->time;
        if (page->opened++ < CODE_PAGE_RESTLESS) {
            unlock(cpu, frame, page);
            return true;
        }
    }
    /* Nobody stores to more pages than there is room for; if he did, he would be found stuck. */
    if (cpu->open < CPU_OPEN) {
        cpu->open_physical[cpu->open] = physical;
        cpu->open_address[cpu->open++] = address;
    }
    return false;
}

static uint8_t *before(const struct cpu *cpu, unsigned i)
{
    return cpu->open_before + (size_t)i * MEMORY_FRAME_SIZE;
}

void codepages_open(struct cpu *cpu)
{
    cpu->statistics.code_steps++;
    for (unsigned i = 0; i < cpu->open; i++) {
        uint32_t address = cpu->open_address[i], frame = address >> MEMORY_FRAME_SHIFT;
        if (frame >= memory_frames(cpu->memory)) {
            nesting_void(cpu->nesting, cpu->open_physical[i], true);
            continue;
        }
        memcpy(before(cpu, i), memory_frame(cpu->memory, address), MEMORY_FRAME_SIZE);
        dirty_note(cpu, frame);
        engine_protect(cpu->engine, frame, true);
    }
    cpu->opened = cpu->open;
}

/* Has a byte changed that a translation was made from? */
static bool code_changed(const struct code_page *page, const uint8_t *old, const uint8_t *now)
{
    enum { LINE = 64 };
    for (unsigned line = 0; line < MEMORY_FRAME_SIZE; line += LINE) {
        if (!memcmp(old + line, now + line, LINE))
            continue;
        for (unsigned i = line; i < line + LINE; i++)
            if (now[i] != old[i] && (page->covered[i / 8] >> (i % 8) & 1))
                return true;
    }
    return false;
}

void codepages_close(struct cpu *cpu)
{
    for (unsigned i = 0; i < cpu->opened; i++) {
        uint32_t address = cpu->open_address[i], frame = address >> MEMORY_FRAME_SHIFT;
        if (frame >= memory_frames(cpu->memory))
            nesting_void(cpu->nesting, cpu->open_physical[i], false);
        else
            engine_protect(cpu->engine, frame, false);
    }
    engine_flush_tlb(cpu->engine);
    for (unsigned i = 0; i < cpu->opened; i++) {
        uint32_t address = cpu->open_address[i], frame = address >> MEMORY_FRAME_SHIFT;
        if (frame < memory_frames(cpu->memory) && cpu->pages[frame] &&
            code_changed(cpu->pages[frame], before(cpu, i), memory_frame(cpu->memory, address)))
            codepages_drop(cpu, frame);
    }
    if (cpu->open == cpu->opened)
        cpu->open = 0;
    cpu->opened = 0;
}
