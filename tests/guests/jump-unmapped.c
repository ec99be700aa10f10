/* Shows a jump to where nothing is: `to=physical` (default) leaves memory with paging off; the bus
 * answers with ones, or not at all. `to=virtual` jumps to a page that is not present, without an
 * IDT, and so shuts down. */
#include "guest.h"

static uint32_t page_directory[1024] __attribute__((aligned(4096)));

int main(uint32_t magic, const struct multiboot_info *info)
{
    char to[12];
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) empty = {0, 0};
    (void)magic;
    asm volatile("lidt %0" ::"m"(empty));
    if (command_line_option(info, "to", to, sizeof to) && string_equal(to, "virtual")) {
        page_directory[0] = 0x83; /* the first 4 MB: present, writable, PS */
        asm volatile(
            "movl %%cr4, %%eax; orl $0x10, %%eax; movl %%eax, %%cr4\n\t"
            "movl %0, %%cr3\n\t"
            "movl %%cr0, %%eax; orl $0x80000000, %%eax; movl %%eax, %%cr0" ::"r"(page_directory)
            : "eax", "memory");
    }
    put_string("Jumping to 0xE0000000.\n");
    ((void (*)(void))0xE0000000)();
    put_string("Returned: this must not appear.\n");
    return 1;
}
