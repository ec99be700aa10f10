/* Source lines of a guest: which line of which file an instruction comes from, by the DWARF line
 * tables of its image (DWARF 5, section 6.2), read with libdw. */
#ifndef SHELL_REPL_SOURCE_H
#define SHELL_REPL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source;

/* Reads the line tables of the ELF file in `bytes`, which must live as long. NULL if it has none,
 * is no ELF file, or there is no memory. The caller gives it to source_close; NULL is allowed. */
struct source *source_open(const uint8_t *bytes, size_t size);
void source_close(struct source *source);

/* Makes `more`, if it is one, what is asked after `first`, which owns it then; either may be NULL.
 * Returns the first of them that is one. */
struct source *source_chain(struct source *first, struct source *more);

/* The line that the instruction at `linear` belongs to. `*file` is as the compiler was told,
 * relative to where the guest was built; it lives as long as `source`. False if there is none. */
bool source_line(const struct source *source, uint32_t linear, const char **file, unsigned *line);

/* The address of the first instruction of line `line`, or of the next line that has any, of the
 * file whose name ends with `file`. False if there is none. */
bool source_address(const struct source *source, const char *file, unsigned line, uint32_t *linear);

/* Copies line `line` of `file` into `text` without its end, cut to fit. False if the file is not
 * there or has no such line. */
bool source_text(struct source *source, const char *file, unsigned line, char *text, size_t room);

#endif
