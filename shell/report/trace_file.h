/* Reading traces back: the files that `vmm run --trace F.jsonl` and `F.json` write (vmm-trace(5)).
 * They are somebody's files: every line is checked, sizes are bounded, and the first thing that is
 * not as it must be ends the reading with a sentence. */
#ifndef SHELL_REPORT_TRACE_FILE_H
#define SHELL_REPORT_TRACE_FILE_H

#include <vmm/debug.h>
#include <vmm/record.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TRACE_VMS = 64, TRACE_CAUSES = 128, TRACE_RANGES = 1000, TRACE_NAMES = 1024 };

/* The line before the records of a VM. */
struct trace_begin {
    unsigned vm;
    char version[24], technique[24], clock[16];
    uint64_t memory; /* bytes */
};

struct trace_exit {
    char cause[32];
    uint64_t count, ns_total;
};

/* The line behind them. */
struct trace_end {
    unsigned vm;
    uint64_t records; /* that the trace has of this VM */
    char stop[16], stop_text[512], digest[24];
    uint64_t exit_code, guest_instructions, direct, translated, interpreted, emulated;
    uint64_t virtual_time, interrupts, port_accesses, host_ns;
    int status;
    struct trace_exit exits[TRACE_CAUSES];
    size_t exit_count;
    bool paging, shadowed;
    struct vmm_range ranges[TRACE_RANGES];
    size_t range_count;
};

/* A record, and what only the VM that made it could tell. */
struct trace_record {
    struct vmm_record record;
    char symbol[96], text[128]; /* "" if there is none */
};

/* The names in records, each once: they live as long as this. */
struct trace_names {
    char *names[TRACE_NAMES];
    size_t count;
};

void trace_names_free(struct trace_names *names);

/* Who takes what is read. A call returns false if there is no memory left, which ends it. */
struct trace_client {
    void *context;
    bool (*begin)(void *context, const struct trace_begin *begin);
    bool (*record)(void *context, const struct trace_record *record);
    bool (*end)(void *context, const struct trace_end *end);
};

/* Reads `file`, called `name` in sentences. Returns whether all of it is a trace; else `why`, of
 * `room` bytes, has one sentence. Whether it is complete is the client's to judge. */
bool trace_read(FILE *file, const char *name, struct trace_names *names,
                const struct trace_client *client, char *why, size_t room);

#endif
