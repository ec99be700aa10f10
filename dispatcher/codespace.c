/* The memory of a code cache. See codespace.h. */
#include "codespace.h"

#include <string.h>

/* The pages come in this order: the table of indirect branches, the state, the words, the code. */
enum { STATE = CODESPACE_TABLE, WORDS, CODE };

_Static_assert((int)CODE == (int)CODESPACE_OTHERS, "the pages that hold no code");

static bool take(struct codespace *c, uint32_t page)
{
    uint32_t machine = frames_take(c->tables->pool);
    if (machine == FRAMES_NONE)
        return false;
    c->machine[c->count] = machine;
    c->page[c->count] = page;
    c->host[c->count] = memory_frame(c->tables->pool->memory, machine);
    c->offset[c->count] = page << MEMORY_FRAME_SHIFT;
    c->index[page] = (uint16_t)c->count;
    descriptors_map(c->tables, page, machine, c->count == WORDS);
    c->count++;
    return true;
}

static bool take_others(struct codespace *c)
{
    for (uint32_t i = 0; i < CODESPACE_TABLE; i++)
        if (!take(c, CODESPACE_TABLE_PAGE + i))
            return false;
    return take(c, CODESPACE_STATE) && take(c, CODESPACE_WORDS);
}

static bool take_code(struct codespace *c, unsigned wanted)
{
    for (unsigned run = 0; run < DESCRIPTORS_FREE_RUNS; run++)
        for (uint32_t i = 0; i < descriptors_free[run].count && c->count < wanted; i++) {
            uint32_t page = descriptors_free[run].first + i;
            bool other = page >= CODESPACE_TABLE_PAGE && page <= CODESPACE_WORDS;
            if (!other && !take(c, page))
                return false;
        }
    return true;
}

bool codespace_init(struct codespace *c, struct descriptors *tables, uint32_t bytes)
{
    memset(c, 0, sizeof *c);
    c->tables = tables;
    unsigned pages = bytes / MEMORY_FRAME_SIZE, most = CODESPACE_PAGES - CODESPACE_OTHERS;
    if (!pages || pages > most)
        pages = most;
    if (pages < CODESPACE_LEAST)
        pages = CODESPACE_LEAST;
    if (!take_others(c) || !take_code(c, CODESPACE_OTHERS + pages)) {
        codespace_destroy(c);
        return false;
    }
    c->space = (struct translator_space){.pages = pages,
                                         .host = &c->host[CODE],
                                         .offset = &c->offset[CODE],
                                         .table = &c->host[0],
                                         .table_offset = c->offset[0],
                                         .state = c->host[STATE],
                                         .state_offset = c->offset[STATE],
                                         .words = c->host[WORDS],
                                         .words_offset = c->offset[WORDS]};
    return true;
}

uint32_t codespace_machine(const struct codespace *c, uint32_t offset)
{
    return c->machine[c->index[offset >> MEMORY_FRAME_SHIFT]] + (offset & (MEMORY_FRAME_SIZE - 1));
}

void codespace_destroy(struct codespace *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        descriptors_map(c->tables, c->page[i], FRAMES_NONE, false);
        frames_give_back(c->tables->pool, c->machine[i]);
    }
    c->count = 0;
}
