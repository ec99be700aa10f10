/* The differing parts of two states, by name: what the digest takes in, component by component, so
 * that a reader sees in which of them a technique went its own way. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "digest.h"
#include "vm.h"
#include "vmm/debug.h"

enum { DEVICE_TEXT = 8192 };

/* ---- a list of differences ---- */

static struct vmm_audit_difference *add(struct vmm_audit_divergence *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* NULL if there is no room left. */
static struct vmm_audit_difference *add(struct vmm_audit_divergence *d, const char *format, ...)
{
    if (d->difference_count++ >= VMM_AUDIT_DIFFERENCES)
        return 0;
    struct vmm_audit_difference *found = &d->differences[d->difference_count - 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(found->name, sizeof found->name, format, arguments);
    va_end(arguments);
    return found;
}

void audit_add_number(struct vmm_audit_divergence *d, const char *name, uint32_t bare, uint32_t vm)
{
    struct vmm_audit_difference *found = bare != vm ? add(d, "%s", name) : 0;
    if (found) {
        snprintf(found->bare, sizeof found->bare, "0x%08x", bare);
        snprintf(found->vm, sizeof found->vm, "0x%08x", vm);
    }
}

/* ---- the processor ---- */

static void compare_flags(struct vmm_audit_divergence *d, uint32_t bare, uint32_t vm)
{
    static const struct {
        const char *name;
        unsigned shift, mask;
    } flags[] = {{"cf", 0, 1},  {"pf", 2, 1},  {"af", 4, 1},   {"zf", 6, 1},
                 {"sf", 7, 1},  {"tf", 8, 1},  {"if", 9, 1},   {"df", 10, 1},
                 {"of", 11, 1}, {"nt", 14, 1}, {"iopl", 12, 3}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        unsigned a = bare >> flags[i].shift & flags[i].mask;
        unsigned b = vm >> flags[i].shift & flags[i].mask;
        struct vmm_audit_difference *found = a != b ? add(d, "%s", flags[i].name) : 0;
        if (found) {
            snprintf(found->bare, sizeof found->bare, "%u", a);
            snprintf(found->vm, sizeof found->vm, "%u", b);
        }
    }
}

static void compare_hidden(struct vmm_audit_divergence *d, const char *name,
                           const struct x86_segment *bare, const struct x86_segment *vm)
{
    char part[32];
    snprintf(part, sizeof part, "%s.base", name);
    audit_add_number(d, part, bare->base, vm->base);
    snprintf(part, sizeof part, "%s.limit", name);
    audit_add_number(d, part, bare->limit, vm->limit);
    snprintf(part, sizeof part, "%s.attributes", name);
    audit_add_number(d, part, bare->attributes, vm->attributes);
}

static void compare_processor(const struct audit_pair *pair, struct vmm_audit_divergence *d)
{
    static const char *const segments[] = {"es", "cs", "ss", "ds", "fs", "gs"};
    const struct cpu_state *a = pair->bare.vm->dispatcher.guest;
    const struct cpu_state *b = pair->other.vm->dispatcher.guest;
    const char *name;
    for (size_t i = 0; (name = vmm_register_name(i)); i++) {
        uint32_t bare = 0, vm = 0;
        vmm_register(pair->bare.vm, name, &bare);
        vmm_register(pair->other.vm, name, &vm);
        if (strcmp(name, "eflags") == 0) {
            bare &= ~(uint32_t)X86_RF;
            vm &= ~(uint32_t)X86_RF;
        }
        audit_add_number(d, name, bare, vm);
    }
    compare_flags(d, a->eflags, b->eflags);
    for (unsigned i = 0; i < X86_SREGS; i++)
        compare_hidden(d, segments[i], &a->seg[i], &b->seg[i]);
    compare_hidden(d, "ldtr", &a->ldtr, &b->ldtr);
    compare_hidden(d, "tr", &a->tr, &b->tr);
    for (unsigned i = 0; i < 8; i++) {
        char register_name[] = {'d', 'r', (char)('0' + i), '\0'};
        audit_add_number(d, register_name, a->dr[i], b->dr[i]);
    }
    audit_add_number(d, "halted", pair->bare.vm->dispatcher.halted,
                     pair->other.vm->dispatcher.halted);
}

/* ---- devices, console, end ---- */

/* The first line of two texts that differs. */
static void compare_text(struct vmm_audit_divergence *d, const char *name, const char *a,
                         const char *b)
{
    while (*a && *b) {
        size_t length = strcspn(a, "\n"), other = strcspn(b, "\n");
        if (length != other || memcmp(a, b, length) != 0)
            break;
        a += length + (a[length] == '\n');
        b += other + (b[other] == '\n');
    }
    struct vmm_audit_difference *found = *a || *b ? add(d, "%s", name) : 0;
    if (found) {
        snprintf(found->bare, sizeof found->bare, "%.*s", (int)strcspn(a, "\n"), a);
        snprintf(found->vm, sizeof found->vm, "%.*s", (int)strcspn(b, "\n"), b);
    }
}

static void compare_devices(const struct audit_pair *pair, struct vmm_audit_divergence *d)
{
    const char *name;
    char *a = malloc(DEVICE_TEXT), *b = malloc(DEVICE_TEXT);
    for (size_t i = 0; a && b && (name = vmm_device(i)); i++) {
        *a = *b = '\0';
        vmm_device_text(pair->bare.vm, name, a, DEVICE_TEXT);
        vmm_device_text(pair->other.vm, name, b, DEVICE_TEXT);
        compare_text(d, name, a, b);
    }
    free(a);
    free(b);
}

static void describe_output(const struct audit_side *side, char *text, size_t room)
{
    enum { SHOWN = 12, RING = sizeof side->printed.tail };
    uint64_t count = side->printed.count, shown = count < SHOWN ? count : SHOWN;
    size_t used = (size_t)snprintf(text, room, "%llu bytes, the last:", (unsigned long long)count);
    for (uint64_t i = count - shown; i < count && used < room; i++)
        used += (size_t)snprintf(text + used, room - used, " %02x",
                                 (uint8_t)side->printed.tail[i % RING]);
}

static void compare_output(const struct audit_pair *pair, struct vmm_audit_divergence *d)
{
    const struct audit_side *a = &pair->bare, *b = &pair->other;
    struct vmm_audit_difference *found =
        a->printed.count != b->printed.count || a->printed.hash != b->printed.hash
            ? add(d, "console")
            : 0;
    if (found) {
        describe_output(a, found->bare, sizeof found->bare);
        describe_output(b, found->vm, sizeof found->vm);
    }
}

/* How a run ended is a difference where the counts are others, or the reasons. */
static void compare_ends(const struct audit_pair *pair, struct vmm_audit_divergence *d)
{
    const struct vmm_vm *a = pair->bare.vm, *b = pair->other.vm;
    uint64_t counts[] = {dispatcher_instructions(&a->dispatcher),
                         dispatcher_instructions(&b->dispatcher)};
    struct vmm_audit_difference *found =
        a->stop != b->stop || counts[0] != counts[1] ? add(d, "stop") : 0;
    if (found) {
        snprintf(found->bare, sizeof found->bare, "%s after %llu", vmm_stop_name(a->stop),
                 (unsigned long long)counts[0]);
        snprintf(found->vm, sizeof found->vm, "%s after %llu", vmm_stop_name(b->stop),
                 (unsigned long long)counts[1]);
    }
    if (a->board.exit_code != b->board.exit_code)
        audit_add_number(d, "exit code", a->board.exit_code, b->board.exit_code);
    uint64_t times[] = {dispatcher_time(&a->dispatcher), dispatcher_time(&b->dispatcher)};
    found = times[0] != times[1] ? add(d, "virtual time") : 0;
    if (found) {
        snprintf(found->bare, sizeof found->bare, "%llu", (unsigned long long)times[0]);
        snprintf(found->vm, sizeof found->vm, "%llu", (unsigned long long)times[1]);
    }
}

bool audit_same(struct audit_pair *pair)
{
    const struct vmm_vm *a = pair->bare.vm, *b = pair->other.vm;
    return digest_processor(0, a) == digest_processor(0, b) &&
           digest_board(0, &a->board) == digest_board(0, &b->board) &&
           dispatcher_time(&a->dispatcher) == dispatcher_time(&b->dispatcher) &&
           audit_memory_same(pair->memory, pair);
}

void audit_compare(const struct audit_pair *pair, const struct audit_words *before,
                   struct vmm_audit_divergence *divergence)
{
    compare_ends(pair, divergence);
    compare_output(pair, divergence);
    compare_processor(pair, divergence);
    audit_memory_compare(pair, before, divergence);
    compare_devices(pair, divergence);
}
