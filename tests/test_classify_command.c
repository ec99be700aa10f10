/* The command `vmm classify`, as the shell calls it: exit statuses, sentences, no partial output.
 */
#include "shell/cmd_classify.h"

#include "vmm/classify.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(int count, const char *const *words)
{
    char *argv[12] = {"classify"};

    for (int i = 0; i < count; i++)
        argv[i + 1] = (char *)words[i];
    int status = vmm_cmd_classify(count + 1, argv);
    fflush(stdout);
    fflush(stderr);
    return status;
}
#define RUN(...)                                                                                   \
    run(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *),                               \
        (const char *const[]){__VA_ARGS__})

static size_t read_all(FILE *f, char *text, size_t size)
{
    size_t n = fread(text, 1, size - 1, f);

    text[n] = 0;
    return n;
}

static void redirect(void)
{
    cr_redirect_stdout();
    cr_redirect_stderr();
}

static void expect_usage_error(int status, const char *remedy)
{
    char out[512], error[1024];

    cr_expect_eq(status, 2);
    cr_expect_eq(read_all(cr_get_redirected_stdout(), out, sizeof out), 0, "%s", out);
    read_all(cr_get_redirected_stderr(), error, sizeof error);
    cr_expect_not_null(strstr(error, remedy), "%s", error);
    cr_expect_eq(strchr(error, '\n'), strrchr(error, '\n'), "one line: %s", error);
}

#define USAGE_ERROR(name, remedy, ...)                                                             \
    Test(classify_command, name, .init = redirect)                                                 \
    {                                                                                              \
        expect_usage_error(RUN(__VA_ARGS__), remedy);                                              \
    }

USAGE_ERROR(unknown_set, "use one of x86-32", "--isa", "pdp-10")
USAGE_ERROR(unknown_instruction, "--bytes", "--instruction", "frobnicate")
USAGE_ERROR(bad_hexadecimal, "hexadecimal", "--bytes", "9g")
USAGE_ERROR(half_an_instruction, "give all of them", "--bytes", "0f")
USAGE_ERROR(a_prefix_alone, "give all of them", "--bytes", "66")
USAGE_ERROR(two_encodings, "more than one instruction", "--bytes", "9d 9d")
USAGE_ERROR(too_many_bytes, "1 to 15 bytes", "--bytes", "90909090909090909090909090909090")
USAGE_ERROR(no_bytes, "1 to 15 bytes", "--bytes", " ")
USAGE_ERROR(wrong_length, "up to 4 bytes", "--isa", "aarch64", "--bytes", "ffffffffffff")
USAGE_ERROR(control_characters, "\"a?b\"", "--instruction", "a\nb")
USAGE_ERROR(
    long_instruction, "too long", "--instruction",
    "mov eax, 0000000000000000000000000000000000000000000000000000000000000000000000000000000")
USAGE_ERROR(no_sweep, "leave --sweep out", "--isa", "mips32", "--sweep")
USAGE_ERROR(sweep_of_one, "leave out the instruction", "--sweep", "--bytes", "9d")
USAGE_ERROR(replay_of_all, "--instruction or --bytes", "--replay")
USAGE_ERROR(half_an_atlas, "--all with it", "--format", "markdown")
USAGE_ERROR(blank_number, "use 1 to 64", "--jobs", " 2")
USAGE_ERROR(unknown_format, "use table, json, csv or markdown", "--format", "xml")
USAGE_ERROR(unknown_option, "--help", "--frob")
USAGE_ERROR(missing_value, "needs a value", "--instruction")
USAGE_ERROR(stray_word, "--instruction", "popf")
USAGE_ERROR(two_instructions, "one of them", "--instruction", "popf", "--bytes", "9d")
USAGE_ERROR(all_with_one_set, "leave out --isa", "--all", "--isa", "x86-32")
USAGE_ERROR(no_processes, "use 1 to 64", "--jobs", "0")

/* Bytes that mean nothing, of every length, to every set: a verdict or one sentence, and no more.
 */
Test(classify_command, random_encodings)
{
    const char *const *names;
    size_t count = vmm_classify_isas(&names), verdicts = 0;
    struct vmm_classify_options options = {.jobs = 1};
    uint32_t random = 1;

    for (size_t round = 0; round < 12 * count; round++) {
        char hex[2 * 20 + 1] = "", error[512] = "";
        size_t size = (random = random * 1664525u + 1013904223u) >> 24 & 15;

        for (size_t i = 0; i < size + round % 5; i++) {
            random = random * 1664525u + 1013904223u;
            snprintf(hex + 2 * i, 3, "%02x", random >> 24);
        }
        struct vmm_classification *c =
            vmm_classify_bytes(names[round % count], hex, &options, error, sizeof error);
        cr_expect((c != NULL) == (error[0] == 0), "%s %s: %s", names[round % count], hex, error);
        cr_expect_null(strchr(error, '\n'), "%s", error);
        verdicts += c != NULL;
        vmm_classification_free(c);
    }
    cr_expect_gt(verdicts, 0);
}

Test(classify_command, help, .init = redirect)
{
    char out[4096];

    cr_expect_eq(RUN("--help"), 0);
    read_all(cr_get_redirected_stdout(), out, sizeof out);
    cr_expect_not_null(strstr(out, "--sweep"));
    cr_expect_not_null(strstr(out, "m68000"));
}

Test(classify_command, json_is_one_document, .init = redirect)
{
    static char out[1 << 16];

    cr_assert_eq(RUN("--instruction", "sidt", "--format", "json"), 0);
    read_all(cr_get_redirected_stdout(), out, sizeof out);
    json_t *document = json_loads(out, 0, NULL);
    cr_assert_not_null(document, "%s", out);
    cr_expect_str_eq(json_string_value(json_object_get(document, "isa")), "x86-32");
    json_decref(document);
}

Test(classify_command, explains_an_instruction_of_another_set, .init = redirect)
{
    char out[4096];

    cr_assert_eq(RUN("--isa", "m68000", "--bytes", "40c0", "--replay"), 0);
    read_all(cr_get_redirected_stdout(), out, sizeof out);
    cr_expect_not_null(strstr(out, "not privileged"), "%s", out);
    cr_expect_not_null(strstr(out, "state a:"), "%s", out);
}
