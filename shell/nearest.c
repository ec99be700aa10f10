/* Which name was meant. See nearest.h. */
#include "shell/nearest.h"

#include <string.h>

enum { LONGEST = 32, NEAR = 3 };

static size_t least(size_t a, size_t b, size_t c)
{
    size_t smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

size_t nearest_distance(const char *typed, const char *name)
{
    size_t row[LONGEST + 1], length = strnlen(name, LONGEST);
    for (size_t i = 0; i <= length; i++)
        row[i] = i;
    for (size_t j = 1; j <= LONGEST && typed[j - 1]; j++) {
        size_t diagonal = row[0];
        row[0] = j;
        for (size_t i = 1; i <= length; i++) {
            size_t above = row[i];
            row[i] = least(above + 1, row[i - 1] + 1, diagonal + (typed[j - 1] != name[i - 1]));
            diagonal = above;
        }
    }
    return row[length];
}

const char *nearest_name(const char *typed, const char *(*name)(void *context, size_t i),
                         void *context)
{
    const char *best = NULL, *candidate;
    size_t least_distance = NEAR + 1, half = (strlen(typed) + 1) / 2;
    for (size_t i = 0; (candidate = name(context, i)); i++) {
        size_t distance = nearest_distance(typed, candidate);
        if (distance < least_distance && distance <= half) {
            least_distance = distance;
            best = candidate;
        }
    }
    return best;
}
