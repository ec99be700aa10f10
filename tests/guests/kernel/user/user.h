/* What the user programs have: system calls and a little library. */
#ifndef USER_H
#define USER_H

#include "layout.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline int32_t system_call(uint32_t number, uint32_t a, uint32_t b, uint32_t c)
{
    int32_t result;
    asm volatile("int %1"
                 : "=a"(result)
                 : "i"(SYSCALL_VECTOR), "0"(number), "b"(a), "c"(b), "d"(c)
                 : "memory");
    return result;
}

_Noreturn void exit(int status);
int fork(void);
int read(int file, void *to, uint32_t count);
int write(int file, const void *from, uint32_t count);
int open(const char *name);
int close(int file);
/* Waits for `pid`, or any child if it is 0. *status: the exit status, or KILLED + vector. */
int wait(int pid, uint32_t *status);
int exec(const char *program, char *const argv[]);
int getpid(void);
void *sbrk(int increment);
void *mmap(uint32_t length); /* NULL if there is no room */
int munmap(void *start, uint32_t length);
void yield(void);
void sleep_ticks(uint32_t count);
uint32_t ticks(void);

size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
void *memset(void *to, int value, size_t count);
void *memcpy(void *to, const void *from, size_t count);
uint32_t number(const char *text);
/* One line, one write: %s %d %u %x %c */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs a program and waits for it; its status, or -1. */
int run(const char *program, char *const argv[]);

struct program {
    const char *name;
    int (*main)(int argc, char **argv);
};

extern const struct program programs[]; /* ends with a null name */

int shell_main(int argc, char **argv);
int selftest_main(int argc, char **argv);
int faults_main(int argc, char **argv);
int work_main(int argc, char **argv); /* these two: labs/08-hypercalls */
int line_main(int argc, char **argv);

#endif
