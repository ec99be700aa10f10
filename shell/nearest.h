/* The nearest name to one that was mistyped, for sentences that help. */
#ifndef SHELL_NEAREST_H
#define SHELL_NEAREST_H

#include <stddef.h>

/* The Levenshtein distance between what was typed, cut to 32 characters, and a name. */
size_t nearest_distance(const char *typed, const char *name);

/* Of the names that `name` gives (NULL beyond the last), the one nearest to what was typed, if it
 * is near enough to be meant; else NULL. */
const char *nearest_name(const char *typed, const char *(*name)(void *context, size_t i),
                         void *context);

#endif
