/* Grading a whole class. */
#ifndef SHELL_LAB_CLASS_H
#define SHELL_LAB_CLASS_H

#include "shell/lab.h"

struct lab_class {
    const struct lab *lab;
    struct lab_result *result; /* with the tests, prepared */
    const char *folder;        /* of the submissions, a folder each */
    const char *results;       /* NAME.json for each, scores.csv, tests.csv; made if need be */
    unsigned jobs;             /* processes at once; 0: one for each processor */
};

/* Grades every submission that has no result yet, or a result older than itself. Returns an exit
 * status after a sentence on standard error, or VMM_SUCCESS. */
int lab_grade_class(const struct lab_class *class);

#endif
