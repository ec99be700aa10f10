/* What is the VMM's to decide under hardware assist, once the hardware has stopped the guest (AMD
 * APM volume 2, chapter 15): what becomes of an exit, and whether an interrupt that the guest
 * cannot take yet asks for its window. The library's own answers are in assist.c; others may take
 * their place on one VM (modules.h). Which events exit at all is in the VMCB, and what a nested
 * page fault comes to is the allocator's (allocator/nested.h). */
#ifndef DISPATCHER_ASSIST_H
#define DISPATCHER_ASSIST_H

#include "interpreter/interpreter.h"
#include "machine/cpu.h"

enum assist_end {
    ASSIST_ALLOCATE, /* the allocator fills in a nested table: nested page faults only */
    ASSIST_EMULATE,  /* an interpreter routine has the instruction */
    ASSIST_INJECT,   /* `event` goes to EVENTINJ: the hardware delivers it on the way back */
    ASSIST_RESUME,   /* the instruction is done: the guest goes on with `gpr` and `eip` */
    ASSIST_IDLE,     /* the instruction is done, and the guest waits for an interrupt */
    ASSIST_PORT,     /* `port` is accessed, and the instruction is done */
};

struct assist_question {
    const struct cpu_exit *exit; /* NULL: an external interrupt, `vector` */
    unsigned code;               /* enum vmcb_exit */
    uint64_t info1, info2;
    uint8_t vector;
};

struct assist_answer {
    enum assist_end end;
    struct x86_event event;
    struct port_access port;
    uint32_t gpr[8], eip;
};

struct assist_policy {
    void *context;
    /* What becomes of an exit. False: the guest has to be stopped, the dispatcher's reason is set.
     */
    bool (*exit)(void *context, const struct assist_question *question,
                 struct assist_answer *answer);
    /* An interrupt waits, and the guest cannot take it now: whether V_IRQ is set, so that the
     * window exits when it opens. False as above. NULL: it always is. */
    bool (*window)(void *context, bool *wanted);
};

extern const struct assist_policy assist_standard;

#endif
