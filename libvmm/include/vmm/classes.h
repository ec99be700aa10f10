/** @file
 * The classes of an instruction, after Popek and Goldberg, "Formal requirements for virtualizable
 * third generation architectures" (CACM 17(7), 1974).
 *
 * One record says what was found for one form of one instruction, and under which invariant. The
 * empirical classifier makes records by experiment on the engine, the formal machine makes them by
 * going through its states; Theorems 1 and 3 are decided from a set of records alone, whoever made
 * it. The member names are those of the JSON that `vmm classify` prints. */
#ifndef VMM_CLASSES_H
#define VMM_CLASSES_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What is known of one form of an instruction. All strings are UTF-8 and belong to whoever made
 * the record; NULL is allowed where it says so. */
struct vmm_class_record {
    const char *isa;      /**< "x86-32", ..., or the name of a formal machine */
    const char *mnemonic; /**< the manual's name in lower case: "popf", "call" */
    const char *form;  /**< tells far, near and operands: "popfd"; NULL: there is one form only */
    const char *bytes; /**< the encoding in lower-case hex without spaces; NULL: none (formal) */

    bool privileged; /**< traps in user mode, and not in supervisor mode, in every pair of states */
    bool conditionally_privileged; /**< privileged in just those states that `condition` names */
    const char *condition;         /**< "CPL > IOPL"; NULL unless conditionally privileged */

    bool control_sensitive;    /**< changes M or R without a trap in some state */
    bool location_sensitive;   /**< its result depends on R */
    bool mode_sensitive;       /**< its result depends on M */
    bool user_sensitive;       /**< control or behaviour sensitive from a user state */
    bool supervisor_sensitive; /**< control or behaviour sensitive from a supervisor state */
    bool sensitive;            /**< control, location or mode sensitive */
    bool innocuous;            /**< not sensitive */

    const char *invariant; /**< what was held fixed: "IOPL < CPL"; NULL: nothing */
    const char *witness;   /**< the states that show it, as text; NULL: no state shows any class */
    const char *engine_note; /**< where the engine departs from the architecture; NULL: nowhere */

    /** Why there is no verdict (the engine crashed or hung on this form), NULL: there is one. All
     * classes are false then, and a theorem that hangs on this record is not decided. */
    const char *failure;
};

#ifdef __cplusplus
}
#endif

#endif
