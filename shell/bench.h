/* `vmm bench`, its parts: what is measured (bench_measure.c), and how it is shown (bench_print.c,
 * bench_chart.c). The model is in bench_model.h. */
#ifndef SHELL_BENCH_H
#define SHELL_BENCH_H

#include "shell/bench_model.h"
#include "shell/format.h"

#include <vmm/vmm.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_SUBJECTS = 24, BENCH_OPERATIONS = 13, BENCH_PATH = 4096 };

/* One way to run the guest. */
struct bench_subject {
    char name[24];         /* "hw-shadow" */
    const char *technique; /* static string */
    const char *image;     /* "nano-virt" */
    enum vmm_mmu mmu;      /* of hw */
    enum bench_kind kind;
    enum bench_column column; /* of the paper; PAPER_COLUMNS: none */
    unsigned references;      /* of a TLB miss */
};

struct bench_operation {
    const char *name, *what;
    unsigned counted; /* repetitions to count; twice as many are run, too */
};
extern const struct bench_operation bench_operations[BENCH_OPERATIONS];

/* What was found out about one operation under one subject. */
struct bench_result {
    bool good;        /* all of this holds; if not, `why` does */
    char why[256];    /* a sentence */
    bool interrupted; /* by a signal */
    bool absent;      /* this build of the guest does not have the operation */
    struct bench_counts counts;
    double all_exits; /* by whatever cause */
    double host_ns;   /* 0: not measured */
    double cycles;    /* of the model */
};

struct bench {
    char guests[BENCH_PATH]; /* the folder with the guests' images */
    struct bench_subject subject[BENCH_SUBJECTS];
    size_t subjects;
    bool timed; /* host times too, which no two runs agree about */
    struct bench_result result[BENCH_OPERATIONS][BENCH_SUBJECTS];
};

/* Measures every operation under every subject. Returns 0, or -1 with a sentence in `error`: an
 * image that cannot be read, an interrupt. What a technique cannot do is told in its result. */
int bench_measure(struct bench *bench, struct vmm_error *error);

/* An ordering, held against what was measured. */
enum bench_verdict { ORDER_HOLDS, ORDER_FAILS, ORDER_UNKNOWN };
struct bench_check {
    enum bench_verdict verdict;
    double left, right; /* model cycles */
    double left_exits, right_exits;
    unsigned survived, perturbed; /* of the changes of one primitive by 30 % up or down */
    char breaks[96];              /* the primitives whose change breaks it, or mends it */
};
void bench_check(const struct bench *bench, const struct bench_ordering *ordering,
                 struct bench_check *check);

/* "in: software < native", of at least 64 bytes. */
void bench_ordering_text(const struct bench_ordering *ordering, char *text, size_t room);

/* The subject of a column; NULL if this build has none. */
const struct bench_subject *bench_subject_of(const struct bench *bench, enum bench_column column);

/* On standard output. Returns whether all of it was written. */
bool bench_print(const struct bench *bench, enum format format);

/* Writes a bar chart of model cycles (logarithmic), made by gnuplot, to `path`: SVG, or PNG if the
 * name ends so. Returns 0, or -1 with a sentence in `error`. */
int bench_chart(const struct bench *bench, const char *path, struct vmm_error *error);

/* Writes the page docs/research.md to `path`. Returns 0, or -1 with a sentence in `error`. */
int bench_page(const struct bench *bench, const char *path, struct vmm_error *error);

#endif
