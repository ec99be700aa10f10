/* What gdb has no words for: `monitor` and one of these. The answer is text that gdb prints. */
#include "shell/gdb/server.h"

#include "shell/nearest.h"
#include "shell/repl/why.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool collect(void *context, const char *bytes, size_t count)
{
    return fwrite(bytes, 1, count, context) == count;
}

/* A number below `limit`; `otherwise` if there is none. False after a sentence. */
static bool parse_count(FILE *to, const char *text, unsigned otherwise, unsigned limit,
                        unsigned *count)
{
    char *end;
    *count = otherwise;
    if (!*text)
        return true;
    unsigned long number = strtoul(text, &end, 0);
    if (!isdigit((unsigned char)*text) || *end || number >= limit) {
        fprintf(to, "'%.40s' is no number below %u.\n", text, limit);
        return false;
    }
    *count = (unsigned)number;
    return true;
}

static void show_traps(struct gdb_server *server, FILE *to, const char *text)
{
    enum { FEW = 16 };
    struct vmm_record record;
    unsigned count;
    if (!parse_count(to, text, FEW, VMM_RECORDS_KEPT + 1, &count))
        return;
    bool any = false;
    for (unsigned back = count; back-- > 0;) {
        char line[VMM_RECORD_TEXT];
        if (!vmm_last_record(gdb_vm(server), back, &record))
            continue;
        vmm_record_text(gdb_vm(server), &record, line, sizeof line);
        fprintf(to, "%llu  %s\n", (unsigned long long)record.sequence, line);
        any = true;
    }
    if (!any)
        fputs("There was no trap yet.\n", to);
}

static void explain(struct gdb_server *server, FILE *to, const char *text)
{
    struct vmm_record record;
    char instruction[128] = "", place[160], symbol[96];
    unsigned back;
    if (!parse_count(to, text, 0, VMM_RECORDS_KEPT, &back))
        return;
    if (!vmm_last_record(gdb_vm(server), back, &record)) {
        fputs(back ? "That trap is not kept.\n" : "There was no trap yet.\n", to);
        return;
    }
    if (record.length)
        record.length = (uint8_t)vmm_disassemble(record.bytes, record.length, record.linear,
                                                 record.code16, instruction, sizeof instruction);
    vmm_symbol_text(gdb_vm(server), record.linear, symbol, sizeof symbol);
    snprintf(place, sizeof place, "0x%08x%s%s%s", record.linear, *symbol ? " <" : "", symbol,
             *symbol ? ">" : "");
    const struct why_facts facts = {
        .record = &record, .instruction = instruction, .place = place, .head = "", .plain = ""};
    why_explain(to, &facts);
}

/* A number, $REGISTER or a symbol of the image. */
static bool parse_address(const struct vmm_vm *vm, const char *text, uint32_t *address)
{
    char *end;
    if (*text == '$')
        return vmm_register(vm, text + 1, address);
    unsigned long long number = strtoull(text, &end, 0);
    if (!isdigit((unsigned char)*text))
        return vmm_symbol_address(vm, text, address);
    *address = (uint32_t)number;
    return !*end && number <= UINT32_MAX;
}

static void walk(struct gdb_server *server, FILE *to, const char *text)
{
    uint32_t address;
    if (parse_address(gdb_vm(server), text, &address))
        vmm_walk_text(gdb_vm(server), address, collect, to);
    else
        fprintf(to, "'%.40s' is no address; write 'monitor walk 0x100000', '$esp' or a symbol.\n",
                text);
}

static void tell_technique(struct gdb_server *server, FILE *to, const char *text)
{
    struct vmm_statistics s;
    (void)text;
    vmm_statistics(gdb_vm(server), &s);
    fprintf(to, "%s: %llu guest instructions, of which\n", s.technique,
            (unsigned long long)s.guest_instructions);
    fprintf(to, "  %llu direct, %llu translated, %llu interpreted, %llu emulated after a trap\n",
            (unsigned long long)s.direct, (unsigned long long)s.translated,
            (unsigned long long)s.interpreted, (unsigned long long)s.emulated);
    struct vmm_cause_count cause;
    for (size_t i = 0; vmm_cause(gdb_vm(server), i, &cause); i++)
        fprintf(to, "  %-20s %llu\n", cause.cause, (unsigned long long)cause.count);
}

static void show_registers(struct gdb_server *server, FILE *to, const char *text)
{
    (void)text;
    vmm_registers_text(gdb_vm(server), collect, to);
}

static const char *cause_name(void *context, size_t i)
{
    const struct gdb_server *server = context;
    return why_cause_of(gdb_vm(server), i);
}

static const char *find_cause(struct gdb_server *server, const char *text)
{
    for (size_t i = 0; cause_name(server, i); i++)
        if (strcmp(cause_name(server, i), text) == 0)
            return cause_name(server, i);
    return NULL;
}

static void catch_traps(struct gdb_server *server, FILE *to, const char *text)
{
    if (strcmp(text, "off") == 0) {
        server->catching = false;
        fputs("Traps do not stop the guest.\n", to);
        return;
    }
    const char *cause = *text ? find_cause(server, text) : NULL;
    if (*text && !cause) {
        const char *nearest = nearest_name(text, cause_name, server);
        fprintf(to, "There is no cause '%.40s'%s%s%s\n", text, nearest ? "; did you mean '" : ".",
                nearest ? nearest : "", nearest ? "'?" : "");
        return;
    }
    server->catching = true;
    server->caught = cause;
    fprintf(to, "The guest stops behind the next trap%s%s.\n", cause ? " with the cause " : "",
            cause ? cause : "");
}

static void choose_memory(struct gdb_server *server, FILE *to, const char *text)
{
    if (strcmp(text, "on") == 0 || strcmp(text, "off") == 0)
        server->physical = text[1] == 'n';
    else if (*text)
        fprintf(to, "'%.40s' is neither on nor off.\n", text);
    fprintf(to, "Addresses of memory are %s.\n",
            server->physical ? "guest-physical" : "linear, through the guest's tables");
}

static void help(struct gdb_server *server, FILE *to, const char *text);

static const struct {
    const char *name, *help;
    void (*run)(struct gdb_server *server, FILE *to, const char *text);
} commands[] = {
    {"traps", "traps [N]       the last traps, oldest first (16)", show_traps},
    {"why", "why [N]         explain the last trap, or the one N before it", explain},
    {"walk", "walk ADDRESS    the page tables' levels for an address, $REGISTER or symbol", walk},
    {"technique", "technique       how the guest is run, and what that came to so far",
     tell_technique},
    {"registers", "registers       all registers, descriptor tables too", show_registers},
    {"catch", "catch [CAUSE]   stop behind traps (of that cause); 'catch off' ends it",
     catch_traps},
    {"physical", "physical on|off memory addresses are guest-physical, or linear", choose_memory},
    {"help", "help            this list", help},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void help(struct gdb_server *server, FILE *to, const char *text)
{
    (void)server;
    (void)text;
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "monitor %s\n", commands[i].help);
}

static const char *command_name(void *context, size_t i)
{
    (void)context;
    return i < COMMANDS ? commands[i].name : NULL;
}

static void dispatch(struct gdb_server *server, FILE *to, const char *word, const char *arguments)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, word) != 0)
            continue;
        commands[i].run(server, to, arguments);
        return;
    }
    const char *nearest = nearest_name(word, command_name, NULL);
    if (nearest)
        fprintf(to, "There is no '%.40s'; did you mean 'monitor %s'?\n", word, nearest);
    else
        fprintf(to, "There is no '%.40s'; 'monitor help' lists what there is.\n", word);
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

void gdb_monitor(struct gdb_server *server, char *line)
{
    static char none[] = "help";
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return;
    line = trim(line);
    char *word = *line ? line : none, *arguments = word + strcspn(word, " \t");
    if (*arguments)
        *arguments++ = '\0';
    dispatch(server, to, word, trim(arguments));
    if (fclose(to) == 0)
        gdb_print(server, text, size);
    free(text);
}
