/* The one place that writes error sentences, so that none can overflow and none holds control
 * characters that a file name brought along. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

int error_set(struct vmm_error *error, int code, const char *format, ...)
{
    if (!error)
        return code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    for (char *c = error->text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    error->code = code;
    return code;
}

void error_clear(struct vmm_error *error)
{
    if (error)
        *error = (struct vmm_error){.code = VMM_OK};
}
