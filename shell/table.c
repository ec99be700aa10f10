/* Cells of tables. See table.h. */
#include "shell/table.h"

#include <stdarg.h>
#include <stdio.h>

void table_cell(struct libscols_line *line, size_t column, const char *format, ...)
{
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    scols_line_set_data(line, column, text);
}
