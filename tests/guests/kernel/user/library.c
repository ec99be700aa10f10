/* The user library: one function for each system call, strings, and formatted output. */
#include "user.h"
#include <stdarg.h>

void exit(int status)
{
    for (;;)
        system_call(SYS_EXIT, (uint32_t)status, 0, 0);
}

int fork(void)
{
    return system_call(SYS_FORK, 0, 0, 0);
}

int read(int file, void *to, uint32_t count)
{
    return system_call(SYS_READ, (uint32_t)file, (uint32_t)to, count);
}

int write(int file, const void *from, uint32_t count)
{
    return system_call(SYS_WRITE, (uint32_t)file, (uint32_t)from, count);
}

int open(const char *name)
{
    return system_call(SYS_OPEN, (uint32_t)name, 0, 0);
}

int close(int file)
{
    return system_call(SYS_CLOSE, (uint32_t)file, 0, 0);
}

int wait(int pid, uint32_t *status)
{
    return system_call(SYS_WAIT, (uint32_t)pid, (uint32_t)status, 0);
}

int exec(const char *program, char *const argv[])
{
    return system_call(SYS_EXEC, (uint32_t)program, (uint32_t)argv, 0);
}

int getpid(void)
{
    return system_call(SYS_GETPID, 0, 0, 0);
}

void *sbrk(int increment)
{
    int32_t old = system_call(SYS_SBRK, (uint32_t)increment, 0, 0);
    return old == -1 ? NULL : (void *)old;
}

void *mmap(uint32_t length)
{
    int32_t start = system_call(SYS_MMAP, length, 0, 0);
    return start == -1 ? NULL : (void *)start;
}

int munmap(void *start, uint32_t length)
{
    return system_call(SYS_MUNMAP, (uint32_t)start, length, 0);
}

void yield(void)
{
    system_call(SYS_YIELD, 0, 0, 0);
}

void sleep_ticks(uint32_t count)
{
    system_call(SYS_SLEEP, count, 0, 0);
}

uint32_t ticks(void)
{
    return (uint32_t)system_call(SYS_TICKS, 0, 0, 0);
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}

void *memset(void *to, int value, size_t count)
{
    void *start = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
    return start;
}

void *memcpy(void *to, const void *from, size_t count)
{
    void *start = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory");
    return start;
}

uint32_t number(const char *text)
{
    uint32_t value = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (uint32_t)(*text - '0');
    return value;
}

static char *digits(char *end, uint32_t value, uint32_t base)
{
    *--end = 0;
    do {
        *--end = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    return end;
}

void print(const char *format, ...)
{
    char line[160];
    size_t length = 0;
    va_list list;
    va_start(list, format);
    for (; *format && length + 1 < sizeof line; format++) {
        char buffer[16], *end = buffer + sizeof buffer;
        const char *text = buffer;
        if (*format != '%') {
            line[length++] = *format;
            continue;
        }
        switch (*++format) {
        case 's': text = va_arg(list, const char *); break;
        case 'u': text = digits(end, va_arg(list, uint32_t), 10); break;
        case 'x': text = digits(end, va_arg(list, uint32_t), 16); break;
        case 'd': {
            int value = va_arg(list, int);
            char *at = digits(end, value < 0 ? -(uint32_t)value : (uint32_t)value, 10);
            if (value < 0)
                *--at = '-';
            text = at;
            break;
        }
        case 'c':
            buffer[0] = (char)va_arg(list, int);
            buffer[1] = 0;
            break;
        default:
            buffer[0] = *format;
            buffer[1] = 0;
            break;
        }
        while (*text && length + 1 < sizeof line)
            line[length++] = *text++;
    }
    va_end(list);
    write(1, line, length);
}

int run(const char *program, char *const argv[])
{
    uint32_t status = 0;
    int child = fork();
    if (child < 0)
        return -1;
    if (!child) {
        exec(program, argv);
        print("%s: no such program\n", program);
        exit(127);
    }
    return wait(child, &status) == child ? (int)status : -1;
}

/* Called by start.S: one image holds all programs; the name says which. */
int start_program(int argc, char **argv);
int start_program(int argc, char **argv)
{
    for (const struct program *program = programs; program->name; program++) {
        if (argc > 0 && !strcmp(program->name, argv[0]))
            return program->main(argc, argv);
    }
    return 126;
}
