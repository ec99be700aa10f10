/* `vmm new guest NAME`, `vmm new module NAME`: a folder with a guest, or a module of the VMM, of
 * one's own, from the templates that were installed with the program, or that lie in the tree it
 * was built in. */
#include "shell/cmd_new.h"

#include "shell/command.h"
#include "shell/file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, LONGEST_NAME = 64 };

static const char placeholder[] = "@NAME@";

static const char help_text[] =
    "Usage: vmm new guest NAME\n"
    "       vmm new module NAME\n"
    "Make the folder NAME with a guest (start-up code, linker script, Makefile), or with a module "
    "of\n"
    "the monitor: an interpreter routine and a program that runs guests with it. Then\n"
    "\n"
    "    cd NAME\n"
    "    make run\n"
    "\n"
    "builds it with the machine's own compiler and runs it. 'make debug' opens a guest at the "
    "prompt;\n"
    "a module is built against the installed library.\n"
    "\n"
    "  --help                  this text\n";

static __attribute__((format(printf, 2, 3))) int complain(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("vmm new: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return status;
}

/* ---- where the templates are ---- */

static bool join(char path[PATH_ROOM], const char *folder, const char *name)
{
    return (size_t)snprintf(path, PATH_ROOM, "%s/%s", folder, name) < PATH_ROOM;
}

/* Beside the program: as it is installed, as it is built, and as a variant of it is built. */
static bool find_templates(char path[PATH_ROOM], const char *what)
{
    static const char *const places[] = {"../share/vmm/templates", "../shell/templates",
                                         "../../shell/templates"};
    char program[PATH_ROOM], folder[PATH_ROOM];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return false;
    program[length] = '\0';
    *strrchr(program, '/') = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (join(folder, program, places[i]) && join(path, folder, what) &&
            access(path, R_OK | X_OK) == 0)
            return true;
    return false;
}

/* ---- copying ---- */

static bool write_replaced(FILE *to, const char *text, size_t size, const char *name)
{
    const size_t length = sizeof placeholder - 1;
    for (size_t i = 0; i < size; i++) {
        if (size - i >= length && memcmp(text + i, placeholder, length) == 0) {
            fputs(name, to);
            i += length - 1;
        } else {
            fputc(text[i], to);
        }
    }
    return !ferror(to);
}

static int copy_file(const char *from, const char *to, const char *name)
{
    struct vmm_file file;
    struct vmm_error error;
    if (!vmm_file_read(from, &file, &error)) {
        vmm_file_free(&file);
        return complain(VMM_FAILURE, "%s", error.text);
    }
    FILE *copy = fopen(to, "wxe");
    bool good = copy && write_replaced(copy, (const char *)file.bytes, file.size, name);
    if (copy && fclose(copy) != 0)
        good = false;
    vmm_file_free(&file);
    return good ? VMM_SUCCESS
                : complain(VMM_FAILURE, "'%s' cannot be written: %s", to, strerror(errno));
}

/* Calls `each` with the paths of every file, in the template and in the new folder. */
static int for_each_file(const char *templates, const char *name,
                         int (*each)(const char *from, const char *to, const char *name))
{
    char from[PATH_ROOM], to[PATH_ROOM];
    int status = VMM_SUCCESS;
    struct dirent *entry;
    DIR *folder = opendir(templates);
    if (!folder)
        return complain(VMM_FAILURE, "'%s' cannot be opened: %s", templates, strerror(errno));
    while (status == VMM_SUCCESS && (entry = readdir(folder)))
        if (entry->d_name[0] != '.' && join(from, templates, entry->d_name) &&
            join(to, name, entry->d_name))
            status = each(from, to, name);
    closedir(folder);
    return status;
}

static int remove_file(const char *from, const char *to, const char *name)
{
    (void)from;
    (void)name;
    unlink(to);
    return VMM_SUCCESS;
}

static int make_folder(const char *what, const char *name)
{
    char templates[PATH_ROOM];
    if (!find_templates(templates, what))
        return complain(VMM_FAILURE, "the templates are missing; install vmm with 'make install'");
    if (mkdir(name, 0777) != 0)
        return complain(VMM_FAILURE,
                        "the folder '%s' cannot be made: %s; choose another name or place", name,
                        strerror(errno));
    int status = for_each_file(templates, name, copy_file);
    if (status == VMM_SUCCESS) {
        printf("Made %s. To build and run it:\n    cd %s\n    make run\n", name, name);
        return VMM_SUCCESS;
    }
    for_each_file(templates, name, remove_file);
    rmdir(name);
    return status;
}

/* ---- the command line ---- */

/* It becomes the name of a file, and a word in a Makefile and in C. */
static bool good_name(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_' && (name[i] != '-' || i == 0))
            return false;
    return length > 0 && length <= LONGEST_NAME;
}

int vmm_cmd_new(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(help_text, stdout);
        return VMM_SUCCESS;
    }
    if (argc < 2 || argv[1][0] == '-')
        return complain(VMM_USAGE,
                        "say what and its name: vmm new guest NAME, or vmm new module NAME");
    if (strcmp(argv[1], "guest") != 0 && strcmp(argv[1], "module") != 0)
        return complain(VMM_USAGE, "there is no template '%s'; use guest or module", argv[1]);
    if (argc != 3)
        return complain(VMM_USAGE, "%s; give one: vmm new %s NAME",
                        argc < 3 ? "the name is missing" : "there is more than one name", argv[1]);
    if (!good_name(argv[2]))
        return complain(VMM_USAGE,
                        "'%.80s' is no name; use at most %d letters, digits, '_' and '-'", argv[2],
                        LONGEST_NAME);
    return make_folder(argv[1], argv[2]);
}
