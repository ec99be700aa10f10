/* The host's time, for clocks and statistics; no guest's state depends on it but with the host's
 * clock. */
#ifndef VMM_MACHINE_HOST_H
#define VMM_MACHINE_HOST_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds since some moment before; never goes back. */
static inline uint64_t host_nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
