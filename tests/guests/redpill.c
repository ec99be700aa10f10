/* Shows every user-sensitive instruction at ring 3: what it reads is the processor's real state,
 * and no manual makes it trap (Robin and Irvine 2000). On the bare machine each line equals what
 * the kernel loaded; under a VMM that runs user code directly, the lines that differ show the VMM:
 * that is the red pill. Exit code: the number of differences. */
#include "cpu.h"

struct pointer {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed));

struct seen {
    struct pointer gdt, idt;
    uint16_t ldt, tr, msw, cs, pushed_cs, ss;
    uint32_t eflags, lar, lsl;
    uint8_t lar_zf, lsl_zf, verr_zf, verw_zf;
};

static struct seen kernel, user;

/* Labels are local to each copy: the same instructions, once for each ring. */
#define LOOK(s)                                                                                    \
    asm volatile("sgdt %0\n\tsidt %1\n\tsldt %2\n\tstr %3\n\tsmsw %4\n\tmovw %%cs, %5"             \
                 : "=m"((s).gdt), "=m"((s).idt), "=m"((s).ldt), "=m"((s).tr), "=m"((s).msw),       \
                   "=m"((s).cs)::"memory");                                                        \
    asm volatile("pushl %%cs; popl %%eax; movw %%ax, %0\n\tmovw %%ss, %1\n\t"                      \
                 "pushfl; popl %2"                                                                 \
                 : "=m"((s).pushed_cs), "=m"((s).ss), "=m"((s).eflags)::"eax", "memory");          \
    asm volatile("movl $0x1b, %%eax\n\tlarl %%eax, %%edx\n\tsetz %1\n\tmovl %%edx, %0\n\t"         \
                 "lsll %%eax, %%edx\n\tsetz %3\n\tmovl %%edx, %2\n\t"                              \
                 "movl $0x23, %%eax\n\tverr %%ax\n\tsetz %4\n\tverw %%ax\n\tsetz %5"               \
                 : "=m"((s).lar), "=m"((s).lar_zf), "=m"((s).lsl), "=m"((s).lsl_zf),               \
                   "=m"((s).verr_zf), "=m"((s).verw_zf)::"eax", "edx", "memory", "cc")

static void look_as_user(void)
{
    LOOK(user);
    asm volatile("int $0x81");
}

static uint32_t differences;

static void line(const char *instruction, uint32_t is, uint32_t should)
{
    differences += is != should;
    if (is == should)
        print("%-14s as loaded\n", instruction);
    else
        print("%-14s DIFFERS: %08x, not %08x\n", instruction, is, should);
}

int main(void)
{
    cpu_init();
    LOOK(kernel);
    attempt((const void *)look_as_user, 3, FLAG_IF);

    put_string("At ring 0:\n");
    line("mov %cs", kernel.cs, KERNEL_CODE);
    line("push %cs", kernel.pushed_cs, KERNEL_CODE);
    line("mov %ss", kernel.ss, KERNEL_DATA);
    line("pushf IF", kernel.eflags & FLAG_IF, 0);

    put_string("At ring 3:\n");
    line("sgdt base", user.gdt.base, (uint32_t)gdt);
    line("sgdt limit", user.gdt.limit, sizeof gdt - 1);
    line("sidt base", user.idt.base, (uint32_t)idt);
    line("sidt limit", user.idt.limit, sizeof idt - 1);
    line("sldt", user.ldt, 0);
    line("str", user.tr, TSS_SELECTOR);
    /* ET, NE and MP are the loader's business; TS, PE are ours. */
    line("smsw", user.msw & 0x9, 0x1);
    line("mov %cs", user.cs, USER_CODE);
    line("push %cs", user.pushed_cs, USER_CODE);
    line("mov %ss", user.ss, USER_DATA);
    line("pushf IF+IOPL", user.eflags & (FLAG_IF | FLAG_IOPL3), FLAG_IF);
    /* Bits 19 to 16 of what LAR gives are undefined. */
    line("lar", user.lar & 0x00F0FF00, (uint32_t)(gdt[USER_CODE >> 3] >> 32) & 0x00F0FF00);
    line("lar ZF", user.lar_zf, 1);
    line("lsl", user.lsl, 0xFFFFFFFF);
    line("lsl ZF", user.lsl_zf, 1);
    line("verr ZF", user.verr_zf, 1);
    line("verw ZF", user.verw_zf, 1);
    print("%u differences\n", differences);
    return (int)differences;
}
