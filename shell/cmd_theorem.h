/* `vmm theorem`: Popek and Goldberg's theorems for an instruction set or a formal machine. */
#ifndef SHELL_CMD_THEOREM_H
#define SHELL_CMD_THEOREM_H

/* `argv[0]` is the command's own name. Prints the verdict on standard output, mistakes as one
 * sentence on standard error. Returns the exit status: 0 the theorem was decided or is open, 1
 * failure, 2 usage. */
int vmm_cmd_theorem(int argc, char **argv);

#endif
