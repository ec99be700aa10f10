/* The program `vmm`: finds the command that its first argument names, and runs it.
 *
 * Results go to standard output, everything else to standard error. Exit status: 0 success, 1
 * failure, 2 a mistake in the command line, told in one sentence. */
#include "shell/cmd_bench.h"
#include "shell/cmd_classify.h"
#include "shell/cmd_compare.h"
#include "shell/cmd_gdb.h"
#include "shell/cmd_lab.h"
#include "shell/cmd_new.h"
#include "shell/cmd_theorem.h"
#include "shell/command.h"
#include "shell/nearest.h"
#include "shell/topics.h"

#include <vmm/vmm.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int cmd_help(int argc, char **argv);

static int cmd_version(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        puts("Usage: vmm version\nPrints the version.");
        return VMM_SUCCESS;
    }
    if (argc > 1) {
        fprintf(stderr, "vmm version: there is nothing to do with '%s'; leave it away\n", argv[1]);
        return VMM_USAGE;
    }
    printf("vmm %s\n", vmm_version());
    return VMM_SUCCESS;
}

static const struct vmm_command commands[] = {
    {"run", "run a guest until it stops", vmm_cmd_run},
    {"debug", "watch a guest trap by trap, at a prompt; plain 'vmm' does so, too", vmm_cmd_debug},
    {"compare", "run a guest under several techniques, side by side", vmm_cmd_compare},
    {"audit", "measure equivalence, resource control and efficiency of a technique", vmm_cmd_audit},
    {"bench", "measure what single events cost under each technique", vmm_cmd_bench},
    {"gdb", "serve a guest to gdb", vmm_cmd_gdb},
    {"report", "make a page about runs from their traces", vmm_cmd_report},
    {"classify", "find the sensitive and privileged instructions, by experiment", vmm_cmd_classify},
    {"theorem", "decide Popek and Goldberg's theorems for a machine", vmm_cmd_theorem},
    {"lab", "exercises: modules of the monitor to write, and a grader", vmm_cmd_lab},
    {"new", "make a folder with a guest of your own", vmm_cmd_new},
    {"help", "explain a command", cmd_help},
    {"version", "print the version", cmd_version},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(FILE *to)
{
    fputs("Usage: vmm COMMAND [OPTION]... [ARGUMENT]...\n"
          "       vmm --help | --version\n"
          "A virtual machine monitor for the x86 to take apart.\n\n",
          to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\n'vmm COMMAND --help' explains a command, 'vmm help TOPIC' one of:", to);
    for (size_t i = 0; i < topic_count; i++)
        fprintf(to, " %s", topics[i].name);
    fputs(".\n", to);
}

static const char *command_name(void *context, size_t i)
{
    (void)context;
    return i < COMMANDS ? commands[i].name : NULL;
}

static const char *command_or_topic(void *context, size_t i)
{
    if (i < COMMANDS)
        return command_name(context, i);
    return i - COMMANDS < topic_count ? topics[i - COMMANDS].name : NULL;
}

static const struct vmm_command *find_exactly(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* The command of that name; NULL after a sentence with the nearest one. */
static const struct vmm_command *find(const char *name)
{
    const struct vmm_command *command = find_exactly(name);
    if (command)
        return command;
    const char *nearest = nearest_name(name, command_name, NULL);
    if (nearest)
        fprintf(stderr, "vmm: there is no command '%s'; did you mean '%s'?\n", name, nearest);
    else
        fprintf(stderr, "vmm: there is no command '%s'; 'vmm --help' lists them\n", name);
    return NULL;
}

static int cmd_help(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        print_help(stdout);
        return VMM_SUCCESS;
    }
    const struct vmm_command *command = find_exactly(argv[1]);
    const struct topic *topic = command ? NULL : topic_find(argv[1]);
    if (topic) {
        fputs(topic->text, stdout);
        return VMM_SUCCESS;
    }
    if (!command) {
        const char *nearest = nearest_name(argv[1], command_or_topic, NULL);
        fprintf(stderr, "vmm help: there is no command or topic '%s'; %s%s%s\n", argv[1],
                nearest ? "did you mean '" : "'vmm help' lists them", nearest ? nearest : "",
                nearest ? "'?" : "");
        return VMM_USAGE;
    }
    if (command->run == cmd_help) {
        puts("Usage: vmm help [COMMAND|TOPIC]\nLists the commands and topics, or explains one.");
        return VMM_SUCCESS;
    }
    char name[16], help[] = "--help", *arguments[] = {name, help, NULL};
    snprintf(name, sizeof name, "%s", command->name);
    return command->run(2, arguments);
}

int main(int argc, char **argv)
{
    static char debug[] = "debug", *just_debug[] = {debug, NULL};
    int status;
    if (argc < 2) {
        status = vmm_cmd_debug(1, just_debug);
    } else if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        status = VMM_SUCCESS;
    } else if (strcmp(argv[1], "--version") == 0) {
        status = cmd_version(1, argv);
    } else if (argv[1][0] == '-') {
        fprintf(stderr, "vmm: there is no option '%s'; 'vmm --help' shows what there is\n",
                argv[1]);
        return VMM_USAGE;
    } else {
        const struct vmm_command *command = find(argv[1]);
        if (!command)
            return VMM_USAGE;
        status = command->run(argc - 1, argv + 1);
    }
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fputs("vmm: standard output cannot be written; free some space or redirect it\n", stderr);
    return status ? status : VMM_FAILURE;
}
