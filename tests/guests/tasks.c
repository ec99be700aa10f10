/* Two programs that the processor itself multitasks (SDM volume 3, chapter 7), as nobody has done
 * since Linux 2.2: the timer's interrupt goes through a task gate to a scheduler's task, which puts
 * the other program into its own back link and returns to it by IRET. Each program has its address
 * space, its LDT and its floating-point registers, which are saved when the other one first wants
 * them (CR0.TS and #NM, chapter 13). Prints what the programs came to, which is independent of when
 * they were interrupted. */
#include "cpu.h"

enum {
    TSS_PROGRAM = FREE_SELECTOR, /* and the next one */
    TSS_SCHEDULER = FREE_SELECTOR + 16,
    TSS_CALLED = FREE_SELECTOR + 24,
    LDT_PROGRAM = FREE_SELECTOR + 32, /* and the next one */
    PROGRAMS = 2,
    LDT_CODE = 0 | 7, /* table indicator and RPL 3 */
    LDT_DATA = 8 | 7,
    TIMER_VECTOR = 0x20,
    SYSTEM_CALL = 0x80,
    NO_COPROCESSOR = 7,
    CR0_MP = 1 << 1,
    CR0_PG = (int)0x80000000,
    PRIVATE = 0x800000, /* linear address of a page that is another one in each address space */
    FRAMES = 0x700000,
    BUSY = 2, /* bit of a TSS descriptor's type */
};

static struct tss program[PROGRAMS], scheduler, called;
static uint32_t directory[PROGRAMS][1024] __attribute__((aligned(4096)));
static uint32_t table[1024] __attribute__((aligned(4096)));
static uint32_t private[PROGRAMS][1024] __attribute__((aligned(4096)));
static uint64_t ldt[PROGRAMS][2];
static uint8_t stack[PROGRAMS + 2][4096] __attribute__((aligned(16)));
static uint8_t floats[PROGRAMS][108]; /* as FNSAVE has it */
static volatile uint32_t ticks, saves, done, current, result[PROGRAMS][4];
static volatile int owner = -1;

/* ---- the programs, in ring 3 ---- */

static void program_main(void)
{
    uint32_t me = current, sum = me + 1;
    volatile uint32_t *mine = (volatile uint32_t *)PRIVATE;
    union {
        double number;
        uint32_t words[2];
    } x = {.number = me ? 3.5 : 1.25};
    for (uint32_t i = 0; i < 30000; i++) {
        sum = sum * 1664525 + 1013904223;
        *mine += sum >> 16;
        x.number = x.number * 0.999 + 1.0 / (i + 1.0);
    }
    result[me][0] = sum;
    result[me][1] = *mine;
    result[me][2] = x.words[0];
    result[me][3] = x.words[1];
    for (;;)
        asm volatile("int %0" ::"i"(SYSTEM_CALL));
}

/* ---- their supervisor ---- */

#define ENTRY(name)                                                                                \
    extern char name##_entry[];                                                                    \
    void name(void);                                                                               \
    asm(#name "_entry: pushal; push %ds; push %es; mov $0x10, %eax; mov %ax, %ds; mov %ax, %es\n"  \
              "call " #name "; pop %es; pop %ds; popal; iret")

ENTRY(take_floats);
void take_floats(void)
{
    asm volatile("clts");
    if (owner >= 0)
        asm volatile("fnsave %0" : "=m"(floats[owner]));
    asm volatile("frstor %0" ::"m"(floats[current]));
    owner = (int)current;
    saves++;
}

ENTRY(finish);
void finish(void)
{
    done |= 1u << current;
    asm volatile("sti; hlt; cli");
}

static void report_all(void)
{
    print("interrupted %s, floats moved %s\n", ticks > 4 ? "often" : "seldom",
          saves > 2 ? "often" : "seldom");
    for (unsigned i = 0; i < PROGRAMS; i++)
        print("program %u: %08x %08x %08x%08x IF=%u\n", i, result[i][0], result[i][1], result[i][3],
              result[i][2], program[i].eflags >> 9 & 1);
}

/* CALL of a task: it is nested (NT, back link), and goes on behind its IRET the next time. */
asm("called_main: inc %ebx; pushf; pop %ecx; iret; jmp called_main");
extern char called_main[];

static void call_a_task(void)
{
    for (unsigned i = 0; i < 3; i++)
        asm volatile("lcall %0, $0" ::"i"(TSS_CALLED) : "memory", "cc");
    print("called %u times, NT=%u in it, from %02x, TS=%u\n", called.ebx, called.ecx >> 14 & 1,
          called.link, read_cr0() >> 3 & 1);
}

/* Entered at each tick, behind the IRET of the tick before. */
static void scheduler_main(void)
{
    for (;;) {
        ticks++;
        outb(0x20, 0x20);
        if (done == (1u << PROGRAMS) - 1)
            break;
        current = (current + 1) % PROGRAMS;
        scheduler.link = TSS_PROGRAM + 8 * current;
        gdt[scheduler.link >> 3] |= (uint64_t)BUSY << 40;
        asm volatile("iret");
    }
    outb(0x21, 0xff);
    report_all();
    call_a_task();
    guest_exit(0);
}

/* ---- beginnings ---- */

static void make_task(struct tss *task, uint16_t selector, const void *entry, uint8_t *top)
{
    *task = (struct tss){.eip = (uint32_t)entry,
                         .eflags = 2,
                         .esp = (uint32_t)top,
                         .cs = KERNEL_CODE,
                         .ss = KERNEL_DATA,
                         .ds = KERNEL_DATA,
                         .es = KERNEL_DATA,
                         .cr3 = (uint32_t)directory[0],
                         .io_map = sizeof *task};
    set_system(selector, (uint32_t)task, 103, PRESENT | TSS_AVAILABLE);
}

static void make_program(unsigned i)
{
    directory[i][0] = (uint32_t)table | 7;
    directory[i][1] = 0x400000 | 0x87;
    directory[i][PRIVATE >> 22] = (uint32_t) private[i] | 7;
    private[i][0] = (FRAMES + i * 4096) | 7;
    set_segment(LDT_PROGRAM, 0, 0xfffff, PRESENT | DPL_3 | CODE);
    ldt[i][0] = gdt[LDT_PROGRAM >> 3];
    set_segment(LDT_PROGRAM, 0, 0xfffff, PRESENT | DPL_3 | DATA);
    ldt[i][1] = gdt[LDT_PROGRAM >> 3];
    make_task(&program[i], (uint16_t)(TSS_PROGRAM + 8 * i), program_main,
              user_stack + sizeof user_stack / PROGRAMS * (i + 1) - 16);
    program[i].eflags |= FLAG_IF;
    program[i].cs = LDT_CODE;
    program[i].ss = program[i].ds = program[i].es = LDT_DATA;
    program[i].cr3 = (uint32_t)directory[i];
    program[i].ldt = LDT_PROGRAM + 8 * i;
    program[i].ss0 = KERNEL_DATA;
    program[i].esp0 = (uint32_t)stack[i] + sizeof stack[i];
}

static void start_timer(void)
{
    static const uint8_t writes[][2] = {{0x20, 0x11}, {0x21, TIMER_VECTOR}, {0x21, 4},
                                        {0x21, 1},    {0x43, 0x34},         {0x40, 0xe8},
                                        {0x40, 3},    {0x21, 0xfe}};
    for (unsigned i = 0; i < sizeof writes / sizeof *writes; i++)
        outb(writes[i][0], writes[i][1]);
}

int main(void)
{
    cpu_init();
    for (uint32_t i = 0; i < 1024; i++)
        table[i] = i << 12 | 7;
    for (unsigned i = 0; i < PROGRAMS; i++) {
        make_program(i);
        asm volatile("fninit; fnsave %0" : "=m"(floats[i]));
    }
    for (unsigned i = 0; i < PROGRAMS; i++)
        set_system((uint16_t)(LDT_PROGRAM + 8 * i), (uint32_t)ldt[i], sizeof ldt[i] - 1,
                   PRESENT | LDT_TYPE);
    make_task(&scheduler, TSS_SCHEDULER, scheduler_main, stack[PROGRAMS] + sizeof stack[0]);
    make_task(&called, TSS_CALLED, called_main, stack[PROGRAMS + 1] + sizeof stack[0]);
    idt[TIMER_VECTOR] = gate(TSS_SCHEDULER, 0, PRESENT | TASK_GATE, 0);
    idt[NO_COPROCESSOR] =
        gate(KERNEL_CODE, (uint32_t)take_floats_entry, PRESENT | INTERRUPT_GATE, 0);
    idt[SYSTEM_CALL] =
        gate(KERNEL_CODE, (uint32_t)finish_entry, PRESENT | DPL_3 | INTERRUPT_GATE, 0);
    write_cr4(read_cr4() | 0x10); /* PSE */
    write_cr3((uint32_t)directory[0]);
    write_cr0(read_cr0() | CR0_PG | CR0_MP);
    start_timer();
    asm volatile("ljmp %0, $0" ::"i"(TSS_PROGRAM));
    return 1;
}
