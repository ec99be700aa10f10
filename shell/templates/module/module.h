/* What main.c has to know of module.c: which slot it is for, and its function. vmm/module.h has the
 * whole interface. */
#ifndef MODULE_H
#define MODULE_H

#include <vmm/vmm.h>

#define SLOT "interpreter.cli"

vmm_routine cli;

#endif
