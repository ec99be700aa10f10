/* Shows both consoles: the debug console (a byte written to port 0xE9 appears) and the serial
 * port, polled (16550 data sheet: write the transmitter when LSR bit 5, THRE, is set). Reading port
 * 0xE9 gives 0xE9 where the console exists. Ends with exit code 0. */
#include "guest.h"

static void serial_string(const char *text)
{
    for (; *text; text++) {
        while (!(inb(0x3FD) & 0x20))
            ;
        outb(0x3F8, (uint8_t)*text);
    }
}

int main(void)
{
    put_string("Hello from port 0xE9.\n");
    print("Port 0xE9 reads 0x%02x.\n", inb(0xE9));
    serial_string("Hello from COM1.\n");
    return 0;
}
