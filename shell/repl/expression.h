/* Expressions of the REPL: C's operators on 32-bit unsigned numbers, with the guest's registers,
 * symbols and memory as operands.
 *
 *     $eax + 4 * ($ecx - 1)      *($esp + 8)       main + 0x10      byte($esi) == 'A'
 *
 * FILE:LINE, where the guest was built with line tables, is a symbol as well.
 *
 * Strength of operators as in C:  ||  &&  |  ^  &  == !=  < <= > >=  << >>  + -  * / %  and the
 * prefixes - + ~ ! *. A prefix * reads four bytes at a linear address; dword(), word() and byte()
 * read 4, 2 and 1, phys() four at a guest-physical address. */
#ifndef SHELL_REPL_EXPRESSION_H
#define SHELL_REPL_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where operands come from. Each call returns false if there is no such thing. */
struct expression_source {
    void *context;
    bool (*reg)(void *context, const char *name, uint32_t *value); /* without the dollar sign */
    bool (*symbol)(void *context, const char *name, uint32_t *value);
    bool (*memory)(void *context, bool physical, uint32_t address, unsigned size, uint32_t *value);
    /* The name that was meant by one that there is not, as it must be written; NULL: none. May be
     * NULL. */
    const char *(*nearest)(void *context, bool is_register, const char *name);
};

/* Evaluates the expression that `text` starts with. `*rest` is what follows it; if `rest` is NULL,
 * nothing may. Returns false with one sentence in `why`, of `room` bytes. */
bool expression_evaluate(const char *text, const char **rest,
                         const struct expression_source *source, uint32_t *value, char *why,
                         size_t room);

#endif
