/* What labs whose tests are guests have in common. */
#ifndef SHELL_LAB_GUEST_H
#define SHELL_LAB_GUEST_H

#include "shell/lab.h"

#include <time.h>

/* struct lab_kind's. */
bool lab_guest_build(struct lab_job *job);
bool lab_guest_prepare(const struct lab *lab, struct lab_test *test, char why[LAB_SENTENCE]);

/* Makes the test's guest at `guest` (test->guest_size bytes), with numbers that are drawn now, and
 * a nonce for the run. False: the host has no random numbers. */
bool lab_guest_draw(const struct lab_test *test, uint8_t *guest, uint64_t *nonce);

/* Seconds of processor time for a module, where the library needed `used`. */
unsigned lab_guest_seconds(clock_t used);

#endif
