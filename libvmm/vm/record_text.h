/* What the texts, traces and reports of records have in common. */
#ifndef VMM_VM_RECORD_TEXT_H
#define VMM_VM_RECORD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/record.h"

/* "#GP"; NULL for vectors that are no exception's. */
const char *record_vector_name(uint8_t vector);

/* Whether `address` is a port. */
bool record_is_port(const struct vmm_record *record);

/* The class of the instruction in Popek and Goldberg's words, as far as its own trap proves it:
 * "privileged" if the processor refused it to a guest in ring 0, "sensitive, unprivileged" if it
 * went through and its result was wrong. NULL otherwise. */
const char *record_class(const struct vmm_record *record);

/* "D-I-D-A"; "" for the bare machine. */
void record_walk_text(const struct vmm_record *record, char *text, size_t room);

#endif
