/** @file
 * Popek and Goldberg's three theorems (CACM 17(7), 1974), decided.
 *
 * 1: a VMM may be constructed if the sensitive instructions are a subset of the privileged ones.
 * 2: the machine is recursively virtualizable if it is virtualizable and a VMM without any timing
 *    dependencies can be constructed for it.
 * 3: a hybrid VMM may be constructed if the user sensitive instructions are a subset of the
 *    privileged ones.
 *
 * For a real instruction set they are decided from class records (vmm/classes.h). For a formal
 * machine, the paper's <E, M, P, R> written down in a small text format (docs/formal-machine.md),
 * everything is tried: all states for the classes, and for the VMM that is constructed for the
 * machine the homomorphism f(e(S)) = e'(f(S)) for all states and all short instruction sequences.
 */
#ifndef VMM_THEOREM_H
#define VMM_THEOREM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "classes.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** The longest instruction sequence that can be asked for. */
#define VMM_THEOREM_LENGTH 8

/** What a check may cost. A zero means the default. */
struct vmm_theorem_limits {
    uint64_t max_states; /**< a machine with more states is refused; default 1,000,000 */
    uint64_t max_checks; /**< instructions compared in one decision; default 100,000,000 */
    unsigned length;     /**< of the sequences tried, 1 to VMM_THEOREM_LENGTH; default 2 */
};

/** Why something was refused. */
struct vmm_theorem_error {
    unsigned line;     /**< from 1; 0 if it is no matter of the text */
    unsigned column;   /**< from 1; 0 if it is no matter of the text */
    char message[256]; /**< one sentence, with the remedy and the line and column */
};

/** A formal machine. */
struct vmm_formal_machine;

/** Reads a formal machine from `length` bytes of text. `limits` may be NULL. Returns a machine that
 * the caller releases with vmm_theorem_unload(), or NULL with `error` (may be NULL) filled in: a
 * mistake in the text, a state space larger than the limit, a limit out of range, no memory. */
struct vmm_formal_machine *vmm_theorem_load(const char *text, size_t length,
                                            const struct vmm_theorem_limits *limits,
                                            struct vmm_theorem_error *error);

/** As vmm_theorem_load(), from the file `path`; an unreadable file is an error too. */
struct vmm_formal_machine *vmm_theorem_load_file(const char *path,
                                                 const struct vmm_theorem_limits *limits,
                                                 struct vmm_theorem_error *error);

/** Releases a machine; NULL is allowed. Results and records that came from it are void then. */
void vmm_theorem_unload(struct vmm_formal_machine *machine);

/** The name that the text gives the machine; the machine's. */
const char *vmm_theorem_machine_name(const struct vmm_formal_machine *machine);

/** The number of the machine's states. */
uint64_t vmm_theorem_machine_states(const struct vmm_formal_machine *machine);

/** The formal machines that come with the library, by index from 0. Returns the name, or NULL when
 * there is none of that index; gives the text and its length in bytes (both pointers may be NULL).
 * Everything is static. */
const char *vmm_theorem_shipped(unsigned index, const char **text, size_t *length);

/** How many instructions the machine has. */
size_t vmm_theorem_instructions(const struct vmm_formal_machine *machine);

/** The classes of one instruction, by index from 0, found by going through all states (on the first
 * call). The witness names the states. Returns NULL if there is no such index; the record belongs
 * to the machine. */
const struct vmm_class_record *vmm_theorem_classes(struct vmm_formal_machine *machine,
                                                   size_t index);

/** A state of a virtual machine, as the modules of a formal VMM see it. */
struct vmm_formal_state {
    bool supervisor;  /**< M */
    unsigned p;       /**< P of the virtual machine */
    unsigned l;       /**< relocation: R = (l, b) of the virtual machine */
    unsigned b;       /**< bound */
    unsigned t;       /**< T, 0 on a machine without a clock */
    unsigned *cells;  /**< E; every cell holds 0 to `values` - 1 */
    unsigned storage; /**< how many cells */
    unsigned values;  /**< how many different values a cell can hold */
};

/** Modules of the formal VMM <D, A, {v_i}> that take the place of the constructed ones. An empty
 * slot (NULL) means the constructed one. */
struct vmm_theorem_modules {
    void *context; /**< handed to both */
    /** v_i: simulates one privileged instruction on the virtual machine's state. Returns true if it
     * did, false to let the constructed routine do it. Values out of range are reduced. */
    bool (*routine)(void *context, const char *instruction, struct vmm_formal_state *state);
    /** A: the relocation and the bound of the real machine for R = (l, b) of the virtual one, which
     * lies `displacement` cells up. */
    void (*allocator)(void *context, unsigned displacement, unsigned *l, unsigned *b);
};

/** What became of a theorem's condition. */
enum vmm_verdict {
    VMM_VERDICT_FALSE,    /**< not met */
    VMM_VERDICT_TRUE,     /**< met */
    VMM_VERDICT_UNDECIDED /**< a bound was reached, or experiment cannot tell */
};

/** What came out for one theorem. All strings and arrays belong to the result, the records
 * themselves to whoever made them (the caller, or the formal machine). */
struct vmm_theorem_result {
    int theorem;            /**< 1, 2 or 3 */
    char *isa;              /**< the instruction set, or the formal machine's name */
    enum vmm_verdict holds; /**< undecided: a bound was reached, or experiment cannot tell */
    char *reason;           /**< why it is undecided or, if there is more to say, false; or NULL */
    char **counterexamples; /**< mnemonics, each once */
    size_t counterexample_count; /**< how many of them */
    char *conditions;            /**< under which all of this is so: "IOPL < CPL"; NULL: none */
    const struct vmm_class_record **records; /**< what it was decided from */
    size_t record_count;                     /**< how many records */

    /** The check of the homomorphism, on a formal machine only. */
    bool formal;        /**< it was made: the next members mean something */
    uint64_t states;    /**< of the machine */
    uint64_t sequences; /**< different instruction sequences tried from every state */
    uint64_t checks;    /**< times that f(e(S)) and e'(f(S)) were compared */
    uint64_t direct;    /**< instructions that the hardware executed alone */
    uint64_t entries;   /**< steps that the VMMs made */
    unsigned length;    /**< of the longest sequence */
    unsigned levels;    /**< VMMs one inside the other */
    char **trace;       /**< the shortest counterexample, line by line */
    size_t trace_count; /**< lines of the trace */
};

/** Decides theorem `number` for a formal machine. `modules` may be NULL. Returns a result that the
 * caller releases with vmm_theorem_result_free(), or NULL with `error` (may be NULL) filled in: a
 * number that is not 1, 2 or 3, or no memory. The machine must outlive the result. */
struct vmm_theorem_result *vmm_theorem_decide(struct vmm_formal_machine *machine, int number,
                                              const struct vmm_theorem_modules *modules,
                                              struct vmm_theorem_error *error);

/** Decides theorem `number` for the instruction set `isa` from `count` class records, made under
 * one invariant, which becomes the result's condition. A sensitive instruction that is privileged
 * under a condition counts as privileged, and if the theorem holds, it holds under that condition
 * too. A record without a verdict leaves undecided what hangs on it. Theorem 2 is false where
 * Theorem 1 is, else not decided. Returns as vmm_theorem_decide() does; the records must outlive
 * the result.
 */
struct vmm_theorem_result *vmm_theorem_decide_classes(const char *isa,
                                                      const struct vmm_class_record *records,
                                                      size_t count, int number,
                                                      struct vmm_theorem_error *error);

/** Releases a result; NULL is allowed. */
void vmm_theorem_result_free(struct vmm_theorem_result *result);

/** The result as one JSON object, indented, in memory that the caller frees with free(); NULL if
 * there is none:
 *   {"theorem":1,"isa":"x86-32","holds":false,"counterexamples":["popf"],"conditions":"IOPL < CPL"}
 * `holds` is null with a `reason` where it is not decided. A formal machine adds states, sequences,
 * checks, direct, vmm_steps, length, levels, trace, and the classes of its instructions. */
char *vmm_theorem_json(const struct vmm_theorem_result *result);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
