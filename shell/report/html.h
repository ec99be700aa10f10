/* Pieces of HTML: text that cannot be taken for markup, numbers that programs can read as well. */
#ifndef SHELL_REPORT_HTML_H
#define SHELL_REPORT_HTML_H

#include <stdint.h>
#include <stdio.h>

/* Writes `text` as text, whatever is in it. */
void html_text(FILE *to, const char *text);

/* Writes 1,234,567 with its plain value beside it: <data value="1234567">. */
void html_number(FILE *to, uint64_t number);

/* Writes a time in the unit that suits it: "12.3 us". */
void html_time(FILE *to, double nanoseconds);

#endif
