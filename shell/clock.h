/* The host's time, for whoever waits, measures or shows how long something took. */
#ifndef SHELL_CLOCK_H
#define SHELL_CLOCK_H

#include <stdint.h>
#include <time.h>

enum { CLOCK_NS_PER_MS = 1000000 };

/* Nanoseconds since some moment before; never goes back. */
static inline uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
