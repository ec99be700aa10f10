/* What a grading came to, as text and in the formats of other programs. */
#ifndef SHELL_LAB_REPORT_H
#define SHELL_LAB_REPORT_H

#include "shell/lab.h"

/* A format by its name: "table", "json" (Gradescope's results.json), "tap", "junit"; NULL: none. */
typedef void lab_report(FILE *to, const struct lab *lab, const struct lab_result *result);
lab_report *lab_find_report(const char *name);

/* The points got, or all there are. */
double lab_total(const struct lab_result *result, bool most);

/* What a grader that could not do its work gives: nothing for any test, and why. */
void lab_forfeit(struct lab_result *result, const char *why);

/* Writes a report into the file `path`, which is at no time half of one. False with errno set. */
bool lab_write_report(const char *path, lab_report *report, const struct lab *lab,
                      const struct lab_result *result);

#endif
