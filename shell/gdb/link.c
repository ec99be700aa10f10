/* The connection to gdb: a listening socket, TCP or of the Unix domain, and one stream at a time.
 * Whoever connects reads and writes the whole guest, so that only this machine may, unless the
 * command line says otherwise; a socket in the file system is its owner's alone. */
#include "shell/gdb/server.h"

#include "shell/command.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

/* ---- listening ---- */

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;
        return ntohl(four->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

static void say_ready(const struct gdb_server *server, const char *host, const char *colon,
                      const char *port)
{
    fprintf(stderr, "%sthe guest waits%s; in gdb: target remote %s%s%s\n",
            server->lent ? "" : "vmm gdb: ", server->lent ? "" : " at its entry", host, colon,
            port);
}

static int complain_of_listening(struct gdb_server *server, const char *where)
{
    int error = errno;
    if (server->listener >= 0)
        close(server->listener);
    server->listener = -1;
    return guest_complain(&server->options, VMM_FAILURE,
                          "nobody can listen at '%s': %s; name another place%s", where,
                          strerror(error), server->lent ? "" : " with --listen");
}

/* "HOST:PORT", "[HOST]:PORT" or ":PORT", in two parts. */
static bool split(const char *where, char *host, size_t room, const char **port)
{
    const char *colon = strrchr(where, ':');
    if (!colon || !colon[1] || (size_t)(colon - where) >= room)
        return false;
    *port = colon + 1;
    if (strspn(*port, "0123456789") != strlen(*port) || strlen(*port) > 5)
        return false;
    size_t length = (size_t)(colon - where);
    if (length >= 2 && *where == '[' && colon[-1] == ']') {
        where++;
        length -= 2;
    }
    snprintf(host, room, "%.*s", (int)length, where);
    if (!*host)
        snprintf(host, room, "127.0.0.1");
    return true;
}

static int listen_tcp(struct gdb_server *server, const char *where, bool remote)
{
    char host[256], port_text[8];
    const char *port;
    const int one = 1;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (!split(where, host, sizeof host, &port))
        return guest_complain(&server->options, VMM_USAGE,
                              "'%s' is no place to listen; write HOST:PORT, such as "
                              "127.0.0.1:1234, or unix:PATH",
                              where);
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed)
        return guest_complain(&server->options, VMM_FAILURE,
                              "the host '%s' is not known: %s; use 127.0.0.1", host,
                              gai_strerror(failed));
    struct sockaddr_storage address;
    socklen_t length = found->ai_addrlen;
    memcpy(&address, found->ai_addr, length);
    freeaddrinfo(found);
    if (!remote && !is_loopback((struct sockaddr *)&address))
        return guest_complain(&server->options, VMM_USAGE,
                              "'%s' is open to other machines, and whoever connects owns the "
                              "guest; use 127.0.0.1, or %s",
                              host,
                              server->lent ? "'vmm gdb --allow-remote'" : "add --allow-remote");
    server->listener = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 ||
        setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(server->listener, (struct sockaddr *)&address, length) != 0 ||
        listen(server->listener, 1) != 0)
        return complain_of_listening(server, where);
    length = sizeof address;
    if (getsockname(server->listener, (struct sockaddr *)&address, &length) == 0 &&
        getnameinfo((struct sockaddr *)&address, length, NULL, 0, port_text, sizeof port_text,
                    NI_NUMERICSERV) == 0)
        port = port_text; /* port 0 is any that is free */
    say_ready(server, host, ":", port);
    return VMM_SUCCESS;
}

/* What is left of a server that did not end well: a socket that refuses. */
static void remove_stale(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return;
    if (connect(probe, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(probe);
}

static int listen_unix(struct gdb_server *server, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!*path || strlen(path) >= sizeof address.sun_path)
        return guest_complain(&server->options, VMM_USAGE,
                              "'%s' is no path for a socket; give one of 1 to %zu characters", path,
                              sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    remove_stale(&address);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t before = umask(077);
    bool bound = server->listener >= 0 &&
                 bind(server->listener, (struct sockaddr *)&address, sizeof address) == 0;
    int error = errno;
    umask(before);
    errno = error;
    if (bound)
        memcpy(server->path, path, strlen(path) + 1);
    if (!bound || listen(server->listener, 1) != 0)
        return complain_of_listening(server, path);
    say_ready(server, path, "", "");
    return VMM_SUCCESS;
}

int gdb_listen(struct gdb_server *server, const char *where, bool remote)
{
    if (strncmp(where, "unix:", 5) == 0)
        return listen_unix(server, where + 5);
    return listen_tcp(server, where, remote);
}

void gdb_close(struct gdb_server *server)
{
    gdb_hang_up(server);
    if (server->listener >= 0)
        close(server->listener);
    if (*server->path)
        unlink(server->path);
    server->listener = -1;
}

/* ---- the stream ---- */

static bool readable(int fd, int milliseconds)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, milliseconds) > 0;
}

bool gdb_knocks(const struct gdb_server *server, int milliseconds)
{
    return readable(server->listener, milliseconds);
}

bool gdb_accept(struct gdb_server *server)
{
    enum { PATIENCE = 10 }; /* seconds until a gdb that does not read is given up */
    const struct timeval patience = {.tv_sec = PATIENCE};
    const int one = 1;
    server->client = accept(server->listener, NULL, NULL);
    if (server->client < 0)
        return false;
    setsockopt(server->client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(server->client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* fails on AF_UNIX */
    server->input_at = server->input_end = server->frame_length = 0;
    server->reader = (struct packet_reader){0};
    server->quiet = server->swbreak = server->hwbreak = server->physical = false;
    server->state = GDB_TALKING;
    return true;
}

void gdb_hang_up(struct gdb_server *server)
{
    if (server->client >= 0)
        close(server->client);
    server->client = -1;
}

static void lose(struct gdb_server *server)
{
    if (server->state == GDB_TALKING)
        server->state = GDB_LOST;
}

static void put(struct gdb_server *server, const void *bytes, size_t count)
{
    const uint8_t *from = bytes;
    while (count) {
        ssize_t n = send(server->client, from, count, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR && !gdb_signal())
            continue;
        if (n <= 0) {
            lose(server);
            return;
        }
        from += n;
        count -= (size_t)n;
    }
}

static void answer_event(struct gdb_server *server, enum packet_event event)
{
    if (server->quiet)
        return;
    if (event == PACKET_READY)
        put(server, "+", 1);
    else if (event == PACKET_BAD)
        put(server, "-", 1);
    else if (event == PACKET_NAK)
        put(server, server->frame, server->frame_length);
}

static bool fill_input(struct gdb_server *server, int milliseconds)
{
    if (!readable(server->client, milliseconds))
        return false;
    ssize_t n = recv(server->client, server->input, sizeof server->input, 0);
    if (n < 0 && errno == EINTR)
        return false;
    if (n <= 0)
        lose(server);
    server->input_at = 0;
    server->input_end = n > 0 ? (size_t)n : 0;
    return n > 0;
}

enum packet_event gdb_receive(struct gdb_server *server, int milliseconds)
{
    while (server->input_at < server->input_end || fill_input(server, milliseconds)) {
        enum packet_event event = packet_take(&server->reader, server->input[server->input_at++]);
        if (event == PACKET_NONE)
            continue;
        answer_event(server, event);
        return event;
    }
    return PACKET_NONE;
}

/* ---- ^C while the guest is looked through ---- */

static struct gdb_server *listening; /* a signal has no context */

static void on_input(int number)
{
    uint8_t byte;
    (void)number;
    if (listening && recv(listening->client, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1 &&
        byte == PACKET_CONTROL_C)
        vmm_interrupt(gdb_vm(listening));
}

void gdb_listen_for_interrupt(struct gdb_server *server, bool listen)
{
    const struct sigaction action = {.sa_handler = on_input, .sa_flags = SA_RESTART};
    int flags = fcntl(server->client, F_GETFL);
    if (listen) {
        listening = server;
        sigaction(SIGIO, &action, NULL);
        fcntl(server->client, F_SETOWN, getpid());
    }
    fcntl(server->client, F_SETFL, listen ? flags | O_ASYNC : flags & ~O_ASYNC);
    if (!listen)
        listening = NULL;
}

void gdb_send(struct gdb_server *server, const char *data, size_t count)
{
    server->frame_length = packet_frame(data, count, server->frame);
    put(server, server->frame, server->frame_length);
}

void gdb_print(struct gdb_server *server, const char *text, size_t count)
{
    enum { CHUNK = 1024 };
    static struct packet_reply reply;
    while (count) {
        size_t chunk = count < CHUNK ? count : CHUNK;
        reply.length = 0;
        packet_put(&reply, "O");
        packet_put_hex(&reply, text, chunk);
        gdb_send(server, reply.data, reply.length);
        text += chunk;
        count -= chunk;
    }
}
