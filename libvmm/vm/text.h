/* Text put together in a buffer of fixed size: what does not fit is cut off, and counted. */
#ifndef VMM_VM_TEXT_H
#define VMM_VM_TEXT_H

#include <stddef.h>

struct text {
    char *bytes;   /* always terminated, if `room` > 0 */
    size_t room;   /* of `bytes` */
    size_t length; /* with enough room; may exceed it */
};

struct text text_in(char *bytes, size_t room);

/* Appends, as printf does. */
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
