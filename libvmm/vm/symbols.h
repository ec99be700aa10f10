/* The symbol table of a guest's image, copied out of the ELF file (Tool Interface Standard, ELF
 * specification 1.2, book I, "Symbol Table"). The file is somebody else's: every offset and index
 * is checked, and what is damaged means fewer symbols and nothing worse. */
#ifndef VMM_VM_SYMBOLS_H
#define VMM_VM_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

#include "loader.h"

struct symbols {
    size_t count;
    struct symbol {
        uint32_t address, end; /* linear; `end` of its section */
        uint32_t name;         /* offset in `names` */
        uint8_t rank;          /* of several at one address the highest is shown */
    } * table;                 /* by address, then rank */
    char *names;
    struct symbols *next; /* of another file, looked through after these; owned */
};

/* Fills `symbols` from the ELF file `image`, without a next. Leaves none if it is no such file, or
 * memory lacks. */
void symbols_read(struct symbols *symbols, const struct loader_file *image);
void symbols_free(struct symbols *symbols);

/* The symbol that `address` belongs to, or NULL. */
const struct symbol *symbols_at(const struct symbols *symbols, uint32_t address);

#endif
