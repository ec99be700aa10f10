/* Shows the 8254 through the 8259A: a one-shot (mode 0) and a periodic (mode 2) interrupt, waking
 * HLT; the mask and request registers; the shadow of STI, in which the next instruction runs before
 * an interrupt is taken (SDM 2, STI), and POPF, which has none. Prints counts and places only,
 * never times, so that every correct machine prints the same. */
#include "cpu.h"

static volatile uint32_t ticks, interrupted_eip;

void timer_tick(uint32_t eip);
void timer_tick(uint32_t eip)
{
    ticks++;
    interrupted_eip = eip;
    outb(0x20, 0x20);
}

extern const char timer_entry[], after_sti[], after_popf[];
asm(".text\n"
    "timer_entry:\n\t"
    "pushal\n\tcld\n\tpushl 32(%esp)\n\tcall timer_tick\n\taddl $4, %esp\n\tpopal\n\tiretl");

static void pic_init(void)
{
    static const uint8_t words[][2] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 0x04}, {0x21, 0x01},
                                       {0xA0, 0x11}, {0xA1, 0x28}, {0xA1, 0x02}, {0xA1, 0x01},
                                       {0x21, 0xFF}, {0xA1, 0xFF}};
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        outb(words[i][0], words[i][1]);
}

static uint8_t request_register(void)
{
    outb(0x20, 0x0A);
    return inb(0x20) & 1;
}

static void counter0(uint8_t mode, uint16_t count)
{
    outb(0x43, (uint8_t)(0x30 | mode << 1));
    outb(0x40, (uint8_t)count);
    outb(0x40, (uint8_t)(count >> 8));
}

static void wait_for_request(void)
{
    while (!request_register())
        ;
}

static void one_shot(void)
{
    ticks = 0;
    counter0(0, 2000);
    outb(0x21, 0xFE);
    uint32_t wakes = 0;
    while (!ticks) {
        asm volatile("sti; hlt; cli" ::: "memory");
        wakes++;
    }
    print("one-shot: %u interrupt, %u wake-up\n", ticks, wakes);
    /* The output stays high: no second edge comes. */
    for (volatile uint32_t i = 0; i < 100000; i++)
        ;
    print("one-shot: request afterwards %u\n", request_register());
}

static void periodic(void)
{
    ticks = 0;
    counter0(2, 11932); /* 100 Hz */
    uint32_t wakes = 0;
    while (ticks < 10) {
        asm volatile("sti; hlt; cli" ::: "memory");
        wakes++;
    }
    print("periodic: %u interrupts, %u wake-ups\n", ticks, wakes);
}

/* Longer than any latency between the interrupt controller and the processor. */
static void settle(void)
{
    for (volatile uint32_t i = 0; i < 5000; i++)
        ;
}

static void masking(void)
{
    outb(0x21, 0xFF);
    ticks = 0;
    counter0(0, 200);
    wait_for_request();
    settle();
    asm volatile("sti; nop; nop; cli" ::: "memory");
    print("masked: request %u, interrupts %u\n", request_register(), ticks);
    outb(0x21, 0xFE);
    settle();
    asm volatile("sti; nop; nop; cli" ::: "memory");
    print("unmasked: request %u, interrupts %u\n", request_register(), ticks);
}

static void shadows(void)
{
    ticks = 0;
    counter0(0, 200);
    wait_for_request();
    settle();
    asm volatile("sti; cli" ::: "memory");
    print("sti; cli: interrupts %u\n", ticks);
    asm volatile("sti\nafter_sti: nop\n\tnop\n\tcli" ::: "memory");
    print("sti; nop; nop: interrupts %u, taken %u bytes after sti\n", ticks,
          interrupted_eip - (uint32_t)after_sti);
    counter0(0, 200);
    wait_for_request();
    settle();
    asm volatile("pushl $0x202; popfl\nafter_popf: nop\n\tnop\n\tcli" ::: "memory", "cc");
    print("popf; nop; nop: interrupts %u, taken %u bytes after popf\n", ticks,
          interrupted_eip - (uint32_t)after_popf);
}

static void read_back(void)
{
    outb(0x43, 0x34);
    outb(0x40, 0x00);
    outb(0x40, 0x10);
    outb(0x43, 0xE2); /* status of counter 0; the output is high in mode 2 but for one clock */
    print("status: mode bits %02x\n", inb(0x40) & 0x3F);
    outb(0x43, 0x00); /* latch: two reads give one moment */
    uint32_t first = inb(0x40);
    first |= (uint32_t)inb(0x40) << 8;
    print("latched count within the reload value: %s\n", first <= 0x1000 ? "yes" : "no");
}

int main(void)
{
    cpu_init();
    idt[0x20] = gate(KERNEL_CODE, (uint32_t)timer_entry, PRESENT | INTERRUPT_GATE, 0);
    pic_init();
    one_shot();
    periodic();
    masking();
    shadows();
    outb(0x21, 0xFF);
    read_back();
    return 0;
}
