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

FILE *repl_out(const struct session *session)
{
    return session->page ? session->page : stdout;
}

/* ---- the guest's console ---- */

static void put_guest_byte(struct session *session, uint8_t byte)
{
    FILE *to = repl_out(session);
    bool printable = (byte >= ' ' && byte != 0x7f) || byte == '\t';
    if (byte == '\r' || (byte == '\n' && !session->guest_line)) {
        if (byte == '\n')
            fprintf(to, "%s|%s\n", repl_paint(session, PAINT_DIM), repl_paint(session, PAINT_OFF));
        return;
    }
    if (!session->guest_line)
        fprintf(to, "%s|%s ", repl_paint(session, PAINT_DIM), repl_paint(session, PAINT_OFF));
    session->guest_line = byte != '\n';
    if (byte == '\n' || printable)
        fputc(byte, to);
    else
        fprintf(to, "\\x%02x", byte);
}

/* The console's last part, for the screen: when it is full, the older half goes. */
static void keep_shown(struct session *session, uint8_t byte)
{
    const size_t half = sizeof session->shown / 2;
    bool printable = (byte >= ' ' && byte < 0x7f) || byte == '\n';
    if (!printable)
        return;
    if (session->shown_length + 1 == sizeof session->shown) {
        session->shown_length -= half;
        memmove(session->shown, session->shown + half, session->shown_length);
    }
    session->shown[session->shown_length++] = (char)byte;
    session->shown[session->shown_length] = '\0';
}

static void put_output(void *context, const uint8_t *bytes, size_t count)
{
    struct session *session = context;
    for (size_t i = 0; i < count; i++) {
        keep_shown(session, bytes[i]);
        if (!session->screen)
            put_guest_byte(session, bytes[i]);
    }
    if (session->screen)
        repl_screen_output(session);
    else if (session->terminal)
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
        fputc('\n', repl_out(session));
    session->guest_line = false;
}

void repl_say(struct session *session, const char *format, ...)
{
    va_list arguments;
    leave_guest_line(session);
    va_start(arguments, format);
    vfprintf(repl_out(session), format, arguments);
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
    fprintf(session->page ? session->page : stderr, "%s%s\n", place, text);
    repl_record_text(session, place);
    repl_record_text(session, text);
    repl_record_text(session, "\n");
    return false;
}
