/* How a report is printed: --format table|json|csv. */
#ifndef SHELL_FORMAT_H
#define SHELL_FORMAT_H

#include <stdbool.h>

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV };

/* Parses what --format was given. False if it is none of the three. */
bool format_parse(const char *text, enum format *format);

#endif
