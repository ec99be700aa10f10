/* The guest `boundaries` without what does not trap outside ring 0, for a VMM that traps and
 * emulates (Popek and Goldberg 1974, theorem 1). */
#define BOUNDARIES_VIRTUALIZABLE
#include "boundaries.c"
