/* The allocator of lab 5 as it has to be: what the grader runs the guests with itself. */
#ifndef SHELL_LAB_ALLOCATE_H
#define SHELL_LAB_ALLOCATE_H

#include "labs/lab.h"

extern const struct lab_module lab_allocator[];

#endif
