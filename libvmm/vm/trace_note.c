/* The first and the last line of a VM in a trace, so that a trace alone is enough for a report: the
 * numbers are those that `vmm run --stats` prints of the same run. */
#include "trace_note.h"

#include <inttypes.h>
#include <stdbool.h>

#include "text.h"
#include "vm.h"
#include "vmm/debug.h"
#include "vmm/version.h"

enum { FORMAT = 1, ROOM = 4096, MOST_RANGES = 1000 };

struct note {
    vmm_write *write;
    void *context;
    unsigned ranges; /* so far */
    char bytes[ROOM];
    struct text text;
};

static struct text *begin(struct note *note)
{
    note->text = text_in(note->bytes, sizeof note->bytes);
    return &note->text;
}

static void flush(struct note *note)
{
    size_t length = note->text.length;
    note->write(note->context, note->bytes, length < ROOM ? length : ROOM - 1);
    begin(note);
}

/* A sentence may quote what a file or a guest says. */
static void add_sentence(struct text *out, const char *name, const char *value)
{
    text_add(out, ",\"%s\":\"", name);
    for (; *value; value++) {
        bool plain = *value >= ' ' && *value < 0x7f && *value != '"' && *value != '\\';
        text_add(out, plain ? "%c" : "\\u%04x", plain ? *value : (unsigned char)*value);
    }
    text_add(out, "\"");
}

void note_begin(const struct vmm_vm *vm, vmm_write *write, void *context)
{
    struct note note = {.write = write, .context = context};
    struct vmm_statistics s;
    vmm_statistics(vm, &s);
    text_add(begin(&note),
             "{\"trace\":{\"format\":%d,\"version\":\"%s\",\"vm\":%u,\"technique\":\"%s\","
             "\"memory\":%u,\"clock\":\"%s\"}}\n",
             FORMAT, vmm_version(), vm->dispatcher.recorder.vm, s.technique, vm->memory_size,
             vm->dispatcher.cpu->host_clock ? "host" : "virtual");
    flush(&note);
}

static void add_statistics(struct note *note, const struct vmm_vm *vm, uint64_t records)
{
    struct vmm_statistics s;
    struct text *out = &note->text;
    vmm_statistics(vm, &s);
    text_add(out, "{\"end\":{\"vm\":%u,\"records\":%" PRIu64 ",\"stop\":\"%s\"",
             vm->dispatcher.recorder.vm, records, vmm_stop_name(s.stop));
    add_sentence(out, "stop_text", vmm_stop_text(vm));
    text_add(out,
             ",\"exit_code\":%" PRIu32 ",\"status\":%d,\"guest_instructions\":%" PRIu64
             ",\"direct\":%" PRIu64 ",\"translated\":%" PRIu64 ",\"interpreted\":%" PRIu64
             ",\"emulated\":%" PRIu64 ",\"virtual_time\":%" PRIu64 ",\"interrupts\":%" PRIu64
             ",\"port_accesses\":%" PRIu64 ",\"host_ns\":%" PRIu64 ",\"digest\":\"0x%016" PRIx64
             "\",\"exits\":[",
             s.exit_code, s.status, s.guest_instructions, s.direct, s.translated, s.interpreted,
             s.emulated, s.virtual_time, s.interrupts, s.port_accesses, s.host_ns, vmm_digest(vm));
    flush(note);
}

static void add_exits(struct note *note, const struct vmm_vm *vm)
{
    struct vmm_cause_count cause;
    for (size_t i = 0; vmm_cause(vm, i, &cause); i++) {
        text_add(&note->text, "%s{\"cause\":\"%s\",\"count\":%" PRIu64 ",\"ns_total\":%" PRIu64 "}",
                 i ? "," : "", cause.cause, cause.count, cause.ns_total);
        flush(note);
    }
}

static bool add_range(void *context, const struct vmm_range *range)
{
    struct note *note = context;
    text_add(&note->text,
             "%s{\"linear\":\"0x%08x\",\"pages\":%u,\"user\":%s,\"writable\":%s,"
             "\"shadow_pages\":%u}",
             note->ranges ? "," : "", range->linear, range->pages, range->user ? "true" : "false",
             range->writable ? "true" : "false", range->shadow_pages);
    flush(note);
    return ++note->ranges < MOST_RANGES;
}

void note_end(const struct vmm_vm *vm, uint64_t records, vmm_write *write, void *context)
{
    struct note note = {.write = write, .context = context};
    struct vmm_walk walk;
    begin(&note);
    add_statistics(&note, vm, records);
    add_exits(&note, vm);
    vmm_walk(vm, 0, &walk);
    text_add(&note.text, "],\"paging\":%s,\"shadowed\":%s,\"map\":[",
             walk.paging ? "true" : "false", walk.shadowed ? "true" : "false");
    vmm_ranges(vm, add_range, &note);
    text_add(&note.text, "]}}\n");
    flush(&note);
}
