/* Text in a buffer of fixed size. See text.h. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct text text_in(char *bytes, size_t room)
{
    if (room)
        *bytes = '\0';
    return (struct text){bytes, room, 0};
}

void text_add(struct text *text, const char *format, ...)
{
    va_list arguments;
    size_t used = text->length < text->room ? text->length : text->room;
    va_start(arguments, format);
    int added = vsnprintf(text->bytes + used, text->room - used, format, arguments);
    va_end(arguments);
    text->length += added > 0 ? (size_t)added : 0;
}

void text_cut(struct text *text, const char *bytes, size_t count)
{
    size_t used = text->length < text->room ? text->length : text->room;
    size_t left = text->room - used, fits = left ? left - 1 : 0;
    if (fits > count)
        fits = count;
    memcpy(text->bytes + used, bytes, fits);
    if (left)
        text->bytes[used + fits] = '\0';
    text->length += count;
}

void text_put_number(struct text *text, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    text_put_bytes(text, digits + at, sizeof digits - at);
}

void text_put_hex(struct text *text, uint32_t number)
{
    char digits[10];
    size_t at = sizeof digits;
    do
        digits[--at] = "0123456789abcdef"[number & 15];
    while (number >>= 4);
    digits[--at] = 'x';
    digits[--at] = '0';
    text_put_bytes(text, digits + at, sizeof digits - at);
}
