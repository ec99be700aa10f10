/* Lab 1: the classes of Popek and Goldberg. README.md has the definitions and the steps,
 * predicates.h the interface. */
#include "predicates.h"

/* Not written yet: NULL. */

static const struct prediction predictions[] = {
    /* privileged, sensitive */
    {"popf", false, false},
    {"cli", false, false},
    {"add", false, false},
    {"sgdt", false, false},
    {"lgdt", false, false},
    {"hlt", false, false},
    {"smsw", false, false},
    {"str", false, false},
    {"ltr", false, false},
    {"lar", false, false},
    {"clts", false, false},
    {"xchg", false, false},
    {"verr", false, false},
    {"sidt", false, false},
    {"lidt", false, false},
    {"wbinvd", false, false},
    {NULL, false, false},
};

const struct lab_answers lab_answers = {
    .predictions = predictions,
};
