/* The reader of formal machines under random texts: sentences that the grammar generates, each of
 * its productions among them, which have to be read; and the same sentences with tokens and bytes
 * dropped, doubled, exchanged and made up, which have to be read or refused with a place and a
 * sentence. What is read is classified and decided too. Seeds are fixed: every run is the same. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/theorem.h"

#define ROOM  8192
#define WORDS 2048

static uint64_t seed;

static unsigned below(unsigned limit) /* xorshift64* */
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (unsigned)((seed * 0x2545f4914f6cdd1dull) >> 33) % limit;
}

/* ---- the generator: one function a production ---- */

struct sentence {
    const char *word[WORDS];
    unsigned count;
    bool clock;
};

static void say(struct sentence *sentence, const char *word)
{
    if (sentence->count < WORDS)
        sentence->word[sentence->count++] = word;
}

static const char *pick(const char *const *words, unsigned count)
{
    return words[below(count)];
}

static void expression(struct sentence *sentence, unsigned depth);

static void factor(struct sentence *sentence, unsigned depth)
{
    static const char *const atoms[] = {"0", "1", "2",   "3", "m", "p",
                                        "l", "b", "psw", "s", "u", "t"};
    unsigned kind = depth ? below(6) : 5;
    if (kind == 0) {
        say(sentence, "(");
        expression(sentence, depth - 1);
        say(sentence, ")");
    } else if (kind == 1) {
        say(sentence, "E");
        say(sentence, "[");
        expression(sentence, depth - 1);
        say(sentence, "]");
    } else if (kind == 2) {
        say(sentence, "-");
        factor(sentence, depth - 1);
    } else {
        say(sentence, pick(atoms, sentence->clock ? 12 : 11));
    }
}

static void chain(struct sentence *sentence, unsigned depth,
                  void (*part)(struct sentence *sentence, unsigned depth),
                  const char *const *operators, unsigned count)
{
    part(sentence, depth);
    while (below(4) == 0) {
        say(sentence, pick(operators, count));
        part(sentence, depth);
    }
}

static void product(struct sentence *sentence, unsigned depth)
{
    chain(sentence, depth, factor, (const char *[]){"*"}, 1);
}

static void sum(struct sentence *sentence, unsigned depth)
{
    chain(sentence, depth, product, (const char *[]){"+", "-"}, 2);
}

static void negation(struct sentence *sentence, unsigned depth)
{
    static const char *const signs[] = {"=", "!=", "<", "<=", ">", ">="};
    while (below(8) == 0)
        say(sentence, "not");
    sum(sentence, depth);
    if (below(2)) {
        say(sentence, pick(signs, 6));
        sum(sentence, depth);
    }
}

static void conjunction(struct sentence *sentence, unsigned depth)
{
    chain(sentence, depth, negation, (const char *[]){"and"}, 1);
}

static void expression(struct sentence *sentence, unsigned depth)
{
    chain(sentence, depth, conjunction, (const char *[]){"or"}, 1);
}

static void assignment(struct sentence *sentence, unsigned depth)
{
    static const char *const places[] = {"m", "p", "l", "b", "psw", "E"};
    const char *place = pick(places, 6);
    say(sentence, place);
    if (*place == 'E') {
        say(sentence, "[");
        expression(sentence, depth);
        say(sentence, "]");
    }
    say(sentence, ":=");
    expression(sentence, depth);
}

static void action(struct sentence *sentence)
{
    unsigned kind = below(4);
    say(sentence, ":");
    if (kind < 2)
        say(sentence, kind ? "trap" : "skip");
    else
        chain(sentence, 2, assignment, (const char *[]){","}, 1);
}

static void instruction(struct sentence *sentence, const char *name)
{
    say(sentence, "instruction");
    say(sentence, name);
    for (unsigned rules = below(3); rules; rules--) {
        say(sentence, "when");
        expression(sentence, 2);
        action(sentence);
    }
    if (below(2)) {
        say(sentence, "otherwise");
        action(sentence);
    }
}

static void machine(struct sentence *sentence)
{
    static const char *const declarations[] = {
        "storage 2", "pc 1",   "relocation 0",    "bounds 2", /* few states */
        "storage 2", "pc 2",   "relocation 0, 1", "bounds 2",
        "storage 3", "pc   1", "relocation 1",    "bounds 1, 3"};
    static const char *const names[] = {"i", "jrst.1", "l", "E", "machine", "x_2"};
    sentence->count = 0;
    sentence->clock = below(2);
    say(sentence, "machine");
    say(sentence, "trap");
    unsigned set = 4 * below(3);
    for (unsigned i = 0; i < 4; i++)
        say(sentence, declarations[set + i]);
    if (sentence->clock)
        say(sentence, "timer 2");
    for (unsigned i = 0, count = 1 + below(4); i < count; i++)
        instruction(sentence, names[i]);
}

/* ---- what is done to the sentences ---- */

static void write_out(const struct sentence *sentence, char text[ROOM])
{
    static const char *const spaces[] = {" ", "\n", "\t", " # so\n"};
    size_t used = 0;
    for (unsigned i = 0; i < sentence->count && used < ROOM - 100; i++)
        used += (size_t)snprintf(text + used, ROOM - used, "%s%s", sentence->word[i],
                                 spaces[below(10) ? 0 : below(4)]);
}

static void change_words(struct sentence *sentence)
{
    static const char *const words[] = {"machine",
                                        "storage",
                                        "pc",
                                        "timer",
                                        "relocation",
                                        "bounds",
                                        "instruction",
                                        "when",
                                        "otherwise",
                                        "trap",
                                        "skip",
                                        "m",
                                        "p",
                                        "l",
                                        "b",
                                        "psw",
                                        "E",
                                        "[",
                                        "]",
                                        ":=",
                                        ",",
                                        ":",
                                        "or",
                                        "and",
                                        "not",
                                        "=",
                                        "!=",
                                        "<",
                                        "<=",
                                        ">",
                                        ">=",
                                        "+",
                                        "-",
                                        "*",
                                        "(",
                                        ")",
                                        "t",
                                        "s",
                                        "u",
                                        "0",
                                        "7",
                                        "65535",
                                        "65536",
                                        "999999999999999999999",
                                        "x",
                                        "!",
                                        ";",
                                        "#",
                                        "E[E[E[",
                                        "((((((((((((((((",
                                        "- - - - - - - -",
                                        "not not not",
                                        "\xff\xfe"};
    unsigned at = below(sentence->count), other = below(sentence->count);
    const char *word = sentence->word[at];
    switch (below(4)) {
    case 0: /* drop */
        memmove(&sentence->word[at], &sentence->word[at + 1],
                (sentence->count - at - 1) * sizeof word);
        sentence->count -= sentence->count > 1;
        break;
    case 1: /* exchange two */
        sentence->word[at] = sentence->word[other];
        sentence->word[other] = word;
        break;
    case 2: /* double a place */ sentence->word[at] = sentence->word[other]; break;
    default: sentence->word[at] = pick(words, sizeof words / sizeof words[0]); break;
    }
}

/* Bytes, zeros among them: the text's length counts, not a terminator. */
static void change_bytes(char *text, size_t length)
{
    for (unsigned times = below(4); times && length; times--)
        text[below((unsigned)length)] = (char)below(256);
}

static bool read_text(const char *text, size_t length)
{
    struct vmm_theorem_limits limits = {.max_states = 5000, .max_checks = 2000, .length = 2};
    struct vmm_theorem_error error = {.message = ""};
    /* In memory of its own, so that a sanitizer sees a look behind the end. */
    char *copy = malloc(length ? length : 1);
    memcpy(copy, text, length);
    struct vmm_formal_machine *found = vmm_theorem_load(copy, length, &limits, &error);
    free(copy);
    if (!found) {
        cr_assert(strlen(error.message) > 10, "%s", text);
        cr_assert_null(strchr(error.message, '\n'), "%s", error.message);
        cr_assert(error.line > 0 || strstr(error.message, "too large"), "%s", error.message);
        return false;
    }
    for (int number = 1; number <= 3; number++) {
        struct vmm_theorem_result *result = vmm_theorem_decide(found, number, NULL, &error);
        cr_assert_not_null(result);
        cr_assert(result->holds == VMM_VERDICT_TRUE || result->reason ||
                  result->counterexample_count);
        char *json = vmm_theorem_json(result);
        cr_assert_not_null(json);
        free(json);
        vmm_theorem_result_free(result);
    }
    vmm_theorem_unload(found);
    return true;
}

Test(formal_fuzz, what_the_grammar_generates_is_read)
{
    static struct sentence sentence;
    static char text[ROOM];
    for (seed = 1; seed <= 200;) {
        uint64_t this = seed;
        seed *= 0x9e3779b97f4a7c15ull;
        machine(&sentence);
        write_out(&sentence, text);
        cr_assert(read_text(text, strlen(text)), "seed %llu: %s", (unsigned long long)this, text);
        seed = this + 1;
    }
}

Test(formal_fuzz, changed_texts_are_read_or_refused)
{
    static struct sentence sentence;
    static char text[ROOM];
    unsigned read = 0, refused = 0;
    for (uint64_t this = 1; this <= 4000; this ++) {
        seed = this * 0x9e3779b97f4a7c15ull;
        machine(&sentence);
        for (unsigned times = 1 + below(3); times; times--)
            change_words(&sentence);
        write_out(&sentence, text);
        size_t length = below(8) ? strlen(text) : below((unsigned)strlen(text) + 1);
        if (below(4) == 0)
            change_bytes(text, length);
        if (read_text(text, length))
            read++;
        else
            refused++;
    }
    cr_assert(read > 100 && refused > 1000, "read %u, refused %u", read, refused);
}
