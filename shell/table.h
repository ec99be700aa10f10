/* Tables in the terminal, by libsmartcols. */
#ifndef SHELL_TABLE_H
#define SHELL_TABLE_H

#include <libsmartcols/libsmartcols.h>
#include <stddef.h>

/* Sets a cell of `line` to a formatted text, of which 63 characters are kept. */
void table_cell(struct libscols_line *line, size_t column, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
