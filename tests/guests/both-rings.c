/* Shows code and data that both rings use in turn: ring 3 rewrites code that ring 0 executes, and
 * the other way round, and ring 0 computes in floating point what ring 3 reads. A VMM that executes
 * the two rings in two ways has to keep them together (Popek and Goldberg's hybrid VMM). Each line
 * prints what came out and what has to; exit code: the wrong lines. */
#include "cpu.h"

static uint8_t arena[4096] __attribute__((aligned(4096)));
static volatile uint32_t from_user;
static uint32_t wrong;

static void check(const char *name, uint32_t is, uint32_t should)
{
    wrong += is != should;
    print("%-44s %8x %s\n", name, is, is == should ? "ok" : "WRONG");
}

/* MOV EAX, value; RET. */
static void write_function(uint32_t value)
{
    arena[0] = 0xB8;
    *(volatile uint32_t *)(arena + 1) = value;
    arena[5] = 0xC3;
}

static uint32_t call(void)
{
    uint32_t result;
    asm volatile("call *%1" : "=a"(result) : "r"(arena) : "ecx", "edx", "memory", "cc");
    return result;
}

static void user_patches(void)
{
    *(volatile uint32_t *)(arena + 1) += 0x10;
    asm volatile("int $0x81");
}

static void user_calls(void)
{
    from_user = call();
    asm volatile("int $0x81");
}

static void float_at_ring_0(uint32_t value)
{
    uint32_t result, *place = (uint32_t *)(arena + 4096 - sizeof value);
    *place = value;
    asm volatile("fninit\n\tfildl %1\n\tfadd %%st(0)\n\tfistpl %1\n\tfwait\n\tmovl %1, %0"
                 : "=r"(result), "+m"(*place)
                 :
                 : "memory");
    check("twice, in floating point", result, 2 * value);
}

int main(void)
{
    cpu_init();
    write_function(1);
    check("written and called by ring 0", call(), 1);
    for (uint32_t round = 1; round <= 3; round++) {
        attempt((const void *)user_patches, 3, FLAG_IF);
        check("patched by ring 3, called by ring 0", call(), 1 + 0x10 * round);
    }
    for (uint32_t round = 1; round <= 3; round++) {
        write_function(0x100 * round);
        attempt((const void *)user_calls, 3, FLAG_IF);
        check("written by ring 0, called by ring 3", from_user, 0x100 * round);
        check("and by ring 0", call(), 0x100 * round);
        attempt((const void *)user_patches, 3, FLAG_IF);
        attempt((const void *)user_calls, 3, FLAG_IF);
        check("patched and called by ring 3", from_user, 0x100 * round + 0x10);
        check("then called by ring 0", call(), 0x100 * round + 0x10);
        float_at_ring_0(round);
    }
    print("%u wrong\n", wrong);
    return (int)wrong;
}
