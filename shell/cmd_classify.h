/* `vmm classify`: the classes of an instruction set, or of one instruction, by experiment. */
#ifndef SHELL_CMD_CLASSIFY_H
#define SHELL_CMD_CLASSIFY_H

/* `argv[0]` is the command's own name. Prints the classes on standard output, mistakes as one
 * sentence on standard error, progress on standard error if that is a terminal. Returns the exit
 * status: 0 success, 1 failure, 2 usage. */
int vmm_cmd_classify(int argc, char **argv);

#endif
