/* Finding the labs beside the program: as they are installed, and as they are built. */
#ifndef SHELL_LAB_FIND_H
#define SHELL_LAB_FIND_H

#include "shell/lab.h"

/* Finds lab `number`, as it was typed. Returns VMM_SUCCESS, or another status with `why` set. */
int lab_find(struct lab *lab, const char *number, char why[LAB_SENTENCE]);

/* Calls `each` with every lab, in their order. False: there are none. */
bool lab_for_each(void (*each)(const struct lab *lab));

#endif
