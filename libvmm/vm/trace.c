/* Traces: records written down as they come, in one of three formats.
 *
 * What the two for programs tell of a VM beside its records (what it is, how it ended, its
 * statistics) is trace_note.c's. JSON lines and Chrome trace events (the "Trace Event Format" of
 * Chromium's about:tracing) share one object for a record; an event carries it as `args`. The
 * timeline is virtual time: 1 cycle of 100 MHz is 0.01 us. A slice must not reach into the next one
 * of its track, so that each record is held back until its VM's next one has come. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record_text.h"
#include "text.h"
#include "trace_note.h"
#include "vm.h"
#include "vmm/symbols.h"
#include "vmm/trace.h"

#define LINE        4096u
#define CYCLES_A_US 100u

enum { KNOWN = 4096, KNOWN_ROOM = 512, TOGETHER = 1 << 18 };

struct vmm_trace {
    enum vmm_trace_format format;
    vmm_write *write;
    void *context;
    bool failed;
    uint64_t events; /* written so far */
    size_t waiting;  /* bytes of `buffer`: what programs read is written in large pieces */
    char buffer[TOGETHER];
    struct known {
        struct vmm_record record; /* what it is of, and what of that the text says */
        unsigned symbols;         /* tables of them, when it was made */
        size_t length;            /* 0: nothing is kept here */
        char text[KNOWN_ROOM];
    } known[KNOWN];
    struct watched {
        struct watched *next;
        struct vmm_trace *trace;
        struct vmm_vm *vm;
        uint64_t records; /* written */
        bool holding;
        struct vmm_record held;
    } * watched;
};

static void flush(struct vmm_trace *trace)
{
    if (trace->waiting && !trace->failed &&
        !trace->write(trace->context, trace->buffer, trace->waiting))
        trace->failed = true;
    trace->waiting = 0;
}

static void put(struct vmm_trace *trace, const char *bytes, size_t count)
{
    if (count > TOGETHER - trace->waiting)
        flush(trace);
    if (count <= TOGETHER) {
        memcpy(trace->buffer + trace->waiting, bytes, count);
        trace->waiting += count;
    } else if (!trace->failed && !trace->write(trace->context, bytes, count)) {
        trace->failed = true;
    }
    if (trace->format == VMM_TRACE_TEXT) /* somebody may be reading along */
        flush(trace);
}

static void put_text(struct vmm_trace *trace, const struct text *text)
{
    put(trace, text->bytes, text->length < text->room ? text->length : text->room - 1);
}

/* ---- a record as a JSON object ----
 *
 * Every string is printable ASCII without quotes and backslashes: static names of ours, symbols
 * (see symbols.c), and what the disassembler makes. */

/* `name` is ",\"NAME\":", of `length` bytes: put together where it is compiled. */
static void name_number(struct text *out, const char *name, size_t length, bool has, uint64_t value)
{
    text_put_bytes(out, name, length);
    if (has)
        text_put_number(out, value);
    else
        text_put(out, "null");
}

static void name_string(struct text *out, const char *name, size_t length, const char *value)
{
    text_put_bytes(out, name, length);
    if (!value) {
        text_put(out, "null");
        return;
    }
    text_put(out, "\"");
    text_put(out, value);
    text_put(out, "\"");
}

static void name_hexadecimal(struct text *out, const char *name, size_t length, bool has,
                             uint32_t value)
{
    text_put_bytes(out, name, length);
    if (!has) {
        text_put(out, "null");
        return;
    }
    text_put(out, "\"");
    text_put_hex(out, value);
    text_put(out, "\"");
}
#define NAME(name)                             ",\"" name "\":", sizeof ",\"" name "\":" - 1
#define add_number(out, name, has, value)      name_number(out, NAME(name), has, value)
#define add_string(out, name, value)           name_string(out, NAME(name), value)
#define add_hexadecimal(out, name, has, value) name_hexadecimal(out, NAME(name), has, value)

static void add_bytes(struct text *out, const struct vmm_record *record)
{
    static const char digits[] = "0123456789abcdef";
    char text[96] = "", hexadecimal[2 * sizeof record->bytes + 1];
    unsigned length = 0;
    if (record->length)
        length = vmm_disassemble(record->bytes, record->length, record->linear, record->code16,
                                 text, sizeof text);
    if (!length)
        length = record->length;
    for (unsigned i = 0; i < length; i++) {
        hexadecimal[2 * i] = digits[record->bytes[i] >> 4];
        hexadecimal[2 * i + 1] = digits[record->bytes[i] & 15];
    }
    hexadecimal[2 * length] = '\0';
    add_string(out, "bytes", hexadecimal);
    add_number(out, "bits", true, record->code16 ? 16 : 32);
    add_string(out, "text", record->length ? text : 0);
}

/* What of a record its place and its instruction say. */
static void add_place(struct text *out, const struct vmm_vm *vm, const struct vmm_record *record)
{
    char symbol[256];
    vmm_symbol_text(vm, record->linear, symbol, sizeof symbol);
    add_number(out, "vm", true, record->vm);
    add_number(out, "ring", true, record->ring);
    add_string(out, "cause", record->cause);
    add_string(out, "class", record_class(record));
    add_hexadecimal(out, "cs", true, record->cs);
    add_hexadecimal(out, "eip", true, record->eip);
    add_hexadecimal(out, "linear", true, record->linear);
    add_string(out, "symbol", *symbol ? symbol : 0);
    add_bytes(out, record);
}

/* Whether add_place comes to the same for both. Causes are static strings. */
static bool same_place(const struct vmm_record *a, const struct vmm_record *b)
{
    return a->linear == b->linear && a->eip == b->eip && a->cs == b->cs && a->vm == b->vm &&
           a->ring == b->ring && a->code16 == b->code16 && a->cause == b->cause &&
           a->exit == b->exit && a->has_vector == b->has_vector && a->vector == b->vector &&
           a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static unsigned symbol_tables(const struct vmm_vm *vm)
{
    unsigned count = 0;
    for (const struct symbols *symbols = &vm->symbols; symbols; symbols = symbols->next)
        count++;
    return count;
}

/* What traps once traps again: add_place is made once, and kept where the next one with the same
 * place among so many finds it. */
static void put_place(struct vmm_trace *trace, struct text *out, const struct vmm_vm *vm,
                      const struct vmm_record *record)
{
    struct known *known = &trace->known[record->linear % KNOWN];
    if (!known->length || known->symbols != symbol_tables(vm) ||
        !same_place(&known->record, record)) {
        struct text text = text_in(known->text, sizeof known->text);
        add_place(&text, vm, record);
        bool fits = text.length < sizeof known->text;
        known->length = fits ? text.length : 0;
        known->record = *record;
        known->symbols = symbol_tables(vm);
        if (!fits) {
            add_place(out, vm, record);
            return;
        }
    }
    text_put_bytes(out, known->text, known->length);
}

static void add_event(struct text *out, const struct vmm_record *record)
{
    static const char none[] = ",\"vector\":null,\"error_code\":null,\"address\":null,"
                               "\"port\":null,\"injected\":null";
    bool port = record->has_address && record_is_port(record);
    if (!record->has_vector && !record->has_address && !record->exit && !record->injected) {
        text_put_bytes(out, none, sizeof none - 1);
        return;
    }
    add_number(out, "vector", record->has_vector, record->vector);
    add_hexadecimal(out, "error_code", record->has_error_code, record->error_code);
    add_hexadecimal(out, "address", record->has_address && !port, record->address);
    add_hexadecimal(out, "port", port, record->address);
    if (record->exit)
        text_add(out, ",\"exit\":{\"code\":\"0x%llx\",\"info1\":\"0x%llx\",\"info2\":\"0x%llx\"}",
                 (unsigned long long)record->exit_code, (unsigned long long)record->exit_info1,
                 (unsigned long long)record->exit_info2);
    add_number(out, "injected", record->injected, record->injected_vector);
}

static void add_changes(struct text *out, const struct vmm_record *record)
{
    text_put(out, ",\"changes\":[");
    for (unsigned i = 0; i < record->change_count; i++) {
        text_put(out, i ? ",{\"what\":\"" : "{\"what\":\"");
        text_put(out, record->changes[i].what);
        text_put(out, "\"");
        add_hexadecimal(out, "before", true, record->changes[i].before);
        add_hexadecimal(out, "after", true, record->changes[i].after);
        text_put(out, "}");
    }
    text_put(out, "]");
}

static void add_object(struct vmm_trace *trace, struct text *out, const struct vmm_vm *vm,
                       const struct vmm_record *record)
{
    char walk[16];
    record_walk_text(record, walk, sizeof walk);
    text_put(out, "{\"sequence\":");
    text_put_number(out, record->sequence);
    add_number(out, "time", true, record->time);
    add_number(out, "instructions", true, record->instructions);
    put_place(trace, out, vm, record);
    add_event(out, record);
    add_string(out, "walk", walk);
    add_string(out, "routine", record->routine);
    add_string(out, "outcome", record->outcome);
    add_changes(out, record);
    add_number(out, "host_ns", true, record->host_ns);
    text_put(out, "}");
}

/* ---- the three formats ---- */

static void write_line(struct vmm_trace *trace, const struct vmm_vm *vm,
                       const struct vmm_record *record)
{
    char line[LINE];
    struct text out = text_in(line, sizeof line);
    if (trace->format == VMM_TRACE_TEXT) {
        char text[VMM_RECORD_TEXT];
        vmm_record_text(vm, record, text, sizeof text);
        text_add(&out, "%12" PRIu64 " %s", record->time, text);
    } else {
        add_object(trace, &out, vm, record);
    }
    text_put(&out, "\n");
    put_text(trace, &out);
    trace->events++;
}

/* An exception or interrupt is named by what it was, anything else by its cause. */
static void add_title(struct text *out, const struct vmm_record *record)
{
    const char *vector = record_vector_name(record->vector);
    bool event = record->has_vector && (strcmp(record->cause, "exception") == 0 ||
                                        strcmp(record->cause, "software_interrupt") == 0 ||
                                        strcmp(record->cause, "interrupt") == 0);
    if (event && vector)
        text_add(out, "%s %s", record->cause, vector);
    else if (event)
        text_add(out, "%s 0x%x", record->cause, record->vector);
    else
        text_add(out, "%s", record->cause);
}

static void add_microseconds(struct text *out, const char *name, uint64_t nanoseconds)
{
    text_add(out, ",\"%s\":%" PRIu64 ".%03u", name, nanoseconds / 1000,
             (unsigned)(nanoseconds % 1000));
}

/* `until`: the virtual time at which the next slice of the track begins. */
static void write_slice(struct vmm_trace *trace, const struct watched *watched, uint64_t until)
{
    const struct vmm_record *record = &watched->held;
    const uint64_t nanoseconds_a_cycle = 1000 / CYCLES_A_US;
    uint64_t begin = record->time * nanoseconds_a_cycle, length = record->host_ns;
    if (until - record->time < length / nanoseconds_a_cycle)
        length = (until - record->time) * nanoseconds_a_cycle;
    char line[LINE];
    struct text out = text_in(line, sizeof line);
    text_add(&out, "%s\n{\"name\":\"", trace->events++ ? "," : "");
    add_title(&out, record);
    text_add(&out, "\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":%u,\"tid\":0",
             *record->walk ? "trap" : "hardware", record->vm);
    add_microseconds(&out, "ts", begin);
    add_microseconds(&out, "dur", length);
    text_add(&out, ",\"args\":");
    add_object(trace, &out, watched->vm, record);
    text_add(&out, "}");
    put_text(trace, &out);
}

static void name_track(struct vmm_trace *trace, unsigned vm)
{
    char line[256];
    struct text out = text_in(line, sizeof line);
    text_add(&out,
             "%s\n{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%u,\"args\":{\"name\":\"vm%u\"}},"
             "\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%u,\"tid\":0,"
             "\"args\":{\"name\":\"cpu\"}}",
             trace->events ? "," : "", vm, vm, vm);
    trace->events++;
    put_text(trace, &out);
}

static void take(void *context, const struct vmm_record *record)
{
    struct watched *watched = context;
    struct vmm_trace *trace = watched->trace;
    if (trace->failed)
        return;
    watched->records++;
    if (trace->format != VMM_TRACE_CHROME) {
        write_line(trace, watched->vm, record);
        return;
    }
    if (watched->holding)
        write_slice(trace, watched, record->time);
    else
        name_track(trace, record->vm);
    watched->held = *record;
    watched->holding = true;
}

/* ---- what is no record ---- */

static bool note_write(void *context, const char *bytes, size_t count)
{
    struct vmm_trace *trace = context;
    put(trace, bytes, count);
    return !trace->failed;
}

/* A timeline has these behind its events, where the format leaves room for what is a program's. */
static void finish_chrome(struct vmm_trace *trace)
{
    static const char data[] = "\n],\"otherData\":{\"vms\":[\n", comma[] = ",\n", end[] = "]}}\n";
    for (struct watched *watched = trace->watched; watched; watched = watched->next)
        if (watched->holding)
            write_slice(trace, watched, UINT64_MAX);
    put(trace, data, sizeof data - 1);
    for (struct watched *watched = trace->watched; watched; watched = watched->next) {
        note_begin(watched->vm, note_write, trace);
        put(trace, comma, sizeof comma - 1);
        note_end(watched->vm, watched->records, note_write, trace);
        if (watched->next)
            put(trace, comma, sizeof comma - 1);
    }
    put(trace, end, sizeof end - 1);
}

/* ---- life ---- */

enum vmm_trace_format vmm_trace_format_of(const char *path)
{
    const char *ending = strrchr(path, '.');
    if (ending && strcmp(ending, ".json") == 0)
        return VMM_TRACE_CHROME;
    return ending && strcmp(ending, ".jsonl") == 0 ? VMM_TRACE_JSON_LINES : VMM_TRACE_TEXT;
}

struct vmm_trace *vmm_trace_begin(enum vmm_trace_format format, vmm_write *write, void *context)
{
    static const char opening[] = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[";
    struct vmm_trace *trace = calloc(1, sizeof *trace);
    if (!trace)
        return 0;
    *trace = (struct vmm_trace){.format = format, .write = write, .context = context};
    if (format == VMM_TRACE_CHROME)
        put(trace, opening, sizeof opening - 1);
    return trace;
}

bool vmm_trace_watch(struct vmm_trace *trace, struct vmm_vm *vm)
{
    struct watched *watched = calloc(1, sizeof *watched);
    if (!watched)
        return false;
    *watched = (struct watched){.trace = trace, .vm = vm};
    struct watched **last = &trace->watched;
    while (*last)
        last = &(*last)->next;
    *last = watched;
    if (trace->format == VMM_TRACE_JSON_LINES)
        note_begin(vm, note_write, trace);
    vmm_watch(vm, take, watched);
    return true;
}

bool vmm_trace_written(struct vmm_trace *trace)
{
    flush(trace);
    return !trace->failed;
}

bool vmm_trace_end(struct vmm_trace *trace)
{
    if (!trace)
        return true;
    if (trace->format == VMM_TRACE_CHROME)
        finish_chrome(trace);
    while (trace->watched) {
        struct watched *watched = trace->watched;
        if (trace->format == VMM_TRACE_JSON_LINES)
            note_end(watched->vm, watched->records, note_write, trace);
        vmm_watch(watched->vm, 0, 0);
        trace->watched = watched->next;
        free(watched);
    }
    flush(trace);
    bool written = !trace->failed;
    free(trace);
    return written;
}
