/* A parser by precedence climbing that evaluates as it goes. The operand that decides nothing in
 * && and || is read all the same; a wrong address in it is a mistake still. */
#include "shell/repl/expression.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DEEPEST = 100, LONGEST_NAME = 128 };

struct parser {
    const char *at;
    const struct expression_source *source;
    unsigned depth;
    bool failed;
    char *why;
    size_t room;
};

static uint32_t binary(struct parser *p, unsigned least);

/* The first mistake is the one that is told. */
static __attribute__((format(printf, 2, 3))) uint32_t fail(struct parser *p, const char *format,
                                                           ...)
{
    va_list arguments;
    if (p->failed)
        return 0;
    p->failed = true;
    va_start(arguments, format);
    vsnprintf(p->why, p->room, format, arguments);
    va_end(arguments);
    return 0;
}

static void skip_space(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static bool accept(struct parser *p, char sign)
{
    skip_space(p);
    if (*p->at != sign)
        return false;
    p->at++;
    return true;
}

static bool name_character(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '@';
}

/* Copies a name, as far as it fits; a longer one is none that anybody has. */
static void take_name(struct parser *p, char name[LONGEST_NAME])
{
    size_t length = 0;
    while (name_character(*p->at)) {
        if (length + 1 < LONGEST_NAME)
            name[length++] = *p->at;
        p->at++;
    }
    name[length] = '\0';
}

/* "console.c:15": the line goes with the file's name. */
static void take_line(struct parser *p, char name[LONGEST_NAME])
{
    size_t length = strlen(name);
    do {
        if (length + 1 < LONGEST_NAME)
            name[length++] = *p->at;
        p->at++;
    } while (isdigit((unsigned char)*p->at));
    name[length] = '\0';
}

/* ---- operands ---- */

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

static uint32_t number(struct parser *p)
{
    const char *begin = p->at;
    int base = 10;
    uint64_t value = 0;
    if (p->at[0] == '0' && tolower((unsigned char)p->at[1]) == 'x') {
        base = 16;
        p->at += 2;
    } else if (p->at[0] == '0') {
        base = 8;
    }
    const char *digits = p->at;
    while (digit(*p->at) < base && value <= UINT32_MAX)
        value = value * (unsigned)base + (unsigned)digit(*p->at++);
    if (value > UINT32_MAX)
        return fail(p, "The number at '%.20s' has more than 32 bits; addresses have 32.", begin);
    if (p->at == digits || name_character(*p->at))
        return fail(p, "'%.20s' is no number; write 42, 0x2a or 052.", begin);
    return (uint32_t)value;
}

static uint32_t character(struct parser *p)
{
    static const char escapes[] = "n\nt\tr\r0\0\\\\''";
    char c = *++p->at;
    if (c == '\\') {
        const char *known = NULL;
        c = *++p->at;
        for (size_t i = 0; i + 1 < sizeof escapes; i += 2)
            if (escapes[i] == c)
                known = &escapes[i + 1];
        if (!c || !known)
            return fail(p, "After a backslash come n, t, r, 0, ' or another backslash.");
        c = *known;
    } else if (!c || c == '\'') {
        return fail(p, "Between the quotes a character is missing; write 'A'.");
    }
    if (*++p->at != '\'')
        return fail(p, "The quote of a character is not closed; write 'A'.");
    p->at++;
    return (unsigned char)c;
}

static uint32_t read_memory(struct parser *p, bool physical, uint32_t address, unsigned size)
{
    uint32_t value = 0;
    if (p->failed)
        return 0;
    if (!p->source->memory ||
        !p->source->memory(p->source->context, physical, address, size, &value))
        return fail(p, "There is nothing to read at %s address 0x%08x; 'walk' shows why.",
                    physical ? "physical" : "linear", address);
    return value;
}

/* byte(), word(), dword() and phys(). Returns whether `name` is one of them. */
static bool call(struct parser *p, const char *name, uint32_t *value)
{
    static const struct {
        const char *name;
        unsigned size;
        bool physical;
    } calls[] = {{"byte", 1, false}, {"word", 2, false}, {"dword", 4, false}, {"phys", 4, true}};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (strcmp(calls[i].name, name) != 0 || !accept(p, '('))
            continue;
        uint32_t address = binary(p, 0);
        if (!p->failed && !accept(p, ')'))
            fail(p, "A parenthesis is not closed; add ')'.");
        *value = read_memory(p, calls[i].physical, address, calls[i].size);
        return true;
    }
    return false;
}

static uint32_t fail_name(struct parser *p, bool is_register, const char *name)
{
    const char *meant =
        p->source->nearest ? p->source->nearest(p->source->context, is_register, name) : NULL;
    const char *what = is_register ? "register '$" : "symbol '";
    if (strchr(name, ':'))
        return fail(p, "There is no line '%s' in the guest's line tables.", name);
    if (meant)
        return fail(p, "There is no %s%s'; did you mean '%s'?", what, name, meant);
    if (is_register)
        return fail(p, "There is no register '$%s'; 'info registers' shows them.", name);
    return fail(p, "There is no symbol '%s' in the guest's image; registers begin with '$'.", name);
}

static uint32_t named(struct parser *p)
{
    char name[LONGEST_NAME];
    uint32_t value = 0;
    bool is_register = *p->at == '$';
    p->at += is_register;
    take_name(p, name);
    if (!is_register && *p->at == ':' && isdigit((unsigned char)p->at[1]))
        take_line(p, name);
    if (is_register) {
        if (!p->source->reg || !p->source->reg(p->source->context, name, &value))
            return fail_name(p, true, name);
        return value;
    }
    if (call(p, name, &value))
        return value;
    if (!p->source->symbol || !p->source->symbol(p->source->context, name, &value))
        return fail_name(p, false, name);
    return value;
}

static uint32_t operand(struct parser *p)
{
    uint32_t value;
    skip_space(p);
    if (isdigit((unsigned char)*p->at))
        return number(p);
    if (*p->at == '\'')
        return character(p);
    if (*p->at == '$' || name_character(*p->at))
        return named(p);
    if (accept(p, '(')) {
        value = binary(p, 0);
        return accept(p, ')') ? value : fail(p, "A parenthesis is not closed; add ')'.");
    }
    if (!*p->at)
        return fail(p, "The expression ends too early; a number, $register or symbol is missing.");
    return fail(p, "'%.20s' is no number, $register or symbol.", p->at);
}

static uint32_t prefixed(struct parser *p)
{
    uint32_t value;
    skip_space(p);
    char sign = *p->at;
    if (!sign || !strchr("-+~!*", sign))
        return operand(p);
    if (++p->depth > DEEPEST)
        return fail(p, "The expression is nested too deeply; take it apart.");
    p->at++;
    value = prefixed(p);
    p->depth--;
    switch (sign) {
    case '-': return 0u - value;
    case '~': return ~value;
    case '!': return !value;
    case '*': return read_memory(p, false, value, 4);
    default: return value;
    }
}

/* ---- operators ---- */

enum operation {
    OR,
    AND,
    BIT_OR,
    BIT_XOR,
    BIT_AND,
    EQ,
    NE,
    LE,
    GE,
    SHL,
    SHR,
    LT,
    GT,
    ADD,
    SUB,
    MUL,
    DIV,
    MOD
};

/* Longer signs come before the ones that they start with. */
static const struct operator
{
    char sign[3];
    uint8_t strength;
    uint8_t operation;
}
operators[] = {
    {"||", 1, OR},     {"&&", 2, AND}, {"==", 6, EQ},  {"!=", 6, NE},    {"<=", 7, LE},
    {">=", 7, GE},     {"<<", 8, SHL}, {">>", 8, SHR}, {"|", 3, BIT_OR}, {"^", 4, BIT_XOR},
    {"&", 5, BIT_AND}, {"<", 7, LT},   {">", 7, GT},   {"+", 9, ADD},    {"-", 9, SUB},
    {"*", 10, MUL},    {"/", 10, DIV}, {"%", 10, MOD},
};

static const struct operator* next_operator(struct parser *p)
{
    skip_space(p);
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (strncmp(p->at, operators[i].sign, strlen(operators[i].sign)) == 0)
            return &operators[i];
    return NULL;
}

static uint32_t apply(struct parser *p, uint8_t operation, uint32_t a, uint32_t b)
{
    switch ((enum operation)operation) {
    case OR: return a || b;
    case AND: return a && b;
    case BIT_OR: return a | b;
    case BIT_XOR: return a ^ b;
    case BIT_AND: return a & b;
    case EQ: return a == b;
    case NE: return a != b;
    case LE: return a <= b;
    case GE: return a >= b;
    case LT: return a < b;
    case GT: return a > b;
    case SHL: return b < 32 ? a << b : 0;
    case SHR: return b < 32 ? a >> b : 0;
    case ADD: return a + b;
    case SUB: return a - b;
    case MUL: return a * b;
    case DIV: return b ? a / b : fail(p, "The expression divides by zero.");
    case MOD: return b ? a % b : fail(p, "The expression divides by zero.");
    }
    return 0;
}

/* An operand and all operators behind it that are at least `least` strong. */
static uint32_t binary(struct parser *p, unsigned least)
{
    if (++p->depth > DEEPEST)
        return fail(p, "The expression is nested too deeply; take it apart.");
    uint32_t value = prefixed(p);
    const struct operator* found;
    while (!p->failed && (found = next_operator(p)) && found->strength >= least) {
        p->at += strlen(found->sign);
        uint32_t right = binary(p, found->strength + 1u);
        value = p->failed ? 0 : apply(p, found->operation, value, right);
    }
    p->depth--;
    return value;
}

bool expression_evaluate(const char *text, const char **rest,
                         const struct expression_source *source, uint32_t *value, char *why,
                         size_t room)
{
    struct parser p = {.at = text, .source = source, .why = why, .room = room};
    *value = binary(&p, 0);
    skip_space(&p);
    if (!p.failed && !rest && *p.at)
        fail(&p, "'%.20s' makes no sense behind the expression; leave it away.", p.at);
    if (rest)
        *rest = p.at;
    return !p.failed;
}
