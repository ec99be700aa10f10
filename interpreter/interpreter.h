/* The interpreter of Popek and Goldberg's control program (CACM 17(7), 1974, section 3): one
 * routine v_i for each privileged instruction i, which simulates its effect on the virtual
 * processor. The virtual processor is a struct cpu_state that holds what the guest believes:
 * its CPL, control registers, tables, EFLAGS and selectors; its memory is reached through the
 * accessor of arch/. A routine never performs what belongs to others: it returns an outcome, and
 * the dispatcher carries it to the allocator or to the event delivery.
 *
 *     trap -> dispatcher -> interpreter_run -> routine for the kind -> outcome -> dispatcher
 *
 * Single stepping is the dispatcher's too: if EFLAGS.TF was set before an instruction that retires,
 * it sets DR6.BS and delivers #DB once the outcome is performed (SDM volume 3, section 17.3.1.4).
 * Loads of SS by MOV and POP do not trap, nor does what goes through the IDT (OUTCOME_INJECT). Each
 * iteration of a repeated string instruction does. interpreter_steps says so in its outcome.
 *
 * Routines are reached through a table of each virtual machine's own, so that one can be replaced
 * or taken away; the latter is what the labs call a missing module. A build may leave files of
 * routines/ out: what the table would have of them is missing in every machine. */
#ifndef VMM_INTERPRETER_INTERPRETER_H
#define VMM_INTERPRETER_INTERPRETER_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/x86/decode.h"
#include "arch/x86/memory.h"

/* What the dispatcher has to do next. */
enum outcome_kind {
    OUTCOME_DONE,      /* nothing: the instruction has retired */
    OUTCOME_INJECT,    /* deliver `event`; no state was changed, unless `retired` */
    OUTCOME_NEED_PAGE, /* a guest page is not at hand; supply it and run the routine again */
    OUTCOME_MISSING,   /* no routine in this virtual machine's table: "module missing" */
    OUTCOME_REFUSED,   /* a replaced routine came to nonsense, which `why` tells: stop */
    /* Retired, and a resource has to follow. */
    OUTCOME_CR3,    /* CR3 was written, by MOV or by a task switch */
    OUTCOME_PAGING, /* a bit of CR0 or CR4 that address translation depends on has changed */
    OUTCOME_INVLPG, /* the translation of `linear` is no longer wanted */
    OUTCOME_TABLES, /* GDTR, LDTR or TR was loaded */
    OUTCOME_IDLE,   /* HLT */
    /* Not retired: `port` has to be performed, then interpreter_port_complete finishes it. */
    OUTCOME_PORT,
    /* Not retired, nothing was changed: the processor has to execute this one instruction itself
     * (floating point, MMX, SSE, whose registers struct cpu_state does not have). */
    OUTCOME_PROCESSOR,
};

/* One access to I/O ports. For OUT and OUTS `value` is what goes out. String forms are one
 * iteration. */
struct port_access {
    uint16_t port;
    uint8_t size; /* bytes: 1, 2 or 4 */
    bool in;
    bool string; /* INS, OUTS */
    bool repeat; /* with a REP prefix */
    uint32_t value;
};

struct outcome {
    enum outcome_kind kind;
    /* A task was switched: TR, LDTR and perhaps CR3 are new. Holds for OUTCOME_INJECT too, where
     * the event is one that the new task has met at its first instruction. */
    bool task_switched;
    bool retired;     /* OUTCOME_INJECT: a trap; the instruction has retired, EIP lies behind it */
    bool single_step; /* of interpreter_steps: a #DB for EFLAGS.TF follows, DR6.BS is set already */
    struct x86_event event;
    uint32_t linear;
    struct port_access port;
    const char *why; /* OUTCOME_REFUSED: without a full stop; good until the routine runs again */
};

/* The virtual processor that a routine works on. */
struct interpreter_context {
    struct cpu_state *cpu;
    const struct x86_memory *memory;
    uint64_t time; /* virtual time, which RDTSC reads */
    void *modules; /* of replaced routines, which know what it is */
    /* For the full interpreter. */
    uint64_t repeats; /* iterations so far of string instructions after which another one follows */
    struct interpreter_cache
        *cache;      /* of translations and decoded code (execute/cache.h), or NULL */
    bool window;     /* interpreter_steps returns where an external interrupt could be taken */
    bool supervisor; /* and where the guest goes to ring 3 */
};

/* Simulates `insn` at `context->cpu->eip`. */
typedef struct outcome routine(struct interpreter_context *context,
                               const struct x86_instruction *insn);

struct interpreter {
    routine *routines[X86_KINDS]; /* by enum x86_kind; NULL: missing */
};

/* The table with the routines of this folder. Kinds that are nobody's business (near transfers,
 * X86_KIND_OTHER) are empty, and those that this build leaves out. */
extern const struct interpreter interpreter_standard;

/* The kinds that have a slot, for a routine of the library's or of somebody else's. */
enum { INTERPRETER_FIRST = X86_KIND_INVALID, INTERPRETER_END = X86_KIND_JMP };

static inline bool interpreter_simulates(const struct x86_instruction *insn)
{
    return insn->kind >= INTERPRETER_FIRST && insn->kind < INTERPRETER_END;
}

/* Fills the table with them. */
void interpreter_init(struct interpreter *interpreter);

/* Runs the routine for `insn`. If it retires, EIP is behind the instruction or where it leads, and
 * virtual time is to be advanced by 1 (so too for OUTCOME_PORT, once completed); a REP INS or OUTS
 * with iterations left retires one of them and stays where it is. A LOCK prefix is #UD for all of
 * these instructions. */
struct outcome interpreter_run(const struct interpreter *interpreter,
                               struct interpreter_context *context,
                               const struct x86_instruction *insn);

/* The full interpreter: executes any instruction, those of the routines by interpreter_run, all
 * others by the handlers of execute/. One iteration of a repeated string instruction; EIP stays if
 * others are left. Otherwise as interpreter_run; OUTCOME_PROCESSOR where it cannot. */
struct outcome interpreter_execute(const struct interpreter *interpreter,
                                   struct interpreter_context *context,
                                   const struct x86_instruction *insn);

/* Fetches, decodes and executes from EIP on until `context->time` is `deadline` (then the outcome
 * is OUTCOME_DONE) or an instruction comes to another outcome. `context->time` counts what has
 * retired: with OUTCOME_PORT and OUTCOME_PROCESSOR, and INT n in OUTCOME_INJECT, that is up to the
 * caller. OUTCOME_DONE too for `window`, `supervisor` and `single_step`. `insn` becomes the last
 * instruction, for interpreter_port_complete. A fault of the fetch is OUTCOME_INJECT. */
struct outcome interpreter_steps(const struct interpreter *interpreter,
                                 struct interpreter_context *context, uint64_t deadline,
                                 struct x86_instruction *insn);

/* Finishes the `insn` that came to OUTCOME_PORT with `access`, once the device has answered:
 * `value` goes to AL, AX, EAX or memory (it is ignored for output), and the iteration retires.
 * OUTCOME_DONE; OUTCOME_NEED_PAGE or OUTCOME_INJECT only if memory was changed since
 * interpreter_run. */
struct outcome interpreter_port_complete(struct interpreter_context *context,
                                         const struct x86_instruction *insn,
                                         const struct port_access *access, uint32_t value);

#endif
