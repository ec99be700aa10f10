/* Writing files. See output.h. */
#include "shell/output.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096 };

bool output_open(struct output *output, const char *path)
{
    struct stat status;
    *output = (struct output){.path = path};
    output->file = fopen(path, "we");
    if (!output->file) {
        output->error = errno;
        return false;
    }
    output->sparse = fstat(fileno(output->file), &status) == 0 && S_ISREG(status.st_mode);
    return true;
}

static bool fail(struct output *output)
{
    if (!output->error)
        output->error = errno;
    return false;
}

bool output_write(void *context, const char *bytes, size_t count)
{
    static const char zeros[PAGE];
    struct output *output = context;
    if (output->error)
        return false;
    if (output->sparse && count == PAGE && memcmp(bytes, zeros, PAGE) == 0)
        return fseeko(output->file, PAGE, SEEK_CUR) == 0 || fail(output);
    return fwrite(bytes, 1, count, output->file) == count || fail(output);
}

bool output_close(struct output *output)
{
    if (!output->file)
        return true;
    if (fflush(output->file) != 0)
        fail(output);
    /* A hole at the end is none until the file is made as long. */
    off_t end = output->sparse ? ftello(output->file) : -1;
    if (!output->error && end >= 0 && ftruncate(fileno(output->file), end) != 0)
        fail(output);
    if (fclose(output->file) != 0)
        fail(output);
    output->file = NULL;
    return output->error == 0;
}
