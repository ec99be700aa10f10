/* Two 8259A programmable interrupt controllers (Intel data sheet 231468): initialization words
 * ICW1-4, operation words OCW1-3, priorities, and the cascade.
 *
 * Two rules of the data sheet are easily got wrong. An edge alone is not a request: the input has
 * to stay high until the acknowledge, or the processor gets the vector of input 7, spurious, with
 * no bit in service. And a slave is acknowledged by both chips, so it needs two ends of interrupt.
 * Not modelled: the 8080 mode and buffered mode, which a PC does not wire. */
#include "pic.h"

#include <assert.h>
#include <string.h>

#include "../board.h"

enum {
    ICW1_IC4 = 0x01,
    ICW1_SNGL = 0x02,
    ICW1_LTIM = 0x08,
    ICW1 = 0x10,
    ICW4_AEOI = 0x02,
    ICW4_SFNM = 0x10,
    OCW3 = 0x08,
    OCW3_RIS = 0x01,
    OCW3_RR = 0x02,
    OCW3_P = 0x04,
    OCW3_SMM = 0x20,
    OCW3_ESMM = 0x40,
};
#define CASCADE 2u
#define NONE    8u

/* Inputs that the chip set lets be level-triggered: not the timer, keyboard, cascade, RTC, FPU. */
static const uint8_t elcr_writable[2] = {0xf8, 0xde};

static uint8_t bit(unsigned input)
{
    return (uint8_t)(1u << input);
}

static uint8_t requests(const struct pic_chip *chip)
{
    uint8_t level = chip->icw1 & ICW1_LTIM ? 0xff : chip->elcr;
    return (uint8_t)((chip->latched & ~level) | (chip->lines & level));
}

/* The rank of an input: 0 is the highest priority, 7 the lowest. */
static unsigned rank(const struct pic_chip *chip, unsigned input)
{
    return (input - chip->lowest - 1u) & 7u;
}

/* The set bit of the highest priority in `inputs`, or NONE. */
static unsigned highest(const struct pic_chip *chip, uint8_t inputs)
{
    for (unsigned i = 1; i <= 8; i++) {
        unsigned input = (chip->lowest + i) & 7u;
        if (inputs & bit(input))
            return input;
    }
    return NONE;
}

static uint8_t in_service(const struct pic_chip *chip)
{
    return chip->special_mask ? chip->isr & (uint8_t)~chip->imr : chip->isr;
}

/* The input that the chip would interrupt for now, or NONE. */
static unsigned candidate(const struct pic_chip *chip, bool master)
{
    if (!chip->ready || chip->expect)
        return NONE;
    unsigned input = highest(chip, requests(chip) & (uint8_t)~chip->imr);
    if (input == NONE)
        return NONE;
    unsigned serving = highest(chip, in_service(chip));
    if (serving == NONE || rank(chip, input) < rank(chip, serving))
        return input;
    /* Special fully nested mode: a slave in service does not lock out its own further requests. */
    if (master && input == serving && input == CASCADE && (chip->icw4 & ICW4_SFNM))
        return input;
    return NONE;
}

static void chip_line(struct pic_chip *chip, unsigned input, bool level)
{
    if (!level) {
        chip->lines &= (uint8_t)~bit(input);
        chip->latched &= (uint8_t)~bit(input);
    } else if (!(chip->lines & bit(input))) {
        chip->lines |= bit(input);
        chip->latched |= bit(input);
    }
}

/* Brings the cascade and the output pin up to date after any change. */
static void update(struct pic *pic)
{
    chip_line(&pic->chip[0], CASCADE, candidate(&pic->chip[1], false) != NONE);
    bool output = candidate(&pic->chip[0], true) != NONE;
    if (output != pic->output) {
        pic->output = output;
        board_interrupt_output(pic->board, output);
    }
}

void pic_set_line(struct pic *pic, unsigned irq, bool level)
{
    assert(irq < 16 && irq != CASCADE);
    struct pic_chip *chip = &pic->chip[irq >> 3];
    if (((chip->lines & bit(irq & 7)) != 0) == level)
        return;
    chip_line(chip, irq & 7, level);
    update(pic);
}

/* First half of an acknowledge: puts the candidate in service. Returns its input, or NONE. */
static unsigned accept(struct pic_chip *chip, bool master)
{
    unsigned input = candidate(chip, master);
    if (input == NONE)
        return NONE;
    chip->latched &= (uint8_t)~bit(input);
    if (!(chip->icw4 & ICW4_AEOI))
        chip->isr |= bit(input);
    else if (chip->rotate_auto)
        chip->lowest = (uint8_t)input;
    return input;
}

uint8_t pic_acknowledge(struct pic *pic)
{
    struct pic_chip *chip = &pic->chip[0];
    unsigned input = accept(chip, true);
    if (input == CASCADE && !(chip->icw1 & ICW1_SNGL)) {
        chip = &pic->chip[1];
        input = accept(chip, false);
        /* The slave's output drops at its acknowledge: what else it wants is a new edge. */
        chip_line(&pic->chip[0], CASCADE, false);
    }
    uint8_t vector = (uint8_t)(chip->base | (input == NONE ? 7 : input));
    const struct board_guard *guard = &pic->board->guard;
    if (guard->line && input != NONE)
        guard->line(guard->context, (unsigned)(chip - pic->chip) * 8 + input);
    update(pic);
    return vector;
}

uint8_t pic_irr(const struct pic *pic, unsigned chip)
{
    assert(chip < 2);
    return requests(&pic->chip[chip]);
}

static void write_icw1(struct pic_chip *chip, uint8_t value)
{
    chip->icw1 = value;
    chip->icw4 = 0;
    chip->imr = 0;
    chip->isr = 0;
    chip->latched = 0; /* the edge sense circuit is reset: the next request needs a new edge */
    chip->lowest = 7;
    chip->special_mask = false;
    chip->rotate_auto = false;
    chip->read_isr = false;
    chip->poll = false;
    chip->ready = true;
    chip->expect = 2;
}

/* OCW2: bits 7-5 are R (rotate), SL (specific), EOI; bits 2-0 the level of the specific ones. */
static void write_ocw2(struct pic_chip *chip, uint8_t value)
{
    unsigned level = value & 7;
    bool rotate = value & 0x80, specific = value & 0x40, eoi = value & 0x20;
    if (!eoi) {
        if (!specific)
            chip->rotate_auto = rotate;
        else if (rotate)
            chip->lowest = (uint8_t)level;
        return;
    }
    if (!specific) {
        /* In special mask mode a masked bit in service is passed over. */
        level = highest(chip, in_service(chip));
        if (level == NONE)
            return;
    }
    chip->isr &= (uint8_t)~bit(level);
    if (rotate)
        chip->lowest = (uint8_t)level;
}

static void write_ocw3(struct pic_chip *chip, uint8_t value)
{
    if (value & OCW3_ESMM)
        chip->special_mask = value & OCW3_SMM;
    if (value & OCW3_P)
        chip->poll = true;
    else if (value & OCW3_RR)
        chip->read_isr = value & OCW3_RIS;
}

static void write_port1(struct pic_chip *chip, uint8_t value)
{
    switch (chip->expect) {
    case 2:
        chip->base = value & 0xf8;
        chip->expect = chip->icw1 & ICW1_SNGL ? (chip->icw1 & ICW1_IC4 ? 4 : 0) : 3;
        break;
    case 3:
        chip->icw3 = value;
        chip->expect = chip->icw1 & ICW1_IC4 ? 4 : 0;
        break;
    case 4:
        chip->icw4 = value;
        chip->expect = 0;
        break;
    default: chip->imr = value; break; /* OCW1 */
    }
}

static void chip_out(void *device, uint16_t port, uint8_t value)
{
    struct pic *pic = device;
    struct pic_chip *chip = &pic->chip[port >> 7];
    if (port & 1)
        write_port1(chip, value);
    else if (value & ICW1)
        write_icw1(chip, value);
    else if (value & OCW3)
        write_ocw3(chip, value);
    else
        write_ocw2(chip, value);
    update(pic);
}

static uint8_t chip_in(void *device, uint16_t port)
{
    struct pic *pic = device;
    bool master = !(port & 0x80);
    struct pic_chip *chip = &pic->chip[port >> 7];
    if (chip->poll) {
        chip->poll = false;
        unsigned input = accept(chip, master);
        if (!master)
            chip_line(&pic->chip[0], CASCADE, false);
        update(pic);
        return input == NONE ? 0 : (uint8_t)(0x80 | input);
    }
    if (port & 1)
        return chip->imr;
    return chip->read_isr ? chip->isr : requests(chip);
}

static uint8_t elcr_in(void *device, uint16_t port)
{
    struct pic *pic = device;
    return pic->chip[port & 1].elcr;
}

static void elcr_out(void *device, uint16_t port, uint8_t value)
{
    struct pic *pic = device;
    pic->chip[port & 1].elcr = value & elcr_writable[port & 1];
    update(pic);
}

static const struct bus_device chip_ports = {.name = "pic", .in = chip_in, .out = chip_out};
static const struct bus_device elcr_ports = {.name = "elcr", .in = elcr_in, .out = elcr_out};

void pic_init(struct pic *pic, struct board *board)
{
    memset(pic, 0, sizeof *pic);
    for (unsigned i = 0; i < 2; i++) {
        pic->chip[i].imr = 0xff;
        pic->chip[i].lowest = 7;
    }
    pic_wire(pic, board);
}

void pic_wire(struct pic *pic, struct board *board)
{
    pic->board = board;
    bus_claim(&board->bus, 0x20, 0x21, &chip_ports, pic);
    bus_claim(&board->bus, 0xa0, 0xa1, &chip_ports, pic);
    bus_claim(&board->bus, 0x4d0, 0x4d1, &elcr_ports, pic);
}
