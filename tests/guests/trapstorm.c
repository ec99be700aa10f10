/* Shows more traps than any trace holds: `n=` rounds (default 50000) of a port write, a control
 * register write, CLI, INT n, and an exception at ring 3 that goes to ring 0. Exit code 0. */
#include "cpu.h"

PROBE(undefined, "ud2");
PROBE(interrupt, "int $0x81");

int main(uint32_t magic, const struct multiboot_info *info)
{
    uint32_t rounds = command_line_number(info, "n", 50000), sum = 0;
    (void)magic;
    cpu_init();
    for (uint32_t i = 0; i < rounds; i++) {
        outb(0x80, (uint8_t)i);
        asm volatile("cli");
        write_cr2(i);
        sum += attempt(probe_interrupt, 0, 0);
        sum += attempt(probe_undefined, 3, 0);
    }
    print("%u rounds, sum of vectors %u\n", rounds, sum);
    return 0;
}
