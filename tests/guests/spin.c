/* Shows a guest that never ends: an instruction limit, or the user, has to stop it. With `if=1`
 * interrupts are on (and masked in the 8259A). */
#include "guest.h"

int main(uint32_t magic, const struct multiboot_info *info)
{
    (void)magic;
    put_string("Spinning.\n");
    if (command_line_number(info, "if", 0)) {
        outb(0x21, 0xFF);
        outb(0xA1, 0xFF);
        asm volatile("sti");
    }
    for (;;)
        asm volatile("");
}
