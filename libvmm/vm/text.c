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

/* Two digits a division. */
void text_put_number(struct text *text, uint64_t number)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    char digits[20];
    size_t at = sizeof digits;
    for (; number >= 10; number /= 100) {
        at -= 2;
        memcpy(digits + at, pairs + 2 * (number % 100), 2);
    }
    if (number || at == sizeof digits)
        digits[--at] = (char)('0' + number);
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
