/* The program's commands: a name, what it is for, and the function that runs it. Each command
 * parses its own options and answers --help; main.c only finds it. */
#ifndef SHELL_COMMAND_H
#define SHELL_COMMAND_H

/* How a command ends; a guest's own status may be anything that a process can exit with. */
enum { VMM_SUCCESS = 0, VMM_FAILURE = 1, VMM_USAGE = 2 };

struct vmm_command {
    const char *name, *summary;
    /* `argv[0]` is the command's name. Returns the exit status. */
    int (*run)(int argc, char **argv);
};

/* `vmm run`: runs a guest until it stops; the exit status is the guest's. */
int vmm_cmd_run(int argc, char **argv);

/* `vmm debug`: a guest at a prompt, or driven by a script; see shell/repl/repl.h. */
int vmm_cmd_debug(int argc, char **argv);

/* `vmm audit`: a technique in lockstep with the bare machine; see vmm/audit.h. */
int vmm_cmd_audit(int argc, char **argv);

/* `vmm report`: a page made from traces; see shell/report/model.h. */
int vmm_cmd_report(int argc, char **argv);

#endif
