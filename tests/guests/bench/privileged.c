/* Workloads of privileged and sensitive instructions, ports, and round trips through the IDT. */
#include "bench.h"

uint32_t bench_count, bench_left;

static uint32_t cli_sti(uint32_t n)
{
    asm volatile("1: cli; sti; decl %0; jnz 1b; cli" : "+r"(n)::"cc", "memory");
    return n;
}

static uint32_t pushf_popf(uint32_t n)
{
    asm volatile("1: pushfl; popfl; decl %0; jnz 1b" : "+r"(n)::"cc", "memory");
    return n;
}

static uint32_t read_control(uint32_t n)
{
    uint32_t sum = 0, value;
    while (n--) {
        asm volatile("movl %%cr0, %0" : "=r"(value));
        sum += value & 1;
    }
    return sum;
}

static uint32_t write_control(uint32_t n)
{
    uint32_t value;
    asm volatile("movl %%cr3, %0" : "=r"(value));
    while (n--)
        write_cr3(value);
    return value != 0;
}

/* One privileged instruction that asks nothing of the allocator: the plainest trap. */
static uint32_t privileged(uint32_t n)
{
    asm volatile("1: clts; decl %0; jnz 1b" : "+r"(n)::"cc", "memory");
    return n;
}

static uint32_t port_out(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        outb(0x80, (uint8_t)i);
    return n;
}

static uint32_t port_in(uint32_t n)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += inb(0x3FD) & 0x20;
    return sum;
}

/* Handlers that only count and return; the divide error's steps over the two bytes of DIV. */
extern const char bench_int80[], bench_divide[];
asm(".text\n"
    "bench_int80: incl %ss:bench_count; iretl\n"
    "bench_divide: incl %ss:bench_count; addl $2, (%esp); iretl");

PROBE(user_int80, "1: int $0x80; decl bench_left; jnz 1b");
PROBE(user_divide, "1: divl %ecx; decl bench_left; jnz 1b");

static uint32_t round_trips(uint8_t vector, const char *handler, uint8_t access, const char *code,
                            unsigned ring, uint32_t n)
{
    idt[vector] = gate(KERNEL_CODE, (uint32_t)handler, PRESENT | INTERRUPT_GATE | access, 0);
    bench_count = 0;
    bench_left = n;
    attempt(code, ring, 0);
    return bench_count;
}

static uint32_t system_calls(uint32_t n)
{
    return round_trips(0x80, bench_int80, DPL_3, probe_user_int80, 3, n);
}

static uint32_t kernel_interrupts(uint32_t n)
{
    return round_trips(0x80, bench_int80, DPL_3, probe_user_int80, 0, n);
}

static uint32_t divide_errors(uint32_t n)
{
    return round_trips(0, bench_divide, 0, probe_user_divide, 0, n);
}

static uint32_t user_divide_errors(uint32_t n)
{
    return round_trips(0, bench_divide, 0, probe_user_divide, 3, n);
}

const struct workload privileged_workloads[] = {
    {"clisti", "cli and sti", 1000000, cli_sti},
    {"pushfpopf", "pushf and popf", 2000000, pushf_popf},
    {"readcr0", "mov from cr0", 2000000, read_control},
    {"writecr3", "mov to cr3, the same value", 100000, write_control},
    {"privop", "clts: the plainest trap", 500000, privileged},
    {"out", "out to port 0x80", 1000000, port_out},
    {"in", "in from port 0x3fd", 1000000, port_in},
    {"int80", "int 0x80 from ring 3, and iret", 300000, system_calls},
    {"int80kernel", "int 0x80 from ring 0, and iret", 300000, kernel_interrupts},
    {"divide", "divide error at ring 0, and iret", 300000, divide_errors},
    {"divideuser", "divide error at ring 3, and iret", 300000, user_divide_errors},
    {NULL, NULL, 0, NULL},
};
