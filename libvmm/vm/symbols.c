/* Symbols of a guest: reading the table of an ELF file, and finding names in it. See symbols.h.
 *
 * An address belongs to the last symbol at or before it, as debuggers have it, but never across the
 * end of that symbol's section: hand-written assembly gives its labels no sizes. */
#include "symbols.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "vm.h"
#include "vmm/symbols.h"

#define MOST_SYMBOLS (1u << 20)

/* ---- the file, by offsets that are checked; nothing in it is aligned ---- */

static bool copy(const struct loader_file *file, uint64_t offset, void *to, uint32_t size)
{
    if (offset > file->size || size > file->size - offset)
        return false;
    memcpy(to, file->bytes + offset, size);
    return true;
}

static bool read_header(const struct loader_file *file, Elf32_Ehdr *header)
{
    return copy(file, 0, header, sizeof *header) && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS32 && header->e_ident[EI_DATA] == ELFDATA2LSB &&
           header->e_shentsize >= sizeof(Elf32_Shdr);
}

static bool read_section(const struct loader_file *file, const Elf32_Ehdr *header, uint32_t i,
                         Elf32_Shdr *section)
{
    return i < header->e_shnum &&
           copy(file, header->e_shoff + (uint64_t)i * header->e_shentsize, section,
                sizeof *section) &&
           (section->sh_type == SHT_NOBITS ||
            (section->sh_offset <= file->size &&
             section->sh_size <= file->size - section->sh_offset));
}

/* ---- choosing ---- */

/* 0: nothing to show. Functions before data before labels, global before local. */
static uint8_t rank(const Elf32_Sym *symbol)
{
    static const uint8_t types[] = {[STT_NOTYPE] = 1, [STT_OBJECT] = 3, [STT_FUNC] = 5};
    unsigned type = ELF32_ST_TYPE(symbol->st_info);
    if (type >= sizeof types || !types[type])
        return 0;
    return (uint8_t)(types[type] + (ELF32_ST_BIND(symbol->st_info) != STB_LOCAL));
}

/* The symbol as we keep it; false if it names no place in memory. */
static bool choose(const struct loader_file *file, const Elf32_Ehdr *header,
                   const Elf32_Shdr *strings, const Elf32_Sym *from, struct symbol *symbol)
{
    Elf32_Shdr section;
    if (!rank(from) || from->st_name >= strings->sh_size || from->st_shndx == SHN_UNDEF ||
        from->st_shndx >= SHN_LORESERVE || !read_section(file, header, from->st_shndx, &section) ||
        !(section.sh_flags & SHF_ALLOC))
        return false;
    uint32_t inside = from->st_value - section.sh_addr;
    const char *name = (const char *)file->bytes + strings->sh_offset + from->st_name;
    if (inside > section.sh_size || section.sh_size > UINT32_MAX - section.sh_addr || !*name ||
        strncmp(name, ".L", 2) == 0)
        return false;
    *symbol = (struct symbol){from->st_value, section.sh_addr + section.sh_size, from->st_name,
                              rank(from)};
    return true;
}

static int by_address(const void *a, const void *b)
{
    const struct symbol *left = a, *right = b;
    if (left->address != right->address)
        return left->address < right->address ? -1 : 1;
    if (left->rank != right->rank)
        return left->rank < right->rank ? -1 : 1;
    return left->name < right->name ? -1 : left->name > right->name;
}

/* A terminated copy of the strings that is safe to print anywhere. */
static char *copy_names(const struct loader_file *file, const Elf32_Shdr *strings)
{
    char *names = malloc((size_t)strings->sh_size + 1);
    if (!names)
        return 0;
    memcpy(names, file->bytes + strings->sh_offset, strings->sh_size);
    names[strings->sh_size] = '\0';
    for (uint32_t i = 0; i < strings->sh_size; i++)
        if (names[i] && (names[i] < 0x21 || names[i] > 0x7e || names[i] == '"' || names[i] == '\\'))
            names[i] = '?';
    return names;
}

static void take(struct symbols *symbols, const struct loader_file *file, const Elf32_Ehdr *header,
                 const Elf32_Shdr *table, const Elf32_Shdr *strings)
{
    uint32_t count = table->sh_size / (uint32_t)sizeof(Elf32_Sym);
    if (count > MOST_SYMBOLS)
        count = MOST_SYMBOLS;
    symbols->table = calloc(count + 1, sizeof *symbols->table);
    symbols->names = copy_names(file, strings);
    if (!symbols->table || !symbols->names) {
        symbols_free(symbols);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        Elf32_Sym symbol;
        copy(file, table->sh_offset + (uint64_t)i * sizeof symbol, &symbol, sizeof symbol);
        symbols->count += choose(file, header, strings, &symbol, &symbols->table[symbols->count]);
    }
    qsort(symbols->table, symbols->count, sizeof *symbols->table, by_address);
}

void symbols_read(struct symbols *symbols, const struct loader_file *image)
{
    Elf32_Ehdr header;
    Elf32_Shdr table, strings;
    *symbols = (struct symbols){0};
    if (!read_header(image, &header))
        return;
    for (uint32_t i = 0; i < header.e_shnum; i++)
        if (read_section(image, &header, i, &table) && table.sh_type == SHT_SYMTAB &&
            table.sh_entsize == sizeof(Elf32_Sym) &&
            read_section(image, &header, table.sh_link, &strings) &&
            strings.sh_type == SHT_STRTAB) {
            take(symbols, image, &header, &table, &strings);
            return;
        }
}

void symbols_free(struct symbols *symbols)
{
    while (symbols->next) {
        struct symbols *next = symbols->next;
        symbols->next = next->next;
        free(next->table);
        free(next->names);
        free(next);
    }
    free(symbols->table);
    free(symbols->names);
    *symbols = (struct symbols){0};
}

int vmm_symbols_add(struct vmm_vm *vm, const struct vmm_file *file, struct vmm_error *error)
{
    const struct loader_file image = {file->name, file->bytes, file->size};
    struct symbols *added = calloc(1, sizeof *added), **last = &vm->symbols.next;
    if (!added)
        return error_set(error, VMM_E_MEMORY, "there is no memory left");
    symbols_read(added, &image);
    if (!added->count) {
        symbols_free(added);
        free(added);
        return error_set(error, VMM_E_IMAGE,
                         "'%.200s' has no symbols: it is no 32-bit ELF file, or stripped",
                         file->name ? file->name : "the file");
    }
    while (*last)
        last = &(*last)->next;
    *last = added;
    return VMM_OK;
}

/* ---- looking up ---- */

const struct symbol *symbols_at(const struct symbols *symbols, uint32_t address)
{
    size_t low = 0, high = symbols->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (symbols->table[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || address >= symbols->table[low - 1].end)
        return 0;
    return &symbols->table[low - 1];
}

const char *vmm_symbol(const struct vmm_vm *vm, uint32_t linear, uint32_t *offset)
{
    for (const struct symbols *symbols = &vm->symbols; symbols; symbols = symbols->next) {
        const struct symbol *symbol = symbols_at(symbols, linear);
        if (!symbol)
            continue;
        if (offset)
            *offset = linear - symbol->address;
        return symbols->names + symbol->name;
    }
    return 0;
}

bool vmm_symbol_address(const struct vmm_vm *vm, const char *name, uint32_t *linear)
{
    const struct symbol *best = 0;
    for (const struct symbols *symbols = &vm->symbols; symbols && !best; symbols = symbols->next)
        for (size_t i = 0; i < symbols->count; i++)
            if (strcmp(symbols->names + symbols->table[i].name, name) == 0 &&
                (!best || best->rank < symbols->table[i].rank))
                best = &symbols->table[i];
    if (best)
        *linear = best->address;
    return best != 0;
}

const char *vmm_symbol_name(const struct vmm_vm *vm, size_t i)
{
    for (const struct symbols *symbols = &vm->symbols; symbols; symbols = symbols->next) {
        if (i < symbols->count)
            return symbols->names + symbols->table[i].name;
        i -= symbols->count;
    }
    return 0;
}

size_t vmm_symbol_text(const struct vmm_vm *vm, uint32_t linear, char *text, size_t room)
{
    uint32_t offset;
    const char *name = vmm_symbol(vm, linear, &offset);
    if (!name) { /* most often, in a trace of a guest without symbols */
        if (room)
            *text = '\0';
        return 0;
    }
    int length = offset ? snprintf(text, room, "%s+0x%x", name, offset)
                        : snprintf(text, room, "%s", name);
    return (size_t)length;
}
