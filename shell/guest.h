/* The guest that a command line describes: the options that run, debug and the other commands
 * share, and the virtual machine made from them. */
#ifndef SHELL_GUEST_H
#define SHELL_GUEST_H

#include "shell/console.h"

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
    const char *beside[GUEST_VMS]; /* images of further VMs on the same machine */
    size_t beside_count;
    uint64_t most_instructions;
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
 * values are capital letters, so that a command has the small ones for itself. */
#define GUEST_SHORT "t:m:"
/* clang-format off */
#define GUEST_LONG                                                                                 \
    {"load", required_argument, NULL, 'L'}, {"initrd", required_argument, NULL, 'I'},              \
    {"append", required_argument, NULL, 'A'}, {"module", required_argument, NULL, 'M'},            \
    {"clock", required_argument, NULL, 'C'}, {"max-instructions", required_argument, NULL, 'N'},   \
    {"keep-going", no_argument, NULL, 'K'}, {"vm", required_argument, NULL, 'V'}
/* clang-format on */

/* What --help prints of them. */
extern const char guest_help[];

/* The technique without -t: trap-and-emulate where this build has it. Static string. */
const char *guest_default_technique(void);

/* Prints the techniques on standard output, in one line. */
void guest_print_techniques(void);

/* Prints "vmm COMMAND: SENTENCE" on standard error. Returns `status`. */
int guest_complain(const struct guest_options *options, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The sentence of `error`. Returns the exit status that fits it. */
int guest_complain_of(const struct guest_options *options, const struct vmm_error *error);

/* What getopt_long could not make sense of: `option` is '?' or ':'. Returns VMM_USAGE. */
int guest_complain_of_option(const struct guest_options *options, int option, char **argv);

/* Takes one option that getopt_long returned, with optarg. Returns VMM_SUCCESS, also for what is no
 * option of a guest, or VMM_USAGE after a sentence. */
int guest_option(struct guest_options *options, int option);

/* Reads the files, creates the machine and loads it. Returns VMM_SUCCESS, or another status after a
 * sentence. The caller gives `guest` to guest_destroy, after a failure too. */
int guest_create(struct guest *guest, const struct guest_options *options);
void guest_destroy(struct guest *guest);

#endif
