/* What the lab's tests try inside the kernel: `probe=NAME` on the command line does one thing at
 * its point of the boot, prints what came of it, and ends. The same file is in the kernel for the
 * bare machine, so that what has to be printed is known by running that. */
#include "kernel.h"

enum {
    P_W_U = 7,
    ACCESSED_DIRTY = 0x60,
    GLOBAL = 0x100,
    AT = 0x60000000,
    FRAMES = 8,
    CLOCK = 100000000
};

char command_line[128];

/* ---- the command line ---- */

static const char *find(const char *key)
{
    const uint32_t length = strlen(key);
    for (const char *at = command_line; *at; at++) {
        uint32_t i = 0;
        while (i < length && at[i] == key[i])
            i++;
        if (i == length && at[i] == '=' && (at == command_line || at[-1] == ' '))
            return at + length + 1;
    }
    return NULL;
}

static uint32_t number(const char *key, uint32_t otherwise)
{
    const char *text = find(key);
    uint32_t value = 0;
    for (; text && *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (uint32_t)(*text - '0');
    return text ? value : otherwise;
}

static uint32_t seed(uint32_t i)
{
    return (number("seed", 1) + i) * 2654435761u;
}

/* ---- the console ---- */

static void console(void)
{
    char text[100];
    uint32_t count = number("n", 70);
    for (uint32_t i = 0; i < count; i++)
        text[i] = (char)('a' + (seed(i) >> 24) % 26);
    text[count++] = '\n';
    console_write(text, count);
}

/* More than one hypercall takes. */
static void long_text(void)
{
    static char text[80000];
    uint32_t count = number("n", 70000);
    for (uint32_t i = 0; i < count; i++)
        text[i] = i % 64 == 63 ? '\n' : (char)('a' + (seed(i) >> 24) % 26);
    console_write(text, count);
}

/* ---- events ---- */

/* So many periods of the timer, in instructions. */
static void spin(uint32_t periods)
{
    uint32_t loops = periods * (CLOCK / number("hz", 2000)) / 2;
    asm volatile("1:\tdecl %0\n\tjnz 1b" : "+r"(loops)::"cc", "memory");
}

/* STI counts behind the next instruction. */
static void settle(void)
{
    asm volatile("nop\n\tnop" ::: "memory");
}

static void masked(void)
{
    spin(2);
    const uint32_t before = ticks;
    irq_enable();
    settle();
    const uint32_t after = ticks;
    irq_disable();
    print("ticks while masked: %u, behind irq_enable: %u\n", before, after);
}

static void nested(void)
{
    irq_enable();
    spin(1);
    const uint32_t outer = irq_save(), begin = ticks, inner = irq_save();
    spin(2);
    irq_restore(inner);
    settle();
    const uint32_t masked_ticks = ticks - begin;
    irq_restore(outer);
    settle();
    const uint32_t open_ticks = ticks - begin;
    irq_disable();
    print("ticks in the critical section: %u, behind it: %u\n", masked_ticks, open_ticks);
}

static void stays_off(void)
{
    irq_restore(irq_save());
    spin(2);
    const uint32_t before = ticks;
    irq_enable();
    settle();
    irq_disable();
    print("ticks while masked: %u, then: %u\n", before, ticks);
}

static void waiting(void)
{
    spin(2);
    irq_wait();
    const uint32_t woken = ticks;
    spin(2);
    print("ticks when irq_wait is back: %u, masked again: %u\n", woken, ticks);
}

uint32_t registers_in[7], registers_out[7];
void try_registers(void);
asm("	.text\n"
    "try_registers:\n"
    "	pushal\n"
    "	movl registers_in, %eax\n"
    "	movl registers_in + 4, %ecx\n"
    "	movl registers_in + 8, %edx\n"
    "	movl registers_in + 12, %ebx\n"
    "	movl registers_in + 16, %ebp\n"
    "	movl registers_in + 20, %esi\n"
    "	movl registers_in + 24, %edi\n"
    "1:	cmpl $0, ticks\n"
    "	je 1b\n"
    "	movl %eax, registers_out\n"
    "	movl %ecx, registers_out + 4\n"
    "	movl %edx, registers_out + 8\n"
    "	movl %ebx, registers_out + 12\n"
    "	movl %ebp, registers_out + 16\n"
    "	movl %esi, registers_out + 20\n"
    "	movl %edi, registers_out + 24\n"
    "	popal\n"
    "	ret\n");

static void registers(void)
{
    static const char *const names[] = {"eax", "ecx", "edx", "ebx", "ebp", "esi", "edi"};
    for (uint32_t i = 0; i < 7; i++)
        registers_in[i] = seed(i);
    irq_enable();
    settle();
    ticks = 0; /* one may have waited: the next comes while all registers hold something */
    try_registers();
    irq_disable();
    for (uint32_t i = 0; i < 7; i++)
        print("%s %08x\n", names[i], registers_out[i]);
}

static uint32_t cycles(void)
{
    uint32_t low;
    asm volatile("rdtsc" : "=a"(low)::"edx");
    return low;
}

static void periods(void)
{
    const uint32_t count = number("n", 10), divisor = 1193182 / number("hz", 2000);
    const uint32_t due = count * divisor * 8381 / 100;
    irq_wait();
    const uint32_t begin = cycles();
    for (uint32_t i = 0; i < count; i++)
        irq_wait();
    const uint32_t took = cycles() - begin;
    print("%u ticks took %s\n", ticks,
          took < due - due / 20   ? "less than they should"
          : took > due + due / 20 ? "more than they should"
                                  : "as long as they should");
}

/* ---- page tables ---- */

static struct space space;
static uint32_t table;

static uint32_t *directory_entry(void)
{
    return (uint32_t *)space.directory + (AT >> 22);
}

static uint32_t *entry(uint32_t page)
{
    return (uint32_t *)table + page;
}

static volatile uint32_t *at(uint32_t page)
{
    return (volatile uint32_t *)(AT + page * PAGE_SIZE);
}

/* An address space with one table, for the pages at(0) to at(1023). */
static void begin(void)
{
    space_create(&space);
    write_cr3(space.directory);
    table = frame_alloc();
    table_begin(table);
    entry_set(directory_entry(), table | P_W_U);
    entries_done();
}

static uint32_t frame_with(uint32_t value)
{
    const uint32_t frame = frame_alloc();
    *(uint32_t *)frame = value;
    return frame;
}

/* Each page of memory is itself. */
static void memory(void)
{
    uint32_t first = 0, count = 0, wrong = 0, sum = 0, frame;
    while ((frame = frame_alloc())) {
        ((uint32_t *)frame)[0] = first;
        ((uint32_t *)frame)[1] = frame;
        ((uint32_t *)frame)[2] = seed(count++);
        first = frame;
    }
    for (frame = first; frame;) {
        const uint32_t next = ((uint32_t *)frame)[0];
        wrong += ((uint32_t *)frame)[1] != frame;
        if (--count < 1000) /* how many there are beside the tables is the build's */
            sum = sum * 31 + ((uint32_t *)frame)[2];
        frame_put(frame);
        frame = next;
    }
    print("%u pages are not themselves, the first 1000 hold %08x\n", wrong, sum);
}

static void entries(void)
{
    begin();
    const uint32_t frame = frame_with(seed(0));
    entry_set(entry(0), frame | P_W_U);
    entry_set(entry(2), seed(2) & 0xFFFFF000);
    entries_done();
    print("read %08x\n", *at(0));
    *at(0) = seed(1);
    print("written %08x\n", *(volatile uint32_t *)frame);
    print("the entry is %s\n", (entry_get(entry(0)) & ~(uint32_t)ACCESSED_DIRTY) == (frame | P_W_U)
                                   ? "as it was set"
                                   : "not as it was set");
    print("entries without P: %08x %08x\n", entry_get(entry(1)), entry_get(entry(2)));
}

static void map(void)
{
    uint32_t frames[FRAMES], sum = 0;
    const uint32_t pages = number("pages", 200);
    begin();
    for (uint32_t i = 0; i < FRAMES; i++)
        frames[i] = frame_with(seed(i));
    for (uint32_t i = 0; i < pages; i++)
        entry_set(entry(i), frames[i % FRAMES] | P_W_U);
    entries_done();
    for (uint32_t i = 0; i < pages; i++)
        sum = sum * 31 + *at(i);
    for (uint32_t i = 0; i < pages; i++)
        entry_set(entry(i), 0);
    write_cr3(space.directory);
    print("%u pages, sum %08x\n", pages, sum);
}

static void remap(void)
{
    begin();
    const uint32_t a = frame_with(seed(0)), b = frame_with(seed(1));
    entry_set(entry(0), a | P_W_U);
    entries_done();
    const uint32_t old = *at(0);
    entry_set(entry(0), b | P_W_U);
    invlpg(AT);
    print("was %08x, is %08x\n", old, *at(0));
}

static void order(void)
{
    begin();
    const uint32_t a = frame_with(seed(0)), b = frame_with(seed(1));
    entry_set(entry(0), a | P_W_U);
    entry_set(entry(0), b | P_W_U);
    entries_done();
    print("the later one: %08x\n", *at(0));
    entry_set(entry(1), a | P_W_U);
    write_cr3(space.directory);
    print("behind write_cr3: %08x\n", *at(1));
    entries_done();
    entries_done();
    entry_set(entry(1), b | P_W_U);
    invlpg(AT + PAGE_SIZE);
    print("behind invlpg: %08x\n", *at(1));
}

static void end_table(void)
{
    entry_set(directory_entry(), 0);
    table_end(table);
    write_cr3(space.directory);
}

/* What was a table, is data. */
static void reuse_table(void)
{
    begin();
    end_table();
    *(volatile uint32_t *)table = seed(0);
    print("a table's frame holds %08x\n", *(volatile uint32_t *)table);
}

static void reuse_directory(void)
{
    static struct space other;
    begin();
    end_table();
    const uint32_t frame = space.directory;
    space_create(&other);
    write_cr3(other.directory);
    directory_free(&space);
    *(volatile uint32_t *)frame = seed(0);
    print("a directory's frame holds %08x\n", *(volatile uint32_t *)frame);
}

/* ---- what the VMM refuses: there is no equal on the bare machine ---- */

static void went_on(void)
{
    print("the kernel went on\n");
}

static void writable_table(void)
{
    begin();
    entry_set(entry(0), table | P_W_U);
    entries_done();
    went_on();
}

static void global_page(void)
{
    begin();
    const uint32_t frame = frame_with(seed(0));
    entry_set(entry(0), frame | P_W_U);
    entry_set(entry(1), frame | P_W_U | GLOBAL);
    entry_set(entry(2), frame | P_W_U);
    entries_done();
    went_on();
}

static void no_directory(void)
{
    begin();
    write_cr3(table);
    went_on();
}

static void stale_table(void)
{
    begin();
    entry_set(entry(0), table | P_W_U);
    invlpg(AT);
    went_on();
}

/* ---- */

void probe(enum probe_point point, const char *line)
{
    static const struct {
        const char *name;
        enum probe_point point;
        void (*run)(void);
    } probes[] = {
        {"console", PROBE_CONSOLE, console},
        {"long", PROBE_CONSOLE, long_text},
        {"masked", PROBE_EVENTS, masked},
        {"nested", PROBE_EVENTS, nested},
        {"off", PROBE_EVENTS, stays_off},
        {"wait", PROBE_EVENTS, waiting},
        {"registers", PROBE_EVENTS, registers},
        {"periods", PROBE_EVENTS, periods},
        {"memory", PROBE_MEMORY, memory},
        {"entries", PROBE_MEMORY, entries},
        {"map", PROBE_MEMORY, map},
        {"remap", PROBE_MEMORY, remap},
        {"order", PROBE_MEMORY, order},
        {"table", PROBE_MEMORY, reuse_table},
        {"directory", PROBE_MEMORY, reuse_directory},
        {"writable", PROBE_MEMORY, writable_table},
        {"global", PROBE_MEMORY, global_page},
        {"switch", PROBE_MEMORY, no_directory},
        {"stale", PROBE_MEMORY, stale_table},
    };
    copy_string(command_line, line, sizeof command_line);
    const char *wanted = find("probe");
    for (uint32_t i = 0; wanted && i < sizeof probes / sizeof probes[0]; i++) {
        const uint32_t length = strlen(probes[i].name);
        uint32_t same = 0;
        while (same < length && wanted[same] == probes[i].name[same])
            same++;
        if (same < length || (wanted[same] && wanted[same] != ' ') || probes[i].point != point)
            continue;
        probes[i].run();
        power_off(number("code", 0));
    }
}
