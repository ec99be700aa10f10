/* What a shutdown began with. */
#ifndef VMM_VM_SHUTDOWN_H
#define VMM_VM_SHUTDOWN_H

#include <stddef.h>

struct dispatcher;

/* Writes into `text` how the shutdown that has just ended the guest of `d` began: the event that
 * found no handler, its instruction, and what this processor lacks that the instruction asked for.
 */
void shutdown_describe(const struct dispatcher *d, char *text, size_t room);

#endif
