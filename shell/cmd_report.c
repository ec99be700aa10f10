/* `vmm report`: a page about one run or several, made from their traces alone. The page is written
 * only when all traces have been read, so that a bad one leaves an older page as it was. */
#include "shell/command.h"
#include "shell/output.h"
#include "shell/report/page.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void print_help(void)
{
    puts("Usage: vmm report TRACE... [-o FILE.html]\n"
         "Make a page about one run, or about several to compare, from their traces.\n"
         "\n"
         "  -o, --output FILE       where to (standard output, if that is no terminal)\n"
         "  --help                  this text\n"
         "\n"
         "A TRACE is what 'vmm run --trace FILE.jsonl IMAGE' wrote, or FILE.json. The page is one\n"
         "file, without scripts, and asks for nothing from the network.");
}

static __attribute__((format(printf, 2, 3))) int complain(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("vmm report: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return status;
}

/* What is no regular file is refused: a pipe nobody writes into would be waited for. */
static FILE *open_trace(const char *path)
{
    struct stat status;
    int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &status) != 0) {
        complain(0, "'%s' cannot be opened: %s; check the path", path, strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        complain(0, "'%s' is no regular file; name a trace", path);
    } else {
        FILE *file = fdopen(descriptor, "r");
        if (file)
            return file;
        complain(0, "there is no memory left");
    }
    if (descriptor >= 0)
        close(descriptor);
    return NULL;
}

static int read_traces(struct model *model, char **paths)
{
    char why[512];
    for (; *paths; paths++) {
        FILE *file = open_trace(*paths);
        if (!file)
            return VMM_FAILURE;
        bool good = model_read(model, file, *paths, why, sizeof why);
        fclose(file);
        if (!good)
            return complain(VMM_FAILURE, "%s", why);
    }
    return VMM_SUCCESS;
}

/* To standard output without `path`: there main looks whether all was written. */
static int write_page(const struct model *model, const char *path)
{
    struct output output = {.file = stdout};
    if (path && !output_open(&output, path))
        return complain(VMM_FAILURE, "'%s' cannot be written: %s; name another file", path,
                        strerror(output.error));
    page_write(output.file, model);
    if (!path)
        return VMM_SUCCESS;
    bool bad = ferror(output.file);
    if (output_close(&output) && !bad)
        return VMM_SUCCESS;
    return complain(VMM_FAILURE,
                    "the page cannot be written to '%s'; free some space or name "
                    "another file",
                    path);
}

int vmm_cmd_report(int argc, char **argv)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    static struct model model;
    const char *path = NULL;
    int option;
    optind = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1) {
        if (option == 'h') {
            print_help();
            return VMM_SUCCESS;
        }
        if (option == 'o')
            path = optarg;
        else
            return complain(VMM_USAGE,
                            option == ':' ? "'%s' needs a value; --help shows which"
                                          : "'%s' is no option of report; --help lists them",
                            argv[optind - 1]);
    }
    if (optind == argc)
        return complain(VMM_USAGE, "there is no trace; make one with 'vmm run --trace FILE.jsonl "
                                   "IMAGE'");
    if (!path && isatty(STDOUT_FILENO))
        return complain(VMM_USAGE, "a page is not for a terminal; name a file: -o FILE.html");
    model = (struct model){0};
    int status = read_traces(&model, argv + optind);
    if (status == VMM_SUCCESS)
        status = write_page(&model, path);
    model_free(&model);
    return status;
}
