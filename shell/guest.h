/* The guest that a command line describes: the options that run, debug and the other commands
 * share, and the virtual machine made from them. */
#ifndef SHELL_GUEST_H
#define SHELL_GUEST_H

#include "shell/console.h"
#include "shell/format.h"

#include <vmm/vm.h>

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

enum { GUEST_MODULES = 64, GUEST_VMS = 16 };

/* What the command line asks for. Strings are argv's. */
struct guest_options {
    const char *command; /* for sentences: "run" */
    struct vmm_config config;
    const char *load, *append, *initrd, *image;
    char *modules[GUEST_MODULES]; /* FILE or FILE=TEXT */
    size_t module_count;
    bool log_writes;               /* vmm_log_writes */
    const char *beside[GUEST_VMS]; /* images of further VMs on the same machine */
    size_t beside_count;
    uint64_t most_instructions;
    bool help; /* --help was given: nothing else counts */
};

/* A virtual machine and the files that must outlive it. */
struct guest {
    struct vmm_vm *vm;
    struct vmm_file image, initrd;
    struct vmm_module modules[GUEST_MODULES];
    char *module_texts[GUEST_MODULES]; /* owned: the names and strings of the modules */
    struct vmm_vm *beside[GUEST_VMS];
    struct vmm_file beside_images[GUEST_VMS];
    struct console_label labels[GUEST_VMS + 1]; /* their consoles', if there are several */
};

/* For getopt_long: the short options, and the long ones as initializers of struct option. Their
 * values are capital letters, so that a command has the small ones but h, m and t for itself. */
#define GUEST_SHORT "t:m:h"
/* clang-format off */
#define GUEST_LONG                                                                                 \
    {"load", required_argument, NULL, 'L'}, {"initrd", required_argument, NULL, 'I'},              \
    {"append", required_argument, NULL, 'A'}, {"module", required_argument, NULL, 'M'},            \
    {"clock", required_argument, NULL, 'C'}, {"max-instructions", required_argument, NULL, 'N'},   \
    {"keep-going", no_argument, NULL, 'K'}, {"vm", required_argument, NULL, 'V'},                  \
    {"intercept", required_argument, NULL, 'X'}, {"mmu", required_argument, NULL, 'U'},                  \
    {"code-cache", required_argument, NULL, 'B'}, {"help", no_argument, NULL, 'h'}
/* clang-format on */

/* What --help prints of them. */
extern const char guest_help[];

/* The technique without -t: trap-and-emulate where this build has it. Static string. */
const char *guest_default_technique(void);

/* The library's own string for a technique's name; NULL if this build does not have it. */
const char *guest_technique(const char *name);

/* Prints the techniques on standard output, in one line. */
void guest_print_techniques(void);

/* Prints "vmm COMMAND: SENTENCE" on standard error. Returns `status`. */
int guest_complain(const struct guest_options *options, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The sentence of `error`. Returns the exit status that fits it. */
int guest_complain_of(const struct guest_options *options, const struct vmm_error *error);

/* What a command has beside the options of the guest. */
struct guest_syntax {
    const char *shorts;         /* for getopt_long: ":" GUEST_SHORT and its own */
    const struct option *longs; /* GUEST_LONG and its own */
    const char *usage;          /* for sentences: "vmm run [OPTION]... IMAGE" */
    bool without_image;         /* is allowed: `image` is NULL then */
    /* Takes one option, with optarg, and hands what is not its own to guest_option. Returns
     * VMM_SUCCESS, or another status after a sentence. */
    int (*option)(void *request, int option);
};

/* Parses a command line into `options`, up to --help if that comes. `request` is handed to
 * `syntax->option`. Returns VMM_SUCCESS, or another status after a sentence. */
int guest_parse(struct guest_options *options, const struct guest_syntax *syntax, void *request,
                int argc, char **argv);

/* Takes one option that getopt_long returned, with optarg. Returns VMM_SUCCESS, also for what is no
 * option of a guest, or VMM_USAGE after a sentence. */
int guest_option(struct guest_options *options, int option);

/* Takes the value of --format. Returns VMM_SUCCESS, or VMM_USAGE after a sentence. */
int guest_format(const struct guest_options *options, const char *text, enum format *format);

/* Takes a number from 1 on, of instructions. Returns VMM_SUCCESS, or VMM_USAGE after a sentence. */
int guest_instructions(const struct guest_options *options, const char *text, uint64_t *number);

/* Reads the files, creates the machine and loads it. Returns VMM_SUCCESS, or another status after a
 * sentence. The caller gives `guest` to guest_destroy, after a failure too. */
int guest_create(struct guest *guest, const struct guest_options *options);
void guest_destroy(struct guest *guest);

#endif
