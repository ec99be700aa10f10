/* --format table|json|csv. */
#include "shell/format.h"

#include <string.h>

bool format_parse(const char *text, enum format *format)
{
    static const char *const names[] = {"table", "json", "csv"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            *format = (enum format)i;
            return true;
        }
    return false;
}
