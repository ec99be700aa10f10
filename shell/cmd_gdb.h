/* `vmm gdb`: a server for gdb's remote serial protocol; see shell/gdb/server.h. */
#ifndef SHELL_CMD_GDB_H
#define SHELL_CMD_GDB_H

int vmm_cmd_gdb(int argc, char **argv);

#endif
