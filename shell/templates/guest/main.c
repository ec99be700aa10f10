/* @NAME@: a guest of the virtual machine monitor. It has the machine to itself: there is no library
 * below it. A byte written to port 0xE9 appears on the console; when main() returns, the run ends:
 * with status 0 if the result is 0. */
#include <stdint.h>

static inline void outb(uint16_t port, uint8_t value)
{
    asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static void put_string(const char *text)
{
    while (*text)
        outb(0xE9, (uint8_t)*text++);
}

/* `magic` and `info` are what the boot loader left: see the Multiboot specification, 3.2 and 3.3.
 */
int main(uint32_t magic, uint32_t info)
{
    (void)info;
    put_string("Hello from @NAME@.\n");
    return magic == 0x2BADB002 ? 0 : 1;
}
