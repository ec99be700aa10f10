/* The packet layer of gdb's remote serial protocol (the gdb manual, appendix E.1): from bytes to
 * packets and back. It knows nothing of commands, allocates nothing, and takes any bytes at all. */
#ifndef SHELL_GDB_PACKET_H
#define SHELL_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_CONTROL_C 0x03 /* outside of packets: gdb wants the guest stopped */

enum {
    PACKET_ROOM = 0x4000,               /* bytes of data in a packet, at most */
    PACKET_FRAME = 2 * PACKET_ROOM + 4, /* ... with escapes, '$', '#' and the checksum */
};

/* What a byte completed. */
enum packet_event {
    PACKET_NONE,
    PACKET_READY,     /* a packet: `data` and `length` hold until the next byte */
    PACKET_BAD,       /* one with a wrong checksum, or too long a one */
    PACKET_INTERRUPT, /* 0x03 between packets: ^C */
    PACKET_ACK,       /* '+' */
    PACKET_NAK,       /* '-' */
};

/* Zeros are the state between packets. */
struct packet_reader {
    enum { PACKET_IDLE, PACKET_DATA, PACKET_SUM_HIGH, PACKET_SUM_LOW } state;
    bool escaped;    /* the last byte was '}' */
    bool too_long;   /* more came than there is room for */
    bool sum_broken; /* a digit of the checksum is none */
    uint8_t sum;     /* of the bytes as they came */
    uint8_t given;   /* the checksum's first digit */
    size_t length;
    char data[PACKET_ROOM + 1]; /* without escapes; a zero follows */
};

/* Takes a byte. */
enum packet_event packet_take(struct packet_reader *reader, uint8_t byte);

/* Puts a packet with `count` bytes of data, at most PACKET_ROOM, into `frame`, which has room for
 * PACKET_FRAME. Returns its length. */
size_t packet_frame(const char *data, size_t count, uint8_t *frame);

/* A hexadecimal digit's value, or -1. */
int packet_digit(char digit);

/* Reads a hexadecimal number of at most 32 bits; `*text` goes behind it. False if there is none, or
 * a larger one. */
bool packet_number(const char **text, uint32_t *number);

/* Reads two digits for each of `count` bytes; `*text` goes behind them. False if one is none. */
bool packet_bytes(const char **text, uint8_t *bytes, size_t count);

/* What is sent as one packet, as it is put together. What does not fit is left out. */
struct packet_reply {
    size_t length;
    char data[PACKET_ROOM + 1];
};

void packet_put(struct packet_reply *reply, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void packet_put_raw(struct packet_reply *reply, const void *bytes, size_t count);
void packet_put_hex(struct packet_reply *reply, const void *bytes, size_t count);

#endif
