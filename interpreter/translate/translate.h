/* Binary translation of a guest's supervisor code (Adams and Agesen, ASPLOS 2006, section 3;
 * Bugnion et al., ACM TOCS 30(4), 2012, section 4): the guest's binary is read, instruction by
 * instruction, at the moment that it is first executed, and a translation of it is put into a code
 * cache and executed in its place, at ring 1.
 *
 *     guest:  push %ebx          cache:  push %ebx            identical
 *             pushf                      pushf; clear IOPL    inline
 *             mov %eax, %cr3             int3                 call-out: the VMM interprets it
 *             jne 1f                     jne (unit of 1f)     chained
 *
 * What the processor executes instead of the guest's code is a *translation unit* (TU): it has one
 * entry, follows the guest's code where branches fall through, and ends at the first instruction
 * that always goes elsewhere. For each place in it the guest's state can be told exactly: which
 * instruction the guest is at, and which registers the unit has borrowed.
 *
 * The roles are DynamoRIO's (Bruening, 2004): translate.c reads, emit.c writes, link.c chains,
 * lookup.c finds, space.c gives room, consistency.c follows what the guest does to its code; what
 * is a matter of choice in it - what an instruction becomes, where a unit ends - is plan.c's. All
 * of them only change the cache's memory and tables of their own. What belongs to others they ask
 * for: write traces by translator_request, and the processor's obedience to changed code by
 * `remade`. */
#ifndef VMM_INTERPRETER_TRANSLATE_H
#define VMM_INTERPRETER_TRANSLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/x86/decode.h"
#include "arch/x86/memory.h"
#include "interpreter/interpreter.h"
#include "vmm/translate.h"
#include "vmm/translator.h"

#define TRANSLATOR_NOT_MADE UINT32_MAX

/* The entries of the table by which indirect branches find their unit: by the low 16 bits of the
 * guest's address, which MOVZX takes without touching a flag. */
#define TRANSLATOR_TARGETS     (1u << 16)
#define TRANSLATOR_TABLE_BYTES (4u * TRANSLATOR_TARGETS)

/* Memory of the VMM's, mapped at `base` in every address space of the guest: for its supervisor,
 * read-only but for `words`. */
struct translator_space {
    uint32_t pages;        /* of code */
    uint8_t **host;        /* the host address of each */
    uint32_t *offset;      /* and where it lies behind `base`; ascending */
    uint8_t **table;       /* TRANSLATOR_TABLE_BYTES / 4096 pages */
    uint32_t table_offset; /* where they lie, one behind the other */
    uint8_t *state;        /* a page: struct translator_state */
    uint32_t state_offset;
    uint8_t *words; /* a page: struct translator_words; the 16 pages behind it are never mapped */
    uint32_t words_offset;
};

/* What translations read of the virtual processor: the VMM keeps it true. */
struct translator_state {
    uint32_t cr[5];
    uint32_t selector[X86_SREGS];
    uint32_t popf[256]; /* by the second byte of what POPF finds; the translator's own */
};

/* The words that translations write, and with them the guest's kernel could. Each is dead between
 * two instructions of the guest: it is written and read within one, with none of the guest's own
 * stores in between. So there is no value that a guest could put there and have believed. */
struct translator_words {
    uint32_t spare[1024 - 4];
    uint32_t distance; /* of an indirect branch's target from where it came to */
    uint32_t target;   /* where an indirect branch of the guest goes, until it is there */
    uint32_t eax, ecx; /* registers that are borrowed within one instruction; ECX is the last word
                        * of its page, see emit.c */
};

struct translator_client {
    void *context;
    /* `size` bytes of code at `offset` behind the base, which the processor may have executed,
     * have been changed. */
    void (*remade)(void *context, uint32_t offset, uint32_t size);
    /* All translations have gone. */
    void (*flushed)(void *context);
    /* Whether the guest may have to stop before the instruction at linear address `eip`: there is
     * no unit in which it is. When that changes, translator_stop. */
    bool (*stops)(void *context, uint32_t eip);
};

struct translator;

/* Code that is to be translated, for a policy. */
struct translator_code;

/* The address of its first instruction, and the instruction at `address`, in that page or the one
 * behind it, with its bytes. False: it cannot be read. */
uint32_t translator_code_begin(const struct translator_code *code);
bool translator_code_at(const struct translator_code *code, uint32_t address,
                        struct x86_instruction *insn, uint8_t bytes[X86_INSN_MAX]);

/* What is to be decided about translations. */
struct translator_policy {
    void *context;
    /* What each of the instructions becomes; returns how many, 0: there is to be no unit. Whoever
     * asks somebody else looks at the answer first: emit.c believes what is here. */
    unsigned (*plan)(void *context, const struct translator *translator,
                     const struct translator_code *code, struct vmm_op ops[VMM_UNIT_OPS]);
    /* Whether `count` bytes written at `address` make `unit` untrue. */
    bool (*stale)(void *context, const struct vmm_unit *unit, uint32_t address, uint32_t count);
    /* Whether an exit is chained. NULL: all are, and a unit that dies stops who comes to it.
     * Otherwise exits that lead to a dead unit are translator_cut by `unlink`. */
    bool (*link)(void *context, const struct vmm_exit *exit);
    void (*unlink)(void *context, struct translator *translator, uint32_t unit);
    /* All units have gone. May be NULL. */
    void (*flushed)(void *context);
};

/* The library's own (plan.c), which a build may leave out. */
extern const struct translator_policy translator_standard;

/* Decides from now on; the translator is flushed. NULL: there is nobody, and no unit is made. */
void translator_set_policy(struct translator *translator, const struct translator_policy *policy);
const struct translator_policy *translator_policy(const struct translator *translator);

/* The exit number `exit` is not chained any more. False: there is no such exit. */
bool translator_cut(struct translator *translator, uint32_t exit);

/* The translator of one VM of `guest_pages` pages; `space`'s arrays are copied, `routines` is the
 * VM's table: what is replaced in it is called out for. `policy` may be NULL. NULL if the host has
 * no memory. */
struct translator *translator_create(const struct translator_space *space, uint32_t base,
                                     uint32_t guest_pages, const struct interpreter *routines,
                                     const struct translator_client *client,
                                     const struct translator_policy *policy);
void translator_destroy(struct translator *translator);

/* Forgets all translations; from now on the memory is at linear address `base`. */
void translator_flush(struct translator *translator, uint32_t base);

/* The linear address of the translation of the code at linear address `eip`, made if need be; 0 if
 * it cannot be had: the code is not mapped, no memory, or changes so often that it is better
 * interpreted. `time` is virtual. Accessed bits are set as by a fetch. */
uint32_t translator_unit(struct translator *translator, const struct cpu_state *state,
                         const struct x86_memory *memory, uint32_t eip, uint64_t time);

/* The same for the target of an indirect branch, which finds it by itself from now on: the address
 * of the unit's landing, where an indirect branch that missed (TRANSLATOR_MISS) goes on. */
uint32_t translator_landing(struct translator *translator, const struct cpu_state *state,
                            const struct x86_memory *memory, uint32_t eip, uint64_t time);

/* The guest-physical page that wants to be traced (`on`), or no longer; false if there is none. */
bool translator_request(struct translator *translator, uint32_t *guest, bool *on);

/* Where the guest is when the processor is at linear address `pc` of the cache. */
struct translator_where {
    uint32_t eip;   /* of the guest's instruction, which has not retired */
    uint8_t borrow; /* by register number: to be taken from translator_words */
    int8_t stack;   /* to be added to ESP */
    /* Why it stopped there, if it is one of the cache's own INT3s. */
    enum translator_exit {
        TRANSLATOR_NONE,
        TRANSLATOR_CALL_OUT, /* the instruction is to be interpreted */
        TRANSLATOR_TRACED,   /* it is, because its store has faulted so often */
        TRANSLATOR_BRANCH,   /* a branch to `target` that is not yet chained */
        TRANSLATOR_DEAD,     /* the entry of a unit that is no longer valid: `target` */
        TRANSLATOR_MISS      /* an indirect branch to `target`, which is not in the table */
    } exit;
    uint32_t target;
    uint8_t kind;         /* TRANSLATOR_CALL_OUT: an enum x86_kind, OTHER if it is not known */
    uint32_t unit, index; /* translator_chain's */
};

/* False if `pc` is not in a unit. */
bool translator_where(const struct translator *translator, uint32_t pc,
                      struct translator_where *where);

/* Chains the exit of `where` (TRANSLATOR_BRANCH, _DEAD) to the unit of its target, if that exists.
 * Returns the linear address at which the processor goes on, 0 if there is none; `*chained` is
 * whether nobody will be asked next time. */
uint32_t translator_chain(struct translator *translator, const struct translator_where *where,
                          bool *chained);

/* Adaptive translation (Adams and Agesen, section 4.3). The guest's instruction at `where` has
 * faulted in its unit, because the VMM traces what it writes to: one that does so again and again
 * is called out for from then on, which costs less (TRANSLATOR_TRACED). */
void translator_faulted(struct translator *translator, const struct translator_where *where);

/* Such a call-out has been made. Where it was not for a `traced` page too often, the instruction is
 * copied again, and has to fault more often the next time. */
void translator_spared(struct translator *translator, const struct translator_where *where,
                       bool traced);

/* The guest is to stop before the instruction at linear address `eip` from now on (`stops`): the
 * units that have it go. */
void translator_stop(struct translator *translator, uint32_t eip);

/* How many of the guest's instructions retire in `size` bytes at `pc`: struct cpu_client. */
unsigned translator_retires(const struct translator *translator, uint32_t pc, uint32_t size);

/* `count` bytes at guest-physical `guest` were written. */
void translator_written(struct translator *translator, uint32_t guest, uint32_t count,
                        uint64_t time);

/* The guest changed address spaces (`all`), or invalidated `linear`: translations of code that
 * lies elsewhere now go. */
void translator_verify(struct translator *translator, const struct cpu_state *state,
                       const struct x86_memory *memory, bool all, uint32_t linear);

/* Statistics, and the units, as they are shown to who looks on (vmm/translate.h). `called_out` is
 * the dispatcher's to count. */
struct vmm_translation translator_statistics(const struct translator *translator);
bool translator_show_unit(const struct translator *translator, size_t i, struct vmm_unit *unit);
bool translator_show(const struct translator *translator, uint32_t eip,
                     bool (*take)(void *context, const struct vmm_translated *translated),
                     void *context);

#endif
