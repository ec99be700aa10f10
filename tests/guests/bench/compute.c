/* Workloads of innocuous instructions: what direct execution should leave at full speed. */
#include "bench.h"

/* Eleven instructions a round, the loop's two among them. */
static uint32_t alu(uint32_t n)
{
    uint32_t a = 1, b = 2, c = 3;
    asm volatile("1: addl %1, %0\n\txorl %2, %1\n\trorl $7, %0\n\tsubl %0, %2\n\t"
                 "leal 5(%1,%2), %1\n\tandl $0x7fffffff, %2\n\torl $1, %0\n\t"
                 "imull %1, %2\n\tnotl %1\n\tdecl %3\n\tjnz 1b"
                 : "+r"(a), "+r"(b), "+r"(c), "+r"(n)::"cc");
    return a ^ b ^ c;
}

/* Primes below 20000 by trial division, n times. */
static uint32_t primes(uint32_t n)
{
    uint32_t found = 0;
    while (n--) {
        for (uint32_t candidate = 2; candidate < 20000; candidate++) {
            bool prime = true;
            for (uint32_t d = 2; d * d <= candidate && prime; d++)
                prime = candidate % d != 0;
            found += prime;
        }
    }
    return found;
}

/* A sieve of 64 KB, n times. */
static uint32_t sieve(uint32_t n)
{
    static uint8_t composite[65536];
    uint32_t found = 0;
    while (n--) {
        for (uint32_t i = 0; i < sizeof composite; i++)
            composite[i] = 0;
        for (uint32_t i = 2; i < sizeof composite; i++) {
            if (composite[i])
                continue;
            found++;
            for (uint32_t multiple = i * 2; multiple < sizeof composite; multiple += i)
                composite[multiple] = 1;
        }
    }
    return found;
}

/* n words read and written in order in 16 MB. */
static uint32_t sequential(uint32_t n)
{
    volatile uint32_t *words = (uint32_t *)BUFFER;
    asm("" : "+r"(words));
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = i & (BUFFER_SIZE / 4 - 1);
        sum += words[at];
        words[at] = i;
    }
    return sum;
}

/* n words read and written at random in 16 MB. */
static uint32_t random_access(uint32_t n)
{
    volatile uint32_t *words = (uint32_t *)BUFFER;
    asm("" : "+r"(words));
    uint32_t sum = 0, state = 12345;
    for (uint32_t i = 0; i < n; i++) {
        state = state * 1664525 + 1013904223;
        uint32_t at = state >> 10 & (BUFFER_SIZE / 4 - 1);
        sum += words[at];
        words[at] = i;
    }
    return sum;
}

/* 64 bytes by REP MOVSD, n times. */
static uint32_t rep_movsd(uint32_t n)
{
    static uint32_t from[16] = {1, 2, 3, 4, 5, 6, 7, 8}, to[16];
    for (uint32_t i = 0; i < n; i++) {
        void *d = to;
        const void *s = from;
        uint32_t count = 16;
        asm volatile("rep movsl" : "+D"(d), "+S"(s), "+c"(count)::"memory");
        from[i & 15] += to[(i + 1) & 15];
    }
    return to[0] ^ from[3];
}

static uint32_t call_return(uint32_t n)
{
    uint32_t sum = 0;
    asm volatile("jmp 2f\n3: addl %1, %0; ret\n2: call 3b; decl %1; jnz 2b"
                 : "+r"(sum), "+r"(n)::"cc", "memory");
    return sum;
}

/* Calls through a table of four functions. */
static uint32_t indirect(uint32_t n)
{
    uint32_t sum = 0;
    asm volatile(".pushsection .rodata\n4: .long 5f, 6f, 7f, 8f\n.popsection\n\t"
                 "jmp 2f\n"
                 "5: incl %0; ret\n6: addl $2, %0; ret\n7: xorl %1, %0; ret\n8: rol $1, %0; ret\n"
                 "2: movl %1, %%eax; andl $3, %%eax; call *4b(,%%eax,4); decl %1; jnz 2b"
                 : "+r"(sum), "+r"(n)::"eax", "cc", "memory");
    return sum;
}

const struct workload compute_workloads[] = {
    {"alu", "eleven register instructions", 5000000, alu},
    {"primes", "primes below 20000 by division", 3, primes},
    {"sieve", "sieve of 64 KB", 100, sieve},
    {"memseq", "read and write a word, 16 MB in order", 10000000, sequential},
    {"memrand", "read and write a word, 16 MB at random", 1000000, random_access},
    {"movs", "rep movsd of 64 bytes", 500000, rep_movsd},
    {"call", "call and ret", 5000000, call_return},
    {"indirect", "call through a table, and ret", 3000000, indirect},
    {NULL, NULL, 0, NULL},
};
