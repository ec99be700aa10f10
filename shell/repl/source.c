/* The rows of all line tables, sorted by address once. See source.h. */
#include "shell/repl/source.h"

#include <elfutils/libdw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 4000000, LONGEST_LINE = 4096 };

struct row {
    uint32_t linear;
    unsigned line;  /* 0: behind the end of a sequence, nothing is known */
    uint32_t order; /* in the tables */
    const char *file;
};

struct source {
    Elf *elf;
    Dwarf *dwarf;
    struct row *rows;
    size_t count, room;
    FILE *open; /* the file that was looked into last */
    char name[1024];
    struct source *next; /* another file's lines */
};

static bool add_row(struct source *source, const struct row *row)
{
    if (source->count == source->room) {
        size_t room = source->room ? 2 * source->room : 1024;
        struct row *rows =
            source->count < MOST_ROWS ? realloc(source->rows, room * sizeof *rows) : NULL;
        if (!rows)
            return false;
        source->rows = rows;
        source->room = room;
    }
    source->rows[source->count++] = *row;
    return true;
}

static const char *without_dot(const char *name)
{
    return name && strncmp(name, "./", 2) == 0 ? name + 2 : name;
}

static bool add_unit(struct source *source, Dwarf_Die *unit)
{
    Dwarf_Lines *lines;
    size_t count;
    if (dwarf_getsrclines(unit, &lines, &count) != 0)
        return true;
    for (size_t i = 0; i < count; i++) {
        Dwarf_Line *line = dwarf_onesrcline(lines, i);
        Dwarf_Addr address;
        int number;
        bool end;
        if (dwarf_lineaddr(line, &address) != 0 || dwarf_lineno(line, &number) != 0 ||
            dwarf_lineendsequence(line, &end) != 0 || address > UINT32_MAX || number < 0)
            continue;
        const struct row row = {.linear = (uint32_t)address,
                                .line = end ? 0 : (unsigned)number,
                                .order = (uint32_t)source->count,
                                .file = without_dot(dwarf_linesrc(line, NULL, NULL))};
        /* Line 0 is the compiler's own code: the line before it goes on. */
        if ((end || (number && row.file)) && !add_row(source, &row))
            return false;
    }
    return true;
}

/* Of several rows at one address the last one holds, so that order must be kept; an end of sequence
 * comes before what begins there. */
static int by_address(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    if (left->linear != right->linear)
        return left->linear < right->linear ? -1 : 1;
    if (!left->line != !right->line)
        return left->line ? 1 : -1;
    return left->order < right->order ? -1 : 1;
}

static void add_units(struct source *source)
{
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    while (dwarf_get_units(source->dwarf, unit, &unit, NULL, NULL, &die, NULL) == 0)
        if (!add_unit(source, &die))
            return;
}

struct source *source_open(const uint8_t *bytes, size_t size)
{
    struct source *source = calloc(1, sizeof *source);
    if (!source || elf_version(EV_CURRENT) == EV_NONE)
        return source_close(source), NULL;
    source->elf = elf_memory((char *)bytes, size); /* it is only read */
    source->dwarf = source->elf ? dwarf_begin_elf(source->elf, DWARF_C_READ, NULL) : NULL;
    if (source->dwarf)
        add_units(source);
    if (!source->count)
        return source_close(source), NULL;
    qsort(source->rows, source->count, sizeof *source->rows, by_address);
    return source;
}

void source_close(struct source *source)
{
    if (!source)
        return;
    source_close(source->next);
    if (source->dwarf)
        dwarf_end(source->dwarf);
    if (source->elf)
        elf_end(source->elf);
    if (source->open)
        fclose(source->open);
    free(source->rows);
    free(source);
}

struct source *source_chain(struct source *first, struct source *more)
{
    struct source **last = &first;
    while (*last)
        last = &(*last)->next;
    *last = more;
    return first;
}

static bool line_of(const struct source *source, uint32_t linear, const char **file, unsigned *line)
{
    size_t low = 0, high = source->count;
    while (low < high) { /* the first row above `linear` */
        size_t middle = low + (high - low) / 2;
        if (source->rows[middle].linear <= linear)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low || !source->rows[low - 1].line)
        return false;
    *file = source->rows[low - 1].file;
    *line = source->rows[low - 1].line;
    return true;
}

bool source_line(const struct source *source, uint32_t linear, const char **file, unsigned *line)
{
    while (source && !line_of(source, linear, file, line))
        source = source->next;
    return source != NULL;
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0 &&
           (length == tail || name[length - tail - 1] == '/');
}

bool source_address(const struct source *source, const char *file, unsigned line, uint32_t *linear)
{
    const struct row *best = NULL;
    for (; source; source = source->next)
        for (size_t i = 0; i < source->count; i++) {
            const struct row *row = &source->rows[i];
            if (row->line < line || !row->line || (best && row->line >= best->line) ||
                !ends_with(row->file, file))
                continue;
            best = row;
        }
    if (best)
        *linear = best->linear;
    return best != NULL;
}

bool source_text(struct source *source, const char *file, unsigned line, char *text, size_t room)
{
    char buffer[LONGEST_LINE];
    if (!source->open || strcmp(source->name, file) != 0) {
        if (source->open)
            fclose(source->open);
        snprintf(source->name, sizeof source->name, "%s", file);
        source->open = fopen(source->name, "re");
    }
    if (!source->open)
        return false;
    rewind(source->open);
    for (unsigned at = 1; fgets(buffer, sizeof buffer, source->open); at++) {
        if (at < line)
            continue;
        buffer[strcspn(buffer, "\r\n")] = '\0';
        for (char *c = buffer; *c; c++)
            if (*c != '\t' && (unsigned char)*c < ' ')
                *c = '?';
        snprintf(text, room, "%s", buffer);
        return true;
    }
    return false;
}
