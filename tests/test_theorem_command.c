/* `vmm theorem`, as one types it: exit status, what stands on which stream, and one sentence for
 * each mistake with nothing on standard output. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/cmd_theorem.h"
#include "vmm/theorem.h"

static void redirect(void)
{
    cr_redirect_stdout();
    cr_redirect_stderr();
}

/* Runs the command with words that are separated by one space. */
static int run(const char *words)
{
    char line[256], *argv[16];
    int argc = 0;
    snprintf(line, sizeof line, "%s", words);
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    int status = vmm_cmd_theorem(argc, argv);
    fflush(stdout);
    fflush(stderr);
    return status;
}

static const char *text_of(FILE *stream)
{
    static char text[65536];
    size_t length = fread(text, 1, sizeof text - 1, stream);
    text[length] = '\0';
    return text;
}

static void expect_output(const char *part)
{
    const char *text = text_of(cr_get_redirected_stdout());
    cr_assert_not_null(strstr(text, part), "no '%s' in:\n%s", part, text);
}

Test(theorem_command, table, .init = redirect)
{
    cr_assert_eq(run("theorem 1 --machine pdp10"), 0);
    expect_output("Theorem 1 does not hold for pdp10.\nCounterexamples: jrst1\n");
}

Test(theorem_command, json, .init = redirect)
{
    cr_assert_eq(run("theorem 3 --format=json --machine=pdp10"), 0);
    expect_output("{\n  \"theorem\": 3,\n  \"isa\": \"pdp10\",\n  \"holds\": true,\n");
}

Test(theorem_command, csv, .init = redirect)
{
    cr_assert_eq(run("theorem --machine store_base --length 1 --format csv 2"), 0);
    expect_output("theorem,isa,holds,counterexamples,conditions,reason,states,sequences,checks\n"
                  "2,store_base,false,\"sbase\",\"\",\"\",65536,0,5\n");
}

Test(theorem_command, a_bound_is_shown_as_open, .init = redirect)
{
    cr_assert_eq(run("theorem 1 --machine third_generation --max-checks 10"), 0);
    expect_output("Theorem 1 is not decided for third_generation.\nReason: no counterexample, but");
}

Test(theorem_command, help_and_text, .init = redirect)
{
    cr_assert_eq(run("theorem --help"), 0);
    cr_assert_eq(run("theorem --show --machine clocked"), 0);
    const char *text = text_of(cr_get_redirected_stdout());
    cr_assert_not_null(strstr(text, "Usage: vmm theorem 1|2|3"));
    cr_assert_not_null(strstr(text, "third_generation pdp10 store_base clocked"));
    cr_assert_not_null(strstr(text, "\nmachine clocked\nstorage 3\n"));
}

Test(theorem_command, a_file_of_ones_own, .init = redirect)
{
    char path[] = "/tmp/vmm-theorem-XXXXXX", words[128];
    const char *text = "machine mine storage 2 pc 1 relocation 0 bounds 2 instruction nop";
    int file = mkstemp(path);
    cr_assert(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
    snprintf(words, sizeof words, "theorem 1 --machine %s", path);
    int status = run(words);
    unlink(path);
    cr_assert_eq(status, 0);
    expect_output("Theorem 1 holds for mine.");
}

static const struct {
    const char *words;
    int status;
    const char *says;
} mistakes[] = {
    {"theorem", 2, "give 1, 2 or 3"},
    {"theorem 1 2 --machine pdp10", 2, "give 1, 2 or 3"},
    {"theorem 4 --machine pdp10", 2, "no theorem '4'"},
    {"theorem one --machine pdp10", 2, "no theorem 'one'"},
    {"theorem 1 --machine pdp10 --isa x86-32", 2, "exclude each other"},
    {"theorem 1 --isa vax", 2, "no instruction set 'vax'"},
    {"theorem 1 --machine", 2, "'--machine' needs a value"},
    {"theorem 1 --nonsense", 2, "no option '--nonsense'"},
    {"theorem 1 --format xml", 2, "use table, json or csv"},
    {"theorem 1 --machine pdp10 --length 9", 2, "number from 1 to 8"},
    {"theorem 1 --machine pdp10 --length 0", 2, "number from 1 to 8"},
    {"theorem 1 --machine pdp10 --max-states -1", 2, "number from 1"},
    {"theorem --show", 2, "--show goes with --machine"},
    {"theorem --show --machine vax", 2, "no machine 'vax'"},
    {"theorem 1 --machine /nonexistent", 1, "name a readable file"},
    {"theorem 1 --machine pdp10 --max-states 9", 1, "too large: 65536 states, limit 9"},
};

Test(theorem_command, mistakes, .init = redirect)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++)
        cr_assert_eq(run(mistakes[i].words), mistakes[i].status, "%s", mistakes[i].words);
    cr_assert_str_eq(text_of(cr_get_redirected_stdout()), "");
    char *line = (char *)text_of(cr_get_redirected_stderr());
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        char *end = strchr(line, '\n');
        cr_assert_not_null(end, "%s", mistakes[i].words);
        *end = '\0';
        cr_assert_eq(strncmp(line, "vmm theorem: ", 13), 0, "%s", line);
        cr_assert_not_null(strstr(line, mistakes[i].says), "%s: %s", mistakes[i].words, line);
        line = end + 1;
    }
    cr_assert_str_eq(line, "");
}

Test(theorem_command, a_malformed_file_names_its_place, .init = redirect)
{
    char path[] = "/tmp/vmm-theorem-XXXXXX", words[128], sentence[256];
    int file = mkstemp(path);
    cr_assert(file >= 0 && write(file, "machine mine\nstorage x", 22) == 22);
    close(file);
    snprintf(words, sizeof words, "theorem 1 --machine %s", path);
    int status = run(words);
    unlink(path);
    cr_assert_eq(status, 1);
    snprintf(
        sentence, sizeof sentence,
        "vmm theorem: %s: line 2, column 9: write a number from 2 to 8 for the number of cells "
        "in place of 'x'\n",
        path);
    cr_assert_str_eq(text_of(cr_get_redirected_stderr()), sentence);
}
