/* `vmm bench`, its parts: what is measured (bench_operations.c), how (bench_measure.c, and
 * bench_linux.c for what runs under Linux), and how it is shown (bench_print.c, bench_chart.c,
 * bench_page.c). The model is in bench_model.h. */
#ifndef SHELL_BENCH_H
#define SHELL_BENCH_H

#include "shell/bench_model.h"
#include "shell/format.h"

#include <vmm/vmm.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_SUBJECTS = 24, BENCH_OPERATIONS = 16, BENCH_PATH = 4096 };

/* One way to run the guest. */
struct bench_subject {
    char name[24];         /* "hw-shadow" */
    const char *technique; /* static string */
    bool named;            /* asked for by its name: what takes minutes is done, too */
    enum vmm_mmu mmu;      /* of hw */
    enum bench_kind kind;
    enum bench_column column; /* of the paper; PAPER_COLUMNS: none */
    unsigned references;      /* of a TLB miss */
};

/* Single events of a processor, or what a day of a system consists of. */
enum bench_suite { SUITE_NANO, SUITE_MACRO, SUITES };

/* What is told to a guest, and how. */
enum bench_guest {
    GUEST_NANO,   /* its command line has the operation and the repetitions */
    GUEST_KERNEL, /* its command line has a program and the repetitions */
    GUEST_DISK,   /* a word in its boot sector has the repetitions */
    GUEST_LINUX   /* its command line has a shell script */
};

struct bench_operation {
    const char *name, *what;
    unsigned counted; /* repetitions to count; twice as many are run, too */
    enum bench_suite suite;
    enum bench_guest guest;
    /* The image: for any technique, for `trap`, for `para`; NULL: there is none. */
    const char *image, *virtualizable, *paravirtual;
    unsigned each; /* operations in a repetition; 0: 1 */
};
extern const struct bench_operation bench_operations[BENCH_OPERATIONS];

/* What was found out about one operation under one subject. */
struct bench_result {
    bool good;         /* all of this holds; if not, `why` does */
    char why[256];     /* a sentence */
    const char *image; /* static string; "" if there is none for this technique */
    bool interrupted;  /* by a signal */
    bool absent;       /* this build of the guest does not have the operation */
    struct bench_counts counts;
    double all_exits; /* by whatever cause */
    double host_ns;   /* 0: not measured */
    double cycles;    /* of the model */
};

struct bench {
    char guests[BENCH_PATH]; /* the folder with the guests' images */
    char real[BENCH_PATH];   /* the one with Linux; "" if there is none */
    struct bench_subject subject[BENCH_SUBJECTS];
    size_t subjects;
    bool wanted[BENCH_OPERATIONS];
    unsigned scale;     /* how much larger the macrobenchmarks are than by default */
    bool timed;         /* host times too, which no two runs agree about */
    uint64_t rounds[4]; /* of the job under Linux: the instructions before each */
    struct bench_result result[BENCH_OPERATIONS][BENCH_SUBJECTS];
};

/* Whether anything of that suite is wanted. */
bool bench_wants(const struct bench *bench, enum bench_suite suite);

/* The operation's number; BENCH_OPERATIONS if there is none of that name. */
size_t bench_operation_of(const char *name);

/* How many times as many model cycles, or host nanoseconds, as on the bare machine; 0: unknown. */
double bench_over_bare(const struct bench *bench, size_t operation, size_t subject);
double bench_host_over_bare(const struct bench *bench, size_t operation, size_t subject);

/* What was published for the subject's column: cycles of a nanobenchmark, and of a macrobenchmark
 * how many times the bare machine's time; 0: nothing. `bench_error` is by how many per cent ours is
 * off. */
double bench_published(const struct bench *bench, size_t operation, size_t subject);
double bench_error(const struct bench *bench, size_t operation, size_t subject);

/* An image of that name in bench->guests, or bench->real, with its ending. */
int bench_read(const char *folder, const char *name, struct vmm_file *file,
               struct vmm_error *error);

/* Adds to exits by kind what its causes have counted, and returns how many there were. */
double bench_exits(const struct vmm_vm *vm, double exits[EXIT_KINDS]);

/* The compile job under Linux, in bench_linux.c. Bare must be the first subject, and measured. */
void bench_linux(struct bench *bench, size_t subject, size_t operation);

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

/* Writes the page docs/research.md (both suites) to `path`. Returns 0, or -1 with a sentence in
 * `error`. */
int bench_page(const struct bench *bench, const char *path, struct vmm_error *error);

#endif
