/* Shows the shutdown: an exception whose delivery faults is a double fault, and a double fault that
 * cannot be delivered shuts the processor down (SDM 3, 6.15, interrupt 8). The IDT is empty. */
#include "guest.h"

int main(void)
{
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) empty = {0, 0};
    put_string("Taking an exception with an empty IDT.\n");
    asm volatile("lidt %0; ud2" ::"m"(empty));
    put_string("Returned: this must not appear.\n");
    return 1;
}
