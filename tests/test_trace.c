/* Traces: the text of a record, and what each format makes of a run. JSON is judged by a parser
 * that is not ours (Jansson), timelines by what Perfetto asks of complete events ("Trace Event
 * Format": ph X with ts and dur in microseconds, slices of one track nested or apart). */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/trace.h>
#include <vmm/vm.h>

/* 32-bit code at 1 MB that raises a breakpoint and a divide error in turn, three times each, with
 * a handler that skips the divisor's two bytes. */
static const uint8_t code[] = {
    0xbc,          0x00, 0x00, 0x20, 0x00,             /* 00 mov esp,0x200000 */
    0x0f,          0x01, 0x1d, 0x60, 0x00, 0x10, 0x00, /* 05 lidt [0x100060] */
    0xb9,          0x03, 0x00, 0x00, 0x00,             /* 0c mov ecx,3 */
    0xcc,                                              /* 11 int3 */
    0x31,          0xd2,                               /* 12 xor edx,edx */
    0xf7,          0xf2,                               /* 14 div edx */
    0xe2,          0xf9,                               /* 16 loop 11 */
    0xb0,          0x00, 0xe6, 0xf4,                   /* 18 mov al,0; out 0xf4,al */
    0x83,          0x04, 0x24, 0x02,                   /* 1c add dword [esp],2: the #DE handler */
    0xcf,                                              /* 20 iret: the #BP handler */
    [0x60] = 0x1f, 0x00, 0x70, 0x00, 0x10, 0x00,       /* the IDT: 4 entries at 0x100070 */
    [0x70] = 0x1c, 0x00, 0x08, 0x00, 0x00, 0x8e, 0x10, 0x00, /* 0: #DE */
    [0x88] = 0x20, 0x00, 0x08, 0x00, 0x00, 0x8e, 0x10, 0x00, /* 3: #BP */
};

struct sink {
    char *bytes;
    size_t count, room;
};

static bool keep(void *context, const char *bytes, size_t count)
{
    struct sink *sink = context;
    if (count > sink->room - sink->count)
        return false;
    memcpy(sink->bytes + sink->count, bytes, count);
    sink->count += count;
    sink->bytes[sink->count] = '\0';
    return true;
}

static struct vmm_vm *start(void)
{
    struct vmm_error error;
    const struct vmm_config config = {.memory_size = 4 << 20};
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = code, .size = sizeof code}};
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    return vm;
}

/* The trace of one run; its text is the caller's to free. */
static char *trace(enum vmm_trace_format format)
{
    struct sink sink = {.bytes = calloc(1, 65537), .room = 65536};
    struct vmm_vm *vm = start();
    struct vmm_trace *trace = vmm_trace_begin(format, keep, &sink);
    cr_assert(vmm_trace_watch(trace, vm));
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    cr_assert(vmm_trace_end(trace));
    vmm_destroy(vm);
    return sink.bytes;
}

static unsigned lines(const char *text)
{
    unsigned count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

Test(trace, a_record_is_one_line)
{
    char text[VMM_RECORD_TEXT];
    struct vmm_vm *vm = start();
    struct vmm_record record = {.vm = 1,
                                .ring = 0,
                                .cause = "cli",
                                .routine = "cli",
                                .outcome = "done",
                                .walk = "DI",
                                .eip = 0xc,
                                .linear = 0x10000c,
                                .length = 1,
                                .bytes = {0xfa},
                                .has_vector = true,
                                .vector = 13,
                                .has_error_code = true,
                                .change_count = 1,
                                .changes = {{"if", 1, 0}}};
    vmm_record_text(vm, &record, text, sizeof text);
    cr_assert_str_eq(text, "[vm1 ring0] 0x0010000c cli = #GP(0x0) -> D-I cli: done; if 1->0");
    record = (struct vmm_record){.cause = "true_fault",
                                 .ring = 3,
                                 .walk = "DA",
                                 .routine = "shadow_fault",
                                 .outcome = "inject",
                                 .linear = 0x8000,
                                 .length = 3,
                                 .bytes = {0x8b, 0x04, 0x93},
                                 .has_vector = true,
                                 .vector = 14,
                                 .has_error_code = true,
                                 .error_code = 4,
                                 .has_address = true,
                                 .address = 0xdead0000u,
                                 .injected = true,
                                 .injected_vector = 14};
    vmm_record_text(vm, &record, text, sizeof text);
    cr_assert_str_eq(text, "[vm0 ring3] 0x00008000 mov eax, dword ptr [ebx + edx*4] = #PF(0x4) at "
                           "0xdead0000 true_fault -> D-A shadow_fault: inject");
    size_t length = strlen(text);
    cr_assert_eq(vmm_record_text(vm, &record, text, 20), length, "what it would take");
    cr_assert_eq(strlen(text), 19, "cut off");
    vmm_destroy(vm);
}

Test(trace, real_mode_addresses_have_segments)
{
    char text[VMM_RECORD_TEXT];
    struct vmm_vm *vm = start();
    const struct vmm_record record = {.cause = "software_interrupt",
                                      .code16 = true,
                                      .cs = 0xf000,
                                      .eip = 0x12,
                                      .linear = 0xf0012,
                                      .length = 2,
                                      .bytes = {0xcd, 0x10},
                                      .has_vector = true,
                                      .vector = 0x10,
                                      .routine = "hardware",
                                      .outcome = "delivered"};
    vmm_record_text(vm, &record, text, sizeof text);
    cr_assert_str_eq(text, "[vm0 ring0] f000:0012 int 0x10 = int 0x10 -> hardware: delivered");
    vmm_destroy(vm);
}

Test(trace, instructions_are_disassembled_as_the_decoder_sees_them)
{
    static const uint8_t mov[] = {0x0f, 0x22, 0xd8}, wide[] = {0xb8, 0x34, 0x12, 0, 0},
                         bad[] = {0x0f, 0xff, 0xff};
    char text[64];
    cr_assert_eq(vmm_disassemble(mov, sizeof mov, 0, false, text, sizeof text), 3);
    cr_assert_str_eq(text, "mov cr3, eax");
    cr_assert_eq(vmm_disassemble(wide, sizeof wide, 0, true, text, sizeof text), 3);
    cr_assert_str_eq(text, "mov ax, 0x1234");
    cr_assert_eq(vmm_disassemble(mov, 2, 0, false, text, sizeof text), 0, "the end is missing");
    cr_assert_str_eq(text, "(bad)");
    vmm_disassemble(bad, sizeof bad, 0, false, text, sizeof text);
    vmm_disassemble(mov, 0, 0, false, text, sizeof text);
    cr_assert_str_eq(text, "(bad)");
}

Test(trace, text_has_a_line_a_trap_and_repeats)
{
    char *one = trace(VMM_TRACE_TEXT), *two = trace(VMM_TRACE_TEXT);
    cr_assert_eq(lines(one), 6);
    cr_assert_str_eq(one, two);
    cr_assert_eq(strncmp(one,
                         "           3 [vm0 ring0] 0x00100011 int3 = int 0x3 -> hardware: "
                         "delivered",
                         60),
                 0, "%s", one);
    cr_assert_not_null(strstr(one, "0x00100014 div edx = #DE -> hardware: delivered"));
    free(one);
    free(two);
}

/* What is said before and behind the records: the statistics are the run's, each cause with its
 * count. */
static void judge_notes(const char *first, const char *last)
{
    json_t *begin = json_loads(first, JSON_REJECT_DUPLICATES, NULL);
    json_t *end = json_loads(last, JSON_REJECT_DUPLICATES, NULL);
    const char *technique;
    json_int_t version, records, instructions, count = 0;
    json_t *exits, *map, *exit;
    size_t i;
    cr_assert_eq(
        json_unpack(begin, "{s:{s:I, s:s}}", "trace", "format", &version, "technique", &technique),
        0, "%s", first);
    cr_assert_eq(version, 1);
    cr_assert_str_eq(technique, "bare");
    cr_assert_eq(json_unpack(end, "{s:{s:I, s:I, s:o, s:o}}", "end", "records", &records,
                             "guest_instructions", &instructions, "exits", &exits, "map", &map),
                 0, "%s", last);
    cr_assert_eq(records, 6);
    cr_assert_geq(instructions, 6);
    json_array_foreach(exits, i, exit) count += json_integer_value(json_object_get(exit, "count"));
    cr_assert_eq(count, 6);
    cr_assert_eq(json_array_size(map), 0, "paging is off");
    json_decref(begin);
    json_decref(end);
}

Test(trace, json_lines_are_objects)
{
    char *text = trace(VMM_TRACE_JSON_LINES), *rest = text;
    unsigned count = 0;
    char *first = strsep(&rest, "\n"), *last = strstr(rest, "{\"end\"");
    cr_assert_not_null(last, "%s", text);
    judge_notes(first, last);
    *last = '\0';
    json_int_t before = 0;
    for (char *line; (line = strsep(&rest, "\n")) && *line; count++) {
        json_error_t error;
        json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
        cr_assert_not_null(object, "%s: %s", error.text, line);
        cr_assert_eq(json_integer_value(json_object_get(object, "sequence")), count + 1);
        cr_assert_geq(json_integer_value(json_object_get(object, "time")), before);
        before = json_integer_value(json_object_get(object, "time"));
        const char *cause = json_string_value(json_object_get(object, "cause"));
        cr_assert_str_eq(cause, count % 2 ? "exception" : "software_interrupt");
        cr_assert_str_eq(json_string_value(json_object_get(object, "text")),
                         count % 2 ? "div edx" : "int3");
        cr_assert_str_eq(json_string_value(json_object_get(object, "bytes")),
                         count % 2 ? "f7f2" : "cc");
        cr_assert(json_is_null(json_object_get(object, "port")));
        json_decref(object);
    }
    cr_assert_eq(count, 6);
    free(text);
}

Test(trace, chrome_events_are_a_timeline)
{
    char *text = trace(VMM_TRACE_CHROME);
    json_error_t error;
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, &error), *event;
    cr_assert_not_null(document, "%s: %s", error.text, text);
    size_t i;
    unsigned slices = 0, names = 0;
    double end = 0;
    json_array_foreach(json_object_get(document, "traceEvents"), i, event)
    {
        const char *phase = json_string_value(json_object_get(event, "ph"));
        names += *phase == 'M';
        if (*phase != 'X')
            continue;
        json_t *args = json_object_get(event, "args");
        double begin = json_number_value(json_object_get(event, "ts"));
        double time = (double)json_integer_value(json_object_get(args, "time"));
        cr_assert_float_eq(begin, time / 100, 1e-6, "100 cycles are a microsecond");
        cr_assert_geq(begin + 1e-6, end, "slices overlap");
        end = begin + json_number_value(json_object_get(event, "dur"));
        cr_assert_str_eq(json_string_value(json_object_get(event, "name")),
                         slices % 2 ? "exception #DE" : "software_interrupt #BP");
        slices++;
    }
    cr_assert_eq(slices, 6);
    cr_assert_eq(names, 2, "of the process and of the thread");
    json_decref(document);
    free(text);
}

Test(trace, a_trace_without_traps_is_complete)
{
    struct sink sink = {.bytes = calloc(1, 4097), .room = 4096};
    struct vmm_trace *trace = vmm_trace_begin(VMM_TRACE_CHROME, keep, &sink);
    struct vmm_vm *vm = start();
    cr_assert(vmm_trace_watch(trace, vm));
    cr_assert(vmm_trace_end(trace));
    json_t *document = json_loads(sink.bytes, 0, NULL);
    cr_assert_not_null(document, "%s", sink.bytes);
    cr_assert_eq(json_array_size(json_object_get(document, "traceEvents")), 0);
    json_decref(document);
    free(sink.bytes);
    vmm_destroy(vm);
}

Test(trace, a_full_disk_stops_the_trace_and_not_the_run)
{
    for (size_t room = 0; room < 2000; room += 97) {
        struct sink sink = {.bytes = calloc(1, room + 1), .room = room};
        struct vmm_statistics statistics;
        struct vmm_vm *vm = start();
        struct vmm_trace *trace = vmm_trace_begin(VMM_TRACE_CHROME, keep, &sink);
        vmm_trace_watch(trace, vm);
        cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
        vmm_statistics(vm, &statistics);
        cr_assert_eq(statistics.exceptions, 3);
        cr_assert_not(vmm_trace_written(trace), "%zu bytes were enough", room);
        cr_assert_not(vmm_trace_end(trace));
        vmm_destroy(vm);
        free(sink.bytes);
    }
}
