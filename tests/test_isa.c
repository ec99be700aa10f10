/* The lists of instructions: is each encoding what the set's assembler makes of the text?
 *
 * GNU binutils for the set if they are installed, else LLVM's assembler, else the check is skipped
 * with a message. All forms of a set are assembled in one go, and .text must be their encodings one
 * behind the other. */
#include "classify/text.h"
#include "isa/isa.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has_program(const char *command)
{
    char line[256];

    snprintf(line, sizeof line, "command -v %.*s >/dev/null 2>&1", (int)strcspn(command, " "),
             command);
    return system(line) == 0;
}

static uint64_t field(const uint8_t *p, unsigned size, bool big)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)p[big ? size - 1 - i : i] << (8 * i);
    return value;
}

/* The bytes of section .text of a relocatable ELF file of either class and byte order. */
static size_t read_text(const char *path, uint8_t *out, size_t max)
{
    static uint8_t file[1 << 20];
    FILE *f = fopen(path, "rb");
    size_t size = f ? fread(file, 1, sizeof file, f) : 0;

    if (f)
        fclose(f);
    if (size < sizeof(Elf64_Ehdr) || memcmp(file, ELFMAG, SELFMAG) != 0)
        return 0;
    bool wide = file[EI_CLASS] == ELFCLASS64, big = file[EI_DATA] == ELFDATA2MSB;
#define FIELD(base, type, member)                                                                  \
    (wide ? field(file + (base) + offsetof(Elf64_##type, member),                                  \
                  sizeof((Elf64_##type *)0)->member, big)                                          \
          : field(file + (base) + offsetof(Elf32_##type, member),                                  \
                  sizeof((Elf32_##type *)0)->member, big))
    uint64_t table = FIELD(0, Ehdr, e_shoff), each = FIELD(0, Ehdr, e_shentsize);
    uint64_t names = FIELD(table + each * FIELD(0, Ehdr, e_shstrndx), Shdr, sh_offset);
    for (uint64_t i = 0; i < FIELD(0, Ehdr, e_shnum); i++) {
        uint64_t section = table + each * i;
        uint64_t bytes = FIELD(section, Shdr, sh_size), at = FIELD(section, Shdr, sh_offset);

        if (strcmp((char *)file + names + FIELD(section, Shdr, sh_name), ".text") == 0 &&
            bytes <= max && at + bytes <= size) {
            memcpy(out, file + at, bytes);
            return bytes;
        }
    }
#undef FIELD
    return 0;
}

/* Result: 0 and the object at `object`; else the assembler's failure. */
static int assemble(const struct isa *isa, bool gnu, const char *source, const char *object)
{
    char line[512];

    if (gnu)
        snprintf(line, sizeof line, "%s -o %s %s", isa->assembler, object, source);
    else
        snprintf(line, sizeof line, "llvm-mc -filetype=obj -triple=%s -o %s %s", isa->triple,
                 object, source);
    return system(line);
}

static void check_forms(const struct isa *isa)
{
    static uint8_t made[1 << 16];
    char source[64], object[64];
    bool gnu = has_program(isa->assembler), llvm = isa->triple && has_program("llvm-mc");

    if (!gnu && !llvm) {
        cr_log_info("skipped: no assembler for %s (%s) is installed", isa->name, isa->assembler);
        return;
    }
    snprintf(source, sizeof source, "/tmp/vmm-isa-%d.s", (int)getpid());
    snprintf(object, sizeof object, "/tmp/vmm-isa-%d.o", (int)getpid());
    FILE *f = fopen(source, "w");
    cr_assert_not_null(f);
    if (isa->prologue)
        fprintf(f, "%s\n", isa->prologue);
    for (const struct isa_form *form = isa->forms; form->bytes; form++)
        fprintf(f, "%s\n", form->text);
    fclose(f);
    cr_expect_eq(assemble(isa, gnu, source, object), 0, "%s: every form assembles", isa->name);
    size_t size = read_text(object, made, sizeof made), at = 0;
    for (const struct isa_form *form = isa->forms; form->bytes; form++) {
        uint8_t bytes[ISA_MAX_BYTES];
        size_t length = text_to_bytes(form->bytes, bytes, sizeof bytes);

        cr_assert(at + length <= size && memcmp(made + at, bytes, length) == 0,
                  "%s: \"%s\" is not %s", isa->name, form->text, form->bytes);
        at += length;
    }
    unlink(source);
    unlink(object);
}

Test(isa, encodings_are_what_the_assembler_makes)
{
    for (size_t i = 0; i < isa_count; i++)
        check_forms(isa_all[i]);
}

Test(isa, lists_are_well_formed)
{
    for (size_t i = 0; i < isa_count; i++) {
        const struct isa *isa = isa_all[i];
        size_t forms = 0;

        cr_expect_eq(isa_find(isa->name), isa);
        cr_expect_leq(isa->mode_count * isa->variation_count, ISA_MAX_STATES, "%s", isa->name);
        cr_expect_leq(isa->component_count, ISA_MAX_COMPONENTS);
        cr_expect_leq(isa->seeds, ISA_MAX_SEEDS);
        cr_expect(!isa->modes[0].user && isa->modes[1].user, "%s", isa->name);
        for (const struct isa_form *form = isa->forms; form->bytes; form++, forms++) {
            uint8_t bytes[ISA_MAX_BYTES];

            cr_expect_gt(text_to_bytes(form->bytes, bytes, sizeof bytes), 0, "%s", form->text);
            cr_expect_eq(text_find_bytes(isa, form->bytes), form, "%s: \"%s\" appears twice",
                         isa->name, form->text);
        }
        cr_expect_geq(forms, 40, "%s has %zu forms", isa->name, forms);
    }
    cr_expect_null(isa_find("pdp-10"));
}
