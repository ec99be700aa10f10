/* Reading the files of a guest. Images are files of somebody else's: their size is bounded, and
 * what is no regular file is refused, so that a pipe or a device cannot hang the program. */
#include "shell/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST = 1 << 30 };

static __attribute__((format(printf, 3, 4))) bool fail(struct vmm_error *error, int code,
                                                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    error->code = code;
    return false;
}

/* A file that shrinks meanwhile is simply shorter. */
static bool read_all(int descriptor, uint8_t *bytes, size_t size, uint32_t *count)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(descriptor, bytes + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *count = (uint32_t)done;
    return true;
}

static bool read_open(int descriptor, struct vmm_file *file, struct vmm_error *error)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return fail(error, VMM_E_IO, "'%s': %s", file->name, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return fail(error, VMM_E_IO, "'%s' is a directory; name a file in it", file->name);
    if (!S_ISREG(status.st_mode))
        return fail(error, VMM_E_IO, "'%s' is no regular file; copy its contents into one",
                    file->name);
    if (status.st_size > LARGEST)
        return fail(error, VMM_E_IO, "'%s' is larger than 1 GB; no guest has room for it",
                    file->name);
    uint8_t *bytes = malloc((size_t)status.st_size + 1);
    if (!bytes)
        return fail(error, VMM_E_MEMORY, "there is no memory for '%s'; close other programs",
                    file->name);
    file->bytes = bytes;
    if (!read_all(descriptor, bytes, (size_t)status.st_size, &file->size))
        return fail(error, VMM_E_IO, "'%s' cannot be read: %s", file->name, strerror(errno));
    return true;
}

bool vmm_file_read(const char *path, struct vmm_file *file, struct vmm_error *error)
{
    *file = (struct vmm_file){.name = path};
    /* Non-blocking: opening a pipe would wait for its writer. */
    int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0 && errno == ENOENT)
        return fail(error, VMM_E_IO, "'%s' does not exist; check the path", path);
    if (descriptor < 0)
        return fail(error, VMM_E_IO, "'%s' cannot be opened: %s", path, strerror(errno));
    bool read = read_open(descriptor, file, error);
    close(descriptor);
    return read;
}

void vmm_file_free(struct vmm_file *file)
{
    free((void *)file->bytes);
    *file = (struct vmm_file){0};
}
