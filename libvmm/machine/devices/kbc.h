/* The 8042 keyboard controller at ports 60 and 64 (hexadecimal) with an AT keyboard behind it, IRQ
 * 1, and port 92 (IBM PC/AT and PS/2 hardware technical references). It also holds the A20 gate and
 * the processor's reset line. There is no auxiliary device. */
#ifndef VMM_MACHINE_DEVICES_KBC_H
#define VMM_MACHINE_DEVICES_KBC_H

#include <stdbool.h>
#include <stdint.h>

#define KBC_QUEUE 16u

struct board;

struct kbc {
    struct board *board;
    uint8_t ram[32]; /* the controller's memory; byte 0 is the command byte */
    uint8_t status;  /* bits that are not computed: system flag, command/data */
    uint8_t command; /* a controller command that waits for its data byte, 0: none */
    uint8_t output;  /* the output buffer */
    bool full;       /* ... has a byte */
    bool from_keyboard;
    uint8_t reply; /* the controller's answer, waiting for the output buffer */
    bool replying;
    uint8_t queue[KBC_QUEUE]; /* the keyboard's own buffer */
    uint8_t head, count;
    uint8_t key_command; /* a keyboard command that waits for its argument, 0: none */
    uint8_t scan_set;    /* 1, 2 or 3; 3 sends what 2 sends */
    uint8_t last;        /* the keyboard's last byte, for "resend" */
    uint8_t leds;
    bool prefix;   /* kbc_scancode has seen E0 */
    bool scanning; /* the keyboard reports keys */
    bool a20;      /* the gate: address bit 20 passes. Memory ignores it, see kbc.c */
    uint8_t port92;
};

/* State after the firmware's self-test: keyboard enabled, translation on, A20 open. */
void kbc_init(struct kbc *kbc, struct board *board);

/* Claims ports 60, 64 and 92. */
void kbc_wire(struct kbc *kbc, struct board *board);

/* A key goes down or up. `key` is its make code in scan-code set 1, with E000 added for the keys
 * that send the prefix E0 (E048: cursor up). Returns false if the keyboard is off or its buffer is
 * full. */
bool kbc_key(struct kbc *kbc, uint16_t key, bool pressed);

/* One byte of a set-1 sequence as a program would read it from port 60: E0, then make codes or
 * break codes (bit 7). For whoever has a recorded stream. Returns what kbc_key returned, true for
 * E0. */
bool kbc_scancode(struct kbc *kbc, uint8_t code);

#endif
