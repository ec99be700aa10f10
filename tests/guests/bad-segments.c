/* Shows the load of a bad segment without an IDT, which shuts down. `which=` is one of ds (a
 * selector beyond the GDT, the default), ss (null), cs (a far jump to a data segment), ldt (LLDT of
 * a code segment), tr (LTR of a data segment), gdt (a GDT outside of memory). */
#include "cpu.h"

int main(uint32_t magic, const struct multiboot_info *info)
{
    char which[8] = "ds";
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) empty = {0, 0}, nowhere = {0xFFFF, 0xE0000000};
    (void)magic;
    command_line_option(info, "which", which, sizeof which);
    cpu_init();
    print("Loading a bad %s.\n", which);
    asm volatile("lidt %0" ::"m"(empty));
    if (string_equal(which, "ds"))
        asm volatile("movw %w0, %%ds" ::"r"(0xFFF8));
    else if (string_equal(which, "ss"))
        asm volatile("movw %w0, %%ss" ::"r"(0));
    else if (string_equal(which, "cs"))
        asm volatile("ljmp $0x10, $0");
    else if (string_equal(which, "ldt"))
        asm volatile("lldt %w0" ::"r"(KERNEL_CODE));
    else if (string_equal(which, "tr"))
        asm volatile("ltr %w0" ::"r"(KERNEL_DATA));
    else if (string_equal(which, "gdt"))
        asm volatile("lgdt %0; movw %w1, %%ds" ::"m"(nowhere), "r"(KERNEL_DATA));
    put_string("Went on: this must not appear.\n");
    return 1;
}
