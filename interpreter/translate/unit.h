/* What the roles of the translator share: the units, and the tables in which they are found. For
 * interpreter/translate only. Everything is found by numbers, 0 being none, so that flushing is
 * resetting counters. */
#ifndef VMM_INTERPRETER_UNIT_H
#define VMM_INTERPRETER_UNIT_H

#include "translate.h"

enum {
    UNIT_INSTRUCTIONS = VMM_UNIT_OPS,
    UNIT_BYTES = 1024, /* of the cache, at the most */
    UNIT_ROOM = 128,   /* what one instruction and the unit's end may need */
    UNIT_MARKS = 512,
    UNIT_EXITS = UNIT_INSTRUCTIONS + 2,
    UNIT_LEAST = 5, /* bytes: a jump fits over a dead unit's entry */
    UNIT_BUCKETS = 1 << 14,
    UNIT_FAULTING = 1 << 8, /* instructions whose faults are counted */
};
#define UNIT_NO_PAGE UINT32_MAX /* of an address */

enum {
    JUMP = 0xe9,     /* JMP rel32 */
    TRAP = 0xcc,     /* INT3 */
    JUMP_LENGTH = 5, /* bytes */
    JCC_LENGTH = 6,
};

/* From this place in a unit on, the guest is at the instruction `guest` bytes behind the unit's
 * first. */
struct mark {
    uint16_t at;
    uint16_t guest;
    uint8_t borrow;        /* registers whose value is in translator_words */
    int8_t stack;          /* what ESP lacks of the guest's */
    uint8_t exit;          /* an enum translator_exit: an INT3 is here, or was */
    uint8_t kind;          /* TRANSLATOR_CALL_OUT: an enum x86_kind */
    uint8_t retires : 1;   /* the cache's instruction that begins here makes the guest's retire */
    uint8_t lands : 1;     /* the guest is at translator_words.target */
    uint8_t treatment : 3; /* of the guest's instruction, an enum vmm_treatment */
};

/* A direct branch. Unchained it comes to an INT3 at `at`. */
struct exit {
    uint16_t at;
    uint16_t branch; /* where the displacement is, once it is chained */
    bool in_place;   /* the INT3 is the branch's first byte */
    bool chained;
    uint32_t target; /* of the guest */
};

struct unit {
    uint32_t eip;   /* linear */
    uint32_t place; /* behind the base */
    uint16_t size, guest_size;
    uint16_t entry; /* of direct branches; if it is not 0, indirect ones come to `place` */
    uint16_t mark_count, exit_count;
    uint32_t mark, exit; /* the first */
    uint32_t next;       /* in its bucket */
    struct {
        uint32_t view, next; /* its code's page, and the next unit there */
    } page[2];
    bool dead;
    bool barred; /* and nobody comes in: its entry is an INT3, or a jump (`forwarded`) */
    bool forwarded;
};

/* A page of code: a linear page that shows a guest-physical one. */
struct view {
    uint32_t linear, physical; /* addresses */
    uint32_t units;            /* the first */
    uint32_t next_linear, next_physical;
};

/* Guest-physical pages. */
struct origin {
    uint32_t views; /* the first */
    uint32_t next;  /* that has a request */
    uint16_t heat;  /* how often translations were lost of late */
    bool traced, asked, queued;
    uint64_t since, until; /* virtual time: of the first loss, and of the ban's end */
};

struct translator {
    struct translator_space space;
    struct translator_client client;
    const struct interpreter *routines;
    const struct translator_policy *policy;
    uint32_t base;
    uint32_t bucket[UNIT_BUCKETS];
    struct unit *unit;
    struct mark *mark;
    struct exit *exit;
    struct view *view;
    uint32_t units, marks, exits, views; /* used; the next is free */
    uint32_t unit_room, mark_room, exit_room, view_room;
    uint32_t free_view;
    struct origin *origin;
    uint32_t guest_pages;
    uint32_t requests;         /* the first origin that has one, + 1 */
    uint32_t region[1024];     /* by 4 MB: the first view */
    uint32_t region_pde[1024]; /* as it was verified last */
    uint32_t miss;             /* the unit where indirect branches end that find nothing */
    struct faulting {
        uint32_t eip;
        bool called_out;
        int balance;   /* of faults; of call-outs that would have been, less those that would not */
        int threshold; /* faults before it is called out for */
    } faulting[UNIT_FAULTING];
    uint64_t places;     /* of units in that page, see space.c */
    uint32_t page, used; /* where the next unit goes: number of the page, bytes used of it */
    struct vmm_translation statistics;
};

/* What is being translated. */
struct draft {
    const struct translator *t;
    const uint8_t *bytes; /* of the instruction */
    uint32_t eip;         /* of the unit */
    unsigned guest;       /* offset of the instruction */
    unsigned length;
    uint8_t code[UNIT_BYTES];
    unsigned marks, exits, entry;
    struct mark mark[UNIT_MARKS];
    struct exit exit[UNIT_EXITS];
    bool ends; /* nothing falls through */
};

/* ---- emit.c ---- */

/* Makes `op` of `insn`. `shadowed`: interrupts are held off for this instruction, so it has to be
 * one of the cache's. */
enum vmm_treatment emit_op(struct draft *draft, const struct x86_instruction *insn,
                           const struct vmm_op *op, bool shadowed);
/* `insn` is called out for because its store faults (consistency_calls_out). */
void emit_traced(struct draft *draft, const struct x86_instruction *insn);
/* Where indirect branches come to the unit, before its first instruction; and where they come to
 * if they find none. */
void emit_landing(struct draft *draft);
void emit_miss(struct draft *draft);
/* The unit goes on elsewhere, at guest offset `guest`. */
void emit_continue(struct draft *draft);
/* Places the INT3s of exits that are not in place. */
void emit_stubs(struct draft *draft);

/* Whether exits are chained by somebody else, who has to cut them, too. */
static inline bool chained_by_others(const struct translator *t)
{
    return t->policy && t->policy->link;
}

/* ---- space.c ---- */

/* Room for `size` bytes in one page; false if the cache is full. */
bool space_take(struct translator *t, unsigned size, uint32_t *place);
uint8_t *space_host(const struct translator *t, uint32_t place);

/* ---- lookup.c ---- */

uint32_t lookup_find(const struct translator *t, uint32_t eip);
void lookup_insert(struct translator *t, uint32_t unit);
void lookup_remove(struct translator *t, uint32_t unit);
/* The unit at `place` behind the base, or 0. */
uint32_t lookup_place(const struct translator *t, uint32_t place);
void lookup_clear(struct translator *t);

/* ---- link.c ---- */

/* Chains every exit of a new unit whose target exists. */
void link_new(struct translator *t, uint32_t unit);
/* Whoever comes to the unit's entry leaves the cache. */
void link_kill(struct translator *t, uint32_t unit);

/* Indirect branches find `unit`, or nothing any more. */
void link_land(struct translator *t, uint32_t unit);
void link_forget(struct translator *t);

/* ---- consistency.c ---- */

/* Whether code of that page may be translated now. */
bool consistency_allows(const struct translator *t, uint32_t physical, uint64_t time);
/* Notes what `unit` was made from; false if there is no room to. */
bool consistency_note(struct translator *t, uint32_t unit, const uint32_t linear[2],
                      const uint32_t physical[2]);
void consistency_clear(struct translator *t);
/* Whether no unit may have the instruction at `eip`. */
static inline bool consistency_stops(const struct translator *t, uint32_t eip)
{
    return t->client.stops(t->client.context, eip);
}
/* Whether the instruction at `eip` has faulted so often that it is to be called out for. */
bool consistency_calls_out(const struct translator *t, uint32_t eip);

#endif
