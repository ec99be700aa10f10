/* Shows HLT with interrupts off and none pending: nothing can wake the processor, so that the run
 * ends with stop `halt`. (QEMU waits for ever: there is no comparison.) */
#include "guest.h"

int main(void)
{
    put_string("Halting with interrupts off.\n");
    asm volatile("cli; hlt");
    put_string("Woken: this must not appear.\n");
    return 1;
}
