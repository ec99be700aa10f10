/* Commands that look at registers, memory and page tables, and change them. */
#include "shell/repl/repl.h"
#include "shell/repl/source.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- formats ---- */

static void put_binary(struct session *session, uint32_t value, unsigned bits)
{
    char text[33];
    for (unsigned i = 0; i < bits; i++)
        text[i] = value >> (bits - 1 - i) & 1 ? '1' : '0';
    text[bits] = '\0';
    repl_say(session, "%s", text);
}

static int32_t extend(uint32_t value, unsigned bits)
{
    uint32_t sign = 1u << (bits - 1);
    return (int32_t)((value ^ sign) - sign);
}

static void put_value(struct session *session, char format, uint32_t value, unsigned size)
{
    unsigned bits = size * 8;
    switch (format) {
    case 'd': repl_say(session, "%d", extend(value, bits)); break;
    case 'u': repl_say(session, "%u", value); break;
    case 'o': repl_say(session, "0%o", value); break;
    case 't': put_binary(session, value, bits); break;
    case 'c':
        repl_say(session, "%d '%c'", extend(value & 0xff, 8),
                 isprint((int)(value & 0xff)) ? (int)(value & 0xff) : '.');
        break;
    default: repl_say(session, "0x%0*x", (int)size * 2, value); break;
    }
}

struct value_format {
    uint64_t count;
    char format, size;
};

/* "/12xw" in any order of letters; the count comes first. False after a sentence. */
static bool parse_format(struct session *session, char **arguments, struct value_format *format)
{
    char *at = *arguments;
    if (*at != '/')
        return true;
    at++;
    if (isdigit((unsigned char)*at))
        format->count = strtoull(at, &at, 10);
    for (; *at && !isspace((unsigned char)*at); at++) {
        if (strchr("bhw", *at))
            format->size = *at;
        else if (strchr("xduotcsi", *at))
            format->format = *at;
        else
            return repl_complain(session, "'%c' is no format; 'help x' lists them.", *at);
    }
    while (isspace((unsigned char)*at))
        at++;
    *arguments = at;
    if (format->count < 1 || format->count > 4096)
        return repl_complain(session, "That many cannot be shown at once; give 1 to 4096.");
    return true;
}

static unsigned bytes_of(char size)
{
    return size == 'b' ? 1 : size == 'h' ? 2 : 4;
}

/* ---- print ---- */

bool repl_print(struct session *session, char *arguments)
{
    struct value_format format = {1, 0, 'w'};
    uint32_t value;
    char symbol[96];
    if (!parse_format(session, &arguments, &format) ||
        !repl_evaluate(session, arguments, NULL, &value))
        return false;
    repl_say(session, "$%u = ", ++session->values);
    if (format.format) {
        put_value(session, format.format, value, 4);
    } else {
        repl_say(session, "0x%x = %u", value, value);
        if ((int32_t)value < 0)
            repl_say(session, " = %d", (int32_t)value);
        *symbol = '\0';
        if (session->guest.vm)
            vmm_symbol_text(session->guest.vm, value, symbol, sizeof symbol);
        if (*symbol)
            repl_say(session, " <%s>", symbol);
    }
    repl_say(session, "\n");
    return true;
}

/* ---- x ---- */

static bool complain_of_memory(struct session *session, uint32_t linear)
{
    return repl_complain(session,
                         "There is nothing to read at linear address 0x%08x; 'walk' shows "
                         "why.",
                         linear);
}

static bool examine_instructions(struct session *session, uint64_t count)
{
    while (count--) {
        unsigned length = repl_print_instruction(session, session->next_data,
                                                 session->next_data == repl_pc(session));
        uint8_t byte;
        if (!length && !vmm_read_linear(session->guest.vm, session->next_data, &byte, 1))
            return complain_of_memory(session, session->next_data);
        session->next_data += length ? length : 1;
    }
    return true;
}

static void put_string(struct session *session, const char *text)
{
    for (; *text; text++)
        repl_say(session, isprint((unsigned char)*text) ? "%c" : "\\x%02x", (unsigned char)*text);
}

static bool examine_strings(struct session *session, uint64_t count)
{
    char place[128], text[201];
    while (count--) {
        size_t length = vmm_read_linear(session->guest.vm, session->next_data, text, 200);
        if (!length)
            return complain_of_memory(session, session->next_data);
        text[length] = '\0';
        repl_say(session, "%s: \"", repl_place(session, session->next_data, place, sizeof place));
        put_string(session, text);
        repl_say(session, "\"%s\n", strlen(text) == 200 ? "..." : "");
        session->next_data += (uint32_t)strlen(text) + 1;
    }
    return true;
}

static bool examine_values(struct session *session, const struct value_format *format)
{
    unsigned size = bytes_of(format->size);
    unsigned line = format->format == 't' ? 4 / size : format->format == 'c' ? 8 : 16 / size;
    char place[128];
    for (uint64_t i = 0; i < format->count; i++) {
        uint8_t bytes[4] = {0};
        if (vmm_read_linear(session->guest.vm, session->next_data, bytes, size) != size) {
            if (i % line)
                repl_say(session, "\n");
            return complain_of_memory(session, session->next_data);
        }
        if (i % line == 0)
            repl_say(session, "%s:", repl_place(session, session->next_data, place, sizeof place));
        repl_say(session, "  ");
        put_value(session, format->format,
                  (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
                      (uint32_t)bytes[3] << 24,
                  size);
        session->next_data += size;
        if (i % line == line - 1 || i + 1 == format->count)
            repl_say(session, "\n");
    }
    return true;
}

bool repl_examine(struct session *session, char *arguments)
{
    struct value_format format = {1, session->format, session->size};
    uint32_t address;
    if (!repl_need_guest(session) || !parse_format(session, &arguments, &format))
        return false;
    if (*arguments) {
        if (!repl_evaluate(session, arguments, NULL, &address))
            return false;
        session->next_data = address;
    }
    session->format = format.format;
    session->size = format.format == 'c' ? 'b' : format.size;
    switch (format.format) {
    case 'i': return examine_instructions(session, format.count);
    case 's': return examine_strings(session, format.count);
    default: format.size = session->size; return examine_values(session, &format);
    }
}

/* ---- disassemble ---- */

bool repl_disassemble(struct session *session, char *arguments)
{
    const char *rest = arguments;
    uint64_t count = 10;
    if (!repl_need_guest(session))
        return false;
    uint32_t pc = repl_pc(session), at = session->next_code_known ? session->next_code : pc;
    if (*arguments && !repl_evaluate(session, arguments, &rest, &at))
        return false;
    if (*rest && !repl_count(session, rest, &count))
        return false;
    if (count > 4096)
        return repl_complain(session, "That many cannot be shown at once; give 1 to 4096.");
    while (count--) {
        unsigned length = repl_print_instruction(session, at, at == pc);
        uint8_t byte;
        if (!length && !vmm_read_linear(session->guest.vm, at, &byte, 1))
            return complain_of_memory(session, at);
        at += length ? length : 1;
    }
    session->next_code = at;
    session->next_code_known = true;
    return true;
}

/* ---- set ---- */

static bool store(struct session *session, bool physical, uint32_t address, unsigned size,
                  uint32_t value)
{
    const uint8_t bytes[] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                             (uint8_t)(value >> 24)};
    struct vmm_vm *vm = session->guest.vm;
    size_t done = physical ? vmm_write_physical(vm, address, bytes, size)
                           : vmm_write_linear(vm, address, bytes, size);
    if (done == size)
        return true;
    return repl_complain(session, "There is nothing to write to at %s address 0x%08x.",
                         physical ? "physical" : "linear", address);
}

static bool set_register(struct session *session, const char *name, uint32_t value)
{
    struct vmm_error error;
    if (*name == '$')
        name++;
    if (strcmp(name, "pc") == 0)
        name = "eip";
    if (vmm_set_register(session->guest.vm, name, value, &error) == VMM_OK)
        return true;
    return repl_complain(session, "%s", error.text);
}

/* The last single = that is no part of ==, !=, <= or >=. */
static char *find_sign(char *text)
{
    for (char *at = text; *at; at++) {
        if (*at != '=')
            continue;
        if (at[1] == '=') {
            at++;
            continue;
        }
        if (at == text || !strchr("!<>", at[-1]))
            return at;
    }
    return NULL;
}

bool repl_set(struct session *session, char *arguments)
{
    static const struct {
        char name[8];
        unsigned size;
        bool physical;
    } places[] = {{"*", 4, false},
                  {"dword(", 4, false},
                  {"word(", 2, false},
                  {"byte(", 1, false},
                  {"phys(", 4, true}};
    char *sign = find_sign(arguments);
    uint32_t address, value;
    if (!repl_need_guest(session))
        return false;
    if (!sign || sign == arguments)
        return repl_complain(session, "Say what and to what; write 'set $eax = 5'.");
    *sign = '\0';
    char *place = repl_word(&arguments);
    if (!repl_evaluate(session, sign + 1, NULL, &value))
        return false;
    if (arguments < sign && *arguments)
        arguments[-1] = ' '; /* an address may have spaces in it */
    for (size_t i = 0; place && i < sizeof places / sizeof *places; i++) {
        size_t length = strlen(places[i].name);
        if (strncmp(place, places[i].name, length) != 0)
            continue;
        /* The parenthesis stays: it is closed behind the address. */
        if (!repl_evaluate(session, place + (length > 1 ? length - 1 : 1), NULL, &address))
            return false;
        return store(session, places[i].physical, address, places[i].size, value);
    }
    if (!place)
        return repl_complain(session, "Say what is to be set; write 'set $eax = 5'.");
    return set_register(session, place, value);
}

/* ---- source ---- */

/* Where to begin: at a place, where the last list ended, or around EIP. */
static bool find_line(struct session *session, const char *place)
{
    enum { BEFORE = 4 };
    uint32_t linear = repl_pc(session);
    const char *file;
    if (!*place && *session->list_file)
        return true;
    if (*place == '*') /* gdb's: at an address */
        place++;
    if (*place && !repl_evaluate(session, place, NULL, &linear))
        return false;
    if (!source_line(session->source, linear, &file, &session->list_line))
        return repl_complain(session, session->source
                                          ? "No source line is known there; 'disassemble' shows "
                                            "the instructions."
                                          : "The guest's image has no line tables; build it with "
                                            "-g.");
    snprintf(session->list_file, sizeof session->list_file, "%s", file);
    session->list_line = session->list_line > BEFORE ? session->list_line - BEFORE : 1;
    return true;
}

bool repl_list(struct session *session, char *arguments)
{
    enum { LINES = 10 };
    char text[200];
    const char *file;
    unsigned here = 0, shown = 0;
    if (!repl_need_guest(session) || !find_line(session, arguments))
        return false;
    bool known = source_line(session->source, repl_pc(session), &file, &here) &&
                 strcmp(file, session->list_file) == 0;
    for (; shown < LINES &&
           source_text(session->source, session->list_file, session->list_line, text, sizeof text);
         shown++, session->list_line++)
        repl_say(session, "%s%4u  %s\n", known && here == session->list_line ? "=>" : "  ",
                 session->list_line, text);
    if (shown)
        return true;
    return repl_complain(session,
                         access(session->list_file, R_OK) == 0
                             ? "'%s' has no line %u."
                             : "'%s' is not there, so that line %u cannot be "
                               "shown; start where the guest was built.",
                         session->list_file, session->list_line);
}

/* ---- walk ---- */

static void put_bit(struct session *session, uint32_t entry, unsigned bit, const char *one,
                    const char *zero)
{
    repl_say(session, "  %s", entry >> bit & 1 ? one : zero);
}

/* Intel SDM volume 3, figure 4-4. */
static void put_entry(struct session *session, const char *name, uint32_t address, uint32_t entry,
                      bool directory, bool large)
{
    repl_say(session, "  %-10s at 0x%08x: 0x%08x", name, address, entry);
    put_bit(session, entry, 0, "P", "not present");
    if (entry & 1) {
        uint32_t mask = large ? 0xffc00000u : 0xfffff000u;
        put_bit(session, entry, 1, "R/W", "read-only");
        put_bit(session, entry, 2, "user", "supervisor");
        put_bit(session, entry, 5, "A", "not A");
        if (!directory || large)
            put_bit(session, entry, 6, "D", "not D");
        if (large)
            repl_say(session, "  4 MB");
        if (entry & 0x100)
            repl_say(session, "  G");
        repl_say(session, "  -> 0x%08x", entry & mask);
    }
    repl_say(session, "\n");
}

static void put_levels(struct session *session, const struct vmm_levels *levels)
{
    if (levels->count >= 1)
        put_entry(session, "directory", levels->pde_address, levels->pde, true, levels->large);
    if (levels->count >= 2)
        put_entry(session, "table", levels->pte_address, levels->pte, false, false);
}

/* A guest-physical address, and the walk that the processor makes for it. */
static void put_nested(struct session *session, const struct vmm_walk *walk, unsigned i)
{
    const struct vmm_levels *levels = &walk->nested[i];
    bool page = i == walk->guest.count;
    repl_say(session, "%s guest-physical 0x%08x\n",
             page     ? "  the page:"
             : i == 0 ? "  the directory's entry:"
                      : "  the table's entry:",
             page     ? walk->guest.physical
             : i == 0 ? walk->guest.pde_address
                      : walk->guest.pte_address);
    put_levels(session, levels);
    if (levels->mapped)
        repl_say(session, "  %-10s 0x%08x\n", "machine", levels->physical);
    else
        repl_say(session, "  not filled in: the first access exits (VMEXIT_NPF)\n");
}

bool repl_nested_walks(struct session *session)
{
    struct vmm_nested_walks walks;
    if (!vmm_nested_walks(session->guest.vm, &walks))
        return false;
    repl_say(session,
             "  so far the VMM has met %" PRIu64
             " TLB misses, %.2f entries read for each, and %" PRIu64
             " page tables missed on the way\n",
             walks.pages, walks.pages ? (double)walks.references / (double)walks.pages : 0,
             walks.tables);
    return true;
}

/* Bhargava et al. (2008): with n levels of the guest's and m nested ones, a walk reads
 * (n + 1)(m + 1) - 1 entries. */
static void put_two_dimensions(struct session *session, const struct vmm_walk *walk)
{
    unsigned n = walk->guest.count;
    if (!walk->nested_count)
        return;
    repl_say(session, "%snested tables%s, which the processor walks for each of these\n",
             repl_paint(session, PAINT_HEAD), repl_paint(session, PAINT_OFF));
    for (unsigned i = 0; i < walk->nested_count; i++)
        put_nested(session, walk, i);
    repl_say(session,
             "  %u entries read; a full walk of %u and 2 levels reads (%u+1)(2+1)-1 = %u\n",
             walk->references, n, n, (n + 1) * 3 - 1);
    repl_nested_walks(session);
}

static void put_walk(struct session *session, const struct vmm_walk *walk)
{
    uint32_t cr3 = 0;
    vmm_register(session->guest.vm, "cr3", &cr3);
    if (walk->paging)
        repl_say(session,
                 "linear 0x%08x: directory entry 0x%x, table entry 0x%x, offset 0x%x; CR3 is "
                 "0x%08x\n",
                 walk->linear, walk->linear >> 22, walk->linear >> 12 & 0x3ff, walk->linear & 0xfff,
                 cr3);
    else
        repl_say(session, "linear 0x%08x: paging is off, the address is the physical one\n",
                 walk->linear);
    if (walk->guest.count)
        repl_say(session, "%sguest's tables%s\n", repl_paint(session, PAINT_HEAD),
                 repl_paint(session, PAINT_OFF));
    put_levels(session, &walk->guest);
    if (walk->guest.mapped)
        repl_say(session, "  %-10s 0x%08x, %s, %s\n", "physical", walk->guest.physical,
                 walk->user || !walk->paging ? "user" : "supervisor only",
                 walk->writable || !walk->paging ? "writable" : "read-only");
    else
        repl_say(session, "  no address: %s\n", walk->result);
    if (walk->shadowed) {
        repl_say(session, "%sshadow tables%s, which the processor walks\n",
                 repl_paint(session, PAINT_HEAD), repl_paint(session, PAINT_OFF));
        put_levels(session, &walk->shadow);
        if (!walk->shadow.mapped)
            repl_say(session, "  not filled in: the first access traps (a hidden fault)\n");
    }
    put_two_dimensions(session, walk);
    if (walk->has_machine)
        repl_say(session, "%smachine%s address 0x%08x\n", repl_paint(session, PAINT_HEAD),
                 repl_paint(session, PAINT_OFF), walk->machine);
}

bool repl_walk(struct session *session, char *arguments)
{
    struct vmm_walk walk;
    uint32_t linear;
    if (!repl_need_guest(session))
        return false;
    if (!*arguments)
        return repl_complain(session, "There is no address; write 'walk $esp'.");
    if (!repl_evaluate(session, arguments, NULL, &linear))
        return false;
    vmm_walk(session->guest.vm, linear, &walk);
    put_walk(session, &walk);
    return true;
}
