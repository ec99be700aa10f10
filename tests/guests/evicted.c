/* Shows code that is executed for the first time while only the TLB still knows its page: a VMM
 * whose guest writes again and again to a page table stops taking it for one and drops what it
 * derived from it, though nothing of what the guest had mapped has changed (its entries that become
 * present need no INVLPG: SDM 3, 4.10.4.3). Every instruction must still be counted. Exit code: the
 * wrong sums, 0. */
#include "cpu.h"

enum { P = 1, W = 2, CR0_PG = 1u << 31, WINDOW = 0x40000000, OTHER = 0x40400000, ROUTINES = 32, SIZE = 16 };

static uint32_t directory[1024] __attribute__((aligned(4096)));
static uint32_t low[1024] __attribute__((aligned(4096)));
static uint32_t window[1024] __attribute__((aligned(4096)));
static uint32_t other[1024] __attribute__((aligned(4096)));
static uint8_t code[4096] __attribute__((aligned(4096)));

/* INC EAX, ten times; RET. */
static void write_routine(uint8_t *to)
{
    for (unsigned i = 0; i < 10; i++)
        to[i] = 0x40;
    to[10] = 0xC3;
}

static uint32_t call(uint32_t routine, uint32_t value)
{
    asm volatile("call *%1" : "+a"(value) : "r"(routine) : "ecx", "edx", "memory", "cc");
    return value;
}

int main(void)
{
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < 1024; i++)
        low[i] = i << 12 | P | W;
    for (uint32_t i = 0; i < ROUTINES; i++)
        write_routine(code + SIZE * i);
    directory[0] = (uint32_t)low | P | W;
    directory[WINDOW >> 22] = (uint32_t)window | P | W;
    directory[OTHER >> 22] = (uint32_t)other | P | W;
    window[0] = other[0] = (uint32_t)code | P;
    write_cr3((uint32_t)directory);
    write_cr0(read_cr0() | CR0_PG);
    for (uint32_t i = 0; i < ROUTINES; i++) {
        uint32_t sum = call(WINDOW, 0) + call(OTHER + SIZE * i, 0);
        for (uint32_t page = 1; page < 32; page++)
            *(volatile uint32_t *)&window[32 * i + page] = (uint32_t)code | P;
        sum = call(WINDOW + SIZE * i, sum);
        wrong += sum != 30;
    }
    print("%u sums are wrong\n", wrong);
    return (int)wrong;
}
