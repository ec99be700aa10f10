/* Reports: reading traces back, and summing them up. What is read is what the library wrote of the
 * same run (vmm-trace(5)); what is no trace, or half of one, is a sentence and no crash. */
#include "shell/report/html.h"
#include "shell/report/model.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char begin_line[] =
    "{\"trace\":{\"format\":1,\"version\":\"0.1.0\",\"vm\":0,"
    "\"technique\":\"trap\",\"memory\":67108864,\"clock\":\"virtual\"}}\n";

/* A line of a record: `n`th, at `time`, of `cause`, that took `ns`. */
static void put_record(FILE *to, unsigned n, unsigned long long time, const char *cause,
                       unsigned ns)
{
    fprintf(
        to,
        "{\"sequence\":%u,\"time\":%llu,\"instructions\":%llu,\"vm\":0,\"ring\":0,"
        "\"cause\":\"%s\",\"class\":null,\"cs\":\"0x8\",\"eip\":\"0x10000c\","
        "\"linear\":\"0x10000c\",\"symbol\":\"main\",\"bytes\":\"fa\",\"bits\":32,"
        "\"text\":\"cli\",\"vector\":13,\"error_code\":\"0x0\",\"address\":null,\"port\":null,"
        "\"injected\":null,\"walk\":\"D-I\",\"routine\":\"cli\",\"outcome\":\"done\","
        "\"changes\":[{\"what\":\"if\",\"before\":\"0x1\",\"after\":\"0x0\"}],\"host_ns\":%u}\n",
        n, time, time, cause, ns);
}

static void put_end(FILE *to, unsigned records, unsigned long long time)
{
    fprintf(to,
            "{\"end\":{\"vm\":0,\"records\":%u,\"stop\":\"exit\",\"stop_text\":\"The end.\","
            "\"exit_code\":0,\"status\":1,\"guest_instructions\":%llu,\"direct\":%llu,"
            "\"translated\":0,\"interpreted\":0,\"emulated\":0,\"virtual_time\":%llu,"
            "\"interrupts\":0,\"port_accesses\":0,\"host_ns\":5,\"digest\":\"0x1\","
            "\"exits\":[{\"cause\":\"cli\",\"count\":%u,\"ns_total\":7}],\"paging\":true,"
            "\"shadowed\":true,\"map\":[{\"linear\":\"0xfffff000\",\"pages\":1,\"user\":false,"
            "\"writable\":true,\"shadow_pages\":1}]}}\n",
            records, time, time, time, records);
}

static bool read_text(struct model *model, const char *text, size_t size, char *why, size_t room)
{
    FILE *file = fmemopen((void *)text, size ? size : 1, "r");
    cr_assert_not_null(file);
    if (!size)
        getc(file);
    bool good = model_read(model, file, "F", why, room);
    fclose(file);
    return good;
}

/* A trace of `count` traps, each `step` cycles after the one before. The caller frees it. */
static char *make(unsigned count, unsigned long long step)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    fputs(begin_line, to);
    for (unsigned i = 0; i < count; i++)
        put_record(to, i + 1, i * step, i % 4 ? "cli" : "sti", 100 + i * 7919 % 1000);
    put_end(to, count, count * step);
    fclose(to);
    return text;
}

Test(report, a_record_is_read_as_it_was_written)
{
    struct model model = {0};
    char why[256], *text = make(1, 1);
    cr_assert(read_text(&model, text, strlen(text), why, sizeof why), "%s", why);
    cr_assert_eq(model.run_count, 1);
    const struct model_run *run = model.runs[0];
    const struct vmm_record *record = &run->slowest[0].record;
    cr_assert_str_eq(run->begin.technique, "trap");
    cr_assert_eq(run->begin.memory, 64 << 20);
    cr_assert_str_eq(record->cause, "sti");
    cr_assert_str_eq(record->walk, "DI");
    cr_assert_eq(record->linear, 0x10000c);
    cr_assert(record->has_vector && record->vector == 13 && record->has_error_code);
    cr_assert(!record->has_address && !record->injected && !record->code16);
    cr_assert(record->length == 1 && record->bytes[0] == 0xfa);
    cr_assert(record->change_count == 1 && record->changes[0].before == 1 &&
              record->changes[0].after == 0);
    cr_assert_str_eq(record->changes[0].what, "if");
    cr_assert_str_eq(run->slowest[0].symbol, "main");
    cr_assert_eq(run->end.ranges[0].linear, 0xfffff000u);
    model_free(&model);
    free(text);
}

/* Whatever the step, bins hold every exit, at most twice as wide as they must be. */
Test(report, no_exit_is_lost_as_bins_widen)
{
    static const unsigned long long steps[] = {0, 1, 3, 1000, 123456789};
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        struct model model = {0};
        char why[256], *text = make(1000, steps[s]);
        uint64_t sum = 0, slowest = UINT64_MAX;
        cr_assert(read_text(&model, text, strlen(text), why, sizeof why), "%s", why);
        const struct model_run *run = model.runs[0];
        for (size_t c = 0; c < run->cause_count; c++) {
            uint64_t of_cause = 0;
            for (unsigned i = 0; i < MODEL_BINS; i++)
                of_cause += run->causes[c].bins[i];
            cr_assert_eq(of_cause, run->causes[c].count);
            sum += of_cause;
        }
        cr_assert_eq(sum, 1000);
        cr_assert_eq(run->cause_count, 2);
        cr_assert_geq(run->bin_width * MODEL_BINS, run->last_time);
        cr_assert(run->bin_width == 1 || run->bin_width * MODEL_BINS / 2 <= run->last_time);
        cr_assert_eq(run->slowest_count, MODEL_SLOWEST);
        for (size_t i = 0; i < run->slowest_count; i++) {
            cr_assert_leq(run->slowest[i].record.host_ns, slowest);
            slowest = run->slowest[i].record.host_ns;
        }
        cr_assert_eq(run->slowest[0].record.host_ns, 1099);
        model_free(&model);
        free(text);
    }
}

/* Every beginning of a trace is a sentence, and so is every byte of it replaced by another. */
Test(report, what_is_cut_or_edited_is_a_sentence)
{
    char *text = make(3, 10);
    size_t size = strlen(text);
    for (size_t cut = 0; cut + 1 < size; cut++) {
        struct model model = {0};
        char why[256] = "";
        cr_assert_not(read_text(&model, text, cut, why, sizeof why), "%zu bytes pass", cut);
        cr_assert(*why && !strchr(why, '\n'), "%s", why);
        model_free(&model);
    }
    for (size_t at = 0; at < size; at++)
        for (const char *byte = "\"{9,\n\xff"; *byte; byte++) {
            struct model model = {0};
            char why[256] = "", before = text[at];
            text[at] = *byte;
            if (!read_text(&model, text, size, why, sizeof why))
                cr_assert(*why && !strchr(why, '\n'), "%s", why);
            text[at] = before;
            model_free(&model);
        }
    free(text);
}

Test(report, too_much_of_anything_is_a_sentence)
{
    struct model model = {0};
    char why[256], *text = NULL, name[32];
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    fputs(begin_line, to);
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "cause%u", i);
        put_record(to, i + 1, i, name, 1);
    }
    put_end(to, 3000, 3000);
    fclose(to);
    cr_assert_not(read_text(&model, text, size, why, sizeof why));
    model_free(&model);
    free(text);
    to = open_memstream(&text, &size);
    for (unsigned i = 0; i < 3 << 20; i++)
        fputc('[', to);
    fclose(to);
    cr_assert_not(read_text(&model, text, size, why, sizeof why));
    model_free(&model);
    free(text);
}

Test(report, text_is_never_markup)
{
    char *page = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&page, &size);
    html_text(to, "<script>'&\"\x01</script>");
    html_number(to, 1234567);
    html_number(to, 12);
    fclose(to);
    cr_assert_str_eq(page, "&lt;script&gt;&#39;&amp;&quot;?&lt;/script&gt;<data "
                           "value=\"1234567\">1,234,567</data><data value=\"12\">12</data>");
    free(page);
}
