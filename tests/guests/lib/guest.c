/* Console and command line for the small guests. The console is port 0xE9, one byte a character:
 * no set-up and no state, so that the guest shows its own subject and not a driver. */
#include "guest.h"

#ifndef PARAVIRTUAL /* there are no ports: ../nano/para.c has these two */

void guest_exit(uint32_t code)
{
    outl(0xF4, code);
    for (;;)
        asm volatile("cli; hlt");
}

void put_char(char c)
{
    outb(0xE9, (uint8_t)c);
}

#endif

void put_string(const char *text)
{
    while (*text)
        put_char(*text++);
}

static void put_padded(const char *text, int width, bool left, char pad)
{
    int length = 0;
    while (text[length])
        length++;
    for (int i = length; !left && i < width; i++)
        put_char(pad);
    put_string(text);
    for (int i = length; left && i < width; i++)
        put_char(' ');
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

void print(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    for (; *format; format++) {
        if (*format != '%') {
            put_char(*format);
            continue;
        }
        bool left = false;
        char pad = ' ';
        int width = 0;
        char buffer[16], *end = buffer + sizeof buffer, *text;
        for (format++; *format == '-' || *format == '0'; format++) {
            left |= *format == '-';
            pad = *format == '0' ? '0' : pad;
        }
        for (; *format >= '0' && *format <= '9'; format++)
            width = width * 10 + (*format - '0');
        switch (*format) {
        case 's': put_padded(va_arg(list, const char *), width, left, ' '); break;
        case 'c': put_char((char)va_arg(list, int)); break;
        case 'u': put_padded(number(end, va_arg(list, uint32_t), 10), width, left, pad); break;
        case 'x': put_padded(number(end, va_arg(list, uint32_t), 16), width, left, pad); break;
        case 'd': {
            int32_t value = va_arg(list, int32_t);
            text = number(end, value < 0 ? -(uint32_t)value : (uint32_t)value, 10);
            if (value < 0)
                *--text = '-';
            put_padded(text, width, left, pad);
            break;
        }
        default: put_char(*format); break;
        }
    }
    va_end(list);
}

bool command_line_option(const struct multiboot_info *info, const char *key, char *value,
                         size_t size)
{
    if (!(info->flags & 4))
        return false;
    for (const char *at = (const char *)info->cmdline; *at;) {
        const char *k = key;
        while (*k && *at == *k)
            at++, k++;
        if (!*k && *at == '=') {
            size_t length = 0;
            for (at++; *at && *at != ' ' && length + 1 < size; length++)
                value[length] = *at++;
            value[length] = 0;
            return true;
        }
        while (*at && *at != ' ')
            at++;
        while (*at == ' ')
            at++;
    }
    return false;
}

uint32_t command_line_number(const struct multiboot_info *info, const char *key, uint32_t otherwise)
{
    char text[12];
    uint32_t value = 0;
    if (!command_line_option(info, key, text, sizeof text))
        return otherwise;
    for (const char *at = text; *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (uint32_t)(*at - '0');
    return value;
}

bool string_equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

void *memcpy(void *to, const void *from, size_t count)
{
    void *start = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    return start;
}

void *memset(void *to, int value, size_t count)
{
    void *start = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
    return start;
}
