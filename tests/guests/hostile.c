/* What a program may try on whoever runs it: endless chains of prefixes, instructions of 15 bytes
 * and more across the end of what is mapped, code that writes its own next instruction without end,
 * from inside the page and from others, and stores, loads and jumps to addresses high up where a
 * VMM may have put itself; from ring 0 and ring 3. Each prints what the architecture says happens
 * (SDM volume 3, section 6.15, interrupts 6, 13 and 14; volume 2, section 2.3.11, for the limit of
 * 15 bytes). Exit code 0. */
#include "cpu.h"

enum {
    P = 1,
    W = 2,
    U = 4,
    PAGE = 4096,
    CODE_AT = 0x300000, /* two pages of code, the second comes and goes */
    MINE = 0x380000,    /* a frame that high addresses are mapped to */
    LONGEST = 15,
    STORM = 3000
};

static volatile uint32_t directory[1024] __attribute__((aligned(PAGE)));
static volatile uint32_t low[1024] __attribute__((aligned(PAGE)));
static volatile uint32_t high[1024] __attribute__((aligned(PAGE)));

static void flush(void)
{
    write_cr3((uint32_t)directory);
}

static void paging_on(void)
{
    for (unsigned i = 0; i < 1024; i++)
        low[i] = i << 12 | P | W | U;
    directory[0] = (uint32_t)low | P | W | U;
    flush();
    write_cr0(read_cr0() | 0x80010000);
}

/* ---- length ---- */

/* `prefixes` bytes of a kind and then an instruction, at `at`. */
static uint8_t *chain(uint8_t *at, uint8_t prefix, unsigned prefixes, uint8_t instruction)
{
    memset(at, prefix, prefixes);
    at[prefixes] = instruction;
    at[prefixes + 1] = 0xcd;
    at[prefixes + 2] = DONE_VECTOR;
    return at;
}

static void lengths(unsigned ring)
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0xf2, 0xf3};
    enum { NOP = 0x90 };
    for (unsigned i = 0; i < sizeof prefixes; i++) {
        uint8_t *code = (uint8_t *)CODE_AT;
        uint32_t right = attempt(chain(code, prefixes[i], LONGEST - 1, NOP), ring, 0);
        uint32_t long_by_one = attempt(chain(code, prefixes[i], LONGEST, NOP), ring, 0);
        uint32_t error = trapped.error, eip = trapped.eip - CODE_AT;
        memset(code, prefixes[i], 2 * PAGE);
        uint32_t endless = attempt(code, ring, 0);
        print("prefix %02x at ring %u: 15 bytes %02x, 16 bytes %02x (error %x, eip +%x), endless "
              "%02x\n",
              prefixes[i], ring, right, long_by_one, error, eip, endless);
    }
}

/* Cut at each byte, the second page absent, then present. */
static void cut(unsigned ring)
{
    for (unsigned first = 1; first < LONGEST; first++) {
        uint8_t *code = (uint8_t *)CODE_AT + PAGE - first;
        chain(code, 0x2e, LONGEST - 1, 0x40); /* inc %eax */
        low[(CODE_AT >> 12) + 1] &= ~(uint32_t)P;
        flush();
        uint32_t absent = attempt(code, ring, 0), error = trapped.error, cr2 = trapped.cr2;
        uint32_t eip = trapped.eip - (uint32_t)code;
        low[(CODE_AT >> 12) + 1] |= P;
        uint32_t present = attempt(code, ring, 0);
        print("cut after %u at ring %u: %02x (error %x, cr2 %x, eip +%x), then %02x\n", first, ring,
              absent, error, cr2, eip, present);
    }
}

/* ---- code that does not keep still ---- */

/* 1: incl operand of 2; 2: mov $0, %eax; dec %ecx; jnz 1: each iteration executes other code. */
static const uint8_t inside[] = {0xff, 0x05,       7,    0, 0x30, 0, /* incl CODE_AT + 7 */
                                 0xb8, 0,          0,    0, 0,       /* mov $0, %eax */
                                 0x49, 0x75,       0xf2,             /* dec %ecx; jnz */
                                 0xcd, DONE_VECTOR};

static uint32_t storm_count = STORM;

static void storm(unsigned ring)
{
    static const uint8_t load_count[] = {0x8b, 0x0d}; /* mov storm_count, %ecx */
    uint8_t *code = (uint8_t *)CODE_AT;
    uint32_t address = (uint32_t)&storm_count;
    memcpy(code, inside, sizeof inside);
    memcpy(code + 0x20, load_count, sizeof load_count);
    memcpy(code + 0x22, &address, sizeof address);
    code[0x26] = 0xeb, code[0x27] = (uint8_t)(0 - 0x28);
    uint32_t vector = attempt(code + 0x20, ring, 0);
    print("storm at ring %u: vector %02x, eax %x\n", ring, vector, trapped.eax);
}

/* Written from elsewhere, executed, and so on, in two pages by turns. */
static void turns(unsigned ring)
{
    static const uint8_t give[] = {0xb8, 0, 0, 0, 0, 0xcd, DONE_VECTOR};
    uint32_t sum = 0;
    for (uint32_t i = 0; i < STORM / 4; i++) {
        uint8_t *code = (uint8_t *)CODE_AT + (i & 1) * PAGE + (i & 31) * 8;
        memcpy(code, give, sizeof give);
        memcpy(code + 1, &i, sizeof i);
        attempt(code, ring, 0);
        sum += trapped.eax;
    }
    print("turns at ring %u: sum %x\n", ring, sum);
}

/* ---- high addresses ---- */

PROBE(store, "movl $0x5a5a5a5a, (%ebx)");
PROBE(load, "movl (%ebx), %eax");
PROBE(jump, "jmp *%ebx");
PROBE(stack, "movl %ebx, %esp; pushl %eax");

static uint32_t target;

/* EBX points there: attempts begin with registers of the caller's. */
static uint32_t attempt_at(const void *code, unsigned ring, uint32_t address)
{
    static uint8_t entry[16];
    uint32_t distance = (uint32_t)code - ((uint32_t)entry + 10);
    target = address;
    entry[0] = 0xbb; /* mov $address, %ebx; jmp code */
    memcpy(entry + 1, &address, 4);
    entry[5] = 0xe9;
    memcpy(entry + 6, &distance, 4);
    return attempt(entry, ring, 0);
}

static void visit(const char *what, unsigned ring, uint32_t address, bool all)
{
    static const struct {
        const char *name;
        const void *code;
        bool reads; /* nothing but the supervisor's rights keep it from the VMM's pages */
    } ways[] = {{"jump", probe_jump, true}, /* first: the others write over the program */
                {"load", probe_load, true},
                {"store", probe_store, false},
                {"push", probe_stack, false}};
    for (unsigned i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if ((ways[i].reads && !all) || (ways[i].code == probe_stack && !ring))
            continue; /* a fault needs a stack at ring 0 */
        uint32_t vector = attempt_at(ways[i].code, ring, address);
        print("%s %x, %s at ring %u: %02x", what, address, ways[i].name, ring, vector);
        if (vector == 14)
            print(" (error %x, cr2 %x)", trapped.error, trapped.cr2);
        else
            print(" (eax %x)", ways[i].code == probe_load ? trapped.eax : 0);
        put_char('\n');
    }
}

/* The last 64 MB, a slot at a time: not mapped, then mapped to a frame with a program in it. Where
 * the guest maps nothing, its kernel could read a VMM that is there: that is left out. */
static void heights(unsigned ring)
{
    for (uint32_t slot = 1008; slot < 1024; slot++) {
        uint32_t addresses[] = {slot << 22 | 0x10, slot << 22 | 0x200010, slot << 22 | 0x3ff010};
        directory[slot] = 0;
        flush();
        for (unsigned i = 0; i < 3; i++)
            visit("absent", ring, addresses[i], ring == 3);
        *(uint32_t *)(MINE + 0x10) = 0x81cd | (DONE_VECTOR - 0x81) << 8; /* int DONE */
        for (unsigned i = 0; i < 1024; i++)
            high[i] = MINE | P | W | U;
        directory[slot] = (uint32_t)high | P | W | U;
        flush();
        for (unsigned i = 0; i < 3; i++) {
            *(uint32_t *)(MINE + 0x10) = 0x81cd;
            visit("mapped", ring, addresses[i], true);
        }
        print("frame: %x\n", *(uint32_t *)(MINE + 0x10));
        directory[slot] = 0;
        flush();
    }
}

int main(void)
{
    cpu_init();
    paging_on();
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        lengths(ring);
        cut(ring);
        storm(ring);
        turns(ring);
        heights(ring);
    }
    return 0;
}
