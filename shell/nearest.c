/* Which name was meant. See nearest.h. */
#include "shell/nearest.h"

#include <string.h>

enum { LONGEST = 32, NEAR = 3, LETTERS_A_MISTAKE = 3 };

static size_t least(size_t a, size_t b, size_t c)
{
    size_t smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

size_t nearest_distance(const char *typed, const char *name)
{
    size_t rows[3][LONGEST + 1], length = strnlen(name, LONGEST), j;
    for (size_t i = 0; i <= length; i++)
        rows[0][i] = i;
    for (j = 1; j <= LONGEST && typed[j - 1]; j++) {
        size_t *row = rows[j % 3], *last = rows[(j - 1) % 3], *before = rows[(j + 1) % 3];
        row[0] = j;
        for (size_t i = 1; i <= length; i++) {
            row[i] =
                least(last[i] + 1, row[i - 1] + 1, last[i - 1] + (typed[j - 1] != name[i - 1]));
            if (i > 1 && j > 1 && typed[j - 1] == name[i - 2] && typed[j - 2] == name[i - 1] &&
                before[i - 2] + 1 < row[i])
                row[i] = before[i - 2] + 1;
        }
    }
    return rows[(j - 1) % 3][length];
}

const char *nearest_name(const char *typed, const char *(*name)(void *context, size_t i),
                         void *context)
{
    const char *best = NULL, *candidate;
    size_t least_distance = NEAR + 1, most = (strlen(typed) + 1) / LETTERS_A_MISTAKE;
    for (size_t i = 0; (candidate = name(context, i)); i++) {
        size_t distance = nearest_distance(typed, candidate);
        if (distance < least_distance && distance <= most) {
            least_distance = distance;
            best = candidate;
        }
    }
    return best;
}
