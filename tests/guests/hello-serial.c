/* Shows a serial console set up as a driver does it: divisor latch for 115200 baud, 8N1, FIFO on;
 * a presence test with the scratch register and a loopback test (16550 data sheet, MCR bit 4).
 * Exit code 0, or 1 if a test fails. */
#include "guest.h"

enum { COM1 = 0x3F8 };

static void serial_char(char c)
{
    while (!(inb(COM1 + 5) & 0x20))
        ;
    outb(COM1, (uint8_t)c);
}

static void serial_string(const char *text)
{
    while (*text)
        serial_char(*text++);
}

int main(void)
{
    outb(COM1 + 1, 0x00); /* no interrupts */
    outb(COM1 + 3, 0x80); /* DLAB: the first two ports are the divisor */
    outb(COM1 + 0, 1);
    outb(COM1 + 1, 0);
    bool divisor = inb(COM1) == 1 && inb(COM1 + 1) == 0;
    outb(COM1 + 3, 0x03); /* 8N1 */
    outb(COM1 + 2, 0xC7); /* FIFO on, cleared, 14 bytes */
    bool fifo = (inb(COM1 + 2) & 0xC0) == 0xC0;
    outb(COM1 + 7, 0x5A);
    bool scratch = inb(COM1 + 7) == 0x5A;
    outb(COM1 + 4, 0x1E); /* loopback, RTS, OUT1, OUT2 */
    outb(COM1, 0xAE);
    uint32_t wait = 0;
    while (!(inb(COM1 + 5) & 1) && wait < 100000)
        wait++;
    bool loopback = inb(COM1) == 0xAE;
    outb(COM1 + 4, 0x0F);

    serial_string("Hello from COM1 at 115200 baud.\n");
    serial_string(divisor ? "divisor latch: ok\n" : "divisor latch: wrong\n");
    serial_string(fifo ? "FIFO: ok\n" : "FIFO: wrong\n");
    serial_string(scratch ? "scratch: ok\n" : "scratch: wrong\n");
    serial_string(loopback ? "loopback: ok\n" : "loopback: wrong\n");
    return divisor && fifo && scratch && loopback ? 0 : 1;
}
