/* The atlas: one page on all instruction sets. */
#ifndef SHELL_ATLAS_H
#define SHELL_ATLAS_H

#include <stdbool.h>
#include <stddef.h>

struct vmm_classification;

/* Prints the page (Markdown) to standard output: `count` results of vmm_classify() for the sets
 * `names`. False, with a complaint on standard error and nothing printed: no memory. */
bool atlas_print(const char *const *names, struct vmm_classification *const *results, size_t count);

#endif
