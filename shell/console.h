/* The guest's console on ours: standard output and input, and the signals that end a run. */
#ifndef SHELL_CONSOLE_H
#define SHELL_CONSOLE_H

#include <vmm/vm.h>

/* The two calls for vmm_config, on standard output and input. */
struct vmm_console vmm_console_standard(void);

/* A console among several on one standard output: whole lines, each with the VM's number in front.
 * Only number 0 has input. */
struct console_label {
    unsigned number;
    char line[256];
    size_t length;
};
struct vmm_console vmm_console_labelled(struct console_label *label, unsigned number);

/* Prints what is left of a last line. */
void vmm_console_finish(struct console_label *label);

/* For the time of a run: if standard input is a terminal, keys reach the guest at once and without
 * echo; SIGINT (^C), SIGTERM and SIGHUP stop `vm`. vmm_console_leave undoes it. Not nestable. */
void vmm_console_enter(struct vmm_vm *vm);
void vmm_console_leave(void);

#endif
