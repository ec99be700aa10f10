/* `vmm new`: folders to begin with. */
#ifndef SHELL_CMD_NEW_H
#define SHELL_CMD_NEW_H

/* `argv[0]` is the command's own name. Makes a folder in the working folder, or nothing. Returns
 * the exit status: 0 success, 1 failure, 2 usage. */
int vmm_cmd_new(int argc, char **argv);

#endif
