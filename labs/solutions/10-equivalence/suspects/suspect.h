/* What the suspects have in common: all of them replace the same modules, and most of these just
 * leave the work to the library's own. Each has one mistake. */
#include "labs/lab.h"

static inline struct vmm_outcome standard(void *context, struct vmm_call *call)
{
    (void)context;
    (void)call;
    return (struct vmm_outcome){.kind = VMM_OUTCOME_STANDARD};
}

static inline enum vmm_decision agree(void *context, const struct vmm_trap *trap)
{
    (void)context;
    return trap->standard;
}

#ifndef CLI
#define CLI standard
#endif
#ifndef STI
#define STI standard
#endif
#ifndef FROM_CR
#define FROM_CR standard
#endif
#ifndef IN_DX
#define IN_DX standard
#endif
#ifndef LIDT
#define LIDT standard
#endif
#ifndef DECIDE
#define DECIDE agree
#endif

#define SUSPECT                                                                                    \
    const struct lab_module lab_modules[] = {{"interpreter.cli", .routine = CLI},                  \
                                             {"interpreter.sti", .routine = STI},                  \
                                             {"interpreter.hlt", .routine = standard},             \
                                             {"interpreter.mov_from_cr", .routine = FROM_CR},      \
                                             {"interpreter.mov_to_cr", .routine = standard},       \
                                             {"interpreter.in", .routine = standard},              \
                                             {"interpreter.in_dx", .routine = IN_DX},              \
                                             {"interpreter.out", .routine = standard},             \
                                             {"interpreter.lgdt", .routine = standard},            \
                                             {"interpreter.lidt", .routine = LIDT},                \
                                             {"interpreter.iret", .routine = standard},            \
                                             {"dispatcher.decision", .decide = DECIDE},            \
                                             {.slot = NULL}}
