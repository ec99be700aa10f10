/* A line at a time, whichever of the two forms it is: JSON lines as they are, and the lines of a
 * timeline, where an event carries its record as "args". See trace_file.h. */
#include "shell/report/trace_file.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_LINE = 1 << 20, LONGEST_NAME = 63 };

struct reading {
    const char *name;
    struct trace_names *names;
    const struct trace_client *client;
    uint64_t line;
    bool any; /* a line of a trace was found */
    char *why;
    size_t room;
};

static __attribute__((format(printf, 2, 3))) bool fail(struct reading *r, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(r->why, r->room, format, arguments);
    va_end(arguments);
    return false;
}

static bool fail_field(struct reading *r, const char *field)
{
    return fail(r, "'%s' has no good \"%s\" in line %llu; was it edited?", r->name, field,
                (unsigned long long)r->line);
}

/* ---- fields ---- */

static bool get_number(struct reading *r, json_t *object, const char *field, uint64_t most,
                       uint64_t *value)
{
    json_t *found = json_object_get(object, field);
    if (!json_is_integer(found) || json_integer_value(found) < 0 ||
        (uint64_t)json_integer_value(found) > most)
        return fail_field(r, field);
    *value = (uint64_t)json_integer_value(found);
    return true;
}

static bool get_bool(struct reading *r, json_t *object, const char *field, bool *value)
{
    json_t *found = json_object_get(object, field);
    *value = json_is_true(found);
    return json_is_boolean(found) || fail_field(r, field);
}

/* Text is cut to fit. */
static bool get_text(struct reading *r, json_t *object, const char *field, char *text, size_t room)
{
    const char *found = json_string_value(json_object_get(object, field));
    snprintf(text, room, "%s", found ? found : "");
    return found || fail_field(r, field);
}

/* "0x1f", or null where `has` may be false. */
static bool get_hexadecimal(struct reading *r, json_t *object, const char *field, uint32_t *value,
                            bool *has)
{
    json_t *found = json_object_get(object, field);
    const char *text = json_string_value(found);
    char *end = NULL;
    *value = 0;
    if (has)
        *has = !json_is_null(found);
    if (has && json_is_null(found))
        return true;
    errno = 0;
    unsigned long long number =
        text && strncmp(text, "0x", 2) == 0 && isxdigit((unsigned char)text[2])
            ? strtoull(text, &end, 16)
            : 0;
    *value = (uint32_t)number;
    return (end && !*end && !errno && number <= UINT32_MAX) || fail_field(r, field);
}

static bool get_vector(struct reading *r, json_t *object, const char *field, bool *has,
                       uint8_t *vector)
{
    uint64_t value = 0;
    *has = !json_is_null(json_object_get(object, field));
    if (*has && !get_number(r, object, field, 255, &value))
        return false;
    *vector = (uint8_t)value;
    return true;
}

/* The one copy of `name`. NULL after a sentence. */
static const char *intern(struct reading *r, const char *name, const char *field)
{
    struct trace_names *names = r->names;
    if (!name || strlen(name) > LONGEST_NAME) {
        fail_field(r, field);
        return NULL;
    }
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i], name) == 0)
            return names->names[i];
    if (names->count == TRACE_NAMES) {
        fail(r, "'%s' has more than %d different names up to line %llu; was it edited?", r->name,
             TRACE_NAMES, (unsigned long long)r->line);
        return NULL;
    }
    char *copy = strdup(name);
    if (copy)
        names->names[names->count++] = copy;
    else
        fail(r, "there is no memory left");
    return copy;
}

static bool get_name(struct reading *r, json_t *object, const char *field, const char **name)
{
    json_t *found = json_object_get(object, field);
    *name = NULL;
    return json_is_null(found) || (*name = intern(r, json_string_value(found), field));
}

void trace_names_free(struct trace_names *names)
{
    while (names->count)
        free(names->names[--names->count]);
}

/* ---- a record ---- */

static bool get_bytes(struct reading *r, json_t *object, struct vmm_record *record)
{
    const char *text = json_string_value(json_object_get(object, "bytes"));
    size_t length = text ? strlen(text) : 1;
    if (length % 2 || length > 2 * sizeof record->bytes ||
        strspn(text, "0123456789abcdef") < length)
        return fail_field(r, "bytes");
    for (size_t i = 0; i < length / 2; i++) {
        const char digits[] = {text[2 * i], text[2 * i + 1], '\0'};
        record->bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    record->length = (uint8_t)(length / 2);
    return true;
}

/* "D-I-A" */
static bool get_walk(struct reading *r, json_t *object, struct vmm_record *record)
{
    const char *text = json_string_value(json_object_get(object, "walk"));
    size_t length = 0;
    for (; text && *text && length + 1 < sizeof record->walk; text++)
        if (strchr("DIA", *text))
            record->walk[length++] = *text;
        else if (*text != '-')
            break;
    return (text && !*text) || fail_field(r, "walk");
}

static bool get_changes(struct reading *r, json_t *object, struct vmm_record *record)
{
    json_t *changes = json_object_get(object, "changes");
    if (!json_is_array(changes) || json_array_size(changes) > VMM_RECORD_CHANGES)
        return fail_field(r, "changes");
    for (size_t i = 0; i < json_array_size(changes); i++) {
        struct vmm_change *change = &record->changes[record->change_count++];
        json_t *found = json_array_get(changes, i);
        change->what = intern(r, json_string_value(json_object_get(found, "what")), "what");
        if (!change->what || !get_hexadecimal(r, found, "before", &change->before, NULL) ||
            !get_hexadecimal(r, found, "after", &change->after, NULL))
            return false;
    }
    return true;
}

/* A page fault's address and a port share a place. */
static bool get_address(struct reading *r, json_t *object, struct vmm_record *record)
{
    uint32_t port;
    bool has_port;
    if (!get_hexadecimal(r, object, "address", &record->address, &record->has_address) ||
        !get_hexadecimal(r, object, "port", &port, &has_port))
        return false;
    if (has_port)
        record->address = port;
    record->has_address |= has_port;
    return true;
}

static bool get_event(struct reading *r, json_t *object, struct vmm_record *record)
{
    return get_vector(r, object, "vector", &record->has_vector, &record->vector) &&
           get_hexadecimal(r, object, "error_code", &record->error_code, &record->has_error_code) &&
           get_vector(r, object, "injected", &record->injected, &record->injected_vector) &&
           get_address(r, object, record);
}

static bool get_place(struct reading *r, json_t *object, struct trace_record *out)
{
    struct vmm_record *record = &out->record;
    uint64_t vm, ring, bits;
    uint32_t cs;
    if (!get_number(r, object, "vm", TRACE_VMS - 1, &vm) ||
        !get_number(r, object, "ring", 3, &ring) || !get_number(r, object, "bits", 32, &bits) ||
        !get_hexadecimal(r, object, "cs", &cs, NULL) ||
        !get_hexadecimal(r, object, "eip", &record->eip, NULL) ||
        !get_hexadecimal(r, object, "linear", &record->linear, NULL))
        return false;
    record->vm = (unsigned)vm;
    record->ring = (uint8_t)ring;
    record->code16 = bits == 16;
    record->cs = (uint16_t)cs;
    const char *symbol = json_string_value(json_object_get(object, "symbol"));
    const char *text = json_string_value(json_object_get(object, "text"));
    snprintf(out->symbol, sizeof out->symbol, "%s", symbol ? symbol : "");
    snprintf(out->text, sizeof out->text, "%s", text ? text : "");
    return true;
}

static bool take_record(struct reading *r, json_t *object)
{
    struct trace_record out = {0};
    struct vmm_record *record = &out.record;
    if (!get_number(r, object, "sequence", INT64_MAX, &record->sequence) ||
        !get_number(r, object, "time", INT64_MAX, &record->time) ||
        !get_number(r, object, "instructions", INT64_MAX, &record->instructions) ||
        !get_number(r, object, "host_ns", INT64_MAX, &record->host_ns) ||
        !get_name(r, object, "cause", &record->cause) ||
        !get_name(r, object, "routine", &record->routine) ||
        !get_name(r, object, "outcome", &record->outcome) || !get_place(r, object, &out) ||
        !get_bytes(r, object, record) || !get_walk(r, object, record) ||
        !get_event(r, object, record) || !get_changes(r, object, record))
        return false;
    if (!record->cause)
        return fail_field(r, "cause");
    return r->client->record(r->client->context, &out) || fail(r, "there is no memory left");
}

/* ---- what is before and behind the records ---- */

static bool take_begin(struct reading *r, json_t *object)
{
    struct trace_begin begin = {0};
    uint64_t format, vm;
    if (!get_number(r, object, "format", INT64_MAX, &format))
        return false;
    if (format != 1)
        return fail(r, "'%s' is a trace of format %llu; this vmm reads format 1", r->name,
                    (unsigned long long)format);
    if (!get_number(r, object, "vm", TRACE_VMS - 1, &vm) ||
        !get_text(r, object, "version", begin.version, sizeof begin.version) ||
        !get_text(r, object, "technique", begin.technique, sizeof begin.technique) ||
        !get_text(r, object, "clock", begin.clock, sizeof begin.clock) ||
        !get_number(r, object, "memory", UINT32_MAX, &begin.memory))
        return false;
    begin.vm = (unsigned)vm;
    return r->client->begin(r->client->context, &begin) || fail(r, "there is no memory left");
}

static bool get_exits(struct reading *r, json_t *object, struct trace_end *end)
{
    json_t *exits = json_object_get(object, "exits");
    if (!json_is_array(exits) || json_array_size(exits) > TRACE_CAUSES)
        return fail_field(r, "exits");
    for (size_t i = 0; i < json_array_size(exits); i++) {
        struct trace_exit *to = &end->exits[end->exit_count++];
        json_t *exit = json_array_get(exits, i);
        if (!get_text(r, exit, "cause", to->cause, sizeof to->cause) ||
            !get_number(r, exit, "count", INT64_MAX, &to->count) ||
            !get_number(r, exit, "ns_total", INT64_MAX, &to->ns_total))
            return false;
    }
    return true;
}

static bool get_range(struct reading *r, json_t *object, struct vmm_range *range)
{
    uint64_t pages, shadow_pages;
    if (!get_hexadecimal(r, object, "linear", &range->linear, NULL) ||
        !get_number(r, object, "pages", 1 << 20, &pages) ||
        !get_number(r, object, "shadow_pages", pages, &shadow_pages) ||
        !get_bool(r, object, "user", &range->user) ||
        !get_bool(r, object, "writable", &range->writable))
        return false;
    range->pages = (uint32_t)pages;
    range->shadow_pages = (uint32_t)shadow_pages;
    return (pages && range->linear / 4096u + pages <= 1 << 20) || fail_field(r, "pages");
}

static bool get_map(struct reading *r, json_t *object, struct trace_end *end)
{
    json_t *map = json_object_get(object, "map");
    if (!json_is_array(map) || json_array_size(map) > TRACE_RANGES)
        return fail_field(r, "map");
    for (size_t i = 0; i < json_array_size(map); i++)
        if (!get_range(r, json_array_get(map, i), &end->ranges[end->range_count++]))
            return false;
    return get_bool(r, object, "paging", &end->paging) &&
           get_bool(r, object, "shadowed", &end->shadowed);
}

static bool get_counts(struct reading *r, json_t *object, struct trace_end *end)
{
    const struct {
        const char *name;
        uint64_t *value;
    } counts[] = {
        {"records", &end->records},
        {"exit_code", &end->exit_code},
        {"guest_instructions", &end->guest_instructions},
        {"direct", &end->direct},
        {"translated", &end->translated},
        {"interpreted", &end->interpreted},
        {"emulated", &end->emulated},
        {"virtual_time", &end->virtual_time},
        {"interrupts", &end->interrupts},
        {"port_accesses", &end->port_accesses},
        {"host_ns", &end->host_ns},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (!get_number(r, object, counts[i].name, INT64_MAX, counts[i].value))
            return false;
    return true;
}

static bool take_end(struct reading *r, json_t *object)
{
    uint64_t vm, status;
    struct trace_end *end = calloc(1, sizeof *end);
    if (!end)
        return fail(r, "there is no memory left");
    bool good = get_number(r, object, "vm", TRACE_VMS - 1, &vm) &&
                get_number(r, object, "status", 255, &status) && get_counts(r, object, end) &&
                get_text(r, object, "stop", end->stop, sizeof end->stop) &&
                get_text(r, object, "stop_text", end->stop_text, sizeof end->stop_text) &&
                get_text(r, object, "digest", end->digest, sizeof end->digest) &&
                get_exits(r, object, end) && get_map(r, object, end);
    if (good) {
        end->vm = (unsigned)vm;
        end->status = (int)status;
        good = r->client->end(r->client->context, end) || fail(r, "there is no memory left");
    }
    free(end);
    return good;
}

/* ---- lines ---- */

static bool take_object(struct reading *r, json_t *object)
{
    json_t *begin = json_object_get(object, "trace"), *end = json_object_get(object, "end");
    json_t *args = json_object_get(object, "args");
    const char *phase = json_string_value(json_object_get(object, "ph"));
    r->any = true;
    if (begin)
        return take_begin(r, begin);
    if (end)
        return take_end(r, end);
    if (phase && strcmp(phase, "M") == 0)
        return true; /* names of tracks */
    return take_record(r, phase && args ? args : object);
}

/* What holds a timeline's lines together. */
static bool is_frame(const char *line)
{
    static const char *const frames[] = {"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", ",",
                                         "],\"otherData\":{\"vms\":[", "]}}"};
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
        if (strcmp(line, frames[i]) == 0)
            return true;
    return !*line;
}

static bool take_line(struct reading *r, char *line, size_t length)
{
    json_error_t error;
    while (length &&
           (isspace((unsigned char)line[length - 1]) || (line[length - 1] == ',' && length > 1)))
        length--;
    if (length != strnlen(line, length))
        return fail(r, "'%s' has a zero byte in line %llu; it is no trace", r->name,
                    (unsigned long long)r->line);
    line[length] = '\0';
    if (is_frame(line))
        return true;
    json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(object)) {
        json_decref(object);
        if (!r->any)
            return fail(r, "'%s' is no trace; make one with 'vmm run --trace FILE.jsonl IMAGE'",
                        r->name);
        return fail(r, "'%s' cannot be read from line %llu on: it was cut off or edited", r->name,
                    (unsigned long long)r->line);
    }
    bool good = take_object(r, object);
    json_decref(object);
    return good;
}

/* As getline, but a line is bounded, and what is behind the bound is a mistake of the file's. */
static bool get_line(FILE *file, char *line, size_t *length)
{
    int c = EOF;
    *length = 0;
    while (*length + 1 < LONGEST_LINE && (c = getc_unlocked(file)) != EOF) {
        line[(*length)++] = (char)c;
        if (c == '\n')
            break;
    }
    line[*length] = '\0';
    return *length > 0;
}

bool trace_read(FILE *file, const char *name, struct trace_names *names,
                const struct trace_client *client, char *why, size_t room)
{
    struct reading r = {.name = name, .names = names, .client = client, .why = why, .room = room};
    char *line = malloc(LONGEST_LINE);
    size_t length;
    bool good = line != NULL;
    if (!line)
        fail(&r, "there is no memory left");
    while (good && get_line(file, line, &length)) {
        r.line++;
        good = take_line(&r, line, length);
    }
    free(line);
    if (good && ferror(file))
        return fail(&r, "'%s' cannot be read: %s", name, strerror(errno));
    if (good && !r.any)
        return fail(&r, "'%s' is empty; make a trace with 'vmm run --trace FILE.jsonl IMAGE'",
                    name);
    return good;
}
