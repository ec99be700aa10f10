/* Which form of an instruction set a text means.
 *
 * There is no assembler here: the list of forms is the vocabulary, and any other instruction is
 * given by its bytes. Texts are compared without case and without blanks, so that "POPF", "popfd"
 * and "mov eax,cs" all find their form. */
#include "classify/text.h"

#include <capstone/capstone.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOCK_PREFIX = 0xf0 };

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t text_to_bytes(const char *hex, uint8_t *bytes, size_t max)
{
    size_t n = 0;

    for (;;) {
        while (isspace((unsigned char)*hex))
            hex++;
        if (!*hex)
            return n;
        int high = digit(hex[0]), low = high < 0 ? -1 : digit(hex[1]);
        if (low < 0 || n == max)
            return 0;
        bytes[n++] = (uint8_t)(high << 4 | low);
        hex += 2;
    }
}

/* Lower case; blanks only where they separate two words. */
static void normalise(const char *text, char *out, size_t size)
{
    size_t n = 0;

    while (*text && n + 1 < size) {
        unsigned char c = (unsigned char)*text++;

        if (!isspace(c)) {
            out[n++] = (char)tolower(c);
            continue;
        }
        while (isspace((unsigned char)*text))
            text++;
        if (n && *text && isalnum((unsigned char)out[n - 1]) &&
            (isalnum((unsigned char)*text) || strchr(".%[$(-{", *text)))
            out[n++] = ' ';
    }
    out[n] = 0;
}

size_t text_all_forms(const struct isa *isa, const struct isa_form ***forms)
{
    size_t count = 0;

    while (isa->forms[count].bytes)
        count++;
    *forms = calloc(count ? count : 1, sizeof **forms);
    for (size_t i = 0; *forms && i < count; i++)
        (*forms)[i] = &isa->forms[i];
    return *forms ? count : 0;
}

/* Names that assemblers and manuals give to one instruction. */
static const char *alias(const char *text)
{
    static const char *const names[][2] = {
        {"popfl", "popfd"},
        {"pushfl", "pushfd"},
        {"iret", "iretd"},
        {"iretl", "iretd"},
        {"lret", "retf"},
        {"callf", "call fword ptr [ebx]"},
        {"jmpf", "jmp fword ptr [ebx]"},
        {"pushal", "pushad"},
        {"popal", "popad"},
        {"xlatb", "xlat"},
        {"int 3", "int3"},
        {"int n", "int"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i][0]) == 0)
            return names[i][1];
    return text;
}

enum match { MATCH_TEXT, MATCH_WORD, MATCH_MNEMONIC, MATCH_WAYS };

static bool matches(const struct isa_form *form, const char *text, enum match how)
{
    char own[TEXT_MAX + 1];

    normalise(how == MATCH_MNEMONIC ? form->mnemonic : form->text, own, sizeof own);
    if (how == MATCH_WORD)
        own[strcspn(own, " ")] = 0;
    return strcmp(own, text) == 0;
}

size_t text_find_forms(const struct isa *isa, const char *text, const struct isa_form ***forms)
{
    char wanted[TEXT_MAX + 1];
    size_t found = 0, all = text_all_forms(isa, forms);

    normalise(text, wanted, sizeof wanted);
    const char *name = isa->cs_arch == CS_ARCH_X86 ? alias(wanted) : wanted;
    /* The manual's mnemonic stands for all its forms; a text that is one form is just that. */
    for (int how = 0; how < MATCH_WAYS && !found; how++)
        for (size_t i = 0; i < all; i++)
            if (matches(&isa->forms[i], name, (enum match)how))
                (*forms)[found++] = &isa->forms[i];
    return found;
}

const struct isa_form *text_find_bytes(const struct isa *isa, const char *digits)
{
    for (const struct isa_form *form = isa->forms; form->bytes; form++)
        if (strcmp(form->bytes, digits) == 0)
            return form;
    return NULL;
}

/* Capstone's mnemonic without prefixes ("rep insb"), far transfers and sizes by the manual's name.
 */
static const char *manual_name(const char *name)
{
    static const char *const prefixes[] = {"lock ", "rep ", "repe ", "repne ", "bnd ", "notrack "};
    static const char *const names[][2] = {
        {"lcall", "call"},   {"ljmp", "jmp"},   {"retf", "ret"},     {"pushfd", "pushf"},
        {"popfd", "popf"},   {"iretd", "iret"}, {"pushal", "pusha"}, {"popal", "popa"},
        {"pushaw", "pusha"}, {"popaw", "popa"}, {"insb", "ins"},     {"insw", "ins"},
        {"insd", "ins"},     {"outsb", "outs"}, {"outsw", "outs"},   {"outsd", "outs"},
    };

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            name += strlen(prefixes[i]);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i][0]) == 0)
            return names[i][1];
    return name;
}

size_t text_disassemble(const struct isa *isa, const uint8_t *bytes, size_t size, char *mnemonic,
                        size_t mnemonic_size, char *text, size_t text_size)
{
    size_t length = 0;
    csh handle;
    cs_insn *insn = NULL;
    size_t used = 0;

    snprintf(mnemonic, mnemonic_size, "(unknown)");
    text[0] = 0;
    for (size_t i = 0; i < size && used + 3 < text_size; i++)
        used += (size_t)snprintf(text + used, text_size - used, "%02x", bytes[i]);
    if (isa->cs_arch < 0 || cs_open((cs_arch)isa->cs_arch, (cs_mode)isa->cs_mode, &handle))
        return 0;
    size_t skipped = 0;
    size_t found = cs_disasm(handle, bytes, size, isa->pc, 1, &insn);
    if (!found && isa->cs_arch == CS_ARCH_X86 && size > 1 && bytes[0] == LOCK_PREFIX) {
        skipped = 1; /* where the manual has no LOCK, Capstone has no instruction */
        found = cs_disasm(handle, bytes + 1, size - 1, isa->pc, 1, &insn);
    }
    if (found) {
        snprintf(mnemonic, mnemonic_size, "%s", manual_name(insn->mnemonic));
        snprintf(text, text_size, "%s%s%s%s", skipped ? "lock " : "", insn->mnemonic,
                 insn->op_str[0] ? " " : "", insn->op_str);
        length = insn->size + skipped;
        cs_free(insn, 1);
    }
    cs_close(&handle);
    return length;
}

size_t text_length(const struct isa *isa, const uint8_t *bytes, size_t size)
{
    /* What may follow; one of them makes an instruction of any beginning that has one. */
    static const uint8_t fillings[] = {0x00, 0x0f, 0xc0};
    char mnemonic[32], text[128];
    size_t length = 0;

    for (size_t i = 0; i < sizeof fillings && !length; i++) {
        uint8_t filled[2 * ISA_MAX_BYTES];

        memset(filled, fillings[i], sizeof filled);
        memcpy(filled, bytes, size);
        length = text_disassemble(isa, filled, ISA_MAX_BYTES, mnemonic, sizeof mnemonic, text,
                                  sizeof text);
    }
    return length;
}

const char *text_quote(const char *text, char quoted[TEXT_QUOTE])
{
    size_t i = 0;

    for (; text[i] && i < TEXT_QUOTE - 4; i++)
        quoted[i] = (char)((text[i] & 0x80) || !iscntrl((unsigned char)text[i]) ? text[i] : '?');
    snprintf(quoted + i, TEXT_QUOTE - i, "%s", text[i] ? "..." : "");
    return quoted;
}
