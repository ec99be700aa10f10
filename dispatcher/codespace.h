/* The memory of a code cache: frames of the VMM's, mapped in its own 4 MB of every address space.
 * The guest's user code reaches nothing of it. Its kernel, which runs at ring 1 and so is a
 * supervisor to paging, can read it; it can write (CR0.WP is always 1) nothing but the one page of
 * struct translator_words. */
#ifndef DISPATCHER_CODESPACE_H
#define DISPATCHER_CODESPACE_H

#include "allocator/descriptors.h"
#include "interpreter/translate/translate.h"

enum {
    CODESPACE_TABLE = TRANSLATOR_TABLE_BYTES / MEMORY_FRAME_SIZE, /* pages */
    CODESPACE_OTHERS = CODESPACE_TABLE + 2,                       /* pages that hold no code */
    CODESPACE_PAGES = 0x100 + 0xc0 + 0x1d0,                       /* what is free of the 4 MB */
    CODESPACE_SLOT = 1024,                                        /* pages of 4 MB */
    CODESPACE_LEAST = 16,                                         /* pages of code */
    /* Where they lie: behind the words nothing is mapped. */
    CODESPACE_WORDS = 0x1ff,
    CODESPACE_STATE = CODESPACE_WORDS - 1,
    CODESPACE_TABLE_PAGE = CODESPACE_STATE - CODESPACE_TABLE,
};

struct codespace {
    struct descriptors *tables;
    struct translator_space space;
    uint32_t machine[CODESPACE_PAGES]; /* addresses, by page in the order of the offsets */
    uint32_t page[CODESPACE_PAGES];    /* and their numbers */
    uint16_t index[CODESPACE_SLOT];    /* of them, by number */
    unsigned count;
    uint8_t *host[CODESPACE_PAGES];
    uint32_t offset[CODESPACE_PAGES];
};

/* Takes frames from the pool of `tables`: for `bytes` of code (0: as many as there is room for).
 * False, with nothing taken, if there are not enough. */
bool codespace_init(struct codespace *codespace, struct descriptors *tables, uint32_t bytes);
void codespace_destroy(struct codespace *codespace);

/* The machine address of what lies at `offset` in the VMM's 4 MB, which has to be of the cache. */
uint32_t codespace_machine(const struct codespace *codespace, uint32_t offset);

#endif
