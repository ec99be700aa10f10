/* Shows gates, privilege and descriptors: what INT n does with each kind of gate, the stack switch
 * through the TSS, IRET and RET outward, call gates, conforming segments, every way in which the
 * load of a segment register fails, the I/O permission bitmap, a task gate for the double fault,
 * and virtual-8086 mode (SDM 3, chapters 5, 6, 7, 20). Exit code 0. */
#include "cpu.h"

enum {
    SPARE = FREE_SELECTOR,      /* each test describes it anew */
    STACK = FREE_SELECTOR + 8,  /* likewise, for SS */
    CODE1 = FREE_SELECTOR + 16, /* code and data of ring 1 */
    DATA1 = FREE_SELECTOR + 24,
    CONFORMING = FREE_SELECTOR + 32, /* DPL 0 */
    CALLGATE = FREE_SELECTOR + 40,
    DF_TSS = FREE_SELECTOR + 48,
    LDT = FREE_SELECTOR + 56,
    READ_ONLY = FREE_SELECTOR + 64,
    EXECUTE_ONLY = FREE_SELECTOR + 72,
};

static uint64_t ldt[4];
static uint8_t ring1_stack[1024] __attribute__((aligned(16)));
static struct tss df_tss;
static uint8_t df_stack[2048] __attribute__((aligned(16)));

/* What a handler of our own noted. */
uint32_t noted[8];

PROBE(int40, "int $0x40");
PROBE(int41, "int $0x41");
PROBE(int3, "int3");
PROBE(into, "movb $0x7f, %al; addb $1, %al; into");
PROBE(undefined, "ud2");
PROBE(intfe, "int $0xfe");
PROBE(divide, "divl %ecx");

/* Handlers of our own. Each notes what it finds and ends the attempt by INT 0x81. */
extern const char note_flags[], note_conforming[], handler_16[], call_gate_target[];
asm(".text\n"
    /* EFLAGS, CS, SS in the handler, and how much was pushed, relative to ESP0 */
    "note_flags: pushfl; popl %ss:noted; movw %cs, %ax; movw %ax, %ss:noted + 4\n\t"
    "movw %ss, %ax; movw %ax, %ss:noted + 8; movl %esp, %ss:noted + 12; int $0x81\n"
    /* a 16-bit frame: IP, CS, FLAGS are words */
    "handler_16: movzwl 2(%esp), %eax; movl %eax, noted + 4\n\t"
    "movzwl 4(%esp), %eax; movl %eax, noted + 8; movzwl (%esp), %eax; movl %eax, noted\n\t"
    "movl %esp, noted + 12; int $0x81\n"
    /* behind a call gate with two parameters: EIP, CS, parameters, ESP, SS */
    "call_gate_target: movl %esp, %ss:noted\n\t"
    "movl 4(%esp), %eax; movl %eax, %ss:noted + 4\n\t"
    "movl 8(%esp), %eax; movl %eax, %ss:noted + 8\n\t"
    "movl 12(%esp), %eax; movl %eax, %ss:noted + 12\n\t"
    "movl 20(%esp), %eax; movl %eax, %ss:noted + 16\n\t"
    "movw %cs, %ax; movzwl %ax, %eax; movl %eax, %ss:noted + 20\n\t"
    "lret $8");

static void probe(const char *name, const void *code, unsigned ring, uint32_t flags)
{
    attempt(code, ring, flags);
    report(name, code);
}

/* A trap at which TCG leaves out the EXT bit of the error code (see DEVIATIONS.md). */
static void probe_without_ext(const char *name, const void *code, unsigned ring)
{
    attempt(code, ring, 0);
    trapped.error &= ~1u;
    report(name, code);
}

static void gate_kinds(void)
{
    static const struct {
        const char *name;
        uint8_t access;
    } kinds[] = {{"interrupt gate", PRESENT | DPL_3 | INTERRUPT_GATE},
                 {"trap gate", PRESENT | DPL_3 | TRAP_GATE}};
    for (unsigned kind = 0; kind < 2; kind++) {
        idt[0x40] = gate(KERNEL_CODE, (uint32_t)note_flags, kinds[kind].access, 0);
        for (unsigned ring = 0; ring <= 3; ring += 3) {
            attempt(probe_int40, ring, FLAG_IF | (ring ? FLAG_IOPL3 : 0));
            print("%s from ring %u: handler IF=%u IOPL=%u TF=%u NT=%u cs=%04x ss=%04x",
                  kinds[kind].name, ring, noted[0] >> 9 & 1, noted[0] >> 12 & 3, noted[0] >> 8 & 1,
                  noted[0] >> 14 & 1, noted[1], noted[2]);
            if (ring)
                print(" pushed=%u", tss.esp0 - noted[3]);
            put_char('\n');
        }
    }
    for (unsigned type = INTERRUPT_GATE_16; type <= TRAP_GATE_16; type++) {
        idt[0x40] =
            gate(KERNEL_CODE, (uint32_t)handler_16 & 0xFFFF, (uint8_t)(PRESENT | DPL_3 | type), 0);
        /* The offset of a 16-bit gate has 16 bits: reach the handler through a segment's base. */
        set_segment(SPARE, (uint32_t)handler_16 & 0xFFFF0000, 0xFFFFF, PRESENT | CODE);
        idt[0x40] =
            gate(SPARE, (uint32_t)handler_16 & 0xFFFF, (uint8_t)(PRESENT | DPL_3 | type), 0);
        attempt(probe_int40, 3, FLAG_IF);
        print("16-bit gate type %u: ip low matches %u, cs=%04x flags=%04x pushed=%u\n", type,
              noted[0] == (((uint32_t)probe_int40 + 2) & 0xFFFF), noted[1],
              noted[2] & (FLAG_IF | FLAG_IOPL3 | FLAG_TF | 2), tss.esp0 - noted[3]);
    }
    /* INT n of a vector that has an error code when the processor raises it has none. */
    idt[0x0D] = gate(KERNEL_CODE, stub_of(0x0D), PRESENT | DPL_3 | INTERRUPT_GATE, 0);
    extern const char probe_int13[];
    software_interrupt = true;
    probe("int 13 pushes no error code", probe_int13, 3, 0);
    idt[0x0D] = gate(KERNEL_CODE, stub_of(0x0D), PRESENT | INTERRUPT_GATE, 0);
    probe("int 13, gate DPL 0", probe_int13, 3, 0);
}
PROBE(int13, "int $13");

static void bad_gates(void)
{
    const uint32_t stub = stub_of(0x40);
    idt[0x40] = gate(KERNEL_CODE, stub, PRESENT | INTERRUPT_GATE, 0);
    probe("gate DPL 0 from ring 3", probe_int40, 3, 0);
    probe("gate DPL 0 from ring 0", probe_int40, 0, 0);
    idt[0x40] = gate(KERNEL_CODE, stub, PRESENT | DPL_1 | INTERRUPT_GATE, 0);
    probe("gate DPL 1 from ring 3", probe_int40, 3, 0);
    idt[0x40] = gate(KERNEL_CODE, stub, DPL_3 | INTERRUPT_GATE, 0);
    probe("gate not present", probe_int40, 3, 0);
    probe("gate not present", probe_int40, 0, 0);
    idt[0x40] = gate(KERNEL_CODE, stub, INTERRUPT_GATE, 0);
    probe("gate not present and DPL 0", probe_int40, 3, 0);
    probe("int3 gate DPL 0 from ring 3", probe_int3, 3, 0);
    probe("into gate DPL 0 from ring 3", probe_into, 3, 0);
    for (unsigned type = 0; type < 16; type++) {
        if (type == TASK_GATE || (type & 7) >= 6)
            continue;
        char name[] = "gate type 0";
        name[10] = "0123456789abcdef"[type];
        idt[0x40] = gate(KERNEL_CODE, stub, (uint8_t)(PRESENT | DPL_3 | type), 0);
        probe(name, probe_int40, 3, 0);
    }
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) pointer = {0xFE * 8 + 6, (uint32_t)idt};
    asm volatile("lidt %0" ::"m"(pointer));
    probe("vector beyond the IDT's limit", probe_intfe, 3, 0);
    probe("vector beyond the IDT's limit", probe_intfe, 0, 0);
    pointer.limit = sizeof idt - 1;
    asm volatile("lidt %0" ::"m"(pointer));

    static const struct {
        const char *name;
        uint16_t selector;
        uint8_t access;
    } selectors[] = {
        {"gate to null selector", 0, 0},
        {"gate beyond the GDT", GDT_ENTRIES * 8, 0},
        {"gate to data", SPARE, PRESENT | DATA},
        {"gate to code not present", SPARE, CODE},
        {"gate to code of ring 3", SPARE, PRESENT | DPL_3 | CODE},
        {"gate to an LDT segment", LDT, PRESENT | LDT_TYPE},
        {"gate to selector of no LDT", 0x0C, 0},
        {"gate with RPL 3 in its selector", KERNEL_CODE | 3, 0},
    };
    for (unsigned i = 0; i < sizeof selectors / sizeof selectors[0]; i++) {
        if (selectors[i].access)
            set_segment(selectors[i].selector, 0, 0xFFFFF, selectors[i].access);
        idt[0x40] = gate(selectors[i].selector, stub, PRESENT | DPL_3 | INTERRUPT_GATE, 0);
        probe(selectors[i].name, probe_int40, 0, 0);
    }
    /* The same for an exception: the error code then has EXT set. */
    idt[6] = gate(KERNEL_CODE, stub_of(6), INTERRUPT_GATE, 0);
    probe_without_ext("#UD, gate not present", probe_undefined, 3);
    idt[6] = gate(USER_DATA, stub_of(6), PRESENT | INTERRUPT_GATE, 0);
    probe_without_ext("#UD, gate to data", probe_undefined, 3);
    idt[6] = gate(KERNEL_CODE, stub_of(6), PRESENT | INTERRUPT_GATE, 0);
}

/* The new stack's checks, on ring 1's, so that ring 0's is good for the exception itself. */
static void stack_switch(void)
{
    static const struct {
        const char *name;
        uint16_t selector;
        uint8_t access;
    } stacks[] = {
        {"good", DATA1 | 1, PRESENT | DPL_1 | DATA},
        {"SS1 null", 0, 0},
        {"SS1 with RPL 0", DATA1, PRESENT | DPL_1 | DATA},
        {"SS1 with RPL 3", DATA1 | 3, PRESENT | DPL_1 | DATA},
        {"SS1 of DPL 0", DATA1 | 1, PRESENT | DATA},
        {"SS1 of DPL 3", DATA1 | 1, PRESENT | DPL_3 | DATA},
        {"SS1 read only", DATA1 | 1, PRESENT | DPL_1 | DATA_READ_ONLY},
        {"SS1 code", DATA1 | 1, PRESENT | DPL_1 | CODE},
        {"SS1 beyond the GDT", GDT_ENTRIES * 8 | 1, 0},
    };
    set_segment(CODE1, 0, 0xFFFFF, PRESENT | DPL_1 | CODE);
    idt[0x40] = gate(CODE1, (uint32_t)note_flags, PRESENT | DPL_3 | INTERRUPT_GATE, 0);
    tss.esp1 = (uint32_t)ring1_stack + sizeof ring1_stack;
    for (unsigned i = 0; i < sizeof stacks / sizeof stacks[0]; i++) {
        if (stacks[i].access)
            set_segment(DATA1, 0, 0xFFFFF, stacks[i].access);
        tss.ss1 = stacks[i].selector;
        noted[1] = 0;
        probe_without_ext(stacks[i].name, probe_int40, 3);
        if (noted[1])
            print("  handler cs=%04x ss=%04x pushed=%u\n", noted[1], noted[2], tss.esp1 - noted[3]);
    }
    set_segment(DATA1, 0, 0xFFFFF, PRESENT | DPL_1 | DATA);
    tss.ss1 = DATA1 | 1;
}

/* A conforming handler runs at the ring it interrupts, on its stack. */
static void conforming_handler(void)
{
    set_segment(CONFORMING, 0, 0xFFFFF, PRESENT | CODE_CONFORMING);
    idt[0x40] = gate(CONFORMING, (uint32_t)note_flags, PRESENT | DPL_3 | INTERRUPT_GATE, 0);
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        attempt(probe_int40, ring, FLAG_IF);
        print("conforming handler from ring %u: IF=%u cs=%04x ss=%04x\n", ring, noted[0] >> 9 & 1,
              noted[1], noted[2]);
    }
}

/* IRET with a frame that each probe pushes itself; the subject follows the pushes. */
#define IRET_TO(id, ss, flags, cs)                                                                 \
    PROBE(id, "pushl $" ss "; pushl $user_stack + 2048; pushl $" flags "; pushl $" cs              \
              "; pushl $1f; iretl; 1:")
IRET_TO(iret_ring3, "0x23", "0x3202", "0x1b");
IRET_TO(iret_ring1, "0x49", "0x0002", "0x41");
IRET_TO(iret_inward, "0x10", "0x0002", "0x08");
IRET_TO(iret_null, "0x23", "0x0002", "0x00");
IRET_TO(iret_data, "0x23", "0x0002", "0x23");
IRET_TO(iret_beyond, "0x23", "0x0002", "0xff8");
IRET_TO(iret_rpl_dpl, "0x23", "0x0002", "0x0b");
IRET_TO(iret_spare, "0x23", "0x0002", "0x33");
IRET_TO(iret_ss_null, "0x00", "0x0002", "0x1b");
IRET_TO(iret_ss_rpl, "0x20", "0x0002", "0x1b");
IRET_TO(iret_ss_dpl, "0x13", "0x0002", "0x1b");
IRET_TO(iret_ss_code, "0x1b", "0x0002", "0x1b");
IRET_TO(iret_ss_beyond, "0xffb", "0x0002", "0x1b");
IRET_TO(iret_flags, "0x23", "0x00257ed7 & ~0x24000", "0x1b");
PROBE(iret_same_ring,
      "pushl $0x3202; movw %cs, %ax; movzwl %ax, %eax; pushl %eax; pushl $1f; iretl; 1:");
/* DS holds ring 0's segment, ES one of ring 3, FS null, GS conforming code. */
PROBE(iret_segments, "movl $0x10, %eax; movw %ax, %ds; movl $0x23, %eax; movw %ax, %es; "
                     "movl $0x50, %eax; movw %ax, %gs; pushl $0x23; pushl $user_stack + 2048; "
                     "pushl $2; pushl $0x1b; pushl $1f; iretl; 1: ");
PROBE(retf_ring3, "pushl $0x23; pushl $user_stack + 2048; pushl $0x1b; pushl $1f; lret; 1:");
PROBE(retf_inward, "pushl $0x08; pushl $1f; lret; 1:");
PROBE(retf_same, "movw %cs, %ax; movzwl %ax, %eax; pushl %eax; pushl $1f; lret; 1:");
PROBE(retf_parameters, "pushl $0x23; pushl $user_stack + 2048; pushl $7; pushl $7; pushl $0x1b; "
                       "pushl $1f; lret $8; 1:");
PROBE(retf_spare, "pushl $0x23; pushl $user_stack + 2048; pushl $0x33; pushl $1f; lret; 1:");

/* EIP relative to the faulting IRET or RET would depend on how the assembler encodes the pushes:
 * all of them come out alike on every assembler, as the operands do not change. */
static void outward(void)
{
    probe("iret to ring 3", probe_iret_ring3, 0, 0);
    print("  esp=+%u\n", trapped.esp - (uint32_t)user_stack);
    probe("iret to ring 1", probe_iret_ring1, 0, 0);
    print("  ss=%04x esp=+%u\n", trapped.ss, trapped.esp - (uint32_t)user_stack);
    probe("iret to the same ring", probe_iret_same_ring, 0, 0);
    probe("iret at ring 3: IOPL, IF kept", probe_iret_same_ring, 3, 0);
    probe("iret at ring 3, IOPL 3: IF loaded", probe_iret_same_ring, 3, FLAG_IOPL3);
    probe("iret inward", probe_iret_inward, 3, 0);
    probe("iret: cs null", probe_iret_null, 0, 0);
    probe("iret: cs data", probe_iret_data, 0, 0);
    probe("iret: cs beyond the GDT", probe_iret_beyond, 0, 0);
    probe("iret: RPL 3, DPL 0", probe_iret_rpl_dpl, 0, 0);
    set_segment(SPARE, 0, 0xFFFFF, DPL_3 | CODE);
    probe("iret: cs not present", probe_iret_spare, 0, 0);
    probe("retf: cs not present", probe_retf_spare, 0, 0);
    set_segment(SPARE, 0, 0xFFFFF, PRESENT | DPL_3 | CODE_EXECUTE_ONLY);
    probe("iret to execute only", probe_iret_spare, 0, 0);
    set_segment(SPARE, 0, 0xFFFFF, PRESENT | DPL_1 | CODE_CONFORMING);
    probe("iret: conforming of DPL 1 to ring 3", probe_iret_spare, 0, 0);
    probe("iret: ss null", probe_iret_ss_null, 0, 0);
    probe("iret: ss RPL 0", probe_iret_ss_rpl, 0, 0);
    probe("iret: ss DPL 0", probe_iret_ss_dpl, 0, 0);
    probe("iret: ss code", probe_iret_ss_code, 0, 0);
    probe("iret: ss beyond the GDT", probe_iret_ss_beyond, 0, 0);
    attempt(probe_iret_flags, 0, 0);
    print("iret loads eflags: %05x\n", trapped.eflags & ~(uint32_t)FLAG_RF);
    attempt(probe_iret_segments, 0, 0);
    print("segments after iret to ring 3: ds=%04x es=%04x fs=%04x gs=%04x\n", trapped.ds,
          trapped.es, trapped.fs, trapped.gs);
    probe("retf to ring 3", probe_retf_ring3, 0, 0);
    print("  esp=+%u\n", trapped.esp - (uint32_t)user_stack);
    probe("retf 8 to ring 3", probe_retf_parameters, 0, 0);
    print("  esp=+%u\n", trapped.esp - (uint32_t)user_stack);
    probe("retf inward", probe_retf_inward, 3, 0);
    probe("retf to the same ring", probe_retf_same, 0, 0);
    probe("retf to the same ring", probe_retf_same, 3, 0);
}

PROBE(load_ds, "movw $0x30, %ax; 1: movw %ax, %ds");
PROBE(load_ds_rpl3, "movw $0x33, %ax; 1: movw %ax, %ds");
PROBE(load_ss, "movw $0x30, %ax; 1: movw %ax, %ss; int $0x81");
PROBE(load_ss_rpl3, "movw $0x33, %ax; 1: movw %ax, %ss; int $0x81");
PROBE(pop_ds, "pushl $0xff8; popl %ds");
PROBE(pop_ss, "pushl $0xff8; popl %ss");
PROBE(lds_bad, "ldsl 1f, %eax; 1: .long 0x12345678; .word 0xff8");
PROBE(lss_null, "lssl 1f, %esp; 1: .long 0x12345678; .word 0");
PROBE(lldt_spare, "movw $0x30, %ax; lldt %ax");
PROBE(lldt_ti, "movw $0x0c, %ax; lldt %ax");
PROBE(ltr_spare, "movw $0x30, %ax; ltr %ax");
PROBE(ltr_ti, "movw $0x0c, %ax; ltr %ax");
PROBE(ltr_busy, "movw $0x28, %ax; ltr %ax");

static void segment_loads(void)
{
    static const struct {
        const char *name;
        uint8_t access;
    } kinds[] = {
        {"data DPL 0", PRESENT | DATA},
        {"data DPL 3", PRESENT | DPL_3 | DATA},
        {"data DPL 3, read only", PRESENT | DPL_3 | DATA_READ_ONLY},
        {"data DPL 3, not present", DPL_3 | DATA},
        {"data DPL 0, not present", DATA},
        {"code DPL 3", PRESENT | DPL_3 | CODE},
        {"code DPL 0", PRESENT | CODE},
        {"code, execute only", PRESENT | DPL_3 | CODE_EXECUTE_ONLY},
        {"code DPL 0, conforming", PRESENT | CODE_CONFORMING},
        {"TSS", PRESENT | DPL_3 | TSS_AVAILABLE},
        {"LDT", PRESENT | DPL_3 | LDT_TYPE},
        {"call gate", PRESENT | DPL_3 | CALL_GATE},
        {"type 0", PRESENT | DPL_3},
    };
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        set_segment(SPARE, 0, 0xFFFFF, kinds[i].access);
        print("%s:\n", kinds[i].name);
        probe("  ds, ring 0, RPL 0", probe_load_ds, 0, 0);
        probe("  ds, ring 0, RPL 3", probe_load_ds_rpl3, 0, 0);
        probe("  ds, ring 3, RPL 0", probe_load_ds, 3, 0);
        probe("  ds, ring 3, RPL 3", probe_load_ds_rpl3, 3, 0);
        if (!(kinds[i].access & PRESENT))
            continue; /* SS not present: #SS */
        probe("  ss, ring 0, RPL 0", probe_load_ss, 0, 0);
        probe("  ss, ring 0, RPL 3", probe_load_ss_rpl3, 0, 0);
        probe("  ss, ring 3, RPL 3", probe_load_ss_rpl3, 3, 0);
    }
    set_segment(SPARE, 0, 0xFFFFF, DATA);
    probe("ss not present", probe_load_ss, 0, 0);
    probe("pop ds: beyond the GDT", probe_pop_ds, 3, 0);
    print("  esp is as before the pop: %u\n", trapped.esp - (uint32_t)user_stack);
    probe("pop ss: beyond the GDT", probe_pop_ss, 3, 0);
    print("  esp is as before the pop: %u\n", trapped.esp - (uint32_t)user_stack);
    probe("lds: beyond the GDT", probe_lds_bad, 3, 0);
    print("  eax=%x\n", trapped.eax);
    probe("lss: null", probe_lss_null, 3, 0);

    probe("lldt: data", probe_lldt_spare, 0, 0);
    set_system(SPARE, (uint32_t)ldt, sizeof ldt - 1, LDT_TYPE);
    probe("lldt: not present", probe_lldt_spare, 0, 0);
    probe("lldt: TI set", probe_lldt_ti, 0, 0);
    probe("ltr: LDT descriptor", probe_ltr_spare, 0, 0);
    set_system(SPARE, (uint32_t)&tss, sizeof tss - 1, TSS_AVAILABLE);
    probe("ltr: not present", probe_ltr_spare, 0, 0);
    probe("ltr: TI set", probe_ltr_ti, 0, 0);
    probe("ltr: busy", probe_ltr_busy, 0, 0);
}

PROBE(ldt_code, "lcall $7, $1f; 1: movw %cs, %ax");
PROBE(ldt_data, "movl $0xf, %eax; movw %ax, %ds; movl %ds:noted, %ebx");
PROBE(ldt_not_present, "movl $0x17, %eax; movw %ax, %ds");
PROBE(ldt_beyond, "movl $0x27, %eax; movw %ax, %ds");

static void local_descriptors(void)
{
    set_system(LDT, (uint32_t)ldt, sizeof ldt - 1, PRESENT | LDT_TYPE);
    ldt[0] = gdt[USER_CODE >> 3];
    ldt[1] = gdt[USER_DATA >> 3];
    ldt[2] = gdt[USER_DATA >> 3] & ~((uint64_t)PRESENT << 40);
    asm volatile("lldt %w0" ::"r"(LDT));
    probe("ldt: far call", probe_ldt_code, 3, 0);
    noted[0] = 0x1DEA;
    probe("ldt: data", probe_ldt_data, 3, 0);
    print("  ds=%04x read %x\n", trapped.ds, trapped.ebx);
    probe("ldt: not present", probe_ldt_not_present, 3, 0);
    probe("ldt: beyond its limit", probe_ldt_beyond, 3, 0);
    idt[0x40] = gate(4, stub_of(0x40), PRESENT | DPL_3 | INTERRUPT_GATE, 0);
    probe("gate to code of ring 3 in the LDT", probe_int40, 0, 0);
    asm volatile("lldt %w0" ::"r"(0));
}

PROBE(call_gate, "pushl $0x1111; pushl $0x2222; lcall $0x5b, $0; nop");
PROBE(jump_gate, "ljmp $0x5b, $0");
PROBE(call_kernel, "lcall $0x08, $0");
PROBE(call_conforming, "lcall $0x50, $1f; 1: movl %cs, %ebx");
PROBE(jump_conforming, "ljmp $0x53, $1f; 1: movl %cs, %ebx");
PROBE(jump_spare, "ljmp $0x33, $0");
PROBE(jump_same, "movw %cs, %ax; ljmp $0x1b, $1f; 1:");

static void call_gates(void)
{
    const uint32_t target = (uint32_t)call_gate_target;
    gdt[CALLGATE >> 3] = gate(KERNEL_CODE, target, PRESENT | DPL_3 | CALL_GATE, 2);
    probe("call gate with 2 parameters, and back", probe_call_gate, 3, 0);
    print("  pushed=%u cs=%04x parameters %x %x ss=%04x handler cs=%04x, esp after ret=+%u\n",
          tss.esp0 - noted[0], noted[1], noted[2], noted[3], noted[4], noted[5],
          trapped.esp - (uint32_t)user_stack);
    probe("jump through a gate inward", probe_jump_gate, 3, 0);
    gdt[CALLGATE >> 3] = gate(KERNEL_CODE, target, PRESENT | CALL_GATE, 2);
    probe("call gate DPL 0", probe_call_gate, 3, 0);
    probe("call gate DPL 0, RPL 3, ring 0", probe_call_gate, 0, 0);
    gdt[CALLGATE >> 3] = gate(KERNEL_CODE, target, DPL_3 | CALL_GATE, 2);
    probe("call gate not present", probe_call_gate, 3, 0);
    gdt[CALLGATE >> 3] = gate(0, target, PRESENT | DPL_3 | CALL_GATE, 2);
    probe("call gate to null", probe_call_gate, 3, 0);
    gdt[CALLGATE >> 3] = gate(KERNEL_DATA, target, PRESENT | DPL_3 | CALL_GATE, 2);
    probe("call gate to data", probe_call_gate, 3, 0);
    gdt[CALLGATE >> 3] = gate(SPARE, target, PRESENT | DPL_3 | CALL_GATE, 2);
    set_segment(SPARE, 0, 0xFFFFF, CODE);
    probe("call gate to code not present", probe_call_gate, 3, 0);

    probe("far call to ring 0", probe_call_kernel, 3, 0);
    set_segment(CONFORMING, 0, 0xFFFFF, PRESENT | CODE_CONFORMING);
    probe("far call to conforming code", probe_call_conforming, 3, 0);
    print("  cs there %04x\n", trapped.ebx);
    probe("far jump to conforming code", probe_jump_conforming, 3, 0);
    print("  cs there %04x\n", trapped.ebx);
    set_segment(CONFORMING, 0, 0xFFFFF, PRESENT | DPL_3 | CODE_CONFORMING);
    probe("conforming code of ring 3 from 0", probe_call_conforming, 0, 0);
    set_segment(SPARE, 0, 0xFFFFF, DPL_3 | CODE);
    probe("far jump to code not present", probe_jump_spare, 3, 0);
    set_segment(SPARE, 0, 0xFFFFF, PRESENT | DPL_3 | TSS_BUSY);
    probe("far jump to a busy TSS", probe_jump_spare, 3, 0);
    probe("far jump to the same ring", probe_jump_same, 3, 0);
}

/* Vector 8 through a task gate: a whole new set of registers, with the old ones in the old TSS. */
extern const char double_fault_task[];
uint32_t df_error, df_back_link, df_flags;
asm(".text\ndouble_fault_task: popl df_error; pushfl; popl df_flags\n\t"
    "movl df_tss_link, %eax; movl (%eax), %eax; movl %eax, df_back_link\n\t"
    "clts; movl $8, %eax; movl %eax, trapped; jmp attempt_return");
struct tss *df_tss_link = &df_tss;

static void double_fault(void)
{
    /* #DE whose gate is not present: #NP in delivering a contributory exception, so #DF. */
    idt[0] = gate(KERNEL_CODE, stub_of(0), INTERRUPT_GATE, 0);
    probe("#DE, then #NP: #DF", probe_divide, 3, 0);
    probe("#DE, then #NP: #DF", probe_divide, 0, 0);
    idt[0] = gate(KERNEL_DATA, stub_of(0), PRESENT | INTERRUPT_GATE, 0);
    probe("#DE, then #GP: #DF", probe_divide, 3, 0);
    idt[0] = gate(KERNEL_CODE, stub_of(0), INTERRUPT_GATE, 0);

    df_tss.esp0 = df_tss.esp = (uint32_t)df_stack + sizeof df_stack;
    df_tss.ss0 = df_tss.ss = df_tss.ds = df_tss.es = KERNEL_DATA;
    df_tss.cs = KERNEL_CODE;
    df_tss.eip = (uint32_t)double_fault_task;
    df_tss.eflags = 2;
    df_tss.io_map = offsetof(struct tss, io_bitmap);
    set_system(DF_TSS, (uint32_t)&df_tss, sizeof df_tss - 1, PRESENT | TSS_AVAILABLE);
    idt[8] = gate(DF_TSS, 0, PRESENT | TASK_GATE, 0);
    attempt(probe_divide, 3, FLAG_IF);
    print("#DF through a task gate: error=%x link=%04x NT=%u IF=%u\n", df_error,
          df_back_link & 0xFFFF, df_flags >> 14 & 1, df_flags >> 9 & 1);
    print("  old task: eip=+%x cs=%04x ss=%04x IF=%u, its TSS busy %u, the new one %u\n",
          tss.eip - (uint32_t)probe_divide, tss.cs & 0xFFFF, tss.ss & 0xFFFF, tss.eflags >> 9 & 1,
          (uint32_t)(gdt[TSS_SELECTOR >> 3] >> 41) & 1, (uint32_t)(gdt[DF_TSS >> 3] >> 41) & 1);
    /* Back on the first task state, by hand. */
    set_system(TSS_SELECTOR, (uint32_t)&tss, sizeof tss - 1, PRESENT | TSS_AVAILABLE);
    asm volatile("ltr %w0" ::"r"(TSS_SELECTOR));
    tss.esp0 = (uint32_t)trap_stack + sizeof trap_stack;
    idt[8] = gate(KERNEL_CODE, stub_of(8), PRESENT | INTERRUPT_GATE, 0);
    idt[0] = gate(KERNEL_CODE, stub_of(0), PRESENT | INTERRUPT_GATE, 0);
}

PROBE(out_byte, "outb %al, $0x80");
PROBE(in_byte, "inb $0x80, %al");
PROBE(out_word, "outw %ax, $0x80");
PROBE(out_long, "outl %eax, $0x80");
PROBE(out_odd_word, "outw %ax, $0x87");
PROBE(outs_byte, "movl $user_stack, %esi; movl $0x80, %edx; outsb");
PROBE(out_last, "movl $0xffff, %edx; outb %al, %dx");

static void port_bitmap(void)
{
    print("port 0x80 permitted\n");
    tss.io_bitmap[0x80 / 8] = 0xFE;
    probe("  out byte", probe_out_byte, 3, 0);
    probe("  in byte", probe_in_byte, 3, 0);
    probe("  outs byte", probe_outs_byte, 3, 0);
    probe("  out word", probe_out_word, 3, 0);
    probe("  out word, IOPL 3", probe_out_word, 3, FLAG_IOPL3);
    tss.io_bitmap[0x80 / 8] = 0xFC;
    print("ports 0x80 and 0x81 permitted\n");
    probe("  out word", probe_out_word, 3, 0);
    probe("  out long", probe_out_long, 3, 0);
    tss.io_bitmap[0x80 / 8] = 0xF0;
    print("ports 0x80 to 0x83 permitted\n");
    probe("  out long", probe_out_long, 3, 0);
    tss.io_bitmap[0x80 / 8] = 0x7F;
    print("port 0x87 permitted\n");
    probe("  out word at 0x87", probe_out_odd_word, 3, 0);
    tss.io_bitmap[0x88 / 8] = 0xFE;
    print("ports 0x87 and 0x88 permitted\n");
    probe("  out word at 0x87", probe_out_odd_word, 3, 0);
    print("bitmap ends before the port\n");
    set_system(TSS_SELECTOR, (uint32_t)&tss, offsetof(struct tss, io_bitmap) + 0x80 / 8 - 1,
               PRESENT | TSS_AVAILABLE);
    tss.io_bitmap[0x80 / 8] = 0;
    asm volatile("ltr %w0" ::"r"(TSS_SELECTOR));
    probe("  out byte", probe_out_byte, 3, 0);
    print("bitmap ends with the port's byte\n");
    set_system(TSS_SELECTOR, (uint32_t)&tss, offsetof(struct tss, io_bitmap) + 0x80 / 8,
               PRESENT | TSS_AVAILABLE);
    asm volatile("ltr %w0" ::"r"(TSS_SELECTOR));
    probe("  out byte: two bytes are read", probe_out_byte, 3, 0);
    set_system(TSS_SELECTOR, (uint32_t)&tss, sizeof tss - 1, PRESENT | TSS_AVAILABLE);
    asm volatile("ltr %w0" ::"r"(TSS_SELECTOR));
    print("no bitmap: its offset is beyond the TSS\n");
    tss.io_map = sizeof tss;
    probe("  out byte", probe_out_byte, 3, 0);
    tss.io_map = offsetof(struct tss, io_bitmap);
    tss.io_bitmap[0xFFFF / 8] = 0x7F;
    probe("the last port", probe_out_last, 3, 0);
    memset(tss.io_bitmap, 0xFF, sizeof tss.io_bitmap);
}

static uint8_t *const v86_code = (uint8_t *)0x8000;

static void v86(const char *name, const char *bytes, unsigned length, uint32_t flags)
{
    uint8_t *code = v86_code;
    asm("" : "+r"(code));
    for (unsigned i = 0; i < length; i++)
        code[i] = (uint8_t)bytes[i];
    code[length] = 0xCD, code[length + 1] = (uint8_t)DONE_VECTOR;
    attempt_v86(0x800, 0, flags);
    if (trapped.vector == DONE_VECTOR) {
        print("v86, IOPL %u: %-16s completes, ip=%u IF=%u pushed=%u\n", flags >> 12 & 3, name,
              trapped.eip, trapped.eflags >> 9 & 1, trapped.depth);
        return;
    }
    print("v86, IOPL %u: %-16s vec=%02x err=%04x ip=%u cs=%04x VM=%u pushed=%u\n", flags >> 12 & 3,
          name, trapped.vector, trapped.error, trapped.eip, trapped.cs, trapped.eflags >> 17 & 1,
          trapped.depth);
}

static void virtual_8086(void)
{
    for (uint32_t flags = 0; flags <= FLAG_IOPL3; flags += FLAG_IOPL3) {
        v86("nop", "\x90", 1, flags);
        v86("int 0x41", "\xCD\x41", 2, flags);
        v86("int3", "\xCC", 1, flags);
        v86("cli", "\xFA", 1, flags | FLAG_IF);
        v86("sti", "\xFB", 1, flags);
        v86("pushf", "\x9C", 1, flags);
        v86("popf", "\x6A\x02\x9D", 3, flags | FLAG_IF);
        v86("iret", "\x6A\x02\x68\x00\x08\x6A\x08\xCF\x90", 9, flags);
        v86("hlt", "\xF4", 1, flags);
        v86("out 0x80, al", "\xE6\x80", 2, flags);
        v86("mov eax, cr0", "\x0F\x20\xC0", 3, flags);
        v86("sldt", "\x0F\x00\xC0", 3, flags);
        v86("lar", "\x0F\x02\xC0", 3, flags);
        v86("ud2", "\x0F\x0B", 2, flags);
        v86("div cl", "\xF6\xF1", 2, flags);
        v86("mov ds, ax", "\x8E\xD8", 2, flags);
    }
    v86("nop", "\x90", 1, FLAG_IOPL3);
    print("v86 frame: cs=%04x ss=%04x esp=%x es=%04x ds=%04x fs=%04x gs=%04x, handler's: ds=%04x "
          "es=%04x fs=%04x gs=%04x\n",
          trapped.cs, trapped.ss, trapped.esp, trapped.v86_es, trapped.v86_ds, trapped.v86_fs,
          trapped.v86_gs, trapped.ds, trapped.es, trapped.fs, trapped.gs);
    idt[0x41] = gate(KERNEL_CODE, stub_of(0x41), PRESENT | INTERRUPT_GATE, 0);
    v86("int, gate DPL 0", "\xCD\x41", 2, FLAG_IOPL3);
    tss.io_bitmap[0x80 / 8] = 0xFE;
    v86("out, permitted", "\xE6\x80", 2, 0);
}

int main(void)
{
    cpu_init();
    idt[0x41] = gate(KERNEL_CODE, stub_of(0x41), PRESENT | DPL_3 | INTERRUPT_GATE, 0);
    set_segment(CODE1, 0, 0xFFFFF, PRESENT | DPL_1 | CODE);
    set_segment(DATA1, 0, 0xFFFFF, PRESENT | DPL_1 | DATA);
    set_segment(CONFORMING, 0, 0xFFFFF, PRESENT | CODE_CONFORMING);
    gate_kinds();
    bad_gates();
    stack_switch();
    conforming_handler();
    outward();
    segment_loads();
    local_descriptors();
    call_gates();
    double_fault();
    port_bitmap();
    virtual_8086();
    put_string("done\n");
    return 0;
}
