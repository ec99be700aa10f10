/* Shows that a guest may execute anything: random bytes at ring 0 and ring 3, each time with an IDT
 * that catches exceptions. How it ends is open (exit code 0 after `n=` rounds, a halt, a shutdown,
 * a limit); that it ends, and harms nobody, is the test. Options: seed=, n=. */
#include "cpu.h"

static uint8_t bytes[4096] __attribute__((aligned(4096)));

int main(uint32_t magic, const struct multiboot_info *info)
{
    uint32_t state = command_line_number(info, "seed", 1);
    uint32_t rounds = command_line_number(info, "n", 200);
    uint32_t counts[256] = {0};
    (void)magic;
    cpu_init();
    for (uint32_t round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < sizeof bytes; i++) {
            state = state * 1664525 + 1013904223;
            bytes[i] = (uint8_t)(state >> 24);
        }
        counts[attempt(bytes, round & 1 ? 3 : 0, 0) & 0xFF]++;
    }
    for (unsigned vector = 0; vector < 256; vector++) {
        if (counts[vector])
            print("vector %u: %u\n", vector, counts[vector]);
    }
    return 0;
}
