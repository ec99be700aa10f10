/* Text in a buffer of fixed size. See text.h. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>

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
