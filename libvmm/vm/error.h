/* Filling in a struct vmm_error, in one line at the place that finds the mistake. */
#ifndef VMM_VM_ERROR_H
#define VMM_VM_ERROR_H

#include "vmm/error.h"

/* Sets code and sentence (printf's format; cut off after 255 characters). `error` may be NULL.
 * Returns `code`, so that a function can return the call. */
int error_set(struct vmm_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sets VMM_OK and an empty sentence. */
void error_clear(struct vmm_error *error);

#endif
