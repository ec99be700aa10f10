/* Shows self-modifying code of every kind. The rules (SDM 3, 8.1.3 and 11.6): a store to code that
 * is then reached by a jump takes effect; P6 processors also see a store to the next instruction;
 * through another linear address (an alias) a serialising instruction has to come between. Each
 * line prints what the code computed and what the manual requires; exit code: the wrong lines. */
#include "cpu.h"

static uint8_t arena[4 * 4096] __attribute__((aligned(4096)));
static uint32_t page_directory[1024] __attribute__((aligned(4096)));
static uint32_t low_table[1024] __attribute__((aligned(4096)));
static uint32_t alias_table[1024] __attribute__((aligned(4096)));
static uint32_t wrong;

typedef uint32_t (*function)(void);

static void check(const char *name, uint32_t is, uint32_t should)
{
    wrong += is != should;
    print("%-44s %8x %s\n", name, is, is == should ? "ok" : "WRONG");
}

/* MOV EAX, value; RET at `to`. */
static void write_function(uint8_t *to, uint32_t value)
{
    to[0] = 0xB8;
    for (unsigned i = 0; i < 4; i++)
        to[1 + i] = (uint8_t)(value >> 8 * i);
    to[5] = 0xC3;
}

static uint32_t call(const void *code)
{
    uint32_t result;
    asm volatile("call *%1" : "=a"(result) : "r"(code) : "ecx", "edx", "memory", "cc");
    return result;
}

static void store_then_jump(void)
{
    write_function(arena, 1);
    check("write, then call", call(arena), 1);
    write_function(arena, 2);
    check("write again, then call", call(arena), 2);
    arena[1] = 3;
    check("patch one byte of an immediate", call(arena), 3);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        *(volatile uint32_t *)(arena + 1) = i;
        sum += call(arena);
    }
    check("overwritten 1000 times in a loop", sum, 999 * 1000 / 2);
    arena[0] = 0x90, arena[1] = 0x33, arena[2] = 0xC0, arena[3] = 0x40, arena[4] = 0x40;
    check("other instructions in the same bytes", call(arena), 2);
}

static void own_next_instruction(void)
{
    uint32_t value;
    asm volatile("movb $0x42, 1f + 1\n\t" /* MOV EAX, imm32: its lowest byte */
                 "1: movl $0, %%eax"
                 : "=a"(value)::"memory");
    check("own next instruction", value, 0x42);
    asm volatile("movb $0x43, 1f + 1\n\t"
                 "movl %%cr0, %%eax; movl %%eax, %%cr0\n\t"
                 "1: movl $0, %%eax"
                 : "=a"(value)::"memory");
    check("own next instruction, serialised", value, 0x43);
    asm volatile("movb $0x44, 1f + 1\n\t"
                 "jmp 1f\n\t"
                 "1: movl $0, %%eax"
                 : "=a"(value)::"memory");
    check("own next instruction, with a jump", value, 0x44);
    asm volatile("movb $0x48, 1f\n\t" /* INC EAX becomes DEC EAX */
                 "movl $10, %%eax\n\t"
                 "1: incl %%eax\n\t"
                 "movb $0x40, 1b"
                 : "=a"(value)::"memory");
    check("three instructions ahead, and put back", value, 9);
    /* Eight times round: INC EAX counts up its own repetition's immediate. */
    asm volatile("xorl %%eax, %%eax\n\t"
                 "movl $8, %%ecx\n"
                 "1: addl $0, %%eax\n\t" /* 83 C0 ib */
                 "incb 1b + 2\n\t"
                 "loop 1b\n\t"
                 "movb $0, 1b + 2"
                 : "=&a"(value)::"ecx", "memory", "cc");
    check("a loop that patches its own start", value, 0 + 1 + 2 + 3 + 4 + 5 + 6 + 7);
}

static void straddling_pages(void)
{
    uint8_t *code = arena + 4096 - 3; /* the immediate lies in both pages */
    write_function(code, 0x11223344);
    check("code across two pages", call(code), 0x11223344);
    code[1] = 0x55;
    check("patched in the first page", call(code), 0x11223355);
    code[4] = 0x66;
    check("patched in the second page", call(code), 0x66223355);
    *(volatile uint32_t *)(code + 1) = 0xCAFEBABE;
    check("patched by one store across both", call(code), 0xCAFEBABE);
}

static void data_beside_code(void)
{
    /* INC DWORD [arena + 64]; MOV EAX, [arena + 64]; RET: code writes data in its own page. */
    uint8_t *at = arena;
    uint32_t cell = (uint32_t)arena + 64;
    *at++ = 0xFF, *at++ = 0x05, memcpy(at, &cell, 4), at += 4;
    *at++ = 0xA1, memcpy(at, &cell, 4), at += 4;
    *at++ = 0xC3;
    *(uint32_t *)cell = 0;
    uint32_t last = 0;
    for (unsigned i = 0; i < 500; i++)
        last = call(arena);
    check("code that writes data in its own page", last, 500);
    /* PUSH and CALL with the stack in the page of the code */
    uint32_t sum;
    write_function(arena + 128, 7);
    asm volatile("movl %%esp, %%ebx\n\t"
                 "leal 1024(%1), %%esp\n\t"
                 "leal 128(%1), %%edx\n\t"
                 "call *%%edx\n\t"
                 "pushl %%eax; pushl %%eax; popl %%ecx; addl %%ecx, %%eax; popl %%ecx\n\t"
                 "movl %%ebx, %%esp"
                 : "=&a"(sum)
                 : "D"(arena)
                 : "ebx", "ecx", "edx", "memory", "cc");
    check("stack in the page of the code", sum, 14);
}

static void copies(void)
{
    uint8_t *a = arena, *b = arena + 256;
    write_function(a, 0xA);
    write_function(b, 0xB);
    uint32_t before = call(a) << 8 | call(b);
    memcpy(a, b, 6);
    check("code copied over code (rep movsb)", before << 8 | call(a), 0x0A0B0B);
    write_function(b, 0x01020304);
    uint32_t count = 2;
    void *to = a;
    const void *from = b;
    asm volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count)::"memory");
    check("rep movsl over code", call(a), 0x01020304);
    write_function(a, 0x55);
    call(a);
    asm volatile("rep stosb" : "=D"(to), "=c"(count) : "0"(a), "1"(5), "a"(0x40) : "memory");
    a[5] = 0x31, a[6] = 0xC0, a[7] = 0x40, a[8] = 0xC3; /* XOR EAX, EAX; INC EAX; RET */
    check("rep stosb over code", call(a), 1);
}

static void call_targets(void)
{
    write_function(arena, 0x100);
    write_function(arena + 32, 0x200);
    uint8_t *caller = arena + 64; /* CALL rel32; RET */
    caller[0] = 0xE8, caller[5] = 0xC3;
    uint32_t sum = 0;
    for (unsigned i = 0; i < 100; i++) {
        *(volatile int32_t *)(caller + 1) = (int32_t)((i & 1 ? 32 : 0) - 64 - 5);
        sum += call(caller);
    }
    check("patched target of a direct call", sum, 50 * 0x300);
    uint8_t *branch = arena + 96; /* XOR EAX, EAX; JZ/JNZ +1; INC EAX; INC EAX; RET */
    static const uint8_t text[] = {0x31, 0xC0, 0x74, 0x01, 0x40, 0x40, 0xC3};
    memcpy(branch, text, sizeof text);
    sum = call(branch);
    branch[2] = 0x75;
    sum = sum << 4 | call(branch);
    check("condition of a jump patched", sum, 0x12);
    int32_t old;
    asm volatile("lock xchgb %b0, %1" : "=q"(old), "+m"(branch[2]) : "0"(0x74) : "memory");
    sum = call(branch);
    asm volatile("lock cmpxchgb %b2, %1"
                 : "=a"(old), "+m"(branch[2])
                 : "q"(0x75), "0"(0x74)
                 : "memory", "cc");
    check("patched by xchg and by cmpxchg", sum << 4 | call(branch), 0x12);
}

static void aliases(void)
{
    for (uint32_t i = 0; i < 1024; i++)
        low_table[i] = i << 12 | 3;
    for (uint32_t i = 0; i < 4; i++)
        alias_table[i] = ((uint32_t)arena + (i << 12)) | 3;
    page_directory[0] = (uint32_t)low_table | 3;
    page_directory[0x40000000u >> 22] = (uint32_t)alias_table | 3;
    write_cr3((uint32_t)page_directory);
    write_cr0(read_cr0() | 0x80010000);
    uint8_t *alias = (uint8_t *)0x40000000;

    write_function(arena, 1);
    uint32_t sum = call(arena) << 4 | call(alias);
    check("one code at two addresses", sum, 0x11);
    alias[1] = 2;
    write_cr0(read_cr0());
    sum = call(arena);
    arena[1] = 3;
    write_cr0(read_cr0());
    check("written through the alias, both ways", sum << 4 | call(alias), 0x23);
    /* Another frame comes under the same address: no byte is written. */
    write_function(arena + 4096, 5);
    sum = call(alias);
    alias_table[0] = ((uint32_t)arena + 4096) | 3;
    invlpg(0x40000000);
    check("remapped to other code with INVLPG", sum << 4 | call(alias), 0x35);
    alias_table[0] = (uint32_t)arena | 3;
    write_cr3((uint32_t)page_directory);
    check("remapped with a CR3 load", call(alias), 3);
    /* The same physical code page is written with paging off and found changed with it on. */
    write_cr0(read_cr0() & ~0x80000000u);
    write_function(arena, 0x99);
    write_cr0(read_cr0() | 0x80000000u);
    check("written while paging is off", call(alias), 0x99);
    write_cr0(read_cr0() & ~0x80000000u);
}

int main(void)
{
    store_then_jump();
    own_next_instruction();
    straddling_pages();
    data_beside_code();
    copies();
    call_targets();
    aliases();
    print("%u wrong\n", wrong);
    return (int)wrong;
}
