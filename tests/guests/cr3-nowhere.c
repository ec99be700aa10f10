/* Shows paging switched on with a page directory where there is no memory: the next fetch cannot be
 * translated (the bus reads as ones or zeros), nor can the exception be delivered: shutdown. */
#include "guest.h"

int main(void)
{
    put_string("Pointing CR3 at 0xE0000000.\n");
    asm volatile("movl %0, %%cr3\n\t"
                 "movl %%cr0, %%eax; orl $0x80000000, %%eax; movl %%eax, %%cr0\n\t"
                 "nop" ::"r"(0xE0000000)
                 : "eax", "memory");
    put_string("Went on: this must not appear.\n");
    return 1;
}
