/* GDT, IDT and TSS of the guests that examine the processor, and the reports of what they saw. */
#include "cpu.h"

uint64_t gdt[GDT_ENTRIES];
uint64_t idt[256];
struct tss tss;
struct trapped trapped;
bool software_interrupt;
uint8_t user_stack[4096] __attribute__((aligned(4096)));
uint8_t trap_stack[8192] __attribute__((aligned(4096)));

/* What the stubs in vectors.S leave on the stack, lowest address first. */
struct frame {
    uint32_t gs, fs, es, ds;
    uint32_t edi, esi, ebp, unused_esp, ebx, edx, ecx, eax;
    uint32_t handler_eflags, vector;
    uint32_t pushed[10]; /* [error] eip cs eflags [esp ss [es ds fs gs]] */
};

extern uint32_t attempt_esp;
extern char stub_0[], stub_1[];

void set_segment(uint16_t selector, uint32_t base, uint32_t limit, uint8_t access)
{
    /* G = 1, D/B = 1; limit in pages */
    uint64_t low = (limit & 0xFFFF) | (base << 16);
    uint64_t high = ((base >> 16) & 0xFF) | ((uint32_t)access << 8) | (limit & 0xF0000) |
                    0x00C00000 | (base & 0xFF000000);
    gdt[selector >> 3] = low | high << 32;
}

void set_system(uint16_t selector, uint32_t base, uint32_t limit, uint8_t access)
{
    set_segment(selector, base, limit, access);
    gdt[selector >> 3] &= ~((uint64_t)0x00C00000 << 32);
}

uint64_t gate(uint16_t selector, uint32_t offset, uint8_t access, uint8_t parameters)
{
    uint32_t low = (uint32_t)selector << 16 | (offset & 0xFFFF);
    uint32_t high = (offset & 0xFFFF0000) | (uint32_t)access << 8 | parameters;
    return low | (uint64_t)high << 32;
}

uint32_t stub_of(uint8_t vector)
{
    return (uint32_t)stub_0 + vector * (uint32_t)(stub_1 - stub_0);
}

void cpu_init(void)
{
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) pointer = {sizeof gdt - 1, (uint32_t)gdt};

    set_segment(KERNEL_CODE, 0, 0xFFFFF, PRESENT | CODE);
    set_segment(KERNEL_DATA, 0, 0xFFFFF, PRESENT | DATA);
    set_segment(USER_CODE, 0, 0xFFFFF, PRESENT | DPL_3 | CODE);
    set_segment(USER_DATA, 0, 0xFFFFF, PRESENT | DPL_3 | DATA);
    set_system(TSS_SELECTOR, (uint32_t)&tss, sizeof tss - 1, PRESENT | TSS_AVAILABLE);
    tss.ss0 = KERNEL_DATA;
    tss.esp0 = (uint32_t)trap_stack + sizeof trap_stack;
    tss.io_map = offsetof(struct tss, io_bitmap);
    memset(tss.io_bitmap, 0xFF, sizeof tss.io_bitmap);
    for (unsigned vector = 0; vector < 256; vector++)
        idt[vector] = gate(KERNEL_CODE, stub_of((uint8_t)vector), PRESENT | INTERRUPT_GATE, 0);
    idt[DONE_VECTOR] = gate(KERNEL_CODE, stub_of(DONE_VECTOR), PRESENT | DPL_3 | INTERRUPT_GATE, 0);

    asm volatile("lgdt %0\n\t"
                 "ljmp $0x08, $1f\n"
                 "1:\tmovw %w1, %%ds\n\tmovw %w1, %%es\n\tmovw %w1, %%ss\n\t"
                 "movw %w2, %%fs\n\tmovw %w2, %%gs" ::"m"(pointer),
                 "r"(KERNEL_DATA), "r"(0)
                 : "memory");
    pointer.limit = sizeof idt - 1;
    pointer.base = (uint32_t)idt;
    asm volatile("lidt %0" ::"m"(pointer));
    asm volatile("lldt %w0" ::"r"(0));
    asm volatile("ltr %w0" ::"r"(TSS_SELECTOR));
    /* Mask both 8259As: IF may be 1 in an attempt. */
    outb(0x21, 0xFF);
    outb(0xA1, 0xFF);
}

static bool pushes_error_code(uint32_t vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

/* Called by the stubs; afterwards they return to the attempt. */
void record_trap(const struct frame *frame);
void record_trap(const struct frame *frame)
{
    const uint32_t *pushed = frame->pushed;
    uint32_t bottom = (uint32_t)pushed, top;
    trapped = (struct trapped){.vector = frame->vector,
                               .cr2 = read_cr2(),
                               .eax = frame->eax,
                               .ecx = frame->ecx,
                               .edx = frame->edx,
                               .ebx = frame->ebx,
                               .esi = frame->esi,
                               .edi = frame->edi,
                               .ebp = frame->ebp,
                               .ds = frame->ds & 0xFFFF,
                               .es = frame->es & 0xFFFF,
                               .fs = frame->fs & 0xFFFF,
                               .gs = frame->gs & 0xFFFF,
                               .handler_eflags = frame->handler_eflags,
                               .handler_cs = KERNEL_CODE,
                               .handler_ss = KERNEL_DATA};
    if (!software_interrupt && pushes_error_code(frame->vector))
        trapped.error = *pushed++;
    software_interrupt = false;
    trapped.eip = pushed[0];
    trapped.cs = pushed[1] & 0xFFFF;
    trapped.eflags = pushed[2];
    top = attempt_esp;
    if ((trapped.eflags & FLAG_VM) || (trapped.cs & 3)) {
        trapped.esp = pushed[3];
        trapped.ss = pushed[4] & 0xFFFF;
        top = tss.esp0;
    }
    if (trapped.eflags & FLAG_VM) {
        trapped.v86_es = pushed[5] & 0xFFFF;
        trapped.v86_ds = pushed[6] & 0xFFFF;
        trapped.v86_fs = pushed[7] & 0xFFFF;
        trapped.v86_gs = pushed[8] & 0xFFFF;
    }
    trapped.depth = top - bottom;
}

void report(const char *name, const void *code)
{
    const uint32_t shown =
        FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL3 | FLAG_NT | FLAG_VM | FLAG_AC | 2;
    if (trapped.vector == DONE_VECTOR) {
        print("%-34s completes, cs=%04x efl=%05x\n", name, trapped.cs, trapped.eflags & shown);
        return;
    }
    print("%-34s vec=%02x err=%04x eip=+%x cs=%04x efl=%05x pushed=%u", name, trapped.vector,
          trapped.error, trapped.eip - (uint32_t)code, trapped.cs, trapped.eflags & shown,
          trapped.depth);
    if (trapped.cs & 3)
        print(" ss=%04x", trapped.ss);
    if (trapped.vector == 14)
        print(" cr2=%08x", trapped.cr2);
    put_char('\n');
}
