/* Takes away from the calling process what a student's module has no business with. */
#ifndef LABS_GRADER_SANDBOX_H
#define LABS_GRADER_SANDBOX_H

#include <stdbool.h>

enum {
    SANDBOX_MEMORY = 256 << 20, /* bytes that the module may have beside what is there */
    SANDBOX_NOBODY = 65534      /* the second uid, where the first is root */
};

/* Confines this process for good, after `cpu_seconds` of processor time it dies by SIGXCPU. The
 * current folder becomes the root of all that can be read, where the host lets that be done: by
 * root, who then becomes nobody, or in a user namespace. False: limits or filter cannot be set. */
bool sandbox_enter(unsigned cpu_seconds);

#endif
