/* What appears on the screen. The guest's output is shown as it comes, each line behind a bar, so
 * that it cannot be taken for the session's own; a guest's control characters never reach the
 * terminal. */
#include "shell/repl/repl.h"

#include <stdarg.h>
#include <string.h>

static const char *const escapes[] = {
    [PAINT_OFF] = "\033[0m",    [PAINT_BOLD] = "\033[1m",  [PAINT_DIM] = "\033[2m",
    [PAINT_PLACE] = "\033[36m", [PAINT_HEAD] = "\033[33m", [PAINT_BAD] = "\033[31m",
};

const char *repl_paint(const struct session *session, enum paint paint)
{
    return session->colour ? escapes[paint] : "";
}

/* ---- the guest's console ---- */

static void put_guest_byte(struct session *session, uint8_t byte)
{
    bool printable = (byte >= ' ' && byte != 0x7f) || byte == '\t';
    if (byte == '\r' || (byte == '\n' && !session->guest_line)) {
        if (byte == '\n')
            printf("%s|%s\n", repl_paint(session, PAINT_DIM), repl_paint(session, PAINT_OFF));
        return;
    }
    if (!session->guest_line)
        printf("%s|%s ", repl_paint(session, PAINT_DIM), repl_paint(session, PAINT_OFF));
    session->guest_line = byte != '\n';
    if (byte == '\n' || printable)
        putchar(byte);
    else
        printf("\\x%02x", byte);
}

static void put_output(void *context, const uint8_t *bytes, size_t count)
{
    struct session *session = context;
    for (size_t i = 0; i < count; i++)
        put_guest_byte(session, bytes[i]);
    if (session->terminal)
        fflush(stdout);
}

static size_t take_input(void *context, uint8_t *bytes, size_t room)
{
    struct session *session = context;
    size_t count = session->typed_end - session->typed_begin;
    if (count > room)
        count = room;
    memcpy(bytes, session->typed + session->typed_begin, count);
    session->typed_begin += count;
    if (session->typed_begin == session->typed_end)
        session->typed_begin = session->typed_end = 0;
    return count;
}

struct vmm_console repl_console(struct session *session)
{
    return (struct vmm_console){.context = session, .output = put_output, .input = take_input};
}

/* ---- our own lines ---- */

static void leave_guest_line(struct session *session)
{
    if (session->guest_line)
        putchar('\n');
    session->guest_line = false;
}

void repl_say(struct session *session, const char *format, ...)
{
    va_list arguments;
    leave_guest_line(session);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
}

bool repl_complain(struct session *session, const char *format, ...)
{
    char text[1024], place[256] = "";
    va_list arguments;
    leave_guest_line(session);
    fflush(stdout);
    if (session->script)
        snprintf(place, sizeof place, "%s:%u: ", session->script, session->script_line);
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s%s\n", place, text);
    repl_record_text(session, place);
    repl_record_text(session, text);
    repl_record_text(session, "\n");
    return false;
}
