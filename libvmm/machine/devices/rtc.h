/* The MC146818 real-time clock and its CMOS memory at ports 70 and 71 (hexadecimal), IRQ 8
 * (Motorola MC146818 data sheet). It is 2026-01-01 00:00:00, a Thursday, when the machine is
 * powered on, and the clock goes with virtual time: the host's date never enters. */
#ifndef VMM_MACHINE_DEVICES_RTC_H
#define VMM_MACHINE_DEVICES_RTC_H

#include <stdbool.h>
#include <stdint.h>

struct board;

struct rtc {
    struct board *board;
    unsigned timer;
    uint8_t index;
    bool nmi_masked;   /* bit 7 of port 70 */
    uint8_t cmos[128]; /* the registers 0-13 too, except the computed bits of A, C and D */
    uint8_t flags;     /* register C: PF, AF, UF as they stand */
    int64_t origin;    /* the cycle from which the divider's seconds count */
    uint64_t seconds;  /* updates taken account of since `origin` */
    uint64_t periods;  /* periodic interrupts taken account of since `origin` */
};

/* Sets the date, and in the CMOS the memory size as a PC's firmware leaves it. */
void rtc_init(struct rtc *rtc, struct board *board, uint32_t memory_size);

/* Claims ports 70 and 71 and a timer. */
void rtc_wire(struct rtc *rtc, struct board *board);

#endif
