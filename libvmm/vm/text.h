/* Text put together in a buffer of fixed size: what does not fit is cut off, and counted. */
#ifndef VMM_VM_TEXT_H
#define VMM_VM_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
    char *bytes;   /* always terminated, if `room` > 0 */
    size_t room;   /* of `bytes` */
    size_t length; /* with enough room; may exceed it */
};

struct text text_in(char *bytes, size_t room);

/* Appends, as printf does. */
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for what is written for every trap: bytes; a string, whose length is known where it is
 * compiled if it is a literal; a decimal number; a hexadecimal one behind "0x". */
void text_cut(struct text *text, const char *bytes, size_t count); /* what does not fit */

static inline void text_put_bytes(struct text *text, const char *bytes, size_t count)
{
    if (text->length >= text->room || text->room - text->length <= count) {
        text_cut(text, bytes, count);
        return;
    }
    memcpy(text->bytes + text->length, bytes, count);
    text->length += count;
    text->bytes[text->length] = '\0';
}

static inline void text_put(struct text *text, const char *string)
{
    text_put_bytes(text, string, strlen(string));
}

void text_put_number(struct text *text, uint64_t number);
void text_put_hex(struct text *text, uint32_t number);

#endif
