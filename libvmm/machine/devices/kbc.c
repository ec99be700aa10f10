/* The 8042 keyboard controller and the keyboard (IBM PC/AT technical reference, "Keyboard
 * Controller" and "Keyboard").
 *
 * Two parties fill the one output buffer: the controller with answers to commands at port 64, the
 * keyboard with keys and with answers to bytes at port 60. The controller goes first. Both are
 * instantaneous, and the interrupt follows the buffer: its line falls when port 60 is read and
 * rises again if another byte was waiting.
 *
 * Deviations: the A20 gate can be read and written but memory never wraps at 1 MB. Answers of the
 * keyboard are not translated to set 1, only keys are (so identify gives AB 83). There is no
 * auxiliary port: commands for it are taken, its test reports a dead line, and its loop-back
 * answers without the auxiliary flag, by which drivers see quickly that there is none. */
#include "kbc.h"

#include <string.h>

#include "../board.h"

enum {
    STATUS_OBF = 0x01,
    STATUS_SYSTEM = 0x04,
    STATUS_COMMAND = 0x08,
    STATUS_UNLOCKED = 0x10,
    BYTE_IRQ1 = 0x01, /* the command byte */
    BYTE_SYSTEM = 0x04,
    BYTE_KEYBOARD_OFF = 0x10,
    BYTE_AUX_OFF = 0x20,
    BYTE_TRANSLATE = 0x40,
    OUTPUT_RESET = 0x01, /* the output port; reset is active low */
    OUTPUT_A20 = 0x02,
    OUTPUT_IRQ1 = 0x10,
    OUTPUT_LINES = 0xc0,
    P92_RESET = 0x01,
    P92_A20 = 0x02,
    ACK = 0xfa,
    RESEND = 0xfe,
};

#define IRQ 1u

/* Scan-code set 1 to set 2, by make code; 0 where there is no key. The prefix E0 is the same. */
static const uint8_t set2[128] = {
    0x00, 0x76, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d,
    0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43, 0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x14, 0x1c, 0x1b,
    0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c, 0x52, 0x0e, 0x12, 0x5d, 0x1a, 0x22, 0x21, 0x2a,
    0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7c, 0x11, 0x29, 0x58, 0x05, 0x06, 0x04, 0x0c, 0x03,
    0x0b, 0x83, 0x0a, 0x01, 0x09, 0x77, 0x7e, 0x6c, 0x75, 0x7d, 0x7b, 0x6b, 0x73, 0x74, 0x79, 0x69,
    0x72, 0x7a, 0x70, 0x71, 0x84, 0x60, 0x61, 0x78, 0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f,
    0x47, 0x4f, 0x56, 0x5e, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0x40, 0x48, 0x50, 0x57, 0x6f,
    0x13, 0x19, 0x39, 0x51, 0x53, 0x5c, 0x5f, 0x62, 0x63, 0x64, 0x65, 0x67, 0x68, 0x6a, 0x6d, 0x6e,
};

/* Moves a waiting byte into the output buffer if that is empty, and drives the interrupt line. */
static void update(struct kbc *kbc)
{
    if (!kbc->full && kbc->replying) {
        kbc->output = kbc->reply;
        kbc->full = true;
        kbc->from_keyboard = false;
        kbc->replying = false;
    } else if (!kbc->full && kbc->count && !(kbc->ram[0] & BYTE_KEYBOARD_OFF)) {
        kbc->output = kbc->queue[kbc->head];
        kbc->head = (kbc->head + 1) % KBC_QUEUE;
        kbc->count--;
        kbc->full = true;
        kbc->from_keyboard = true;
    }
    pic_set_line(&kbc->board->pic, IRQ, kbc->full && (kbc->ram[0] & BYTE_IRQ1));
}

static void reset_processor(struct kbc *kbc)
{
    if (kbc->board->request == BOARD_RUN)
        kbc->board->request = BOARD_RESET;
}

/* The controller's answer to a command. */
static void answer(struct kbc *kbc, uint8_t value)
{
    kbc->reply = value;
    kbc->replying = true;
}

/* The keyboard sends a byte, if its buffer has room. */
static void keyboard_send(struct kbc *kbc, uint8_t value)
{
    if (kbc->count == KBC_QUEUE)
        return;
    kbc->queue[(kbc->head + kbc->count) % KBC_QUEUE] = value;
    kbc->count++;
    if (value != RESEND)
        kbc->last = value;
}

static void keyboard_defaults(struct kbc *kbc)
{
    kbc->scan_set = 2;
    kbc->key_command = 0;
    kbc->leds = 0;
}

/* The byte that follows ED, F0, F3 or FB-FD. */
static void keyboard_argument(struct kbc *kbc, uint8_t value)
{
    uint8_t command = kbc->key_command;
    kbc->key_command = 0;
    if (command == 0xf0 && value > 3) {
        keyboard_send(kbc, RESEND);
        return;
    }
    keyboard_send(kbc, ACK);
    if (command == 0xed)
        kbc->leds = value & 7;
    else if (command == 0xf0 && value)
        kbc->scan_set = value;
    else if (command == 0xf0)
        keyboard_send(kbc, kbc->scan_set);
}

static void keyboard_command(struct kbc *kbc, uint8_t value)
{
    if (kbc->key_command && value < 0xed) {
        keyboard_argument(kbc, value);
        return;
    }
    kbc->key_command = 0;
    switch (value) {
    case 0xee: keyboard_send(kbc, 0xee); return; /* echo */
    case 0xed:                                   /* indicators */
    case 0xf0:                                   /* scan-code set */
    case 0xf3:                                   /* typematic rate */
    case 0xfb:
    case 0xfc:
    case 0xfd: /* key types of set 3 */ kbc->key_command = value; break;
    case 0xf2: /* identify: an MF2 keyboard */
        keyboard_send(kbc, ACK);
        keyboard_send(kbc, 0xab);
        keyboard_send(kbc, 0x83);
        return;
    case 0xf4: /* enable: clears what was waiting */
        kbc->count = 0;
        kbc->scanning = true;
        break;
    case 0xf5: /* default, disable */
    case 0xf6: /* default */
        keyboard_defaults(kbc);
        kbc->scanning = value == 0xf6;
        break;
    case 0xf7:
    case 0xf8:
    case 0xf9:
    case 0xfa: break; /* all keys typematic, make/break, ... of set 3 */
    case 0xfe: keyboard_send(kbc, kbc->last); return;
    case 0xff: /* reset: acknowledge, then the basic assurance test's result */
        kbc->count = 0;
        keyboard_defaults(kbc);
        kbc->scanning = true;
        keyboard_send(kbc, ACK);
        keyboard_send(kbc, 0xaa);
        return;
    default: keyboard_send(kbc, RESEND); return;
    }
    keyboard_send(kbc, ACK);
}

static uint8_t output_port(const struct kbc *kbc)
{
    return (uint8_t)(OUTPUT_LINES | OUTPUT_RESET | (kbc->a20 ? OUTPUT_A20 : 0) |
                     (kbc->full ? OUTPUT_IRQ1 : 0));
}

static void write_output_port(struct kbc *kbc, uint8_t value)
{
    kbc->a20 = value & OUTPUT_A20;
    if (!(value & OUTPUT_RESET))
        reset_processor(kbc);
}

/* The data byte of a controller command. */
static void controller_data(struct kbc *kbc, uint8_t value)
{
    uint8_t command = kbc->command;
    kbc->command = 0;
    if (command >= 0x60 && command < 0x80) {
        kbc->ram[command & 0x1f] = value;
        if (command == 0x60)
            kbc->status = (uint8_t)((kbc->status & ~STATUS_SYSTEM) |
                                    (value & BYTE_SYSTEM ? STATUS_SYSTEM : 0));
    } else if (command == 0xd1) {
        write_output_port(kbc, value);
    } else if (command == 0xd2 || command == 0xd3) {
        answer(kbc, value);
    } /* D4: to the auxiliary device, which is not there */
}

static void controller_command(struct kbc *kbc, uint8_t value)
{
    kbc->command = 0;
    if (value >= 0x20 && value < 0x40) {
        answer(kbc, kbc->ram[value & 0x1f]);
        return;
    }
    if ((value >= 0x60 && value < 0x80) || (value >= 0xd1 && value <= 0xd4)) {
        kbc->command = value;
        return;
    }
    if (value >= 0xf0) { /* pulses the output lines whose bits are 0; line 0 is reset */
        if (!(value & OUTPUT_RESET))
            reset_processor(kbc);
        return;
    }
    switch (value) {
    case 0xa7: kbc->ram[0] |= BYTE_AUX_OFF; break;
    case 0xa8: kbc->ram[0] &= (uint8_t)~BYTE_AUX_OFF; break;
    case 0xa9: answer(kbc, 0x01); break; /* auxiliary port test: clock line stuck low */
    case 0xaa:                           /* self-test */
        kbc->status |= STATUS_SYSTEM;
        kbc->ram[0] |= BYTE_SYSTEM;
        answer(kbc, 0x55);
        break;
    case 0xab: answer(kbc, 0x00); break; /* keyboard port test: no fault */
    case 0xad: kbc->ram[0] |= BYTE_KEYBOARD_OFF; break;
    case 0xae: kbc->ram[0] &= (uint8_t)~BYTE_KEYBOARD_OFF; break;
    case 0xc0: answer(kbc, 0xbf); break; /* input port: not locked, colour display */
    case 0xd0: answer(kbc, output_port(kbc)); break;
    case 0xdd: kbc->a20 = false; break;
    case 0xdf: kbc->a20 = true; break;
    case 0xe0: answer(kbc, 0x00); break; /* test inputs */
    default: break;
    }
}

static uint8_t kbc_in(void *device, uint16_t port)
{
    struct kbc *kbc = device;
    if (port == 0x64)
        return (uint8_t)(kbc->status | STATUS_UNLOCKED | (kbc->full ? STATUS_OBF : 0));
    uint8_t value = kbc->output; /* an empty buffer reads what it had last */
    kbc->full = false;
    pic_set_line(&kbc->board->pic, IRQ, false);
    update(kbc);
    return value;
}

static void kbc_out(void *device, uint16_t port, uint8_t value)
{
    struct kbc *kbc = device;
    if (port == 0x64) {
        kbc->status |= STATUS_COMMAND;
        controller_command(kbc, value);
    } else {
        kbc->status &= (uint8_t)~STATUS_COMMAND;
        if (kbc->command) {
            controller_data(kbc, value);
        } else { /* for the keyboard, whose clock the controller turns on to send it */
            kbc->ram[0] &= (uint8_t)~BYTE_KEYBOARD_OFF;
            keyboard_command(kbc, value);
        }
    }
    update(kbc);
}

static uint8_t port92_in(void *device, uint16_t port)
{
    (void)port;
    const struct kbc *kbc = device;
    return (uint8_t)((kbc->port92 & (uint8_t)~P92_A20) | (kbc->a20 ? P92_A20 : 0));
}

static void port92_out(void *device, uint16_t port, uint8_t value)
{
    (void)port;
    struct kbc *kbc = device;
    if ((value & P92_RESET) && !(kbc->port92 & P92_RESET)) /* reset is the bit's rising edge */
        reset_processor(kbc);
    kbc->port92 = value;
    kbc->a20 = value & P92_A20;
}

bool kbc_key(struct kbc *kbc, uint16_t key, bool pressed)
{
    uint8_t make = key & 0x7f, bytes[3];
    unsigned count = 0;
    bool translated = (kbc->ram[0] & BYTE_TRANSLATE) || kbc->scan_set == 1;
    if (key >> 8)
        bytes[count++] = (uint8_t)(key >> 8);
    if (translated) {
        bytes[count++] = (uint8_t)(make | (pressed ? 0 : 0x80));
    } else {
        if (!pressed)
            bytes[count++] = 0xf0;
        bytes[count++] = set2[make];
    }
    if (!kbc->scanning || kbc->count + count > KBC_QUEUE)
        return false;
    for (unsigned i = 0; i < count; i++)
        keyboard_send(kbc, bytes[i]);
    update(kbc);
    return true;
}

bool kbc_scancode(struct kbc *kbc, uint8_t code)
{
    if (code == 0xe0) {
        kbc->prefix = true;
        return true;
    }
    uint16_t key = (uint16_t)((kbc->prefix ? 0xe000 : 0) | (code & 0x7f));
    kbc->prefix = false;
    return kbc_key(kbc, key, !(code & 0x80));
}

static const struct bus_device kbc_ports = {.name = "kbc", .in = kbc_in, .out = kbc_out};
static const struct bus_device port92_ports = {
    .name = "port92", .in = port92_in, .out = port92_out};

void kbc_init(struct kbc *kbc, struct board *board)
{
    memset(kbc, 0, sizeof *kbc);
    kbc->ram[0] = BYTE_TRANSLATE | BYTE_AUX_OFF | BYTE_SYSTEM | BYTE_IRQ1;
    kbc->status = STATUS_SYSTEM;
    kbc->scanning = true;
    kbc->a20 = true;
    keyboard_defaults(kbc);
    kbc_wire(kbc, board);
}

void kbc_wire(struct kbc *kbc, struct board *board)
{
    kbc->board = board;
    bus_claim(&board->bus, 0x60, 0x60, &kbc_ports, kbc);
    bus_claim(&board->bus, 0x64, 0x64, &kbc_ports, kbc);
    bus_claim(&board->bus, 0x92, 0x92, &port92_ports, kbc);
}
