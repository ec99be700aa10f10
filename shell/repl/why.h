/* The explanation of a trap, in sentences for a student: what the instruction wanted, its class by
 * Popek and Goldberg's definitions, what the hardware did, who handled it, what changed, and what
 * would have been without the VMM. Made from the record of the trap alone, and from what the
 * classifier found by executing the instruction. */
#ifndef SHELL_REPL_WHY_H
#define SHELL_REPL_WHY_H

#include <vmm/vmm.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct why_facts {
    const struct vmm_record *record;
    const char *instruction;                /* its text; "" if its bytes are not known */
    const char *place;                      /* where it is: "0x00100067 <main+0x7>" */
    const struct vmm_class_record *classes; /* the classifier's verdict on it; NULL: none */
    const char *head, *plain; /* escape sequences around the heads of paragraphs; "" for none */
};

/* Writes the explanation to `to`, in lines of at most 80 columns. */
void why_explain(FILE *to, const struct why_facts *facts);

/* The same paragraph by paragraph, without the line that says which trap it is: `take` gets what
 * each is about ("It wants") and its text, without line ends. */
typedef void why_take(void *context, const char *head, const char *text);
void why_paragraphs(const struct why_facts *facts, why_take *take, void *context);

/* The classifier's verdict on the instruction of `trap`, whose text is `instruction`, found then
 * and there by executing it. `*record` is NULL where there is none. The caller frees the result. */
struct vmm_classification *why_classify(const struct vmm_record *trap, const char *instruction,
                                        const struct vmm_class_record **record);

/* What is known of a cause of traps. */
struct why_cause {
    const char *cause;   /* as in vmm_record */
    const char *wants;   /* what it is, or what the instruction wants */
    const char *without; /* what would be if nobody took care of it; NULL: nothing special */
    enum {
        WHY_EVENT,      /* no instruction asked for it, or any may cause it */
        WHY_PRIVILEGED, /* an instruction that traps outside ring 0 */
        WHY_IOPL,       /* ... that traps where CPL > IOPL */
        WHY_SILENT,     /* sensitive, and does not trap */
        WHY_INNOCUOUS
    } kind;
};

/* NULL: nothing is known of it. */
const struct why_cause *why_find_cause(const char *cause);

/* The `i`th cause's name, NULL beyond the last. Static strings. */
const char *why_cause(size_t i);

/* The same with those that only `vm` has: the exits of its VMCB. */
const char *why_cause_of(const struct vmm_vm *vm, size_t i);

/* "#GP" and "general protection" for 13; NULL for what is no exception. Static strings. */
const char *why_vector_name(uint8_t vector);
const char *why_vector_title(uint8_t vector);

#endif
