/* What each packet asks for (the gdb manual, appendix E.2 to E.4). A packet that is not known gets
 * the empty answer, one that makes no sense an error; neither changes anything. */
#include "shell/gdb/server.h"

#include "shell/gdb/target.h"

#include <stdio.h>
#include <string.h>

/* errno's numbers as the protocol has them (appendix E.13.8). */
enum { BAD_ADDRESS = 14, BAD_PACKET = 22, NO_ROOM = 28 };

static void fail(struct gdb_server *server, unsigned number)
{
    server->reply.length = 0;
    packet_put(&server->reply, "E%02x", number);
}

static void succeed(struct gdb_server *server)
{
    server->reply.length = 0;
    packet_put(&server->reply, "OK");
}

static bool skip(const char **text, char c)
{
    if (**text != c)
        return false;
    ++*text;
    return true;
}

/* ---- registers ---- */

static void read_registers(struct gdb_server *server, const char *text)
{
    (void)text;
    for (unsigned i = 0; i < target_registers(); i++)
        target_put_register(gdb_vm(server), i, &server->reply);
}

static void refuse_register(struct gdb_server *server, const struct vmm_error *error)
{
    if (error->code == VMM_E_USAGE)
        fail(server, BAD_PACKET);
    else
        packet_put(&server->reply, "E.%s", error->text);
}

static void write_registers(struct gdb_server *server, const char *text)
{
    struct vmm_error error;
    for (unsigned i = 0; i < target_registers() && *text; i++) {
        if (target_set_register(gdb_vm(server), i, &text, &error) == VMM_OK)
            continue;
        refuse_register(server, &error);
        return;
    }
    succeed(server);
}

static void read_register(struct gdb_server *server, const char *text)
{
    uint32_t i;
    if (packet_number(&text, &i) && !*text && i < target_registers())
        target_put_register(gdb_vm(server), i, &server->reply);
    else
        fail(server, BAD_PACKET);
}

static void write_register(struct gdb_server *server, const char *text)
{
    struct vmm_error error;
    uint32_t i;
    if (!packet_number(&text, &i) || !skip(&text, '=') || i >= target_registers())
        fail(server, BAD_PACKET);
    else if (target_set_register(gdb_vm(server), i, &text, &error) != VMM_OK)
        refuse_register(server, &error);
    else
        succeed(server);
}

/* ---- memory ---- */

static bool parse_range(const char **text, uint32_t *address, uint32_t *count)
{
    return packet_number(text, address) && skip(text, ',') && packet_number(text, count);
}

/* Reads the range that `text` asks for, as far as there is room and memory. False if a failure was
 * answered. */
static bool read_range(struct gdb_server *server, const char *text, uint8_t *bytes, size_t room,
                       size_t *done)
{
    const struct vmm_vm *vm = gdb_vm(server);
    uint32_t address, count;
    if (!parse_range(&text, &address, &count) || *text) {
        fail(server, BAD_PACKET);
        return false;
    }
    if (count > room)
        count = (uint32_t)room;
    *done = server->physical ? vmm_read_physical(vm, address, bytes, count)
                             : vmm_read_linear(vm, address, bytes, count);
    if (count && !*done)
        fail(server, BAD_ADDRESS);
    return !count || *done;
}

static void read_memory(struct gdb_server *server, const char *text)
{
    static uint8_t bytes[PACKET_ROOM / 2];
    size_t done;
    if (read_range(server, text, bytes, sizeof bytes, &done))
        packet_put_hex(&server->reply, bytes, done);
}

/* Whole or not at all: what a client would have to guess is worse than an error. */
static void write_bytes(struct gdb_server *server, uint32_t address, const void *bytes,
                        uint32_t count)
{
    static uint8_t before[PACKET_ROOM];
    struct vmm_vm *vm = gdb_vm(server);
    size_t there = server->physical ? vmm_read_physical(vm, address, before, count)
                                    : vmm_read_linear(vm, address, before, count);
    if (there != count) {
        fail(server, BAD_ADDRESS);
        return;
    }
    size_t done = server->physical ? vmm_write_physical(vm, address, bytes, count)
                                   : vmm_write_linear(vm, address, bytes, count);
    if (done == count)
        succeed(server);
    else
        fail(server, BAD_ADDRESS);
}

static void write_memory(struct gdb_server *server, const char *text)
{
    static uint8_t bytes[PACKET_ROOM / 2];
    uint32_t address, count;
    if (!parse_range(&text, &address, &count) || !skip(&text, ':') || count > sizeof bytes ||
        !packet_bytes(&text, bytes, count) || *text)
        fail(server, BAD_PACKET);
    else
        write_bytes(server, address, bytes, count);
}

/* The bytes themselves: the packet's length counts, not a zero. */
static void write_binary(struct gdb_server *server, const char *text)
{
    uint32_t address, count;
    const char *end = server->reader.data + server->reader.length;
    if (!parse_range(&text, &address, &count) || !skip(&text, ':') || count != (size_t)(end - text))
        fail(server, BAD_PACKET);
    else
        write_bytes(server, address, text, count);
}

/* The answer to x begins with a b, as gdb 16 has it. */
static void read_binary(struct gdb_server *server, const char *text)
{
    static uint8_t bytes[PACKET_ROOM / 2 - 1];
    size_t done;
    if (!read_range(server, text, bytes, sizeof bytes, &done))
        return;
    packet_put(&server->reply, "b");
    packet_put_raw(&server->reply, bytes, done);
}

/* ---- breakpoints ---- */

/* Z and z: kind, address, size. Watchpoints of kind 2 are met by writes that change something, 3 by
 * reads, 4 by both, whatever is written. */
static void change_point(struct gdb_server *server, const char *text, bool add)
{
    char kind = *text;
    uint32_t address, count;
    if (kind < '0' || kind > '4')
        return;
    text++;
    if (!skip(&text, ',') || !parse_range(&text, &address, &count) || (*text && *text != ';')) {
        fail(server, BAD_PACKET);
        return;
    }
    bool good = true;
    if (kind >= '2' && add)
        good = gdb_add_watch(server, kind, address, count);
    else if (kind >= '2')
        gdb_delete_watch(server, kind, address, count);
    else if (add)
        good = gdb_add_point(server, address, kind == '1');
    else
        gdb_delete_point(server, address, kind == '1');
    if (good)
        succeed(server);
    else
        fail(server, NO_ROOM);
}

static void add_point(struct gdb_server *server, const char *text)
{
    change_point(server, text, true);
}

static void delete_point(struct gdb_server *server, const char *text)
{
    change_point(server, text, false);
}

/* ---- going on ---- */

/* c, s, and with a signal, which the guest has no use for, C and S; from an address, if one is
 * given. */
static void go(struct gdb_server *server, const char *text, bool with_signal, bool step)
{
    struct vmm_error error;
    uint32_t address;
    bool has_address = *text && !with_signal;
    if (with_signal) {
        uint32_t number;
        if (!packet_number(&text, &number) || (*text && !skip(&text, ';'))) {
            fail(server, BAD_PACKET);
            return;
        }
        has_address = *text;
    }
    if (has_address && (!packet_number(&text, &address) || *text ||
                        vmm_set_register(gdb_vm(server), "eip", address, &error) != VMM_OK))
        fail(server, BAD_PACKET);
    else
        gdb_resume(server, step, true); /* the answer is sent when the guest has stopped */
}

static void go_on(struct gdb_server *server, const char *text)
{
    go(server, text, false, false);
}

static void go_on_signalled(struct gdb_server *server, const char *text)
{
    go(server, text, true, false);
}

static void step(struct gdb_server *server, const char *text)
{
    go(server, text, false, true);
}

static void step_signalled(struct gdb_server *server, const char *text)
{
    go(server, text, true, true);
}

/* A thread's number, "-1" for all, "0" for any; false if it is none of ours. */
static bool parse_thread(const struct gdb_server *server, const char **text, int *thread)
{
    uint32_t number;
    if (skip(text, '-')) {
        *thread = -1;
        return skip(text, '1');
    }
    if (!packet_number(text, &number) || number > gdb_vm_count(server))
        return false;
    *thread = (int)number;
    return true;
}

/* Actions, each for a thread or for all that are left. One that steps is stepped alone; else those
 * that are to continue do, in turns: all, or one. */
static void go_by_actions(struct gdb_server *server, const char *text)
{
    int steps = -1, continues = -1; /* a thread; 0: all or any */
    while (skip(&text, ';')) {
        char action = *text;
        int thread = 0;
        const char *end = text + strcspn(text, ";"),
                   *colon = memchr(text, ':', (size_t)(end - text));
        if (colon && (colon++, !parse_thread(server, &colon, &thread) || colon != end)) {
            fail(server, BAD_PACKET);
            return;
        }
        thread = thread < 0 ? 0 : thread;
        if ((action == 's' || action == 'S') && steps < 0)
            steps = thread;
        if ((action == 'c' || action == 'C') && continues < 0)
            continues = thread;
        text = end;
    }
    int thread = steps >= 0 ? steps : continues;
    if (thread < 0) {
        fail(server, BAD_PACKET);
        return;
    }
    if (thread)
        server->thread = (unsigned)thread - 1;
    gdb_resume(server, steps >= 0, !thread);
}

static void reverse_continue(struct gdb_server *server, const char *text)
{
    (void)text;
    gdb_reverse(server, false);
}

static void reverse_step(struct gdb_server *server, const char *text)
{
    (void)text;
    gdb_reverse(server, true);
}

static void list_actions(struct gdb_server *server, const char *text)
{
    (void)text;
    packet_put(&server->reply, "vCont;c;C;s;S");
}

static void detach(struct gdb_server *server, const char *text)
{
    (void)text;
    gdb_delete_points(server);
    server->state = GDB_DETACHED;
    succeed(server);
}

static void kill_guest(struct gdb_server *server, const char *text)
{
    (void)text;
    server->state = GDB_KILLED;
}

static void kill_process(struct gdb_server *server, const char *text)
{
    (void)text;
    server->state = GDB_KILLED;
    succeed(server);
}

/* ---- questions ---- */

static void tell_stop(struct gdb_server *server, const char *text)
{
    (void)text;
    packet_put(&server->reply, "%s", server->stop);
}

static void tell_support(struct gdb_server *server, const char *text)
{
    server->swbreak = strstr(text, "swbreak+") != NULL;
    server->hwbreak = strstr(text, "hwbreak+") != NULL;
    packet_put(&server->reply,
               "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;swbreak+;hwbreak+;"
               "vContSupported+;ReverseStep+;ReverseContinue+",
               PACKET_ROOM);
}

static void end_acknowledgements(struct gdb_server *server, const char *text)
{
    (void)text;
    succeed(server);
    server->quiet = true;
}

static void read_description(struct gdb_server *server, const char *text)
{
    const char *xml = target_description();
    uint32_t offset, count;
    size_t length = strlen(xml);
    if (strncmp(text, "target.xml:", 11) != 0) {
        fail(server, 0);
        return;
    }
    text += 11;
    if (!parse_range(&text, &offset, &count) || *text || offset > length) {
        fail(server, BAD_PACKET);
        return;
    }
    if (count > PACKET_ROOM / 2 - 1)
        count = PACKET_ROOM / 2 - 1;
    bool more = count < length - offset;
    packet_put(&server->reply, more ? "m" : "l");
    packet_put_raw(&server->reply, xml + offset, more ? count : length - offset);
}

static void tell_thread(struct gdb_server *server, const char *text)
{
    (void)text;
    packet_put(&server->reply, "QC%x", server->thread + 1);
}

static void list_threads(struct gdb_server *server, const char *text)
{
    (void)text;
    for (unsigned i = 0; i < gdb_vm_count(server); i++)
        packet_put(&server->reply, "%c%x", i ? ',' : 'm', i + 1);
}

static void end_threads(struct gdb_server *server, const char *text)
{
    (void)text;
    packet_put(&server->reply, "l");
}

static void describe_thread(struct gdb_server *server, const char *text)
{
    struct vmm_statistics statistics;
    struct vmm_registers registers;
    char line[64];
    int thread = 0;
    if (!parse_thread(server, &text, &thread) || thread < 1) {
        fail(server, BAD_PACKET);
        return;
    }
    const struct vmm_vm *vm = gdb_vm_number(server, (unsigned)thread - 1);
    vmm_statistics(vm, &statistics);
    vmm_registers(vm, &registers);
    int length = snprintf(line, sizeof line, "ring %u, technique %.20s", registers.cpl,
                          statistics.technique);
    packet_put_hex(&server->reply, line, (size_t)length);
}

/* For what follows: Hg for looking, Hc for going. We have one VM for both. */
static void choose_thread(struct gdb_server *server, const char *text)
{
    int thread;
    if ((*text != 'g' && *text != 'c') ||
        (text++, !parse_thread(server, &text, &thread) || *text)) {
        fail(server, BAD_PACKET);
        return;
    }
    if (thread > 0)
        server->thread = (unsigned)thread - 1;
    succeed(server);
}

static void tell_alive(struct gdb_server *server, const char *text)
{
    int thread;
    if (parse_thread(server, &text, &thread) && thread > 0)
        succeed(server);
    else
        fail(server, BAD_PACKET);
}

static void tell_attached(struct gdb_server *server, const char *text)
{
    (void)text;
    packet_put(&server->reply, "1"); /* so that leaving gdb detaches, and does not kill */
}

static void monitor(struct gdb_server *server, const char *text)
{
    char line[256];
    size_t count = strlen(text) / 2;
    if (strlen(text) % 2 || count >= sizeof line || !packet_bytes(&text, (uint8_t *)line, count)) {
        fail(server, BAD_PACKET);
        return;
    }
    line[count] = '\0';
    gdb_monitor(server, line);
    succeed(server);
}

/* ---- all of them ---- */

static const struct {
    const char *name;
    bool whole; /* nothing may follow the name */
    void (*run)(struct gdb_server *server, const char *text);
} commands[] = {
    {"qSupported", false, tell_support},
    {"QStartNoAckMode", true, end_acknowledgements},
    {"qXfer:features:read:", false, read_description},
    {"qfThreadInfo", true, list_threads},
    {"qsThreadInfo", true, end_threads},
    {"qThreadExtraInfo,", false, describe_thread},
    {"qAttached", false, tell_attached},
    {"qRcmd,", false, monitor},
    {"qC", true, tell_thread},
    {"vCont?", true, list_actions},
    {"vCont", false, go_by_actions},
    {"vKill;", false, kill_process},
    {"?", true, tell_stop},
    {"g", true, read_registers},
    {"G", false, write_registers},
    {"p", false, read_register},
    {"P", false, write_register},
    {"m", false, read_memory},
    {"M", false, write_memory},
    {"X", false, write_binary},
    {"x", false, read_binary},
    {"Z", false, add_point},
    {"z", false, delete_point},
    {"bc", true, reverse_continue},
    {"bs", true, reverse_step},
    {"c", false, go_on},
    {"C", false, go_on_signalled},
    {"s", false, step},
    {"S", false, step_signalled},
    {"H", false, choose_thread},
    {"T", false, tell_alive},
    {"D", false, detach},
    {"k", true, kill_guest},
};

void gdb_command(struct gdb_server *server)
{
    const char *text = server->reader.data;
    bool goes = false;
    server->reply.length = 0;
    server->reply.data[0] = '\0';
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        size_t length = strlen(commands[i].name);
        if (strncmp(text, commands[i].name, length) != 0 || (commands[i].whole && text[length]))
            continue;
        goes = commands[i].run == kill_guest;
        size_t sent = server->stops_sent;
        commands[i].run(server, text + length);
        goes |= sent != server->stops_sent;
        break;
    }
    if (!goes)
        gdb_send(server, server->reply.data, server->reply.length);
}
