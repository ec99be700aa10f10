/* The table of commands: what it promises to whoever types, and how names are found in it. */
#include "shell/repl/repl.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const char *found(const char *word)
{
    char why[256];
    const struct repl_command *command = repl_find(word, strlen(word), why, sizeof why);
    return command ? command->name : "";
}

Test(repl_commands, every_command_explains_itself)
{
    for (size_t i = 0; i < repl_command_count; i++) {
        const struct repl_command *c = &repl_commands[i];
        cr_assert_not_null(c->run, "%s", c->name);
        cr_assert_gt(strlen(c->summary), 10, "%s", c->name);
        cr_assert_not_null(c->arguments, "%s", c->name);
        cr_assert_not_null(c->example, "%s", c->name);
        cr_assert_str_eq(found(c->name), c->name);
        size_t word = strcspn(c->example, " /");
        cr_assert_eq(repl_find(c->example, word, NULL, 0), c, "the example of %s is another's",
                     c->name);
    }
}

Test(repl_commands, abbreviations_belong_to_one_command)
{
    for (size_t i = 0; i < repl_command_count; i++) {
        char words[64], *word;
        if (!repl_commands[i].abbreviations)
            continue;
        snprintf(words, sizeof words, "%s", repl_commands[i].abbreviations);
        for (word = strtok(words, " "); word; word = strtok(NULL, " "))
            cr_assert_str_eq(found(word), repl_commands[i].name, "%s", word);
    }
}

Test(repl_commands, gdbs_abbreviations_hold)
{
    static const char *const pairs[][2] = {{"r", "run"},
                                           {"c", "continue"},
                                           {"s", "step"},
                                           {"si", "step"},
                                           {"n", "next"},
                                           {"b", "break"},
                                           {"d", "delete"},
                                           {"i", "info"},
                                           {"p", "print"},
                                           {"x", "x"},
                                           {"h", "help"},
                                           {"q", "quit"},
                                           {"disas", "disassemble"},
                                           {"cont", "continue"},
                                           {"br", "break"},
                                           {"del", "delete"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        cr_assert_str_eq(found(pairs[i][0]), pairs[i][1], "%s", pairs[i][0]);
}

Test(repl_commands, unambiguous_beginnings_are_enough)
{
    cr_assert_str_eq(found("te"), "technique");
    cr_assert_str_eq(found("so"), "source");
    cr_assert_str_eq(found("se"), "set");
    cr_assert_str_eq(found("wal"), "walk");
    cr_assert_str_eq(found("tr"), "trap");
    cr_assert_str_eq(found("hi"), "history");
}

Test(repl_commands, what_is_ambiguous_names_all_that_it_could_be)
{
    char why[512] = "", expected[64];
    cr_assert_null(repl_find("", 0, why, sizeof why));
    cr_assert_not_null(strstr(why, "type more of it"), "%s", why);
    for (size_t i = 0; i < repl_command_count; i++) {
        snprintf(expected, sizeof expected, " %s", repl_commands[i].name);
        cr_assert_not_null(strstr(why, expected), "%s", why);
    }
}

Test(repl_commands, what_is_unknown_is_told)
{
    char why[256] = "";
    cr_assert_null(repl_find("contineu", 8, why, sizeof why));
    cr_assert_not_null(strstr(why, "did you mean 'continue'"), "%s", why);
    cr_assert_null(repl_find("xyzzyxyzzy", 10, why, sizeof why));
    cr_assert_not_null(strstr(why, "'help'"), "%s", why);
    cr_assert_null(repl_find("\033[31m", 5, why, sizeof why));
    cr_assert_null(strchr(why, '\033'), "what was typed is made printable");
}
