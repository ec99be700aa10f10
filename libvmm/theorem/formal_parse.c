/* Reads the text of a formal machine by recursive descent, one function a production:
 *
 *   machine     = "machine" NAME { declaration } instruction { instruction }
 *   declaration = "storage" N | "pc" N | "timer" N | "relocation" list | "bounds" list
 *   list        = N { "," N }
 *   instruction = "instruction" NAME { rule }
 *   rule        = ( "when" expression | "otherwise" ) ":" action
 *   action      = "trap" | "skip" | assignment { "," assignment }
 *   assignment  = ( "m" | "p" | "l" | "b" | "psw" | "E" "[" expression "]" ) ":=" expression
 *   expression  = conjunction { "or" conjunction }
 *   conjunction = negation { "and" negation }
 *   negation    = "not" negation | comparison
 *   comparison  = sum [ ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) sum ]
 *   sum         = product { ( "+" | "-" ) product }
 *   product     = factor { "*" factor }
 *   factor      = N | "m" | "p" | "l" | "b" | "t" | "psw" | "s" | "u"
 *               | "E" "[" expression "]" | "(" expression ")" | "-" factor
 *
 * The first mistake ends the reading. After it every function returns at once, because the token at
 * hand has become the end of the text. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "formal.h"
#include "formal_lex.h"

#define DEEPEST 64 /* expressions inside expressions */

struct parser {
    struct vmm_formal_machine *machine;
    struct vmm_theorem_error *error;
    struct formal_lexer lexer;
    struct formal_token token;
    unsigned depth;
    bool failed;
};

static void next(struct parser *parser)
{
    if (!parser->failed)
        parser->token = formal_lex(&parser->lexer);
}

static bool at(const struct parser *parser, const char *word)
{
    return formal_token_is(&parser->token, word);
}

static bool accept(struct parser *parser, const char *word)
{
    if (!at(parser, word))
        return false;
    next(parser);
    return true;
}

/* Notes the first mistake, which is at the place of `token`. */
static __attribute__((format(printf, 3, 4))) void
fail(struct parser *parser, const struct formal_token *token, const char *format, ...)
{
    if (parser->failed)
        return;
    struct vmm_theorem_error *error = parser->error;
    error->line = token->line;
    error->column = token->column;
    int used = snprintf(error->message, sizeof error->message, "line %u, column %u: ", token->line,
                        token->column);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message + used, sizeof error->message - (size_t)used, format, arguments);
    va_end(arguments);
    parser->failed = true;
    parser->token.kind = FORMAL_TOKEN_END;
    parser->token.length = 0;
}

/* The token at hand as a message shows it: quoted, short, and printable. */
static const char *shown(const struct parser *parser, char text[32])
{
    const struct formal_token *token = &parser->token;
    if (token->kind == FORMAL_TOKEN_END)
        return "the end of the text";
    size_t length = token->length < 20 ? token->length : 20;
    text[0] = '\'';
    for (size_t i = 0; i < length; i++)
        text[i + 1] = token->text[i] >= ' ' && token->text[i] <= '~' ? token->text[i] : '?';
    strcpy(text + length + 1, token->length > length ? "...'" : "'");
    return text;
}

static void fail_expecting(struct parser *parser, const char *expected)
{
    char text[32];
    fail(parser, &parser->token, "write %s in place of %s", expected, shown(parser, text));
}

static void expect(struct parser *parser, const char *sign, const char *where)
{
    if (accept(parser, sign))
        return;
    char expected[64];
    snprintf(expected, sizeof expected, "'%s' %s", sign, where);
    fail_expecting(parser, expected);
}

/* ---- expressions ---- */

static uint16_t parse_expression(struct parser *parser);

static uint16_t make_node(struct parser *parser, enum formal_op op, uint16_t left, uint16_t right)
{
    struct vmm_formal_machine *machine = parser->machine;
    if (machine->node_count == FORMAL_NODES) {
        fail(parser, &parser->token, "the expressions have more than %u terms; shorten them",
             FORMAL_NODES);
        return 0;
    }
    if (parser->failed)
        return 0;
    machine->node[machine->node_count] = (struct formal_node){(uint8_t)op, left, right, 0};
    return (uint16_t)machine->node_count++;
}

static uint16_t make_number(struct parser *parser, uint32_t number)
{
    uint16_t node = make_node(parser, FORMAL_NUMBER, 0, 0);
    parser->machine->node[node].number = number;
    return node;
}

static bool too_deep(struct parser *parser)
{
    if (parser->depth < DEEPEST)
        return false;
    fail(parser, &parser->token, "expressions are nested more than %d deep; flatten this one",
         DEEPEST);
    return true;
}

static uint16_t parse_cell_address(struct parser *parser)
{
    expect(parser, "[", "after E");
    uint16_t address = parse_expression(parser);
    expect(parser, "]", "after the address");
    return address;
}

static uint16_t parse_register(struct parser *parser)
{
    static const struct {
        const char *name;
        enum formal_op op;
    } registers[] = {{"m", FORMAL_M}, {"p", FORMAL_P}, {"l", FORMAL_L},
                     {"b", FORMAL_B}, {"t", FORMAL_T}, {"psw", FORMAL_PSW}};
    for (size_t i = 0; i < sizeof registers / sizeof registers[0]; i++) {
        if (!at(parser, registers[i].name))
            continue;
        if (registers[i].op == FORMAL_T && !parser->machine->ticks)
            fail(parser, &parser->token, "the machine has no clock t; declare one with 'timer 4'");
        next(parser);
        return make_node(parser, registers[i].op, 0, 0);
    }
    fail_expecting(parser, "a number, a register (m p l b t psw), s, u, E[...] or '('");
    return 0;
}

static uint16_t parse_factor(struct parser *parser)
{
    if (too_deep(parser))
        return 0;
    parser->depth++;
    uint16_t node;
    struct formal_token token = parser->token;
    if (token.kind == FORMAL_TOKEN_NUMBER) {
        next(parser);
        node = make_number(parser, token.number);
    } else if (token.kind == FORMAL_TOKEN_BAD_NUMBER) {
        fail(parser, &token, "the number is too large; use one up to %u", FORMAL_TOKEN_LARGEST);
        node = 0;
    } else if (accept(parser, "s")) {
        node = make_number(parser, 1);
    } else if (accept(parser, "u")) {
        node = make_number(parser, 0);
    } else if (accept(parser, "E")) {
        node = make_node(parser, FORMAL_CELL, parse_cell_address(parser), 0);
    } else if (accept(parser, "(")) {
        node = parse_expression(parser);
        expect(parser, ")", "to close the bracket");
    } else if (accept(parser, "-")) {
        node = make_node(parser, FORMAL_NEGATE, parse_factor(parser), 0);
    } else {
        node = parse_register(parser);
    }
    parser->depth--;
    return node;
}

static uint16_t parse_product(struct parser *parser)
{
    uint16_t left = parse_factor(parser);
    while (accept(parser, "*"))
        left = make_node(parser, FORMAL_MULTIPLY, left, parse_factor(parser));
    return left;
}

static uint16_t parse_sum(struct parser *parser)
{
    uint16_t left = parse_product(parser);
    while (at(parser, "+") || at(parser, "-")) {
        enum formal_op op = at(parser, "+") ? FORMAL_ADD : FORMAL_SUBTRACT;
        next(parser);
        left = make_node(parser, op, left, parse_product(parser));
    }
    return left;
}

static uint16_t parse_comparison(struct parser *parser)
{
    static const struct {
        const char *sign;
        enum formal_op op;
    } signs[] = {{"=", FORMAL_EQUAL},    {"!=", FORMAL_UNEQUAL}, {"<", FORMAL_LESS},
                 {"<=", FORMAL_AT_MOST}, {">", FORMAL_GREATER},  {">=", FORMAL_AT_LEAST}};
    uint16_t left = parse_sum(parser);
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (accept(parser, signs[i].sign))
            return make_node(parser, signs[i].op, left, parse_sum(parser));
    return left;
}

static uint16_t parse_negation(struct parser *parser)
{
    if (!at(parser, "not"))
        return parse_comparison(parser);
    if (too_deep(parser))
        return 0;
    parser->depth++;
    next(parser);
    uint16_t node = make_node(parser, FORMAL_NOT, parse_negation(parser), 0);
    parser->depth--;
    return node;
}

static uint16_t parse_conjunction(struct parser *parser)
{
    uint16_t left = parse_negation(parser);
    while (accept(parser, "and"))
        left = make_node(parser, FORMAL_AND, left, parse_negation(parser));
    return left;
}

static uint16_t parse_expression(struct parser *parser)
{
    uint16_t left = parse_conjunction(parser);
    while (accept(parser, "or"))
        left = make_node(parser, FORMAL_OR, left, parse_conjunction(parser));
    return left;
}

/* ---- instructions ---- */

static void parse_assignment(struct parser *parser, struct formal_rule *rule)
{
    static const struct {
        const char *name;
        enum formal_op place;
    } places[] = {{"m", FORMAL_M}, {"p", FORMAL_P},     {"l", FORMAL_L},
                  {"b", FORMAL_B}, {"psw", FORMAL_PSW}, {"E", FORMAL_CELL}};
    struct vmm_formal_machine *machine = parser->machine;
    size_t i = 0;
    while (i < sizeof places / sizeof places[0] && !at(parser, places[i].name))
        i++;
    if (i == sizeof places / sizeof places[0]) {
        fail_expecting(parser, "'trap', 'skip' or what is assigned (m p l b psw E[...])");
        return;
    }
    if (machine->assignment_count == FORMAL_ASSIGNMENTS) {
        fail(parser, &parser->token, "there are more than %u assignments; remove some",
             FORMAL_ASSIGNMENTS);
        return;
    }
    next(parser);
    struct formal_assignment assignment = {.place = (uint8_t)places[i].place};
    if (assignment.place == FORMAL_CELL)
        assignment.address = parse_cell_address(parser);
    expect(parser, ":=", "and a value");
    assignment.value = parse_expression(parser);
    machine->assignment[machine->assignment_count++] = assignment;
    rule->count++;
}

static void parse_action(struct parser *parser, struct formal_rule *rule)
{
    rule->first = (uint16_t)parser->machine->assignment_count;
    rule->trap = accept(parser, "trap");
    if (rule->trap || accept(parser, "skip"))
        return;
    do
        parse_assignment(parser, rule);
    while (accept(parser, ","));
}

static void parse_rule(struct parser *parser, struct formal_instruction *instruction)
{
    struct vmm_formal_machine *machine = parser->machine;
    if (machine->rule_count == FORMAL_RULES) {
        fail(parser, &parser->token, "there are more than %u rules; remove some", FORMAL_RULES);
        return;
    }
    if (instruction->rules && machine->rule[machine->rule_count - 1].always)
        fail(parser, &parser->token, "a rule after 'otherwise' is never taken; move it up");
    struct formal_rule rule = {.always = accept(parser, "otherwise")};
    if (!rule.always) {
        next(parser); /* "when" */
        rule.guard = parse_expression(parser);
    }
    expect(parser, ":", "before what the rule does");
    parse_action(parser, &rule);
    machine->rule[machine->rule_count++] = rule;
    instruction->rules++;
}

static void parse_name(struct parser *parser, char name[FORMAL_NAME], const char *what)
{
    const struct formal_token *token = &parser->token;
    if (token->kind != FORMAL_TOKEN_NAME) {
        fail_expecting(parser, what);
        return;
    }
    if (token->length >= FORMAL_NAME) {
        fail(parser, token, "the name is too long; use at most %d letters", FORMAL_NAME - 1);
        return;
    }
    memcpy(name, token->text, token->length);
    name[token->length] = '\0';
}

static void parse_instruction(struct parser *parser)
{
    struct vmm_formal_machine *machine = parser->machine;
    if (machine->instruction_count == FORMAL_INSTRUCTIONS) {
        fail(parser, &parser->token, "there are more than %d instructions; remove some",
             FORMAL_INSTRUCTIONS);
        return;
    }
    next(parser); /* "instruction" */
    struct formal_instruction *instruction = &machine->instruction[machine->instruction_count];
    parse_name(parser, instruction->name, "a name for the instruction");
    for (unsigned i = 0; i < machine->instruction_count; i++)
        if (!parser->failed && strcmp(machine->instruction[i].name, instruction->name) == 0)
            fail(parser, &parser->token, "there is an instruction '%s' already; rename one of them",
                 instruction->name);
    machine->instruction_count++;
    next(parser);
    unsigned first_node = machine->node_count;
    instruction->first_rule = (uint16_t)machine->rule_count;
    while (at(parser, "when") || at(parser, "otherwise"))
        parse_rule(parser, instruction);
    for (unsigned i = first_node; i < machine->node_count; i++)
        instruction->reads_clock |= machine->node[i].op == FORMAL_T;
}

/* ---- declarations ---- */

static unsigned parse_number(struct parser *parser, const char *what, unsigned least, unsigned most)
{
    struct formal_token token = parser->token;
    if (token.kind != FORMAL_TOKEN_NUMBER || token.number < least || token.number > most) {
        char text[32];
        fail(parser, &token, "write a number from %u to %u for %s in place of %s", least, most,
             what, shown(parser, text));
        return least;
    }
    next(parser);
    return token.number;
}

/* `most` is the largest value that an element of the list may have. */
static unsigned parse_list(struct parser *parser, const char *what, unsigned most,
                           uint16_t values[FORMAL_REGIONS])
{
    unsigned count = 0;
    do {
        struct formal_token token = parser->token;
        uint16_t value = (uint16_t)parse_number(parser, what, 0, most);
        for (unsigned i = 0; i < count; i++)
            if (values[i] == value)
                fail(parser, &token, "the value %u is there already; remove it", value);
        if (count == FORMAL_REGIONS) {
            fail(parser, &token, "there are more than %d values; remove some", FORMAL_REGIONS);
            return count;
        }
        values[count++] = value;
    } while (accept(parser, ","));
    return count;
}

static bool parse_declaration(struct parser *parser)
{
    struct vmm_formal_machine *machine = parser->machine;
    const struct {
        const char *word, *what;
        unsigned *value;
        unsigned least, most;
    } sizes[] = {
        {"storage", "the number of cells", &machine->storage, 2, FORMAL_CELLS},
        {"pc", "the number of values of p", &machine->pcs, 1, FORMAL_PCS},
        {"timer", "the period of the clock", &machine->ticks, 2, FORMAL_TICKS},
    };
    struct formal_token token = parser->token;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (!accept(parser, sizes[i].word))
            continue;
        if (*sizes[i].value)
            fail(parser, &token, "'%s' is declared already; remove one of them", sizes[i].word);
        *sizes[i].value = parse_number(parser, sizes[i].what, sizes[i].least, sizes[i].most);
        return true;
    }
    bool relocation = at(parser, "relocation");
    if (!relocation && !at(parser, "bounds"))
        return false;
    unsigned *count = relocation ? &machine->l_count : &machine->b_count;
    next(parser);
    if (*count)
        fail(parser, &token, "'%.*s' is declared already; remove one of them", (int)token.length,
             token.text);
    else if (relocation)
        *count = parse_list(parser, "a value of l", FORMAL_CELLS - 1, machine->l);
    else
        *count = parse_list(parser, "a value of b", FORMAL_CELLS, machine->b);
    return true;
}

static void require_declarations(struct parser *parser)
{
    const struct vmm_formal_machine *machine = parser->machine;
    const char *missing = !machine->storage   ? "storage 3"
                          : !machine->pcs     ? "pc 2"
                          : !machine->l_count ? "relocation 0, 2"
                          : !machine->b_count ? "bounds 1, 3"
                                              : NULL;
    if (missing)
        fail(parser, &parser->token, "a declaration is missing before this; add one such as '%s'",
             missing);
}

static void parse_machine(struct parser *parser)
{
    struct vmm_formal_machine *machine = parser->machine;
    next(parser);
    if (!accept(parser, "machine"))
        fail_expecting(parser, "'machine' and its name");
    parse_name(parser, machine->name, "a name for the machine");
    next(parser);
    while (parse_declaration(parser))
        continue;
    if (!at(parser, "instruction"))
        fail_expecting(parser,
                       "a declaration (storage pc relocation bounds timer) or 'instruction'");
    require_declarations(parser);
    while (at(parser, "instruction"))
        parse_instruction(parser);
    if (parser->token.kind != FORMAL_TOKEN_END)
        fail_expecting(parser, "'when', 'otherwise' or 'instruction'");
}

bool formal_parse(struct vmm_formal_machine *machine, const char *text, size_t length,
                  struct vmm_theorem_error *error)
{
    struct parser parser = {.machine = machine, .error = error};
    formal_lex_start(&parser.lexer, text, length);
    parse_machine(&parser);
    if (parser.failed)
        return false;
    machine->psws = 2 * machine->pcs * machine->l_count * machine->b_count;
    machine->states = formal_count_states(machine);
    return true;
}
