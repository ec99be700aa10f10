/* Symbols of ELF images (ELF specification 1.2, "Symbol Table"): which of a table's entries name
 * places, which name an address gets, and that no damage to the file does more than lose names. */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "vm/symbols.h"
#include "vmm/symbols.h"
#include "vmm/vm.h"

/* One file: header, four section headers (null, text, symbols, strings), symbols, strings. */
#define SYMBOLS 12u
struct image {
    Elf32_Ehdr header;
    Elf32_Shdr sections[4];
    Elf32_Sym symbols[SYMBOLS];
    char strings[128];
};

static uint32_t string(struct image *image, const char *text)
{
    uint32_t at = 1;
    while (image->strings[at])
        at += (uint32_t)strlen(image->strings + at) + 1;
    strcpy(image->strings + at, text);
    return at;
}

static void add(struct image *image, unsigned i, const char *name, uint32_t value, unsigned bind,
                unsigned type, uint16_t section)
{
    image->symbols[i] = (Elf32_Sym){.st_name = string(image, name),
                                    .st_value = value,
                                    .st_info = (uint8_t)ELF32_ST_INFO(bind, type),
                                    .st_shndx = section};
}

static struct loader_file build(struct image *image)
{
    *image = (struct image){
        .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB},
                   .e_shoff = offsetof(struct image, sections),
                   .e_shentsize = sizeof(Elf32_Shdr),
                   .e_shnum = 4},
        .sections = {[1] = {.sh_type = SHT_NOBITS,
                            .sh_flags = SHF_ALLOC,
                            .sh_addr = 0xc0100000u,
                            .sh_size = 0x1000},
                     [2] = {.sh_type = SHT_SYMTAB,
                            .sh_offset = offsetof(struct image, symbols),
                            .sh_size = sizeof image->symbols,
                            .sh_link = 3,
                            .sh_entsize = sizeof(Elf32_Sym)},
                     [3] = {.sh_type = SHT_STRTAB,
                            .sh_offset = offsetof(struct image, strings),
                            .sh_size = sizeof image->strings}}};
    add(image, 1, "kmain", 0xc0100100u, STB_GLOBAL, STT_FUNC, 1);
    add(image, 2, "again", 0xc0100110u, STB_LOCAL, STT_NOTYPE, 1);
    add(image, 3, "alias", 0xc0100100u, STB_LOCAL, STT_NOTYPE, 1);
    add(image, 4, "start", 0xc0100000u, STB_GLOBAL, STT_NOTYPE, 1);
    add(image, 5, "constant", 0xc0100180u, STB_LOCAL, STT_NOTYPE, SHN_ABS);
    add(image, 6, "elsewhere", 0xc0100190u, STB_GLOBAL, STT_FUNC, SHN_UNDEF);
    add(image, 7, "file.c", 0xc01001a0u, STB_LOCAL, STT_FILE, 1);
    add(image, 8, "outside", 0xd0000000u, STB_GLOBAL, STT_FUNC, 1);
    add(image, 9, ".L12", 0xc01001b0u, STB_LOCAL, STT_NOTYPE, 1);
    add(image, 10, "e\033[31m\"", 0xc0100200u, STB_GLOBAL, STT_FUNC, 1);
    return (struct loader_file){.bytes = (const uint8_t *)image, .size = sizeof *image};
}

static const char *name_at(const struct symbols *symbols, uint32_t address)
{
    const struct symbol *symbol = symbols_at(symbols, address);
    return symbol ? symbols->names + symbol->name : "";
}

Test(symbols, an_address_belongs_to_the_symbol_before_it_in_its_section)
{
    struct image image;
    struct symbols symbols;
    struct loader_file file = build(&image);
    symbols_read(&symbols, &file);
    cr_assert_str_eq(name_at(&symbols, 0xc00fffffu), "");
    cr_assert_str_eq(name_at(&symbols, 0xc0100000u), "start");
    cr_assert_str_eq(name_at(&symbols, 0xc01000ffu), "start");
    cr_assert_str_eq(name_at(&symbols, 0xc0100100u), "kmain", "a function before its alias");
    cr_assert_str_eq(name_at(&symbols, 0xc0100115u), "again");
    cr_assert_str_eq(name_at(&symbols, 0xc01001ffu), "again", "no constant, file or undefined one");
    cr_assert_str_eq(name_at(&symbols, 0xc0101000u), "", "the section ends here");
    cr_assert_eq(symbols.count, 5);
    symbols_free(&symbols);
}

Test(symbols, names_are_safe_to_print)
{
    struct image image;
    struct symbols symbols;
    struct loader_file file = build(&image);
    symbols_read(&symbols, &file);
    cr_assert_str_eq(name_at(&symbols, 0xc0100200u), "e?[31m?");
    symbols_free(&symbols);
}

Test(symbols, other_files_have_none)
{
    struct image image;
    struct symbols symbols;
    struct loader_file file = build(&image);
    image.header.e_ident[EI_CLASS] = ELFCLASS64;
    symbols_read(&symbols, &file);
    cr_assert_eq(symbols.count, 0);
    file.size = 10;
    symbols_read(&symbols, &file);
    cr_assert_eq(symbols.count, 0);
    file.size = 0;
    symbols_read(&symbols, &file);
    cr_assert_str_eq(name_at(&symbols, 0), "");
}

Test(symbols, every_truncation_and_every_extreme_byte_is_survived)
{
    for (uint32_t size = 0; size <= sizeof(struct image); size++) {
        struct image image;
        struct symbols symbols;
        build(&image);
        /* A copy of exactly that size, so that a sanitizer sees a step beyond it. */
        uint8_t *bytes = malloc(size ? size : 1);
        memcpy(bytes, &image, size);
        symbols_read(&symbols, &(struct loader_file){.bytes = bytes, .size = size});
        for (size_t i = 0; i < symbols.count; i++)
            cr_assert_lt(strlen(symbols.names + symbols.table[i].name), 128);
        symbols_free(&symbols);
        free(bytes);
    }
    for (size_t at = 0; at < offsetof(struct image, strings); at++)
        for (unsigned pattern = 0; pattern < 3; pattern++) {
            struct image image;
            struct symbols symbols;
            struct loader_file file = build(&image);
            ((uint8_t *)&image)[at] = (uint8_t[]){0xff, 0x7f, 0}[pattern];
            symbols_read(&symbols, &file);
            for (size_t i = 0; i < symbols.count; i++)
                cr_assert_lt(strlen(symbols.names + symbols.table[i].name), 128);
            name_at(&symbols, 0xc0100100u);
            symbols_free(&symbols);
        }
}

/* The image's own are asked first; names, addresses and the list reach the others as well. */
Test(symbols, of_other_files_can_be_added)
{
    struct image kernel, program;
    struct vmm_error error;
    uint32_t linear, offset;
    struct vmm_vm *vm = vmm_create(&(struct vmm_config){.memory_size = 4 << 20}, &error);
    cr_assert_not_null(vm, "%s", error.text);
    struct loader_file file = build(&kernel);
    build(&program);
    for (unsigned i = 1; i < SYMBOLS; i++)
        program.symbols[i].st_value -= 0x80000000u;
    program.sections[1].sh_addr -= 0x80000000u;
    cr_assert_null(vmm_symbol(vm, 0xc0100104u, NULL));
    const struct vmm_file first = {"kernel", file.bytes, file.size},
                          second = {"program", (const uint8_t *)&program, sizeof program};
    cr_assert_eq(vmm_symbols_add(vm, &first, &error), VMM_OK, "%s", error.text);
    cr_assert_eq(vmm_symbols_add(vm, &second, &error), VMM_OK, "%s", error.text);
    memset(&program, 0, sizeof program); /* it is not needed any more */
    cr_assert_str_eq(vmm_symbol(vm, 0xc0100104u, &offset), "kmain");
    cr_assert_eq(offset, 4);
    cr_assert_str_eq(vmm_symbol(vm, 0x40100104u, NULL), "kmain");
    cr_assert(vmm_symbol_address(vm, "kmain", &linear) && linear == 0xc0100100u);
    size_t count = 0;
    while (vmm_symbol_name(vm, count))
        count++;
    cr_assert(count >= 6 && count % 2 == 0, "%zu names", count);
    const struct vmm_file none = {"none", (const uint8_t *)"no ELF", 6};
    cr_assert_eq(vmm_symbols_add(vm, &none, &error), VMM_E_IMAGE);
    cr_assert_not_null(strstr(error.text, "none"));
    vmm_destroy(vm);
}
