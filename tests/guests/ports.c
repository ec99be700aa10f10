/* Shows every form of port access: IN and OUT of 1, 2 and 4 bytes with the port in the instruction
 * and in DX, INS and OUTS with both directions, REP with and without a count, a segment override
 * and 16-bit addresses. A wide access to byte-wide devices is split into one for each byte, the
 * lowest port first; the 16550's divisor latch and scratch register show it. */
#include "guest.h"

enum { COM1 = 0x3F8, SCRATCH = COM1 + 7, LINE_CONTROL = COM1 + 3 };

static const char text[] = "outsb forwards\n";
static const char backwards[] = "\nsdrawkcab bstuo";
static uint8_t buffer[16];

static void show(const char *name, uint32_t value)
{
    print("%-28s %08x\n", name, value);
}

static void widths(void)
{
    outb(LINE_CONTROL, 0x83); /* DLAB: ports 0 and 1 are the divisor */
    outw(COM1, 0x1234);
    show("outw divisor, inb low", inb(COM1));
    show("outw divisor, inb high", inb(COM1 + 1));
    show("inw divisor", inw(COM1));
    show("inl divisor, IIR, LCR", inl(COM1) & 0xFF00FFFF);
    outl(COM1, 0x83000007); /* divisor 7, FIFO off, LCR as before */
    show("outl divisor, LCR", inl(COM1) & 0xFF00FFFF);
    outb(COM1, 1);
    outb(LINE_CONTROL, 0x03);
    outb(SCRATCH, 0xA5);
    show("scratch", inb(SCRATCH));

    uint32_t value = 0x11223344;
    asm volatile("inb %%dx, %%al" : "+a"(value) : "d"(SCRATCH));
    show("inb keeps the rest of eax", value);
    value = 0x11223344;
    asm volatile("inw %%dx, %%ax" : "+a"(value) : "d"(0xE8));
    show("inw keeps the upper half", value & 0xFFFF0000);
    asm volatile("inb $0x21, %%al" : "=a"(value) : "0"(0));
    outb(0x21, 0x5A);
    asm volatile("inb $0x21, %%al" : "=a"(value) : "0"(0));
    show("immediate port (8259A mask)", value);
    outb(0x21, 0xFF);
}

static void strings(void)
{
    const void *at = text;
    uint32_t count = sizeof text - 1;
    asm volatile("rep outsb" : "+S"(at), "+c"(count) : "d"(0xE9) : "memory");
    show("esi moved by", (uint32_t)at - (uint32_t)text);
    show("ecx left", count);

    at = backwards + sizeof backwards - 2;
    count = sizeof backwards - 1;
    asm volatile("std; rep outsb; cld" : "+S"(at), "+c"(count) : "d"(0xE9) : "memory");
    outb(0xE9, '\n');
    show("esi moved by (DF=1)", (uint32_t)at - (uint32_t)(backwards + sizeof backwards - 2));

    at = text;
    count = 0;
    asm volatile("rep outsb" : "+S"(at), "+c"(count) : "d"(0xE9) : "memory");
    show("ecx=0: esi moved by", (uint32_t)at - (uint32_t)text);
    asm volatile("outsb" : "+S"(at) : "d"(0xE9) : "memory");
    outb(0xE9, '\n');

    outb(SCRATCH, 0x3C);
    void *to = buffer;
    count = 5;
    asm volatile("rep insb" : "+D"(to), "+c"(count) : "d"(SCRATCH) : "memory");
    show("insb", *(uint32_t *)buffer);
    show("insb last, edi moved by", (uint32_t)buffer[4] << 8 | ((uint32_t)to - (uint32_t)buffer));
    outb(LINE_CONTROL, 0x83);
    static const uint16_t divisors[] = {0x0102, 0x0304, 0x0506};
    at = divisors;
    count = 3;
    asm volatile("rep outsw" : "+S"(at), "+c"(count) : "d"(COM1) : "memory");
    show("outsw, last divisor", inw(COM1));
    to = buffer + 14;
    count = 2;
    asm volatile("std; rep insw; cld" : "+D"(to), "+c"(count) : "d"(COM1) : "memory");
    show("insw (DF=1), stored", *(uint32_t *)(buffer + 12));
    static const uint32_t latch = 0x83000009;
    at = &latch;
    asm volatile("outsl" : "+S"(at) : "d"(COM1) : "memory");
    show("outsl", inl(COM1) & 0xFF00FFFF);
    to = buffer;
    asm volatile("insl" : "+D"(to) : "d"(COM1) : "memory");
    show("insl, edi moved by", (uint32_t)to - (uint32_t)buffer);
    outb(COM1, 1);
    outb(COM1 + 1, 0);
    outb(LINE_CONTROL, 0x03);
}

static void addressing(void)
{
    volatile char *low = (char *)0x7000;
    asm("" : "+r"(low)); /* hides the constant from the compiler's bounds checks */
    low[0] = '1', low[1] = '6', low[2] = '\n';
    uint32_t esi = 0xABCD7000, ecx = 0xFFFF0003;
    asm volatile("addr16 rep outsb" : "+S"(esi), "+c"(ecx) : "d"(0xE9) : "memory");
    show("addr16: esi", esi);
    show("addr16: ecx", ecx);
    const char *at = text;
    asm volatile("movw %%ds, %%ax; movw %%ax, %%fs; rep; outsb %%fs:(%%esi), %%dx"
                 : "+S"(at)
                 : "d"(0xE9), "c"(5)
                 : "eax", "memory");
    outb(0xE9, '\n');
}

int main(void)
{
    widths();
    strings();
    addressing();
    return 0;
}
