/* Says in words in which registers two states of a virtual machine differ. */
#ifndef SHELL_LAB_COMPARE_H
#define SHELL_LAB_COMPARE_H

#include "labs/grader/evidence.h"

/* Writes what differs into `text`, empty if nothing does. */
void lab_differences(const struct lab_evidence *expected, const struct lab_evidence *got,
                     char *text, size_t room);

#endif
