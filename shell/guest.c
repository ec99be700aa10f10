/* From a command line to a loaded virtual machine. Whatever can be found wrong is found here,
 * before the guest runs, and told in one sentence that names the thing and the remedy. */
#include "shell/guest.h"

#include "shell/command.h"
#include "shell/file.h"
#include "shell/nearest.h"

#include <vmm/assist.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char guest_help[] =
    "  -t TECHNIQUE            how the guest's supervisor code is executed\n"
    "  -m SIZE                 memory, 1M to 1G (64M); suffixes K, M, G\n"
    "  --load KIND             auto (default), multiboot, linux, flat@ADDRESS or boot\n"
    "  --initrd FILE           a Linux guest's initial file system\n"
    "  --append TEXT           the kernel's command line\n"
    "  --module FILE[=TEXT]    a Multiboot module and its string; may be repeated\n"
    "  --clock virtual|host    time by instructions (default), or the host's\n"
    "  --code-cache SIZE       room for translated code, under bt; suffixes K, M (as much as "
    "fits)\n"
    "  --max-instructions N    stop after N instructions\n"
    "  --keep-going            count and list the sensitive instructions that do not trap, instead "
    "of\n"
    "                          stopping at the first; ends after 100 million instructions unless "
    "told\n"
    "  --intercept LIST        hw: what exits to the VMM, such as default,cr3,pf; an unknown name "
    "lists\n"
    "                          them all\n"
    "  --mmu nested|shadow     hw: who maps guest-physical memory, the processor (default) or the\n"
    "                          VMM's shadow page tables\n";

int guest_complain(const struct guest_options *options, int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "vmm %s: ", options->command);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return status;
}

int guest_complain_of(const struct guest_options *options, const struct vmm_error *error)
{
    return guest_complain(options, error->code == VMM_E_USAGE ? VMM_USAGE : VMM_FAILURE, "%s",
                          error->text);
}

/* What getopt_long could not make sense of: `option` is '?' or ':'. Returns VMM_USAGE. */
static int complain_of_option(const struct guest_options *options, int option, char **argv)
{
    char shorter[] = {'-', (char)optopt, '\0'};
    const char *word = argv[optind - 1];
    const char *name = strncmp(word, "--", 2) == 0 || !optopt ? word : shorter;
    if (option == ':')
        return guest_complain(options, VMM_USAGE, "'%s' needs a value; --help shows which", name);
    return guest_complain(options, VMM_USAGE, "'%s' is no option of %s; --help lists them", name,
                          options->command);
}

const char *guest_technique(const char *name)
{
    const char *known;
    for (size_t i = 0; (known = vmm_technique(i)); i++)
        if (strcmp(known, name) == 0)
            break;
    return known;
}

/* Trap-and-emulate where it exists: most of the course is about it. */
const char *guest_default_technique(void)
{
    const char *trap = guest_technique("trap");
    return trap ? trap : vmm_technique(0);
}

void guest_print_techniques(void)
{
    const char *name;
    fputs("Techniques:", stdout);
    for (size_t i = 0; (name = vmm_technique(i)); i++)
        printf(" %s%s", name, strcmp(name, guest_default_technique()) == 0 ? " (default)" : "");
    putchar('\n');
}

/* ---- the command line ---- */

/* Decimal digits and nothing before them; `*rest` is what follows. False if it does not fit. */
static bool parse_digits(const char *text, uint64_t *number, char **rest)
{
    errno = 0;
    *number = strtoull(text, rest, 10);
    return *text >= '0' && *text <= '9' && errno == 0;
}

/* A number of bytes, perhaps with a suffix K, M or G. */
static bool parse_bytes(const char *text, uint64_t *number)
{
    static const char suffixes[] = "KMG";
    char *rest = NULL;
    *number = 0;
    if (!parse_digits(text, number, &rest) || !*rest)
        return rest && !*rest && rest != text;
    char upper = (char)(*rest & ~0x20); /* k and K alike */
    const char *suffix = strchr(suffixes, upper);
    if (!suffix || !*suffix || rest[1] != '\0' || *number > UINT32_MAX)
        return false;
    *number <<= 10 * (suffix - suffixes + 1);
    return true;
}

static int parse_cache(struct guest_options *options, const char *text)
{
    uint64_t number;
    if (!parse_bytes(text, &number) || number < 64 << 10 || number > 1 << 30)
        return guest_complain(options, VMM_USAGE,
                              "'%s' is no size of a code cache; give 64K to 1G, such as 1M", text);
    options->config.code_cache = (uint32_t)number;
    return VMM_SUCCESS;
}

static int parse_size(struct guest_options *options, const char *text)
{
    uint64_t number;
    if (!parse_bytes(text, &number) || number < 1 << 20 || number > 1 << 30)
        return guest_complain(options, VMM_USAGE,
                              "'%s' is no memory size; give 1M to 1G, such as 64M", text);
    options->config.memory_size = (uint32_t)number;
    return VMM_SUCCESS;
}

int guest_instructions(const struct guest_options *options, const char *text, uint64_t *number)
{
    char *rest;
    if (!parse_digits(text, number, &rest) || *rest || *number == 0)
        return guest_complain(options, VMM_USAGE,
                              "'%s' is no number of instructions; give one from 1", text);
    return VMM_SUCCESS;
}

int guest_format(const struct guest_options *options, const char *text, enum format *format)
{
    if (format_parse(text, format))
        return VMM_SUCCESS;
    return guest_complain(options, VMM_USAGE, "there is no format '%s'; use table, json or csv",
                          text);
}

static int parse_clock(struct guest_options *options, const char *text)
{
    if (strcmp(text, "virtual") != 0 && strcmp(text, "host") != 0)
        return guest_complain(options, VMM_USAGE, "there is no clock '%s'; use virtual or host",
                              text);
    options->config.clock = *text == 'h' ? VMM_CLOCK_HOST : VMM_CLOCK_VIRTUAL;
    return VMM_SUCCESS;
}

static int add_module(struct guest_options *options, char *text)
{
    if (options->module_count == GUEST_MODULES)
        return guest_complain(options, VMM_USAGE, "there are more than %d modules; leave some away",
                              GUEST_MODULES);
    options->modules[options->module_count++] = text;
    return VMM_SUCCESS;
}

static int add_vm(struct guest_options *options, const char *image)
{
    if (options->beside_count == GUEST_VMS)
        return guest_complain(options, VMM_USAGE,
                              "there are more than %d virtual machines; leave some away",
                              GUEST_VMS + 1);
    options->beside[options->beside_count++] = image;
    return VMM_SUCCESS;
}

static int parse_mmu(struct guest_options *options, const char *text)
{
    if (strcmp(text, "nested") != 0 && strcmp(text, "shadow") != 0)
        return guest_complain(options, VMM_USAGE, "there is no MMU '%s'; use nested or shadow",
                              text);
    options->config.mmu = *text == 's' ? VMM_MMU_SHADOW : VMM_MMU_NESTED;
    return VMM_SUCCESS;
}

static const char *intercept_name(void *context, size_t i)
{
    (void)context;
    return vmm_intercept(i);
}

static int complain_of_intercept(const struct guest_options *options, const char *word)
{
    char names[1024] = "";
    const char *name, *near = nearest_name(word, intercept_name, NULL);
    size_t used = 0;
    for (size_t i = 0; (name = vmm_intercept(i)) && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? " " : "", name);
    return guest_complain(options, VMM_USAGE, "there is no intercept '%s'%s%s%s; there are: %s",
                          word, near ? ", perhaps you mean '" : "", near ? near : "",
                          near ? "'" : "", names);
}

static bool is_intercept(const char *word)
{
    const char *name;
    for (size_t i = 0; (name = vmm_intercept(i)); i++)
        if (strcmp(name, word) == 0)
            return true;
    return false;
}

static int parse_intercepts(struct guest_options *options, const char *list)
{
    char word[32];
    options->config.intercepts = list;
    for (const char *at = list;; at++) {
        size_t length = strcspn(at, ",");
        snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word), at);
        if (!is_intercept(word))
            return complain_of_intercept(options, word);
        at += length;
        if (!*at)
            return VMM_SUCCESS;
    }
}

int guest_option(struct guest_options *options, int option)
{
    switch (option) {
    case 't': options->config.technique = optarg; break;
    case 'm': return parse_size(options, optarg);
    case 'L': options->load = optarg; break;
    case 'I': options->initrd = optarg; break;
    case 'A': options->append = optarg; break;
    case 'M': return add_module(options, optarg);
    case 'C': return parse_clock(options, optarg);
    case 'N': return guest_instructions(options, optarg, &options->most_instructions);
    case 'V': return add_vm(options, optarg);
    case 'X': return parse_intercepts(options, optarg);
    case 'U': return parse_mmu(options, optarg);
    case 'B': return parse_cache(options, optarg);
    case 'K': options->config.keep_going = true; break;
    case 'h': options->help = true; break;
    }
    return VMM_SUCCESS;
}

int guest_parse(struct guest_options *options, const struct guest_syntax *syntax, void *request,
                int argc, char **argv)
{
    int option;
    optind = 0; /* another command may have used getopt before */
    opterr = 0;
    while ((option = getopt_long(argc, argv, syntax->shorts, syntax->longs, NULL)) != -1) {
        if (option == '?' || option == ':')
            return complain_of_option(options, option, argv);
        int status = syntax->option(request, option);
        if (status != VMM_SUCCESS || options->help)
            return status;
    }
    options->image = argv[optind];
    if (argc - optind == 1 || (argc == optind && syntax->without_image))
        return VMM_SUCCESS;
    return guest_complain(options, VMM_USAGE, "%s; give one image: %s",
                          argc == optind ? "there is no image" : "there is more than one image",
                          syntax->usage);
}

/* ---- the machine ---- */

/* "FILE=TEXT" is split at the first sign, in a copy. */
static bool read_module(struct guest *guest, size_t i, const char *argument,
                        struct vmm_error *error)
{
    char *text = guest->module_texts[i] = strdup(argument), *sign = text ? strchr(text, '=') : NULL;
    if (!text) {
        *error = (struct vmm_error){.code = VMM_E_MEMORY, .text = "there is no memory left"};
        return false;
    }
    if (sign) {
        *sign = '\0';
        guest->modules[i].cmdline = sign + 1;
    }
    return vmm_file_read(text, &guest->modules[i].file, error);
}

static bool read_files(struct guest *guest, const struct guest_options *options,
                       struct vmm_error *error)
{
    if (!vmm_file_read(options->image, &guest->image, error))
        return false;
    if (options->initrd && !vmm_file_read(options->initrd, &guest->initrd, error))
        return false;
    for (size_t i = 0; i < options->module_count; i++)
        if (!read_module(guest, i, options->modules[i], error))
            return false;
    for (size_t i = 0; i < options->beside_count; i++)
        if (!vmm_file_read(options->beside[i], &guest->beside_images[i], error))
            return false;
    return true;
}

/* The other virtual machines have the same options, and what belongs to the first image not. */
static int create_beside(struct guest *guest, const struct guest_options *options)
{
    struct vmm_error error = {0};
    struct vmm_config config = options->config;
    config.beside = guest->vm;
    for (size_t i = 0; i < options->beside_count; i++) {
        const struct vmm_image image = {.kind = options->load, .file = guest->beside_images[i]};
        config.console = vmm_console_labelled(&guest->labels[i + 1], (unsigned)i + 1);
        guest->beside[i] = vmm_create(&config, &error);
        if (!guest->beside[i] || vmm_load(guest->beside[i], &image, &error) != VMM_OK)
            return guest_complain_of(options, &error);
    }
    return VMM_SUCCESS;
}

int guest_create(struct guest *guest, const struct guest_options *options)
{
    struct vmm_error error = {0};
    struct vmm_config config = options->config;
    *guest = (struct guest){0};
    if (!read_files(guest, options, &error))
        return guest_complain_of(options, &error);
    if (options->beside_count) {
        config.vms = (unsigned)options->beside_count + 1;
        config.console = vmm_console_labelled(&guest->labels[0], 0);
    }
    guest->vm = vmm_create(&config, &error);
    if (!guest->vm)
        return guest_complain_of(options, &error);
    if (options->log_writes && vmm_log_writes(guest->vm, true, &error) != VMM_OK)
        return guest_complain_of(options, &error);
    struct vmm_image image = {
        .kind = options->load,
        .file = guest->image,
        .initrd = options->initrd ? &guest->initrd : NULL,
        .cmdline = options->append,
        .modules = guest->modules,
        .module_count = options->module_count,
    };
    if (vmm_load(guest->vm, &image, &error) != VMM_OK)
        return guest_complain_of(options, &error);
    return create_beside(guest, options);
}

void guest_destroy(struct guest *guest)
{
    for (size_t i = 0; i < GUEST_VMS; i++) {
        vmm_destroy(guest->beside[i]);
        vmm_file_free(&guest->beside_images[i]);
    }
    vmm_destroy(guest->vm);
    vmm_file_free(&guest->image);
    vmm_file_free(&guest->initrd);
    for (size_t i = 0; i < GUEST_MODULES; i++) {
        vmm_file_free(&guest->modules[i].file);
        free(guest->module_texts[i]);
    }
    *guest = (struct guest){0};
}
