/* Reports: a table for people, Gradescope's results.json, TAP and JUnit's XML for everything else.
 */
#include "shell/lab_report.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

double lab_total(const struct lab_result *result, bool most)
{
    double sum = 0;
    for (size_t i = 0; i < result->count; i++)
        sum += most ? result->tests[i].points : result->tests[i].score;
    return sum;
}

void lab_forfeit(struct lab_result *result, const char *why)
{
    snprintf(result->output, sizeof result->output, "Not graded: %s", why);
    result->built = false;
    for (size_t i = 0; i < result->count; i++) {
        struct lab_test *test = &result->tests[i];
        test->passed = false;
        test->score = 0;
        snprintf(test->output, sizeof test->output, "Not graded: %.900s", why);
    }
}

/* Writes `text` line by line behind `prefix`. */
static void indent(FILE *to, const char *prefix, const char *text)
{
    while (*text) {
        int length = (int)strcspn(text, "\n");
        fprintf(to, "%s%.*s\n", prefix, length, text);
        text += length + (text[length] == '\n');
    }
}

static void report_table(FILE *to, const struct lab *lab, const struct lab_result *result)
{
    indent(to, "", result->output);
    for (size_t i = 0; i < result->count; i++) {
        const struct lab_test *test = &result->tests[i];
        fprintf(to, "%-6s %4g / %-4g %s\n", test->passed ? "passed" : "FAILED", test->score,
                test->points, test->name);
        if (!test->passed && result->built)
            indent(to, "         ", test->output);
    }
    fprintf(to, "Lab %ld: %g of %g points\n", lab->number, lab_total(result, false),
            lab_total(result, true));
}

/* Student code may put bytes into a compiler's message that are no UTF-8. */
static json_t *text_of(const char *text)
{
    char plain[8192];
    json_t *string = json_string(text);
    if (string)
        return string;
    snprintf(plain, sizeof plain, "%s", text);
    for (char *at = plain; *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    return json_string(plain);
}

static void report_json(FILE *to, const struct lab *lab, const struct lab_result *result)
{
    json_t *tests = json_array();
    for (size_t i = 0; i < result->count; i++) {
        const struct lab_test *test = &result->tests[i];
        json_array_append_new(
            tests, json_pack("{s:o, s:f, s:f, s:s, s:o, s:s}", "name", text_of(test->name), "score",
                             test->score, "max_score", test->points, "status",
                             test->passed ? "passed" : "failed", "output", text_of(test->output),
                             "visibility", test->hidden ? "after_published" : "visible"));
    }
    json_t *root = json_pack("{s:I, s:f, s:f, s:o, s:o}", "lab", (json_int_t)lab->number, "score",
                             lab_total(result, false), "max_score", lab_total(result, true),
                             "output", text_of(result->output), "tests", tests);
    json_dumpf(root, to, JSON_INDENT(2));
    fputc('\n', to);
    json_decref(root);
}

/* Test Anything Protocol 13. */
static void report_tap(FILE *to, const struct lab *lab, const struct lab_result *result)
{
    fprintf(to, "TAP version 13\n1..%zu\n", result->count);
    indent(to, "# ", result->output);
    for (size_t i = 0; i < result->count; i++) {
        const struct lab_test *test = &result->tests[i];
        fprintf(to, "%sok %zu - %s (%g of %g)\n", test->passed ? "" : "not ", i + 1, test->name,
                test->score, test->points);
        indent(to, "# ", test->output);
    }
    fprintf(to, "# Lab %ld: %g of %g points\n", lab->number, lab_total(result, false),
            lab_total(result, true));
}

static void xml_text(FILE *to, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '<': fputs("&lt;", to); break;
        case '>': fputs("&gt;", to); break;
        case '&': fputs("&amp;", to); break;
        case '"': fputs("&quot;", to); break;
        case '\n': fputs("&#10;", to); break;
        default:
            /* XML 1.0 has no other control characters; what is no ASCII may be no UTF-8. */
            fputc((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f ? '?' : *text, to);
        }
}

static void report_junit(FILE *to, const struct lab *lab, const struct lab_result *result)
{
    size_t failures = 0;
    for (size_t i = 0; i < result->count; i++)
        failures += !result->tests[i].passed;
    fprintf(to,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<testsuite name=\"lab %ld\" tests=\"%zu\" failures=\"%zu\">\n",
            lab->number, result->count, failures);
    for (size_t i = 0; i < result->count; i++) {
        const struct lab_test *test = &result->tests[i];
        fputs("  <testcase name=\"", to);
        xml_text(to, test->name);
        if (test->passed) {
            fputs("\"/>\n", to);
            continue;
        }
        fputs("\"><failure message=\"", to);
        xml_text(to, test->output);
        fputs("\"/></testcase>\n", to);
    }
    fputs("  <system-out>", to);
    xml_text(to, result->output);
    fputs("</system-out>\n</testsuite>\n", to);
}

lab_report *lab_find_report(const char *name)
{
    static const struct {
        const char *name;
        lab_report *report;
    } reports[] = {{"table", report_table},
                   {"json", report_json},
                   {"tap", report_tap},
                   {"junit", report_junit}};
    for (size_t i = 0; i < sizeof reports / sizeof *reports; i++)
        if (strcmp(reports[i].name, name) == 0)
            return reports[i].report;
    return NULL;
}

bool lab_write_report(const char *path, lab_report *report, const struct lab *lab,
                      const struct lab_result *result)
{
    char half[LAB_PATH];
    if ((size_t)snprintf(half, sizeof half, "%s.part", path) >= sizeof half) {
        errno = ENAMETOOLONG;
        return false;
    }
    FILE *to = fopen(half, "we");
    if (!to)
        return false;
    report(to, lab, result);
    bool good = !ferror(to);
    good = fclose(to) == 0 && good && rename(half, path) == 0;
    if (!good)
        unlink(half);
    return good;
}
