/* What many commands need: words, numbers, expressions, places in the guest's code. */
#include "shell/repl/repl.h"

#include "shell/file.h"
#include "shell/nearest.h"
#include "shell/repl/expression.h"
#include "shell/repl/source.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool repl_need_guest(struct session *session)
{
    if (session->guest.vm)
        return true;
    return repl_complain(session, "There is no guest; load one with 'file IMAGE'.");
}

char *repl_word(char **text)
{
    while (isspace((unsigned char)**text))
        (*text)++;
    char *word = *text;
    if (!*word)
        return NULL;
    while (**text && !isspace((unsigned char)**text))
        (*text)++;
    if (**text)
        *(*text)++ = '\0';
    return word;
}

bool repl_count(struct session *session, const char *text, uint64_t *count)
{
    char *end;
    errno = 0;
    *count = strtoull(text, &end, 0);
    if (!isdigit((unsigned char)*text) || *end || errno || !*count)
        return repl_complain(session, "'%.40s' is no count; give a number from 1 on.", text);
    return true;
}

/* ---- expressions ---- */

/* Parts of registers, and gdb's names for some. */
static const struct {
    char name[6], whole[8];
    uint8_t shift;
    uint32_t mask;
} parts[] = {
    {"pc", "eip", 0, ~0u},          {"sp", "esp", 0, 0xffff}, {"fp", "ebp", 0, ~0u},
    {"flags", "eflags", 0, 0xffff}, {"ip", "eip", 0, 0xffff}, {"bp", "ebp", 0, 0xffff},
    {"si", "esi", 0, 0xffff},       {"di", "edi", 0, 0xffff}, {"ax", "eax", 0, 0xffff},
    {"bx", "ebx", 0, 0xffff},       {"cx", "ecx", 0, 0xffff}, {"dx", "edx", 0, 0xffff},
    {"al", "eax", 0, 0xff},         {"bl", "ebx", 0, 0xff},   {"cl", "ecx", 0, 0xff},
    {"dl", "edx", 0, 0xff},         {"ah", "eax", 8, 0xff},   {"bh", "ebx", 8, 0xff},
    {"ch", "ecx", 8, 0xff},         {"dh", "edx", 8, 0xff},
};

static bool read_register(void *context, const char *name, uint32_t *value)
{
    const struct session *session = context;
    const struct vmm_vm *vm = session->guest.vm;
    if (!vm)
        return false;
    if (vmm_register(vm, name, value))
        return true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strcasecmp(parts[i].name, name) != 0)
            continue;
        vmm_register(vm, parts[i].whole, value);
        *value = *value >> parts[i].shift & parts[i].mask;
        return true;
    }
    return false;
}

static bool read_symbol(void *context, const char *name, uint32_t *value)
{
    const struct session *session = context;
    const char *colon = strchr(name, ':');
    char file[LINE_ROOM];
    if (!session->guest.vm)
        return false;
    if (!colon)
        return vmm_symbol_address(session->guest.vm, name, value);
    snprintf(file, sizeof file, "%.*s", (int)(colon - name), name);
    return source_address(session->source, file, (unsigned)strtoul(colon + 1, NULL, 10), value);
}

static bool read_memory(void *context, bool physical, uint32_t address, unsigned size,
                        uint32_t *value)
{
    const struct session *session = context;
    const struct vmm_vm *vm = session->guest.vm;
    uint8_t bytes[4] = {0};
    size_t count = !vm        ? 0
                   : physical ? vmm_read_physical(vm, address, bytes, size)
                              : vmm_read_linear(vm, address, bytes, size);
    *value = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
             (uint32_t)bytes[3] << 24;
    return count == size;
}

static const char *register_name(void *context, size_t i)
{
    (void)context;
    return vmm_register_name(i);
}

static const char *symbol_name(void *context, size_t i)
{
    const struct session *session = context;
    return session->guest.vm ? vmm_symbol_name(session->guest.vm, i) : NULL;
}

/* A register without its dollar sign is the likeliest mistake of all. */
static const char *nearest_operand(void *context, bool is_register, const char *name)
{
    static char meant[LINE_ROOM];
    uint32_t value;
    bool bare_register = !is_register && read_register(context, name, &value);
    const char *found = bare_register ? name
                        : is_register ? nearest_name(name, register_name, NULL)
                                      : nearest_name(name, symbol_name, context);
    if (!found)
        return NULL;
    snprintf(meant, sizeof meant, "%s%s", bare_register || is_register ? "$" : "", found);
    return meant;
}

bool repl_evaluate(struct session *session, const char *text, const char **rest, uint32_t *value)
{
    char why[256];
    const struct expression_source source = {session, read_register, read_symbol, read_memory,
                                             nearest_operand};
    if (expression_evaluate(text, rest, &source, value, why, sizeof why))
        return true;
    return repl_complain(session, "%s", why);
}

/* ---- symbols of other files ---- */

void repl_load_symbols(struct session *session)
{
    const struct vmm_file *image = &session->guest.image;
    struct vmm_error error;
    session->source = source_open(image->bytes, image->size);
    for (unsigned i = 0; i < session->symbol_file_count; i++) {
        const struct vmm_file *file = &session->symbol_files[i].file;
        if (vmm_symbols_add(session->guest.vm, file, &error) != VMM_OK)
            repl_complain(session, "%s.", error.text);
        session->source = source_chain(session->source, source_open(file->bytes, file->size));
    }
}

void repl_forget_symbols(struct session *session)
{
    source_close(session->source);
    session->source = NULL;
    while (session->symbol_file_count) {
        struct symbol_file *last = &session->symbol_files[--session->symbol_file_count];
        vmm_file_free(&last->file);
        free(last->path);
    }
}

bool repl_add_symbols(struct session *session, char *arguments)
{
    struct symbol_file *added = &session->symbol_files[session->symbol_file_count];
    struct vmm_error error;
    if (!repl_need_guest(session))
        return false;
    if (!*arguments)
        return repl_complain(session, "There is no file; write 'add-symbol-file FILE'.");
    if (session->symbol_file_count == SYMBOL_FILES)
        return repl_complain(
            session, "There are %d files of symbols; that is all there is room for.", SYMBOL_FILES);
    added->path = strdup(arguments);
    if (added->path && vmm_file_read(added->path, &added->file, &error) &&
        vmm_symbols_add(session->guest.vm, &added->file, &error) == VMM_OK) {
        session->symbol_file_count++;
        session->source =
            source_chain(session->source, source_open(added->file.bytes, added->file.size));
        return true;
    }
    repl_complain(session, "%s.", added->path ? error.text : "There is no memory left");
    vmm_file_free(&added->file);
    free(added->path);
    return false;
}

/* ---- places ---- */

const char *repl_place(const struct session *session, uint32_t linear, char *text, size_t room)
{
    char symbol[96];
    vmm_symbol_text(session->guest.vm, linear, symbol, sizeof symbol);
    snprintf(text, room, "0x%08x%s%s%s", linear, *symbol ? " <" : "", symbol, *symbol ? ">" : "");
    return text;
}

uint32_t repl_pc(const struct session *session)
{
    struct vmm_registers r;
    vmm_registers(session->guest.vm, &r);
    return r.segment_base[1] + r.eip;
}

bool repl_code16(const struct session *session)
{
    return vmm_code16(session->guest.vm);
}

/* PUSH EBP; MOV EBP, ESP: before and behind the first of them. */
unsigned repl_frames(const struct session *session, struct vmm_frame *frames, unsigned room)
{
    const struct vmm_vm *vm = session->guest.vm;
    uint32_t offset, stack = 0, caller;
    unsigned count = vmm_backtrace(vm, frames, room);
    vmm_register(vm, "esp", &stack);
    if (!count || room < 2 || !vmm_symbol(vm, frames[0].pc, &offset) || offset > 1 ||
        vmm_read_linear(vm, stack + 4 * offset, &caller, sizeof caller) != sizeof caller)
        return count;
    if (count == room)
        count--;
    memmove(&frames[2], &frames[1], (count - 1) * sizeof *frames);
    frames[1] = (struct vmm_frame){.pc = caller, .base = frames[0].base};
    return count + 1;
}

bool repl_print_source(struct session *session, uint32_t linear)
{
    char text[160];
    const char *file;
    unsigned line;
    if (!source_line(session->source, linear, &file, &line))
        return false;
    const char *slash = strrchr(file, '/');
    if (!source_text(session->source, file, line, text, sizeof text))
        *text = '\0';
    repl_say(session, "   %s%s:%u%s  %s\n", repl_paint(session, PAINT_DIM),
             slash ? slash + 1 : file, line, repl_paint(session, PAINT_OFF),
             text + strspn(text, " \t"));
    return true;
}

unsigned repl_print_instruction(struct session *session, uint32_t linear, bool current)
{
    uint8_t bytes[15];
    char text[128], place[128];
    size_t count = vmm_read_linear(session->guest.vm, linear, bytes, sizeof bytes);
    repl_place(session, linear, place, sizeof place);
    if (!count) {
        repl_say(session, "%s %s: not mapped\n", current ? "=>" : "  ", place);
        return 0;
    }
    unsigned length =
        vmm_disassemble(bytes, count, linear, repl_code16(session), text, sizeof text);
    repl_say(session, "%s %s%s%s: %s\n", current ? "=>" : "  ", repl_paint(session, PAINT_PLACE),
             place, repl_paint(session, PAINT_OFF), text);
    return length;
}
