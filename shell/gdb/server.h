/* The gdb server: one machine, one gdb at a time. The virtual machines are gdb's threads, from 1.
 * The link carries packets, commands answer them, run moves the guest on, monitor is what `monitor`
 * in gdb says. */
#ifndef SHELL_GDB_SERVER_H
#define SHELL_GDB_SERVER_H

#include "shell/gdb/packet.h"
#include "shell/guest.h"

#include <vmm/vmm.h>

#include <sys/un.h>

enum { GDB_POINTS = 32, GDB_WATCHES = 8, GDB_WATCHED = 64 };

/* A breakpoint of gdb's: the two kinds may be at one address, and are one for the VM. gdb takes all
 * of them out at every stop, and puts them back: the VM hears of it when the guest is to go on. */
struct gdb_point {
    uint32_t linear;
    bool software, hardware;
    bool set; /* in the VM */
};

/* A watchpoint, '2' to '4' as in the packet that set it; the VM knows it by `number`. */
struct gdb_watch {
    char kind;
    uint32_t linear, count;
    unsigned number;
    unsigned thread; /* whose memory it is */
};

enum gdb_state {
    GDB_TALKING,
    GDB_LOST,     /* the connection is; the guest waits for the next */
    GDB_DETACHED, /* the guest runs until somebody connects */
    GDB_KILLED,
    GDB_ENDED, /* the guest has ended, and gdb knows */
};

struct gdb_server {
    struct guest_options options;
    struct guest guest;
    enum gdb_state state;

    bool lent;            /* by a prompt, which has no options, and has run the guest already */
    int listener, client; /* -1: none */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* to remove at the end; or "" */
    uint8_t input[4096];
    size_t input_at, input_end;
    struct packet_reader reader;
    uint8_t frame[PACKET_FRAME]; /* what was sent last */
    size_t frame_length;
    bool quiet; /* packets are not acknowledged any more */

    struct packet_reply reply;
    bool swbreak, hwbreak; /* gdb wants to be told which kind it was */
    unsigned thread;       /* the VM that gdb looks at: its number, from 0 */
    bool physical;         /* memory packets mean guest-physical addresses */
    char stop[80];         /* the last stop reply */
    uint64_t stops_sent;   /* how many were sent */
    bool end_told;         /* a bad end was reported as a signal */
    struct gdb_point points[GDB_POINTS];
    unsigned point_count;
    struct gdb_watch watches[GDB_WATCHES];
    unsigned watch_count;
    bool catching;      /* stop behind traps ... */
    const char *caught; /* ... of this cause; NULL: of any */
    uint64_t slice;     /* instructions between looks at the link */
};

/* ---- link.c ---- */

/* Listens where `where` says: HOST:PORT, or unix:PATH. Without `remote` only on this machine.
 * Returns VMM_SUCCESS, or another status after a sentence. */
int gdb_listen(struct gdb_server *server, const char *where, bool remote);
void gdb_close(struct gdb_server *server);

/* Whether somebody wants to connect; waits for at most `milliseconds`. */
bool gdb_knocks(const struct gdb_server *server, int milliseconds);

/* Takes the connection. False if there is none after all. */
bool gdb_accept(struct gdb_server *server);
void gdb_hang_up(struct gdb_server *server);

/* The next event of the link; waits for at most `milliseconds`, PACKET_NONE if nothing came. If the
 * connection is lost, the server's state says so. Acknowledges packets. */
enum packet_event gdb_receive(struct gdb_server *server, int milliseconds);

/* Between the two, gdb's ^C interrupts the guest at once: for calls that nobody looks at the link
 * in. */
void gdb_listen_for_interrupt(struct gdb_server *server, bool listen);

/* Sends a packet. */
void gdb_send(struct gdb_server *server, const char *data, size_t count);

/* Sends text for gdb to print, in as many packets as it needs. */
void gdb_print(struct gdb_server *server, const char *text, size_t count);

/* ---- the rest ---- */

/* Answers the packet in `server->reader`. */
void gdb_command(struct gdb_server *server);

/* Goes back by one instruction, or to the last stop before, and sends why. */
void gdb_reverse(struct gdb_server *server, bool step);

/* The VM that gdb looks at, how many there are, and number `i`. */
struct vmm_vm *gdb_vm(const struct gdb_server *server);
unsigned gdb_vm_count(const struct gdb_server *server);
struct vmm_vm *gdb_vm_number(const struct gdb_server *server, unsigned i);

/* Runs the VM that gdb looks at by one instruction; or it, and with `all` the others in turns,
 * until one stops or gdb asks for it; and sends why. */
void gdb_resume(struct gdb_server *server, bool step, bool all);

/* Lets the guest run with nobody attached, until somebody knocks (true), or it has ended. */
bool gdb_run_alone(struct gdb_server *server);

/* Whether breakpoints and watchpoints can be set, after which they are. */
bool gdb_add_point(struct gdb_server *server, uint32_t linear, bool hardware);
void gdb_delete_point(struct gdb_server *server, uint32_t linear, bool hardware);
bool gdb_add_watch(struct gdb_server *server, char kind, uint32_t linear, uint32_t count);
void gdb_delete_watch(struct gdb_server *server, char kind, uint32_t linear, uint32_t count);
void gdb_delete_points(struct gdb_server *server);

/* For vmm_stop_at_traps; `context` is the server. */
bool gdb_catches(void *context, const struct vmm_record *record);

/* Does what follows `monitor`; the answer is printed by gdb. */
void gdb_monitor(struct gdb_server *server, char *line);

/* ---- serve.c ---- */

/* Serves until gdb kills the guest, or that has ended, or a signal asks for the end; `once`: to one
 * gdb, until it leaves. */
void gdb_serve(struct gdb_server *server, bool once);

/* The signal that asked the server to end; 0: none did. */
int gdb_signal(void);

#endif
