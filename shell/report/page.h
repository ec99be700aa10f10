/* The page that a report is: HTML with its style and pictures in it, no script and nothing from the
 * network. */
#ifndef SHELL_REPORT_PAGE_H
#define SHELL_REPORT_PAGE_H

#include "shell/report/model.h"

/* Writes the report of all runs. Whether it could be written is for ferror to say. */
void page_write(FILE *to, const struct model *model);

#endif
