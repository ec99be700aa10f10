/* The nearest name to one that was mistyped, for sentences that help. */
#ifndef SHELL_NEAREST_H
#define SHELL_NEAREST_H

#include <stddef.h>

/* How many letters must be typed more, left away, changed, or swapped with their neighbour to get
 * from what was typed, cut to 32 characters, to a name (Damerau 1964). */
size_t nearest_distance(const char *typed, const char *name);

/* Of the names that `name` gives (NULL beyond the last), the one nearest to what was typed, if it
 * is near enough to be meant; else NULL. */
const char *nearest_name(const char *typed, const char *(*name)(void *context, size_t i),
                         void *context);

#endif
