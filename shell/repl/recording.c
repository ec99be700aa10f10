/* What a session leaves behind: traces of its traps, and a recording of itself.
 *
 * A recording is an asciicast (version 2: a line of JSON about the terminal, then an array
 * [seconds, "o", text] for whatever appears). Everything that a session prints goes through stdout;
 * while it is recorded, stdout is a stream of ours that passes on what it takes note of. */
#define _GNU_SOURCE /* fopencookie */
#include "shell/clock.h"
#include "shell/output.h"
#include "shell/repl/repl.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* ---- asciicast ---- */

struct recording {
    char path[256];
    FILE *file;
    FILE *screen; /* stdout as it was */
    uint64_t begin;
    char text[4096]; /* bytes that wait for the rest of their line */
    size_t length;
};

static void write_event(struct recording *recording)
{
    char *text = malloc(2 * recording->length + 1);
    size_t length = 0;
    for (size_t i = 0; text && i < recording->length; i++) {
        if (recording->text[i] == '\n')
            text[length++] = '\r';
        text[length++] = recording->text[i];
    }
    /* What is no UTF-8 cannot be in JSON. */
    json_t *string = text ? json_stringn(text, length) : NULL;
    char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
    if (quoted)
        fprintf(recording->file, "[%.6f, \"o\", %s]\n",
                (double)(clock_ns() - recording->begin) / 1e9, quoted);
    free(quoted);
    json_decref(string);
    free(text);
    recording->length = 0;
}

static void take_note(struct recording *recording, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        recording->text[recording->length++] = bytes[i];
        if (bytes[i] == '\n' || recording->length == sizeof recording->text)
            write_event(recording);
    }
}

static ssize_t pass_on(void *context, const char *bytes, size_t count)
{
    struct recording *recording = context;
    take_note(recording, bytes, count);
    size_t written = fwrite(bytes, 1, count, recording->screen);
    fflush(recording->screen);
    return (ssize_t)written;
}

void repl_record_text(struct session *session, const char *text)
{
    if (!session->recording)
        return;
    fflush(stdout);
    take_note(session->recording, text, strlen(text));
    if (session->recording->length)
        write_event(session->recording);
}

static void write_header(FILE *file)
{
    struct winsize size = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_col || !size.ws_row)
        size = (struct winsize){.ws_col = 80, .ws_row = 24};
    fprintf(file,
            "{\"version\": 2, \"width\": %u, \"height\": %u, \"timestamp\": %lld, "
            "\"title\": \"vmm debug\"}\n",
            size.ws_col, size.ws_row, (long long)time(NULL));
}

bool repl_record_stop(struct session *session)
{
    struct recording *recording = session->recording;
    if (!recording)
        return true;
    fflush(stdout);
    fclose(stdout);
    stdout = recording->screen;
    if (recording->length)
        write_event(recording);
    bool good = fflush(recording->file) == 0 && !ferror(recording->file);
    good = fclose(recording->file) == 0 && good;
    session->recording = NULL;
    if (good)
        repl_say(session, "'%s' is complete; 'asciinema play' shows it.\n", recording->path);
    free(recording);
    return good || repl_complain(session, "The recording could not be written; free some space.");
}

static bool start(struct session *session, const char *path)
{
    struct recording *recording = calloc(1, sizeof *recording);
    FILE *file = recording ? fopen(path, "we") : NULL;
    FILE *stream =
        file ? fopencookie(recording, "w", (cookie_io_functions_t){.write = pass_on}) : NULL;
    if (!stream) {
        repl_complain(session, "'%s' cannot be written: %s; name another file.", path,
                      strerror(errno));
        if (file)
            fclose(file);
        free(recording);
        return false;
    }
    *recording = (struct recording){.file = file, .screen = stdout, .begin = clock_ns()};
    snprintf(recording->path, sizeof recording->path, "%s", path);
    write_header(file);
    fflush(stdout);
    setvbuf(stream, NULL, _IOLBF, 0);
    stdout = stream;
    session->recording = recording;
    repl_say(session, "Recording into '%s'; 'record stop' ends it.\n", path);
    return true;
}

bool repl_record(struct session *session, char *arguments)
{
    bool stop = strcmp(arguments, "stop") == 0;
    if (!*arguments)
        return repl_complain(session, "There is no file; write 'record FILE.cast'.");
    if (stop && !session->recording)
        return repl_complain(session, "Nothing is recorded; 'record FILE.cast' begins.");
    if (stop)
        return repl_record_stop(session);
    if (session->recording)
        return repl_complain(session, "The session is recorded already; 'record stop' ends that.");
    return start(session, arguments);
}

/* ---- traces ---- */

struct tracing {
    struct vmm_trace *trace;
    struct output output;
    char *path;
};

/* The screen as a trace's file. */
static bool show(void *context, const char *bytes, size_t count)
{
    repl_say(context, "%.*s", (int)count, bytes);
    return true;
}

bool repl_trace_stop(struct session *session)
{
    struct tracing *tracing = session->tracing;
    bool good = true;
    if (!tracing)
        return true;
    vmm_trace_end(tracing->trace);
    if (tracing->path)
        good = output_close(&tracing->output) ||
               repl_complain(session, "The trace cannot be written to '%s': %s; free some space.",
                             tracing->path, strerror(tracing->output.error));
    session->tracing = NULL;
    free(tracing->path);
    free(tracing);
    return good;
}

static bool trace_on(struct session *session, const char *path)
{
    if (session->tracing)
        return repl_complain(session, "The traps are traced already; 'trace off' ends that.");
    struct tracing *tracing = calloc(1, sizeof *tracing);
    if (!tracing)
        return repl_complain(session, "There is no memory left.");
    if (*path &&
        (!(tracing->path = strdup(path)) || !output_open(&tracing->output, tracing->path))) {
        repl_complain(session, "'%s' cannot be written: %s; name another file.", path,
                      strerror(tracing->output.error));
        free(tracing->path);
        free(tracing);
        return false;
    }
    session->tracing = tracing;
    tracing->trace =
        *path ? vmm_trace_begin(vmm_trace_format_of(path), output_write, &tracing->output)
              : vmm_trace_begin(VMM_TRACE_TEXT, show, session);
    if (tracing->trace && vmm_trace_watch(tracing->trace, session->guest.vm))
        return true;
    repl_trace_stop(session);
    return repl_complain(session, "There is no memory left.");
}

/* The traps that the VM keeps anyhow, as text. */
static bool trace_save(struct session *session, const char *path)
{
    struct output output;
    struct vmm_record record;
    char text[VMM_RECORD_TEXT];
    unsigned saved = 0;
    if (!*path)
        return repl_complain(session, "There is no file; write 'trace save FILE'.");
    if (!output_open(&output, path))
        return repl_complain(session, "'%s' cannot be written: %s; name another file.", path,
                             strerror(output.error));
    for (unsigned back = VMM_RECORDS_KEPT; back-- > 0;) {
        if (!vmm_last_record(session->guest.vm, back, &record))
            continue;
        vmm_record_text(session->guest.vm, &record, text, sizeof text);
        fprintf(output.file, "%12llu %s\n", (unsigned long long)record.time, text);
        saved++;
    }
    if (!output_close(&output))
        return repl_complain(session, "'%s' cannot be written: %s; free some space.", path,
                             strerror(output.error));
    repl_say(session, "The last %u trap%s into '%s'.\n", saved, saved == 1 ? "" : "s", path);
    return true;
}

bool repl_trace(struct session *session, char *arguments)
{
    char *word = repl_word(&arguments);
    while (*arguments == ' ' || *arguments == '\t')
        arguments++;
    if (!repl_need_guest(session))
        return false;
    if (!word || (strcmp(word, "on") && strcmp(word, "off") && strcmp(word, "save")))
        return repl_complain(session, "Say what; write 'trace on [FILE]', 'trace off' or 'trace "
                                      "save FILE'.");
    if (strcmp(word, "on") == 0)
        return trace_on(session, arguments);
    if (strcmp(word, "save") == 0)
        return trace_save(session, arguments);
    if (!session->tracing)
        return repl_complain(session, "Nothing is traced; 'trace on' begins.");
    return repl_trace_stop(session);
}
