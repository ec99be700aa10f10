/* Lets something happen at every instruction boundary of a set of routines, as kernels have them:
 * a single step (EFLAGS.TF), a breakpoint (INT3 written over the instruction), a fault (UD2 written
 * over it), a page fault of each access to memory, and a timer interrupt; at ring 0, the part
 * without privileges at ring 3 too; through the addresses where the code lies, through others that
 * map the same frames, and copied so that a page boundary lies before each instruction. Each event
 * prints the whole state that its handler finds, so a VMM is exact where it prints what the bare
 * machine prints. BOUNDARIES_VIRTUALIZABLE leaves out what does not trap outside ring 0. Exit code
 * 0. */
#include "cpu.h"

enum {
    P = 1,
    W = 2,
    U = 4,
    PAGE = 4096,
    ALIAS = 0x40000000, /* maps the low 4 MB once more */
    COPIES = 0x300000,  /* two pages for code that is copied */
    SCRATCH = 0x302000, /* the page that the routines work on */
    MOST = 512,         /* boundaries */
    LONGEST = 15,       /* instruction */
    TICKS = 24,         /* of the timer, about 2000 instructions: */
    FIRST = 1600,       /* so long a delay, and it comes behind the code; */
    LAST = 1990,        /* so long, and it comes before */
};

static uint32_t directory[1024] __attribute__((aligned(PAGE)));
static volatile uint32_t low[1024] __attribute__((aligned(PAGE)));
static uint8_t stacks[2][PAGE] __attribute__((aligned(PAGE)));

/* ---- the routines ----
 *
 * They begin at routines_kernel or routines_user, work on SCRATCH, and end with a jump to where EDI
 * points; so they may be copied anywhere. */

extern uint8_t routines_begin[], routines_kernel[], routines_user[], routines_end[];

asm(".pushsection .text\n"
    ".balign 4096\n"
    "routines_begin:\n"
    "routines_kernel:\n\t"
    "pushl %edi\n\t"
#ifndef BOUNDARIES_VIRTUALIZABLE
    /* a critical section */
    "pushfl\n\tcli\n\tincl 0x302000\n\tpopfl\n\t"
    "pushfw\n\tpopw %ax\n\tandl $0x200, %eax\n\t"
    /* where am I? */
    "movl %cs, %eax\n\tmovw %ss, 0x302010\n\tpushl %cs\n\tpopl %ebx\n\tpushl %ss\n\tpopl %ss\n\t"
    "sgdt 0x302020\n\tsidt 0x302028\n\tsldt %ecx\n\tstr %edx\n\tsmsw 0x302030\n\t"
    "movl $0x10, %esi\n\tlar %esi, %eax\n\tlsl %esi, %ecx\n\tverr %si\n\tsetz %dl\n\tverw %si\n\t"
    "lcall *far_routine\n\t"
    /* a return to the same ring */
    "pushfl\n\tpushl %cs\n\tcall 1f\n1:\taddl $(2f - 1b), (%esp)\n\tiretl\n2:\t"
#endif
    "cli\n\tmovl $1, %eax\n\tsti\n\tincl %eax\n\tincl %eax\n\t"
    /* control registers, the TLB, the clock */
    "movl %cr0, %eax\n\tmovl %eax, %cr0\n\tmovl %cr3, %ecx\n\tmovl %ecx, %cr3\n\t"
    "invlpg 0x302000\n\tclts\n\tmovl %cr2, %edx\n\tmovl %cr4, %ecx\n\tmovl %db7, %ecx\n\t"
    "rdtsc\n\txorl %eax, %eax\n\tcpuid\n\t"
    /* segments */
    "movw %ds, %ax\n\tmovw %ax, %es\n\tpushl %ds\n\tpopl %fs\n\tlss far_stack, %ecx\n\t"
    "movw $0x10, %cx\n\tmovw %cx, %ss\n\txorl %ecx, %ecx\n\tmovw %cx, %fs\n\t"
    /* ports */
    "inb $0x21, %al\n\toutb %al, $0x80\n\tmovw $0x61, %dx\n\tinb %dx, %al\n\t"
    "movw $0x80, %dx\n\tmovl $0x302000, %esi\n\tmovl $3, %ecx\n\trep outsb\n\t"
    "movl $0x302000, %edi\n\tmovw $0x21, %dx\n\tinsb\n\t"
    /* rarely seen */
    "xorl %ecx, %ecx\n\tlldt %cx\n\tmovl %cr0, %eax\n\tlmsw %ax\n\twbinvd\n\tmovl %ecx, %db3\n\t"
    "lgdt same_gdt\n\tlidt same_idt\n\tlds far_data, %eax\n\t"
    "popl %edi\n"
    "routines_user:\n\t"
    /* a frame, calls and returns */
    "enter $16, $0\n\tmovl %edi, -4(%ebp)\n\tcall 3f\n\tpushl $5\n\tcall 4f\n\tjmp 5f\n"
    "3:\tret\n4:\tmovl 4(%esp), %eax\n\tret $4\n5:\t"
    /* strings */
    "movl $0x302100, %edi\n\tmovl $5, %ecx\n\tcld\n\trep stosl\n\t"
    "movl $0x302100, %esi\n\tmovl $0x302140, %edi\n\tmovl $6, %ecx\n\trep movsb\n\t"
    "movl $0x302100, %esi\n\tmovl $0x302140, %edi\n\tmovl $4, %ecx\n\trepe cmpsb\n\t"
    "movl $0x302140, %edi\n\tmovl $9, %ecx\n\txorl %eax, %eax\n\trepne scasb\n\t"
    "xorl %ecx, %ecx\n\trep lodsl\n\tstd\n\tlodsb\n\tcld\n\t"
    /* arithmetic, and what it leaves */
    "movl $0x12345678, %eax\n\tmovl $77, %ebx\n\tmull %ebx\n\tdivl %ebx\n\timull $3, %edx, %ecx\n\t"
    "addl %eax, 0x302200\n\tadcl $0, 0x302204\n\tsbbl %ecx, %ecx\n\tnegl "
    "%ecx\n\tdaa\n\taaa\n\tdas\n\t"
    "shll $3, %ebx\n\tsarl %cl, %eax\n\trcll $2, %edx\n\tshldl $4, %eax, %edx\n\trorw $5, %bx\n\t"
    "bswap %eax\n\tbsfl %eax, %ecx\n\tcmovzl %ebx, %ecx\n\tsetc %cl\n\tmovzbl %cl, %ecx\n\t"
    "lahf\n\tstc\n\tcmc\n\tsahf\n\txlat %ds:(%ebx)\n\tcwtl\n\tcltd\n\t"
    /* locks */
    "lock; incl 0x302208\n\txchgl %ecx, 0x30220c\n\tmovl $1, %eax\n\tlock; cmpxchgl %ebx, "
    "0x302208\n\t"
    "lock; xaddl %eax, 0x302210\n\t"
    /* loops and jumps */
    "movl $3, %ecx\n6:\tdecl %eax\n\tloop 6b\n\tjecxz 7f\n\tnop\n7:\tjmp 8f\n\tnop\n8:\t"
    "pusha\n\tpopa\n\tpushl 0x302200\n\tpopl 0x302214\n\tmovl 0x302214, %eax\n\t"
    "fninit\n\tfldl 0x302300\n\tfaddl 0x302300\n\tfstpl 0x302308\n\tfnstsw %ax\n\t"
    "movl -4(%ebp), %edi\n\tleave\n\tjmp *%edi\n"
    "routines_end:\n\t"
    ".byte 0x0f, 0x0b\n\t"
    ".balign 4096\n"
    "far_target: movl $9, %eax\n\tlret\n"
    ".popsection\n"
    ".pushsection .data\n"
    ".balign 4\n"
    "far_routine: .long far_target\n\t.word 8\n"
    ".balign 4\n"
    "far_stack: .long 0\n\t.word 0x10\n"
    ".balign 4\n"
    "far_data: .long 7\n\t.word 0x23\n"
    "same_gdt: .word 48 * 8 - 1\n\t.long gdt\n"
    "same_idt: .word 256 * 8 - 1\n\t.long idt\n"
    ".popsection");

/* ---- what handlers find ---- */

extern const uint8_t run_return[];

struct frame {
    uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax; /* PUSHA; esp as it was then */
    uint32_t vector, error, eip, cs, eflags, user_esp, user_ss;
};

static volatile enum mode { STEP, BREAK, FAULT, ACCESS, TICK, FETCH } mode;
static const char *const modes[] = {"step", "break", "fault", "access", "tick", "fetch"};
static uint8_t *volatile code;             /* where the code is executed */
static volatile uint32_t boundaries[MOST]; /* offsets that a step has met */
static volatile unsigned boundary_count;
static volatile uint32_t patched; /* offset of the byte that was written over */
static volatile uint8_t original[2];
static volatile unsigned events;
static uint32_t every; /* so many boundaries are passed by, all but one */

static void show(const struct frame *f)
{
    const uint32_t *esp = f->cs & 3 ? &f->user_esp : 0;
    events++;
    print("%s %x:%x +%x %x", modes[mode], f->vector, f->error, f->eip - (uint32_t)code, f->eflags);
    print(" %x %x %x %x %x %x %x", f->eax, f->ecx, f->edx, f->ebx, esp ? *esp : f->esp, f->ebp,
          f->esi);
    print(" %x %x\n", f->edi, f->vector == 14 ? read_cr2() : 0);
}

static void note_boundary(uint32_t offset)
{
    for (unsigned i = 0; i < boundary_count; i++)
        if (boundaries[i] == offset)
            return;
    if (boundary_count < MOST)
        boundaries[boundary_count++] = offset;
}

static void write_over(uint32_t offset, unsigned count, const uint8_t *bytes)
{
    for (unsigned i = 0; i < count; i++) {
        original[i] = routines_begin[offset + i];
        ((volatile uint8_t *)routines_begin)[offset + i] = bytes[i];
    }
    patched = offset;
}

static void restore(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        ((volatile uint8_t *)routines_begin)[patched + i] = original[i];
}

static bool inside(uint32_t eip)
{
    return eip >= (uint32_t)code &&
           eip < (uint32_t)code + (uint32_t)(routines_end - routines_begin);
}

static void scratch(bool present)
{
    low[SCRATCH >> 12] = SCRATCH | W | U | (present ? P : 0);
    invlpg(SCRATCH);
}

/* With ACCESS the page comes with a fault, for one instruction. */
static void page_fault(struct frame *f)
{
    if (mode == FETCH) {
        /* at the instruction that needs the page (SDM volume 3, section 6.5) */
        if (f->eip + LONGEST <= COPIES + PAGE) {
            print("the fetch fault is too early\n");
            guest_exit(1);
        }
        low[(COPIES >> 12) + 1] |= P;
        return;
    }
    scratch(true);
    f->eflags |= FLAG_TF;
}

void handle(struct frame *f);
void handle(struct frame *f)
{
    show(f);
    switch (f->vector) {
    case 1:
        if (mode == ACCESS) {
            scratch(false);
            f->eflags &= ~(uint32_t)FLAG_TF;
        } else if (inside(f->eip)) {
            note_boundary(f->eip - (uint32_t)code);
        } else if (f->eip == (uint32_t)run_return) {
            f->eflags &= ~(uint32_t)FLAG_TF;
        }
        break;
    case 3:
        restore(1);
        f->eip--;
        break;
    case 6: restore(2); break;
    case 14: page_fault(f); break;
    case 32: outb(0x20, 0x20); break;
    default: print("vector %x error %x at %x\n", f->vector, f->error, f->eip); guest_exit(1);
    }
}

#define STUB(vector, error) ".balign 16\n\t" error "pushl $" #vector "\n\tjmp handler_common\n\t"
asm(".pushsection .text\n"
    "handler_common: pusha\n\tcld\n\tpushl %esp\n\tcall handle\n\taddl $4, %esp\n\tpopa\n\t"
    "addl $8, %esp\n\tiretl\n"
    ".balign 16\nstubs:\n\t" STUB(1, "pushl $0\n\t") STUB(3, "pushl $0\n\t") STUB(6, "pushl $0\n\t")
        STUB(13, "") STUB(14, "") STUB(32, "pushl $0\n\t") ".popsection");
extern const uint8_t stubs[];

/* ---- running them ---- */

uint32_t saved_esp;

/* Runs the code at `entry` at `ring` with `eflags`, after `delay` instructions at ring 0. */
__attribute__((noinline)) static void run(const uint8_t *entry, unsigned ring, uint32_t eflags,
                                          uint32_t delay)
{
    uint32_t cs = ring ? USER_CODE : KERNEL_CODE, ss = ring ? USER_DATA : KERNEL_DATA;
    uint32_t stack = (uint32_t)stacks[ring != 0] + PAGE;
    asm volatile("pushl %%ebp\n\t"
                 "movl %%esp, saved_esp\n\t"
                 "testl $3, %[cs]\n\t"
                 "jnz 1f\n\t"
                 "movl %[stack], %%esp\n\t"
                 "jmp 2f\n"
                 "1:\tpushl %[ss]\n\tpushl %[stack]\n"
                 "2:\tpushl %[flags]\n\tpushl %[cs]\n\tpushl %[entry]\n\t"
                 "movl $run_return, %%edi\n\t"
                 "movl %[delay], %%ecx\n3:\tloop 3b\n\t"
                 "movl $0x10, %%eax\n\tmovl %%eax, %%ecx\n\tmovl %%eax, %%edx\n\t"
                 "movl %%eax, %%ebx\n\tmovl %%eax, %%esi\n\tmovl $0, %%ebp\n\t"
                 "iretl\n"
                 "run_return:\n\t"
                 "int $0x40\n"
                 "run_done:\tmovl saved_esp, %%esp\n\t"
                 "popl %%ebp"
                 :
                 : [delay] "m"(delay), [cs] "m"(cs), [ss] "m"(ss), [stack] "m"(stack),
                   [flags] "m"(eflags), [entry] "m"(entry)
                 : "memory", "cc", "eax", "ecx", "edx", "ebx", "esi", "edi");
}

/* INT 0x40 comes back to ring 0, whatever the stack. DS and ES are the user's all the time: IRET to
 * ring 3 would take others away (SDM 2, IRET). */
extern const uint8_t done_stub[];
asm(".pushsection .text\n"
    "done_stub: jmp run_done\n"
    ".popsection");

static void clean(void)
{
    scratch(true);
    memset((void *)SCRATCH, 0, PAGE);
    memset(stacks, 0, sizeof stacks);
    *(uint32_t *)(SCRATCH + 0x304) = 0x3ff80000; /* 1.5 */
    events = 0;
}

static void summary(const char *what, unsigned ring)
{
    uint32_t sum = 0, now;
    scratch(true);
    for (unsigned i = 0; i < PAGE / 4; i++)
        sum = (sum << 1 | sum >> 31) ^ ((uint32_t *)SCRATCH)[i];
    asm volatile("rdtsc" : "=a"(now)::"edx");
    print("%s at ring %u: %u events, memory %x, time %u\n", what, ring, events, sum, now);
}

static void step(unsigned ring, const uint8_t *entry)
{
    mode = STEP;
    clean();
    run(entry, ring, FLAG_TF | (ring ? FLAG_IF : 0), 1);
    summary("step", ring);
}

static void write_over_each(unsigned ring, const uint8_t *entry)
{
    static const uint8_t int3[] = {0xcc}, ud2[] = {0x0f, 0x0b};
    for (unsigned i = 0; i < boundary_count; i += every) {
        clean();
        mode = BREAK;
        write_over(boundaries[i], 1, int3);
        run(entry, ring, FLAG_IF, 1);
        mode = FAULT;
        write_over(boundaries[i], 2, ud2);
        run(entry, ring, FLAG_IF, 1);
    }
    summary("written over", ring);
}

static void fault_each_access(unsigned ring, const uint8_t *entry)
{
    mode = ACCESS;
    clean();
    scratch(false);
    run(entry, ring, FLAG_IF, 1);
    summary("access", ring);
}

static void counter0(uint16_t count)
{
    outb(0x43, 0x30);
    outb(0x40, (uint8_t)count);
    outb(0x40, (uint8_t)(count >> 8));
}

/* The timer's steps are some 84 instructions; a loop before the code does the rest. */
static void tick_each(unsigned ring, const uint8_t *entry)
{
    mode = TICK;
    outb(0x21, 0xfe);
    for (uint32_t delay = FIRST; delay < LAST; delay += every) {
        clean();
        counter0(TICKS);
        run(entry, ring, FLAG_IF, delay);
        asm volatile("sti; nop; nop; cli");
    }
    outb(0x21, 0xff);
    summary("tick", ring);
}

/* A page boundary before each instruction, the page behind it absent. */
static void split_each(unsigned ring, uint32_t entry)
{
    uint32_t size = (uint32_t)(routines_end - routines_begin);
    mode = FETCH;
    for (unsigned i = 0; i < boundary_count; i += every)
        for (unsigned back = 0; back < 2; back++) {
            code = (uint8_t *)COPIES + PAGE - boundaries[i] - back;
            clean();
            low[(COPIES >> 12) + 1] = (COPIES + PAGE) | P | W | U;
            invlpg(COPIES + PAGE);
            memcpy(code, routines_begin, size);
            low[(COPIES >> 12) + 1] &= ~(uint32_t)P;
            invlpg(COPIES + PAGE);
            run(code + entry, ring, FLAG_IF, 1);
        }
    code = routines_begin;
    summary("split", ring);
}

/* What happens, by bits of the command line's `events`. */
enum { STEPS = 1, ACCESSES = 2, WRITTEN_OVER = 4, TICKS_TOO = 8, SPLITS = 16, ALL = 31 };

static void all(uint32_t wanted, unsigned ring, uint32_t entry)
{
    boundary_count = 0;
    for (unsigned alias = 0; alias < 2; alias++) {
        code = routines_begin + (alias ? ALIAS : 0);
        if (wanted & STEPS)
            step(ring, code + entry);
        if (wanted & ACCESSES)
            fault_each_access(ring, code + entry);
        if (wanted & WRITTEN_OVER)
            write_over_each(ring, code + entry);
        if (wanted & TICKS_TOO)
            tick_each(ring, code + entry);
    }
    if (wanted & SPLITS)
        split_each(ring, entry);
    print("ring %u: %u boundaries\n", ring, boundary_count);
}

/* ---- the machine ---- */

static void pic_init(void)
{
    static const uint8_t words[][2] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 0x04}, {0x21, 0x01},
                                       {0xA0, 0x11}, {0xA1, 0x28}, {0xA1, 0x02}, {0xA1, 0x01},
                                       {0x21, 0xFF}, {0xA1, 0xFF}};
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        outb(words[i][0], words[i][1]);
}

static void paging_on(void)
{
    for (unsigned i = 0; i < 1024; i++)
        low[i] = i << 12 | P | W | U;
    directory[0] = directory[ALIAS >> 22] = (uint32_t)low | P | W | U;
    write_cr3((uint32_t)directory);
    write_cr0(read_cr0() | 0x80010000);
}

static void tables(void)
{
    static const uint8_t vectors[] = {1, 3, 6, 13, 14, 32};
    cpu_init();
    asm volatile("movl %0, %%ds\n\tmovl %0, %%es" ::"r"(USER_DATA));
    for (unsigned i = 0; i < sizeof vectors; i++)
        idt[vectors[i]] = gate(KERNEL_CODE, (uint32_t)stubs + 16 * i,
                               PRESENT | INTERRUPT_GATE | (vectors[i] == 3 ? DPL_3 : 0), 0);
    idt[0x40] = gate(KERNEL_CODE, (uint32_t)done_stub, PRESENT | DPL_3 | INTERRUPT_GATE, 0);
}

int main(uint32_t magic, const struct multiboot_info *info)
{
    (void)magic;
    extern uint32_t far_stack[];
    far_stack[0] = (uint32_t)stacks[0] + PAGE - 4;
    tables();
    pic_init();
    paging_on();
    every = command_line_number(info, "every", 1);
    uint32_t wanted = command_line_number(info, "events", ALL);
    all(wanted, 0, 0);
    all(wanted, 3, (uint32_t)(routines_user - routines_begin));
    clean();
    return 0;
}
