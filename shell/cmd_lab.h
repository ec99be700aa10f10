/* `vmm lab`: the exercises of a course, handed out and graded. */
#ifndef SHELL_CMD_LAB_H
#define SHELL_CMD_LAB_H

/* `vmm lab list | start N | grade N [DIR]`; a command as in shell/command.h. */
int vmm_cmd_lab(int argc, char **argv);

#endif
