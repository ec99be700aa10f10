/* The gdb server: the first byte's lowest bit says whether the rest is bytes for the packet layer,
 * or lines that are each put into a good packet, so that the commands are reached as well. */
#include "fuzz.h"

#include "shell/gdb/server.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 14, MOST_INSTRUCTIONS = 2000, MOST_PACKETS = 200 };

static struct gdb_server server;

int gdb_signal(void)
{
    return 0;
}

static bool make_guest(bool trap)
{
    static const struct gdb_server fresh = {.options = {.command = "gdb"},
                                            .listener = -1,
                                            .client = -1,
                                            .slice = 1000,
                                            .stop = "T05thread:01;"};
    server = fresh;
    server.guest.vm = fuzz_vm(trap);
    if (server.guest.vm)
        server.options.most_instructions = fuzz_retired(server.guest.vm) + MOST_INSTRUCTIONS;
    return server.guest.vm;
}

/* Everything is in the socket before the server looks, and behind it is its end. */
static void send_input(int to, const uint8_t *data, size_t size, bool framed)
{
    static uint8_t frame[PACKET_FRAME];
    while (framed && size) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end ? (size_t)(end - data) : size;
        size_t count = packet_frame((const char *)data, length, frame);
        if (write(to, frame, count) < 0)
            break;
        length += end != NULL;
        data += length;
        size -= length;
    }
    if (size && write(to, data, size) < 0)
        return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2], room = 1 << 20;
    if (size < 2 || size > MOST_BYTES || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return 0;
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    if (make_guest(data[0] & 2)) {
        vmm_stop_at_traps(server.guest.vm, gdb_catches, &server);
        send_input(ends[1], data + 1, size - 1, data[0] & 1);
        shutdown(ends[1], SHUT_WR);
        server.client = ends[0];
        server.state = GDB_TALKING;
        for (unsigned i = 0; i < MOST_PACKETS && server.state == GDB_TALKING; i++)
            if (gdb_receive(&server, 0) == PACKET_READY)
                gdb_command(&server);
        gdb_delete_points(&server);
    }
    if (server.guest.vm)
        vmm_stop_at_traps(server.guest.vm, NULL, NULL);
    close(ends[0]);
    close(ends[1]);
    return 0;
}
