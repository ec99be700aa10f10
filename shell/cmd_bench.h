/* `vmm bench`: what single events and whole jobs cost under each technique. */
#ifndef SHELL_CMD_BENCH_H
#define SHELL_CMD_BENCH_H

/* Parses its options and answers --help; returns the exit status. */
int vmm_cmd_bench(int argc, char **argv);

#endif
