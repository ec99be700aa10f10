/* The little of a C library that the kernel needs. */
#include "kernel.h"
#include <stdarg.h>

void *memcpy(void *to, const void *from, size_t count)
{
    void *start = to;
    size_t words = count / 4, rest = count % 4;
    asm volatile("rep movsl\n\tmovl %3, %%ecx\n\trep movsb"
                 : "+D"(to), "+S"(from), "+c"(words)
                 : "g"(rest)
                 : "memory");
    return start;
}

void *memset(void *to, int value, size_t count)
{
    void *start = to;
    size_t words = count / 4, rest = count % 4;
    asm volatile("rep stosl\n\tmovl %2, %%ecx\n\trep stosb"
                 : "+D"(to), "+c"(words)
                 : "g"(rest), "a"((uint8_t)value * 0x01010101u)
                 : "memory");
    return start;
}

void *memmove(void *to, const void *from, size_t count)
{
    char *t = to;
    const char *f = from;
    if (t <= f || t >= f + count)
        return memcpy(to, from, count);
    while (count--)
        t[count] = f[count];
    return to;
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

void copy_string(char *to, const char *from, size_t room)
{
    while (room > 1 && *from) {
        *to++ = *from++;
        room--;
    }
    *to = 0;
}

static char *number(char *end, uint32_t value, uint32_t base)
{
    *--end = 0;
    do {
        *--end = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    return end;
}

size_t format_text(char *to, size_t room, const char *format, va_list list)
{
    size_t length = 0;
    for (; *format && length + 1 < room; format++) {
        if (*format != '%') {
            to[length++] = *format;
            continue;
        }
        char pad = ' ', buffer[16], *end = buffer + sizeof buffer;
        const char *text = buffer;
        size_t width = 0;
        bool left = *++format == '-';
        if (left)
            format++;
        if (*format == '0')
            pad = *format++;
        for (; *format >= '0' && *format <= '9'; format++)
            width = width * 10 + (size_t)(*format - '0');
        switch (*format) {
        case 's': text = va_arg(list, const char *); break;
        case 'u': text = number(end, va_arg(list, uint32_t), 10); break;
        case 'x': text = number(end, va_arg(list, uint32_t), 16); break;
        case 'c':
            buffer[0] = (char)va_arg(list, int);
            buffer[1] = 0;
            break;
        case 'd': {
            int32_t value = va_arg(list, int32_t);
            char *digits = number(end, value < 0 ? -(uint32_t)value : (uint32_t)value, 10);
            if (value < 0)
                *--digits = '-';
            text = digits;
            break;
        }
        default:
            buffer[0] = *format;
            buffer[1] = 0;
            break;
        }
        size_t size = strlen(text);
        for (size_t i = size; !left && i < width && length + 1 < room; i++)
            to[length++] = pad;
        for (size_t i = 0; i < size && length + 1 < room; i++)
            to[length++] = text[i];
        for (size_t i = size; left && i < width && length + 1 < room; i++)
            to[length++] = ' ';
    }
    to[length] = 0;
    return length;
}

size_t format_line(char *to, size_t room, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    size_t length = format_text(to, room, format, list);
    va_end(list);
    return length;
}
