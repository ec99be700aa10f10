/* The bench kernel's workloads. Each does its operation `n` times and returns a checksum, so that
 * two machines can be seen to have done the same. */
#ifndef BENCH_H
#define BENCH_H

#include "cpu.h"

struct workload {
    const char *name, *what;
    uint32_t n; /* how often by default: some tens of milliseconds on a fast engine */
    uint32_t (*run)(uint32_t n);
};

/* Memory that the workloads use, above the image */
enum {
    TABLES = 0x800000,  /* page tables: up to 4 MB */
    BUFFER = 0x1000000, /* 16 MB */
    BUFFER_SIZE = 0x1000000
};

extern const struct workload compute_workloads[], privileged_workloads[], paging_workloads[];

/* Paging on: the first 64 MB one to one by 4 KB pages, for user and supervisor. */
void paging_on(void);

/* The page directory, and the table for the 4 MB at `address` (made if there is none). */
extern uint32_t *const bench_directory;
uint32_t *table_of(uint32_t address);

#endif
