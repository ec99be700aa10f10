/* The interrupt controllers of a PC: two 8259A, the second one's output on input 2 of the first
 * (Intel 8259A data sheet, 231468). Inputs 0-7 are the master's, 8-15 the slave's. A request is
 * latched by an edge or follows the level of its input; the output is raised while there is a
 * request, not masked, of a higher priority than everything in service. */
#ifndef VMM_MACHINE_DEVICES_PIC_H
#define VMM_MACHINE_DEVICES_PIC_H

#include <stdbool.h>
#include <stdint.h>

struct board;

struct pic_chip {
    uint8_t lines;      /* the inputs' levels */
    uint8_t latched;    /* requests that an edge has latched */
    uint8_t elcr;       /* inputs that are level-triggered by the chip set's control register */
    uint8_t imr, isr;   /* interrupt mask and in-service registers */
    uint8_t icw1, icw4; /* as written; ICW4 is 0 when ICW1 says that there is none */
    uint8_t icw3;       /* master: inputs with a slave; slave: its number */
    uint8_t base;       /* vector of input 0, from ICW2 */
    uint8_t expect;     /* the initialization word that port 1 takes next, 0: none */
    uint8_t lowest;     /* the input with the lowest priority: 7 unless rotated */
    bool ready;         /* initialized since power-on: before that the output stays low */
    bool rotate_auto;   /* rotate at each automatic end of interrupt */
    bool special_mask;
    bool read_isr; /* port 0 reads ISR, not IRR */
    bool poll;     /* the next read is an acknowledge (poll command) */
};

struct pic {
    struct board *board;
    struct pic_chip chip[2]; /* master, slave */
    bool output;             /* the master's INT output */
};

/* Power-on state: nothing gets through before the guest has initialized the chips. */
void pic_init(struct pic *pic, struct board *board);

/* Claims ports 20-21, A0-A1 and 4D0-4D1 (hexadecimal). */
void pic_wire(struct pic *pic, struct board *board);

/* Sets input `irq` (0 to 15, not 2) high or low. */
void pic_set_line(struct pic *pic, unsigned irq, bool level);

/* The processor's interrupt acknowledge cycle. Returns the vector; that of input 7 of the chip
 * asked if the request has gone meanwhile (spurious). */
uint8_t pic_acknowledge(struct pic *pic);

/* The interrupt request register of chip 0 or 1, as OCW3 makes it readable. */
uint8_t pic_irr(const struct pic *pic, unsigned chip);

#endif
