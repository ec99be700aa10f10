/* Expressions of the REPL: strength and results of operators are C's (C17, section 6.5) on unsigned
 * 32-bit numbers; every mistake is one sentence, and no text crashes or hangs the parser. */
#include "shell/repl/expression.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static bool reg(void *context, const char *name, uint32_t *value)
{
    (void)context;
    *value = 0x1000;
    return strcmp(name, "esp") == 0;
}

static bool symbol(void *context, const char *name, uint32_t *value)
{
    (void)context;
    *value = 0x100000;
    return strcmp(name, "main") == 0 || strcmp(name, "byte") == 0;
}

/* Memory below 0x2000, each byte the low byte of its address; physical memory one more. */
static bool memory(void *context, bool physical, uint32_t address, unsigned size, uint32_t *value)
{
    (void)context;
    *value = 0;
    for (unsigned i = 0; i < size; i++)
        *value |= (uint32_t)(uint8_t)(address + i + physical) << 8 * i;
    return address < 0x2000;
}

static const struct expression_source source = {NULL, reg, symbol, memory, NULL};

static uint32_t value_of(const char *text)
{
    uint32_t value = 0;
    char why[256] = "";
    cr_assert(expression_evaluate(text, NULL, &source, &value, why, sizeof why), "%s: %s", text,
              why);
    return value;
}

static const char *mistake_in(const char *text)
{
    static char why[256];
    uint32_t value;
    cr_assert_not(expression_evaluate(text, NULL, &source, &value, why, sizeof why), "%s = %x",
                  text, value);
    return why;
}

#define EQUAL(expression) cr_assert_eq(value_of(#expression), (uint32_t)(expression), #expression)

Test(repl_expression, operators_are_those_of_c)
{
    const uint32_t one = 1;
    EQUAL(1 + 2 * 3);
    EQUAL((1 + 2) * 3);
    EQUAL(10 - 4 - 3);
    EQUAL(100 / 7 / 2);
    EQUAL(100 % 7);
    EQUAL(1 << 4 << 2);
    EQUAL(0x80 >> 3);
    EQUAL(!5 + !0);
    /* Where a compiler would rather have parentheses. */
    cr_assert_eq(value_of("1 | 6 & 3 ^ 5"), 1 | ((6 & 3) ^ 5));
    cr_assert_eq(value_of("1 == 1 != 0"), (1 == 1) != 0);
    cr_assert_eq(value_of("3 > 2 == 1"), (3 > 2) == 1);
    cr_assert_eq(value_of("1 + 1 << 2"), (1 + 1) << 2);
    cr_assert_eq(value_of("6 & 2 == 2"), 6 & (2 == 2));
    cr_assert_eq(value_of("5 || 2 && 0"), 1);
    EQUAL(~0);
    EQUAL(-5 + 3);
    EQUAL(- -5);
    EQUAL(052 + 0x2A + 42);
    EQUAL(5 >= 5);
    EQUAL(4 <= 3);
    cr_assert_eq(value_of("-1 > 1"), -one > 1, "unsigned");
    cr_assert_eq(value_of("0xffffffff + 2"), 1, "modulo 2^32");
    cr_assert_eq(value_of("1 << 32"), 0);
}

Test(repl_expression, operands)
{
    cr_assert_eq(value_of("$esp + 8"), 0x1008);
    cr_assert_eq(value_of("  main+4 "), 0x100004);
    cr_assert_eq(value_of("'A'"), 'A');
    cr_assert_eq(value_of("'\\n' + '\\'' + '\\\\'"), '\n' + '\'' + '\\');
    cr_assert_eq(value_of("*0x1000"), 0x03020100);
    cr_assert_eq(value_of("*($esp + 4) & 0xff"), 4);
    cr_assert_eq(value_of("*$esp + 4"), 0x03020104, "a prefix is stronger than +");
    cr_assert_eq(value_of("byte($esp + 2)"), 2);
    cr_assert_eq(value_of("word(0x10)"), 0x1110);
    cr_assert_eq(value_of("dword(0x10)"), 0x13121110);
    cr_assert_eq(value_of("phys(0x10)"), 0x14131211);
    cr_assert_eq(value_of("byte"), 0x100000, "without parenthesis it is a symbol");
}

Test(repl_expression, what_follows_can_be_had)
{
    const char *rest;
    uint32_t value;
    char why[256];
    cr_assert(expression_evaluate("main 20", &rest, &source, &value, why, sizeof why));
    cr_assert_str_eq(rest, "20");
    cr_assert(expression_evaluate("1 + 1", &rest, &source, &value, why, sizeof why));
    cr_assert_str_eq(rest, "");
}

Test(repl_expression, mistakes_are_told)
{
    cr_assert_not_null(strstr(mistake_in(""), "ends too early"));
    cr_assert_not_null(strstr(mistake_in("1 +"), "ends too early"));
    cr_assert_not_null(strstr(mistake_in("(1"), "')'"));
    cr_assert_not_null(strstr(mistake_in("byte(1"), "')'"));
    cr_assert_not_null(strstr(mistake_in("1 2"), "'2'"));
    cr_assert_not_null(strstr(mistake_in("4294967296"), "32 bits"));
    cr_assert_not_null(strstr(mistake_in("99999999999999999999999999999999"), "32 bits"));
    cr_assert_not_null(strstr(mistake_in("12ab"), "no number"));
    cr_assert_not_null(strstr(mistake_in("0x"), "no number"));
    cr_assert_not_null(strstr(mistake_in("09"), "no number"));
    cr_assert_not_null(strstr(mistake_in("$rax"), "$rax"));
    cr_assert_not_null(strstr(mistake_in("mian"), "'mian'"));
    cr_assert_not_null(strstr(mistake_in("1 / 0"), "zero"));
    cr_assert_not_null(strstr(mistake_in("1 % (2 - 2)"), "zero"));
    cr_assert_not_null(strstr(mistake_in("*0x3000"), "0x00003000"));
    cr_assert_not_null(strstr(mistake_in("'"), "character"));
    cr_assert_not_null(strstr(mistake_in("'ab'"), "quote"));
    cr_assert_not_null(strstr(mistake_in("'\\"), "backslash"));
    cr_assert_not_null(strstr(mistake_in(")"), "')'"));
}

Test(repl_expression, nesting_is_bounded)
{
    enum { DEEP = 100000 };
    char *text = malloc(DEEP + 1);
    const char signs[] = "(-!~*";
    for (size_t i = 0; i < strlen(signs); i++) {
        memset(text, signs[i], DEEP);
        text[DEEP] = '\0';
        cr_assert_not_null(strstr(mistake_in(text), "deep"), "%c", signs[i]);
    }
    free(text);
}

Test(repl_expression, random_texts_end_with_a_value_or_a_sentence)
{
    static const char pieces[] = "0123456789abcfx$()+-*/%<>=!&|^~' \\\"esp main byte(";
    unsigned seed = 1;
    for (unsigned round = 0; round < 20000; round++) {
        char text[40], why[256] = "";
        size_t length;
        uint32_t value;
        for (length = 0; length < sizeof text - 1; length++) {
            seed = seed * 1103515245u + 12345;
            text[length] = pieces[(seed >> 16) % (sizeof pieces - 1)];
        }
        text[length] = '\0';
        if (!expression_evaluate(text, NULL, &source, &value, why, sizeof why))
            cr_assert_neq(why[0], '\0', "%s", text);
    }
}
