/* See html.h. */
#include "shell/report/html.h"

#include <inttypes.h>
#include <string.h>

void html_text(FILE *to, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '<': fputs("&lt;", to); break;
        case '>': fputs("&gt;", to); break;
        case '&': fputs("&amp;", to); break;
        case '"': fputs("&quot;", to); break;
        case '\'': fputs("&#39;", to); break;
        default: fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, to);
        }
}

void html_number(FILE *to, uint64_t number)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, number);
    fprintf(to, "<data value=\"%s\">", digits);
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            fputc(',', to);
        fputc(digits[i], to);
    }
    fputs("</data>", to);
}

void html_time(FILE *to, double nanoseconds)
{
    static const struct {
        double least, divisor;
        const char *unit;
    } units[] = {{1e9, 1e9, "s"}, {1e6, 1e6, "ms"}, {1e3, 1e3, "\302\265s"}, {0, 1, "ns"}};
    size_t i = 0;
    while (nanoseconds < units[i].least)
        i++;
    fprintf(to, units[i].divisor > 1 ? "%.3g %s" : "%.0f %s", nanoseconds / units[i].divisor,
            units[i].unit);
}
