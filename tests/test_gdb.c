/* The remote serial protocol, gdb manual appendix E: framing and checksums (E.1), escapes, the
 * packets' answers over a real socket, and that no bytes whatever end the server. */
#include "shell/gdb/server.h"
#include "shell/gdb/target.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint32_t seed = 1;
static uint32_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

/* ---- packets ---- */

static struct packet_reader reader;

/* The event that the last of these bytes brings. */
static enum packet_event take(const char *bytes, size_t count)
{
    enum packet_event event = PACKET_NONE;
    for (size_t i = 0; i < count; i++)
        event = packet_take(&reader, (uint8_t)bytes[i]);
    return event;
}
#define TAKE(text) take(text, sizeof(text) - 1)

Test(gdb, a_packet_and_its_checksum)
{
    cr_assert_eq(TAKE("$g#67"), PACKET_READY);
    cr_assert_str_eq(reader.data, "g");
    cr_assert_eq(TAKE("$g#68"), PACKET_BAD);
    cr_assert_eq(TAKE("$g#6x"), PACKET_BAD);
    cr_assert_eq(TAKE("$#00"), PACKET_READY);
    cr_assert_eq(reader.length, 0);
    cr_assert_eq(TAKE("+"), PACKET_ACK);
    cr_assert_eq(TAKE("-"), PACKET_NAK);
    cr_assert_eq(TAKE("\x03"), PACKET_INTERRUPT);
    cr_assert_eq(TAKE("xyz"), PACKET_NONE);
    cr_assert_eq(TAKE("$lost$g#67"), PACKET_READY, "a new packet begins in the middle of one");
    cr_assert_str_eq(reader.data, "g");
}

Test(gdb, escapes_go_back_and_forth)
{
    static uint8_t frame[PACKET_FRAME];
    char data[256];
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (char)i;
    size_t length = packet_frame(data, sizeof data, frame);
    cr_assert_eq(take((const char *)frame, length), PACKET_READY);
    cr_assert_eq(reader.length, sizeof data);
    cr_assert_arr_eq(reader.data, data, sizeof data);
}

Test(gdb, too_long_a_packet_is_bad_and_the_next_is_good)
{
    TAKE("$");
    for (unsigned i = 0; i < PACKET_ROOM + 1; i++)
        packet_take(&reader, 0);
    cr_assert_eq(TAKE("#00"), PACKET_BAD);
    cr_assert_eq(TAKE("$g#67"), PACKET_READY);
}

Test(gdb, random_bytes_leave_the_reader_whole)
{
    static const char likely[] = "$#+-}\x03gm0";
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < 5000; i++) {
            uint32_t r = draw();
            packet_take(&reader, r & 1 ? (uint8_t)likely[(r >> 8) % (sizeof likely - 1)]
                                       : (uint8_t)(r >> 8));
            cr_assert_leq(reader.length, (size_t)PACKET_ROOM);
        }
        TAKE("#00"); /* ends what may be open */
        cr_assert_eq(TAKE("$g#67"), PACKET_READY);
    }
}

Test(gdb, numbers_are_bounded)
{
    const char *text = "ffffffff,";
    uint32_t number;
    cr_assert(packet_number(&text, &number));
    cr_assert_eq(number, UINT32_MAX);
    cr_assert_eq(*text, ',');
    text = "100000000";
    cr_assert_not(packet_number(&text, &number));
    text = ",";
    cr_assert_not(packet_number(&text, &number));
}

Test(gdb, the_description_has_every_register)
{
    unsigned count = 0;
    for (const char *at = target_description(); (at = strstr(at, "<reg ")); at++)
        count++;
    cr_assert_eq(count, target_registers());
    cr_assert_not_null(strstr(target_description(), "</target>"));
}

/* ---- answers ---- */

static struct gdb_server server;
static int peer;

/* mov eax,0x12345678; again: inc ebx; jmp again */
static const uint8_t code[] = {0xb8, 0x78, 0x56, 0x34, 0x12, 0x43, 0xeb, 0xfd};
enum { ENTRY = 0x100000 };

static void connect_guest(void)
{
    struct vmm_error error;
    int ends[2];
    const struct vmm_config config = {.memory_size = 2 << 20, .technique = "bare"};
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = code, .size = sizeof code}};
    server = (struct gdb_server){.options = {.command = "gdb", .most_instructions = 50000},
                                 .listener = -1,
                                 .slice = 1000,
                                 .stop = "T05thread:01;"};
    server.guest.vm = vmm_create(&config, &error);
    cr_assert_not_null(server.guest.vm, "%s", error.text);
    cr_assert_eq(vmm_load(server.guest.vm, &image, &error), VMM_OK, "%s", error.text);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    server.client = ends[0];
    peer = ends[1];
}

static void disconnect_guest(void)
{
    close(peer);
    gdb_close(&server);
    vmm_destroy(server.guest.vm);
}

/* The data of the last packet that comes as an answer to this one. */
static const char *ask(const char *data, size_t count)
{
    static uint8_t frame[PACKET_FRAME];
    static struct packet_reader answers;
    static char bytes[1 << 18];
    size_t length = packet_frame(data, count, frame);
    cr_assert_eq(write(peer, frame, length), (ssize_t)length);
    while (gdb_receive(&server, 0) != PACKET_READY)
        ;
    gdb_command(&server);
    answers = (struct packet_reader){0};
    ssize_t got = recv(peer, bytes, sizeof bytes, MSG_DONTWAIT);
    for (ssize_t i = 0; i < got; i++)
        packet_take(&answers, (uint8_t)bytes[i]);
    return answers.data;
}
#define ASK(text) ask(text, sizeof(text) - 1)

Test(gdb, answers_over_a_socket, .init = connect_guest, .fini = disconnect_guest, .timeout = 60)
{
    cr_assert_str_eq(ASK("vMustReplyEmpty"), "");
    cr_assert_not_null(strstr(ASK("qSupported:swbreak+;hwbreak+"), "PacketSize=4000"));
    cr_assert_str_eq(ASK("?"), "T05thread:01;");
    cr_assert_str_eq(ASK("m100000,4"), "b8785634");
    cr_assert_str_eq(ASK("m100000"), "E16");
    cr_assert_str_eq(ASK("s"), "T05thread:01;");
    cr_assert_str_eq(ASK("p0"), "78563412");
    cr_assert_str_eq(ASK("p8"), "05001000");
    cr_assert_str_eq(ASK("P3=01000000"), "OK");
    cr_assert_str_eq(ASK("p3"), "01000000");
    cr_assert_str_eq(ASK("P3=010000"), "E16");
    cr_assert_str_eq(ASK("P99=01000000"), "E16");
    cr_assert_str_eq(ASK("Z0,100006,1"), "OK");
    cr_assert_str_eq(ASK("vCont;c"), "T05thread:01;swbreak:;");
    cr_assert_str_eq(ASK("p3"), "02000000", "the instruction before is executed, once");
    cr_assert_str_eq(ASK("Z1,100006,1"), "OK");
    cr_assert_str_eq(ASK("z0,100006,1"), "OK");
    cr_assert_str_eq(ASK("vCont;c"), "T05thread:01;hwbreak:;");
    cr_assert_str_eq(ASK("p3"), "03000000");
    cr_assert_str_eq(ASK("z1,100006,1"), "OK");
    cr_assert_str_eq(ASK("Z5,100006,1"), "", "there is no such kind");
    cr_assert_str_eq(ASK("z4,100006,1"), "OK", "as often as one likes");
    cr_assert_str_eq(ASK("X1ff000,4:\x01}#$"), "OK");
    cr_assert_str_eq(ASK("m1ff000,4"), "017d2324");
    cr_assert_str_eq(ASK("X1ff000,5:\x01}#$"), "E16");
    cr_assert_str_eq(ASK("M1ff000,2:abcd"), "OK");
    cr_assert_str_eq(ASK("m1ff000,2"), "abcd");
    cr_assert_str_eq(ASK("qRcmd,6"), "E16");
    cr_assert_eq(strlen(ASK("g")), 8u * 16 + 20 * 8 + 8 * 8 + 8 * 5);
    cr_assert_str_eq(ASK("D"), "OK");
    cr_assert_eq(server.state, GDB_DETACHED);
}

Test(gdb, an_interrupt_stops_a_running_guest, .init = connect_guest, .fini = disconnect_guest,
     .timeout = 60)
{
    server.options.most_instructions = 0;
    cr_assert_eq(write(peer, "$c#63\x03", 6), 6);
    cr_assert_eq(gdb_receive(&server, 0), PACKET_READY);
    gdb_command(&server);
    cr_assert_str_eq(server.stop, "T02thread:01;");
    cr_assert_eq(server.state, GDB_TALKING);
}

Test(gdb, a_lost_connection_stops_a_running_guest, .init = connect_guest, .timeout = 60)
{
    server.options.most_instructions = 0;
    cr_assert_eq(write(peer, "$c#63", 5), 5);
    cr_assert_eq(gdb_receive(&server, 0), PACKET_READY);
    close(peer);
    gdb_command(&server);
    cr_assert_eq(server.state, GDB_LOST);
    gdb_close(&server);
    vmm_destroy(server.guest.vm);
}

/* Packets that are framed well and say anything: whatever they do to the guest, the server goes on
 * and answers. */
Test(gdb, random_packets_end_nothing, .init = connect_guest, .fini = disconnect_guest,
     .timeout = 120)
{
    static const char *const beginnings[] = {"g",
                                             "G",
                                             "p",
                                             "P",
                                             "m",
                                             "M",
                                             "X",
                                             "x",
                                             "Z0,",
                                             "z1,",
                                             "Z2,",
                                             "c",
                                             "s",
                                             "S05;",
                                             "H",
                                             "T",
                                             "vCont;",
                                             "vCont",
                                             "qRcmd,",
                                             "qXfer:features:read:target.xml:",
                                             "q",
                                             "Q",
                                             "v",
                                             "?",
                                             "!",
                                             "R",
                                             "qThreadExtraInfo,"};
    static const char likely[] = "0123456789abcdef,:;=100000fx";
    for (unsigned round = 0; round < 3000; round++) {
        char data[300];
        size_t length = (size_t)snprintf(
            data, sizeof data, "%s", beginnings[draw() % (sizeof beginnings / sizeof *beginnings)]);
        for (unsigned more = draw() % 40; more; more--)
            data[length++] = draw() % 8 ? likely[draw() % (sizeof likely - 1)] : (char)draw();
        ask(data, length);
        if (server.state == GDB_ENDED)
            break; /* the guest's own end, of what was written into it */
        cr_assert_eq(server.state, GDB_TALKING);
    }
    cr_assert_str_eq(ASK("qC"), "QC1");
}
