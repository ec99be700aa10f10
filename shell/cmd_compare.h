/* `vmm compare`: one guest under several techniques, side by side. */
#ifndef SHELL_CMD_COMPARE_H
#define SHELL_CMD_COMPARE_H

/* As every command's function: shell/command.h. */
int vmm_cmd_compare(int argc, char **argv);

#endif
