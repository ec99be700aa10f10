/* A bar chart of what the operations cost, drawn by gnuplot: model cycles on a logarithmic scale, a
 * group for each operation, a bar for each technique. */
#include "shell/bench.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int complain(struct vmm_error *error, const char *path, const char *why)
{
    error->code = VMM_E_IO;
    snprintf(error->text, sizeof error->text, "the chart '%.120s' cannot be made: %s", path, why);
    return -1;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static void write_data(FILE *to, const struct bench *bench)
{
    fputs("$data << END\noperation", to);
    for (size_t s = 0; s < bench->subjects; s++)
        fprintf(to, " %s", bench->subject[s].name);
    for (size_t o = 0; o < BENCH_OPERATIONS; o++) {
        if (!bench->wanted[o])
            continue;
        fprintf(to, "\n%s", bench_operations[o].name);
        for (size_t s = 0; s < bench->subjects; s++) {
            const struct bench_result *result = &bench->result[o][s];
            if (result->good && result->cycles > 0)
                fprintf(to, " %.1f", result->cycles);
            else
                fputs(" NaN", to);
        }
    }
    fputs("\nEND\n", to);
}

/* gnuplot's strings in single quotes have no escapes but a doubled quote. */
static void write_quoted(FILE *to, const char *text)
{
    putc('\'', to);
    for (; *text; text++) {
        if (*text == '\'')
            putc('\'', to);
        putc(*text, to);
    }
    putc('\'', to);
}

static void write_script(FILE *to, const struct bench *bench, const char *path)
{
    fprintf(to, "set terminal %s size 1200,600\nset output ",
            ends_with(path, ".png") ? "pngcairo" : "svg noenhanced");
    write_quoted(to, path);
    putc('\n', to);
    write_data(to, bench);
    fprintf(to,
            "set title 'What an operation costs, cycles of the model'\n"
            "set style data histogram\nset style histogram clustered gap 2\n"
            "set style fill solid 0.8 border -1\nset logscale y\nset yrange [1:]\n"
            "set ylabel 'model cycles'\nset grid ytics\nset key outside right top\n"
            "set xtics rotate by -30\n"
            "plot for [i=2:%zu] $data using i:xtic(1) title columnheader(i)\n",
            bench->subjects + 1);
}

int bench_chart(const struct bench *bench, const char *path, struct vmm_error *error)
{
    /* What the last run left would pass for what gnuplot did not write. */
    if (unlink(path) != 0 && errno != ENOENT)
        return complain(error, path, strerror(errno));
    void (*handler)(int) = signal(SIGPIPE, SIG_IGN);
    FILE *gnuplot = popen("exec gnuplot 2>/dev/null", "w");
    int status = -1;
    if (gnuplot) {
        write_script(gnuplot, bench, path);
        status = pclose(gnuplot);
    }
    signal(SIGPIPE, handler);
    if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return complain(error, path, "there is no gnuplot; install it (Debian: gnuplot-nox)");
    if (status != 0 || access(path, F_OK) != 0)
        return complain(error, path, "gnuplot could not write it; is there such a folder?");
    return 0;
}
