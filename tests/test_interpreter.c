/* The interpreter's routines against the manual (SDM volume 2, the page of each instruction): who
 * may run them, what they do to the virtual processor, and what they ask the allocator for. */
#include <criterion/criterion.h>

#include "interpreter/interpreter.h"
#include "machine/cpu.h"
#include "protected_mode.h"

TestSuite(interpreter);

#define DATA 0xb000u

static struct flat_memory *flat;
static struct x86_memory memory;
static struct cpu_state cpu;
static struct interpreter interpreter;
static struct x86_instruction insn;

static void setup(unsigned ring, unsigned iopl)
{
    if (!flat) {
        flat = flat_create(&memory);
    }
    world_build(flat, &cpu);
    world_enter(flat, &cpu, ring);
    cpu.eflags = X86_FIXED | iopl << X86_IOPL_SHIFT;
    interpreter_init(&interpreter);
}

/* Runs the instruction of up to 8 bytes, the first one lowest in `bytes`. */
static struct outcome run(uint64_t bytes)
{
    struct interpreter_context context = {.cpu = &cpu, .memory = &memory, .time = 0x123456789};
    uint8_t code[16] = {0};

    memcpy(code, &bytes, sizeof bytes);
    cr_assert(x86_decode(code, 15, true, &insn));
    return interpreter_run(&interpreter, &context, &insn);
}

static void retires(uint64_t bytes, enum outcome_kind kind)
{
    uint32_t eip = cpu.eip;
    struct outcome outcome = run(bytes);

    cr_assert_eq(outcome.kind, kind, "%llx: %u", (unsigned long long)bytes, outcome.kind);
    cr_assert_eq(cpu.eip, eip + insn.length, "%llx", (unsigned long long)bytes);
}

static void faults(uint64_t bytes, uint8_t vector)
{
    struct cpu_state before = cpu;
    struct outcome outcome = run(bytes);

    cr_assert_eq(outcome.kind, OUTCOME_INJECT, "%llx", (unsigned long long)bytes);
    cr_assert_eq(outcome.event.kind, X86_EXCEPTION);
    cr_assert_eq(outcome.event.vector, vector, "%llx: %u", (unsigned long long)bytes,
                 outcome.event.vector);
    cr_assert_eq(outcome.event.error_code, 0);
    cr_assert_eq(memcmp(&before, &cpu, sizeof cpu), 0, "%llx", (unsigned long long)bytes);
}

static struct outcome complete(const struct outcome *outcome, uint32_t value)
{
    struct interpreter_context context = {.cpu = &cpu, .memory = &memory};

    return interpreter_port_complete(&context, &insn, &outcome->port, value);
}

/* Every instruction that volume 2 gives "#GP(0) if CPL > 0", or that needs IOPL. */
Test(interpreter, privileged_instructions_fault_outside_ring_0)
{
    static const uint64_t privileged[] = {
        0xf4,           /* hlt */
        0xfa,           /* cli */
        0xfb,           /* sti */
        0xc0200f,       /* mov eax, cr0 */
        0xc0220f,       /* mov cr0, eax */
        0xd0200f,       /* mov eax, cr2 */
        0xd8220f,       /* mov cr3, eax */
        0xe0220f,       /* mov cr4, eax */
        0xf8210f,       /* mov eax, dr7 */
        0xf8230f,       /* mov dr7, eax */
        0xf0010f,       /* lmsw ax */
        0x060f,         /* clts */
        0x38010f,       /* invlpg [eax] */
        0x080f,         /* invd */
        0x090f,         /* wbinvd */
        0x10010f,       /* lgdt [eax] */
        0x18010f,       /* lidt [eax] */
        0xd0000f,       /* lldt ax */
        0xd8000f,       /* ltr ax */
        0x320f,         /* rdmsr */
        0x300f,         /* wrmsr */
        0xec,           /* in al, dx */
        0x20e6,         /* out 0x20, al */
        0x6c,     0x6e, /* insb, outsb */
    };

    for (unsigned ring = 1; ring <= 3; ring += 2) {
        for (unsigned i = 0; i < sizeof privileged / sizeof *privileged; i++) {
            setup(ring, 0);
            flat_put16(flat, WORLD_TSS + 0x66, 0x68); /* no bitmap within the limit */
            cpu.interrupt_shadow = true;              /* a fault does not end it */
            cpu.gpr[X86_ESI] = cpu.gpr[X86_EDI] = cpu.gpr[X86_EAX] = DATA;
            faults(privileged[i], X86_GP);
        }
    }
}

Test(interpreter, cli_and_sti_obey_iopl)
{
    for (unsigned ring = 0; ring <= 3; ring++) {
        for (unsigned iopl = 0; ring != 2 && iopl <= 3; iopl++) {
            setup(ring, iopl);
            if (ring > iopl) {
                faults(0xfb, X86_GP);
                continue;
            }
            retires(0xfb, OUTCOME_DONE);
            cr_assert(cpu.eflags & X86_IF);
            cr_assert(cpu.interrupt_shadow);
            retires(0xfb, OUTCOME_DONE);
            cr_assert_not(cpu.interrupt_shadow, "a shadow is not prolonged");
            retires(0xfa, OUTCOME_DONE);
            cr_assert_not(cpu.eflags & X86_IF);
        }
    }
}

/* Volume 2, table 4-17 "effect of POPF on EFLAGS". */
Test(interpreter, popf_obeys_cpl_and_iopl)
{
    static const struct {
        unsigned ring, iopl;
        uint64_t bytes;
        uint32_t changed;
    } cases[] = {
        {0, 0, 0x9d,
         X86_ARITHMETIC | X86_TF | X86_IF | X86_DF | X86_IOPL | X86_NT | X86_AC | X86_ID},
        {3, 3, 0x9d, X86_ARITHMETIC | X86_TF | X86_IF | X86_DF | X86_NT | X86_AC | X86_ID},
        {3, 0, 0x9d, X86_ARITHMETIC | X86_TF | X86_DF | X86_NT | X86_AC | X86_ID},
        {0, 0, 0x9d66, X86_ARITHMETIC | X86_TF | X86_IF | X86_DF | X86_IOPL | X86_NT},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t iopl = cases[i].iopl << X86_IOPL_SHIFT;

        setup(cases[i].ring, cases[i].iopl);
        cpu.gpr[X86_ESP] = 0x6800;
        flat_put32(flat, 0x6800, 0xffffffff);
        cpu.eflags |= X86_RF;
        retires(cases[i].bytes, OUTCOME_DONE);
        cr_assert_eq(cpu.eflags, X86_FIXED | iopl | cases[i].changed, "case %u: %x", i, cpu.eflags);
        cr_assert_eq(cpu.gpr[X86_ESP], 0x6800u + (insn.operand_size));
    }
}

Test(interpreter, pushf_shows_the_virtual_flags)
{
    setup(0, 3);
    cpu.eflags |= X86_IF | X86_RF | X86_AC;
    retires(0x9c, OUTCOME_DONE);
    cr_assert_eq(cpu.gpr[X86_ESP], WORLD_STACK0 - 4);
    cr_assert_eq(flat_get32(flat, WORLD_STACK0 - 4), X86_FIXED | X86_IF | X86_IOPL | X86_AC);
}

Test(interpreter, iret_goes_out_to_ring_3)
{
    const uint32_t frame[] = {0x8800, WORLD_CODE3, X86_FIXED | X86_IF, 0x6f00, WORLD_DATA3};

    setup(0, 0);
    cpu.gpr[X86_ESP] -= sizeof frame;
    memcpy(flat->bytes + cpu.gpr[X86_ESP], frame, sizeof frame);
    cr_assert_eq(run(0xcf).kind, OUTCOME_DONE);
    cr_assert_eq(cpu.cpl, 3);
    cr_assert_eq(cpu.eip, 0x8800);
    cr_assert_eq(cpu.eflags, X86_FIXED | X86_IF);
    cr_assert_eq(cpu.gpr[X86_ESP], 0x6f00);
}

Test(interpreter, software_interrupts_are_left_to_delivery)
{
    struct outcome outcome;

    setup(3, 0);
    outcome = run(0x80cd);
    cr_assert_eq(outcome.kind, OUTCOME_INJECT);
    cr_assert_eq(outcome.event.kind, X86_SOFTWARE_INTERRUPT);
    cr_assert_eq(outcome.event.vector, 0x80);
    cr_assert_eq(outcome.event.length, 2);
    retires(0xce, OUTCOME_DONE); /* INTO with OF clear */
    cpu.eflags |= X86_OF;
    cr_assert_eq(run(0xce).event.vector, X86_OVERFLOW);
}

/* Volume 3, section 17.3.1.1: RF is cleared by every instruction that retires. */
Test(interpreter, far_transfers_clear_rf)
{
    setup(0, 0);
    cpu.eflags |= X86_RF;
    cr_assert_eq(run(0xea | (uint64_t)WORLD_CODE << 8 | (uint64_t)WORLD_CODE0 << 40).kind,
                 OUTCOME_DONE);
    cr_assert_eq(cpu.eip, WORLD_CODE);
    cr_assert_not(cpu.eflags & X86_RF);
}

/* Volume 2, INT n: INT1 is a trap, so the saved EIP lies behind it; no gate's DPL is checked. */
Test(interpreter, int1_raises_a_debug_trap)
{
    uint32_t eip;
    struct outcome outcome;

    setup(3, 0);
    eip = cpu.eip;
    outcome = run(0xf1);
    cr_assert_eq(outcome.kind, OUTCOME_INJECT);
    cr_assert_eq(outcome.event.kind, X86_EXCEPTION);
    cr_assert_eq(outcome.event.vector, X86_DB);
    cr_assert(outcome.retired);
    cr_assert_eq(cpu.eip, eip + 1);
}

Test(interpreter, control_registers)
{
    setup(0, 0);
    cpu.gpr[X86_EAX] = 0x5000;
    retires(0xd8220f, OUTCOME_CR3);
    cr_assert_eq(cpu.cr3, 0x5000);
    retires(0xdb200f, OUTCOME_DONE); /* mov ebx, cr3 */
    cr_assert_eq(cpu.gpr[X86_EBX], 0x5000);
    retires(0xd0220f, OUTCOME_DONE);
    cr_assert_eq(cpu.cr2, 0x5000);
    cpu.gpr[X86_EAX] = X86_CR0_PE | X86_CR0_TS;
    retires(0xc0220f, OUTCOME_DONE);
    cr_assert_eq(cpu.cr0, X86_CR0_PE | X86_CR0_TS | X86_CR0_ET);
    retires(0x060f, OUTCOME_DONE);
    cr_assert_eq(cpu.cr0, X86_CR0_PE | X86_CR0_ET);
    cpu.gpr[X86_EAX] = X86_CR0_PG;
    faults(0xc0220f, X86_GP); /* PG without PE */
    cpu.gpr[X86_EAX] = X86_CR0_NW | X86_CR0_PE;
    faults(0xc0220f, X86_GP); /* NW without CD */
    cpu.gpr[X86_EAX] = X86_CR4_PSE;
    retires(0xe0220f, OUTCOME_PAGING);
    cr_assert_eq(cpu.cr4, X86_CR4_PSE);
    cpu.gpr[X86_EAX] = X86_CR4_PAE;
    faults(0xe0220f, X86_GP);  /* a feature that CPUID does not show */
    cpu.gpr[X86_EAX] = 0xfffe; /* LMSW cannot clear PE */
    retires(0xf0010f, OUTCOME_DONE);
    cr_assert_eq(cpu.cr0, X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET);
    world_enter(flat, &cpu, 3);
    retires(0xe1010f, OUTCOME_DONE); /* smsw ecx, in ring 3 */
    cr_assert_eq(cpu.gpr[X86_ECX], cpu.cr0);
    world_enter(flat, &cpu, 0);
    cpu.gpr[X86_EAX] = X86_CR0_PE | X86_CR0_PG;
    retires(0xc0220f, OUTCOME_PAGING);
}

Test(interpreter, debug_registers)
{
    setup(0, 0);
    cpu.gpr[X86_EAX] = 0;
    retires(0xf8230f, OUTCOME_DONE);
    cr_assert_eq(cpu.dr[7], 0x400);
    retires(0xe0230f, OUTCOME_DONE); /* DR4 is DR6 */
    retires(0xf3210f, OUTCOME_DONE); /* mov ebx, dr6 */
    cr_assert_eq(cpu.gpr[X86_EBX], 0xffff0ff0);
    cpu.cr4 = X86_CR4_DE;
    faults(0xe0230f, X86_UD);
}

Test(interpreter, invlpg_hlt_and_caches)
{
    struct outcome outcome;

    setup(0, 0);
    cpu.gpr[X86_EAX] = 0x1234567;
    outcome = run(0x38010f);
    cr_assert_eq(outcome.kind, OUTCOME_INVLPG);
    cr_assert_eq(outcome.linear, 0x1234567);
    retires(0xf4, OUTCOME_IDLE);
    retires(0x080f, OUTCOME_DONE);
    retires(0x090f, OUTCOME_DONE);
}

Test(interpreter, tables)
{
    setup(0, 0);
    cpu.gpr[X86_EAX] = DATA;
    flat_put16(flat, DATA, WORLD_GDT_LIMIT - 8);
    flat_put32(flat, DATA + 2, 0xff001000);
    retires(0x10010f66, OUTCOME_TABLES); /* 16-bit operand: 24 bits of base */
    cr_assert_eq(cpu.gdtr.base, 0x1000);
    cr_assert_eq(cpu.gdtr.limit, WORLD_GDT_LIMIT - 8);
    retires(0x18010f, OUTCOME_DONE);
    cr_assert_eq(cpu.idtr.base, 0xff001000);
    world_enter(flat, &cpu, 3);
    retires(0x00010f, OUTCOME_DONE); /* sgdt [eax] in ring 3 */
    cr_assert_eq(flat_get32(flat, DATA + 2), 0x1000);
    retires(0x08010f, OUTCOME_DONE);
    cr_assert_eq(flat_get32(flat, DATA + 2), 0xff001000);
    retires(0xcb000f, OUTCOME_DONE); /* str ebx */
    cr_assert_eq(cpu.gpr[X86_EBX], WORLD_TR);
    world_enter(flat, &cpu, 0);
    cpu.gpr[X86_EAX] = WORLD_LDTR;
    retires(0xd0000f, OUTCOME_TABLES);
    cr_assert_eq(cpu.ldtr.base, WORLD_LDT);
    cpu.gpr[X86_EBX] = 0xffffffff;
    retires(0xc3000f, OUTCOME_DONE); /* sldt ebx */
    cr_assert_eq(cpu.gpr[X86_EBX], WORLD_LDTR);
    cpu.gpr[X86_EAX] = WORLD_TASK_SELECTOR;
    retires(0xd8000f, OUTCOME_TABLES);
    cr_assert_eq(cpu.tr.selector, WORLD_TASK_SELECTOR);
    cr_assert(world_attributes(flat, WORLD_TASK_SELECTOR) & X86_TSS_BUSY);
}

Test(interpreter, segment_registers)
{
    setup(0, 0);
    cpu.gpr[X86_EAX] = WORLD_DATA3;
    retires(0xd88e, OUTCOME_DONE); /* mov ds, ax */
    cr_assert_eq(cpu.seg[X86_DS].selector, WORLD_DATA3);
    cr_assert_not(cpu.interrupt_shadow);
    retires(0x1e, OUTCOME_DONE); /* push ds */
    cr_assert_eq(flat_get32(flat, cpu.gpr[X86_ESP]), WORLD_DATA3);
    retires(0x07, OUTCOME_DONE); /* pop es */
    cr_assert_eq(cpu.seg[X86_ES].selector, WORLD_DATA3);
    cr_assert_eq(cpu.gpr[X86_ESP], WORLD_STACK0);
    cpu.gpr[X86_EAX] = WORLD_DATA0;
    retires(0xd08e, OUTCOME_DONE); /* mov ss, ax */
    cr_assert(cpu.interrupt_shadow);
    retires(0xcb8c, OUTCOME_DONE); /* mov ebx, cs shows the virtual CPL */
    cr_assert_eq(cpu.gpr[X86_EBX], WORLD_CODE0);
    cr_assert_not(cpu.interrupt_shadow);
    flat_put32(flat, DATA, 0xabcdef01);
    flat_put16(flat, DATA + 4, WORLD_DATA3);
    cpu.gpr[X86_EAX] = DATA;
    retires(0x18b40f, OUTCOME_DONE); /* lfs ebx, [eax] */
    cr_assert_eq(cpu.gpr[X86_EBX], 0xabcdef01);
    cr_assert_eq(cpu.seg[X86_FS].selector, WORLD_DATA3);
    cpu.gpr[X86_EAX] = 0;
    faults(0xd08e, X86_GP); /* a null SS */
}

Test(interpreter, descriptor_inspection)
{
    setup(3, 0);
    cpu.gpr[X86_EAX] = WORLD_DATA3;
    retires(0xd8020f, OUTCOME_DONE); /* lar ebx, ax */
    cr_assert(cpu.eflags & X86_ZF);
    cr_assert_eq(cpu.gpr[X86_EBX], 0x00c0f200);
    retires(0xd8030f, OUTCOME_DONE); /* lsl ebx, ax */
    cr_assert_eq(cpu.gpr[X86_EBX], 0xffffffff);
    retires(0xe8000f, OUTCOME_DONE); /* verw ax */
    cr_assert(cpu.eflags & X86_ZF);
    cpu.gpr[X86_EAX] = WORLD_DATA0;  /* not for ring 3 */
    retires(0xe0000f, OUTCOME_DONE); /* verr ax */
    cr_assert_not(cpu.eflags & X86_ZF);
    cpu.gpr[X86_EBX] = 7;
    retires(0xd8020f, OUTCOME_DONE);
    cr_assert_eq(cpu.gpr[X86_EBX], 7);
    cpu.gpr[X86_ECX] = 3;
    retires(0xc863, OUTCOME_DONE); /* arpl ax, cx */
    cr_assert_eq(cpu.gpr[X86_EAX], WORLD_DATA0 | 3);
    cr_assert(cpu.eflags & X86_ZF);
}

Test(interpreter, far_transfers)
{
    setup(0, 0);
    cr_assert_eq(run(0x9a | (uint64_t)0x8900 << 8 | (uint64_t)WORLD_CODE0 << 40).kind,
                 OUTCOME_DONE);
    cr_assert_eq(cpu.eip, 0x8900);
    cr_assert_eq(flat_get32(flat, WORLD_STACK0 - 8), WORLD_CODE + 7);
    cr_assert_eq(run(0xcb).kind, OUTCOME_DONE);
    cr_assert_eq(cpu.eip, WORLD_CODE + 7);
    cr_assert_eq(cpu.gpr[X86_ESP], WORLD_STACK0);
    flat_put32(flat, DATA, 0x8a00);
    flat_put16(flat, DATA + 4, WORLD_CODE0);
    cpu.gpr[X86_EAX] = DATA;
    cr_assert_eq(run(0x28ff).kind, OUTCOME_DONE); /* jmp far [eax] */
    cr_assert_eq(cpu.eip, 0x8a00);
}

/* SDM volume 3, section 7.3: the new task's registers, and TR, come with the switch. */
Test(interpreter, a_far_jump_to_a_tss_reports_the_switch)
{
    struct outcome outcome;

    setup(0, 0);
    flat_put32(flat, WORLD_TASK + 0x20, 0x8c00);
    flat_put32(flat, WORLD_TASK + 0x24, X86_FIXED);
    flat_put32(flat, WORLD_TASK + 0x38, WORLD_STACK0);
    for (unsigned i = 0; i < 6; i++) {
        flat_put32(flat, WORLD_TASK + 0x48 + i * 4, i == 1 ? WORLD_CODE0 : WORLD_DATA0);
    }
    outcome = run(0xea | (uint64_t)WORLD_TASK_SELECTOR << 40);
    cr_assert_eq(outcome.kind, OUTCOME_TABLES);
    cr_assert(outcome.task_switched);
    cr_assert_eq(cpu.eip, 0x8c00);
}

Test(interpreter, ports_are_asked_for_and_completed)
{
    struct outcome outcome;

    setup(3, 3);
    cpu.gpr[X86_EDX] = 0x3f8;
    cpu.gpr[X86_EAX] = 0x11223344;
    outcome = run(0xec); /* in al, dx */
    cr_assert_eq(outcome.kind, OUTCOME_PORT);
    cr_assert(outcome.port.in && outcome.port.port == 0x3f8 && outcome.port.size == 1);
    cr_assert_eq(cpu.eip, WORLD_CODE);
    cr_assert_eq(complete(&outcome, 0xff55).kind, OUTCOME_DONE);
    cr_assert_eq(cpu.gpr[X86_EAX], 0x11223355);
    cr_assert_eq(cpu.eip, WORLD_CODE + 1);
    outcome = run(0x80e766); /* out 0x80, ax */
    cr_assert(!outcome.port.in && outcome.port.port == 0x80 && outcome.port.size == 2);
    cr_assert_eq(outcome.port.value, 0x3355);
}

/* SDM volume 1, section 19.5.2: the bitmap allows what IOPL does not. */
Test(interpreter, the_permission_bitmap_allows_ports)
{
    setup(3, 0);
    cpu.tr.limit = 0x68 + 0x80;
    flat_put16(flat, WORLD_TSS + 0x66, 0x68);
    memset(flat->bytes + WORLD_TSS + 0x68, 0xff, 0x81);
    flat->bytes[WORLD_TSS + 0x68 + 0x60 / 8] = 0xfe;
    cr_assert_eq(run(0x60e4).kind, OUTCOME_PORT);
    faults(0x61e4, X86_GP);
}

Test(interpreter, string_ports_one_iteration_at_a_time)
{
    struct outcome outcome;

    setup(0, 0);
    cpu.gpr[X86_EDX] = 0x1f0;
    cpu.gpr[X86_ECX] = 2;
    cpu.gpr[X86_EDI] = DATA;
    for (unsigned i = 0; i < 2; i++) {
        outcome = run(0x6d66f3); /* rep insw */
        cr_assert_eq(outcome.kind, OUTCOME_PORT);
        cr_assert(outcome.port.repeat && outcome.port.string && outcome.port.size == 2);
        cr_assert_eq(complete(&outcome, 0xaa00 + i).kind, OUTCOME_DONE);
        cr_assert_eq(cpu.eip, WORLD_CODE + (i == 1 ? 3u : 0u));
        cr_assert_eq(flat_get16(flat, DATA + i * 2), 0xaa00 + i);
    }
    cr_assert_eq(cpu.gpr[X86_ECX], 0);
    cr_assert_eq(cpu.gpr[X86_EDI], DATA + 4);
    retires(0x6d66f3, OUTCOME_DONE); /* no iterations */
    cpu.eflags |= X86_DF;
    cpu.gpr[X86_ESI] = DATA;
    outcome = run(0x6e); /* outsb */
    cr_assert_eq(outcome.port.value, 0x00);
    complete(&outcome, 0);
    cr_assert_eq(cpu.gpr[X86_ESI], DATA - 1);
    flat->away[DATA / X86_PAGE_SIZE] = true;
    cpu.gpr[X86_EDI] = DATA;
    cr_assert_eq(run(0x6c).kind, OUTCOME_NEED_PAGE);
    flat->away[DATA / X86_PAGE_SIZE] = false;
}

Test(interpreter, time_identification_and_msrs)
{
    setup(3, 0);
    retires(0x310f, OUTCOME_DONE);
    cr_assert_eq(cpu.gpr[X86_EAX], 0x23456789);
    cr_assert_eq(cpu.gpr[X86_EDX], 1);
    cpu.cr4 = X86_CR4_TSD;
    faults(0x310f, X86_GP);
    cpu.gpr[X86_EAX] = 0;
    retires(0xa20f, OUTCOME_DONE);
    cr_assert_eq(memcmp(&cpu.gpr[X86_EBX], "Genu", 4), 0);
    world_enter(flat, &cpu, 0);
    cpu.gpr[X86_ECX] = 0x10;
    retires(0x320f, OUTCOME_DONE);
    cr_assert_eq(cpu.gpr[X86_EAX], 0x23456789);
    cpu.gpr[X86_ECX] = 0x12345;
    faults(0x320f, X86_GP);
    faults(0x300f, X86_GP);
}

Test(interpreter, what_does_not_exist_is_undefined)
{
    setup(0, 0);
    faults(0x0b0f, X86_UD);
    faults(0xd9010f, X86_UD); /* vmmcall */
    faults(0xfaf0, X86_UD);   /* lock cli */
    cpu.eflags |= X86_VM;
    cpu.cpl = 3;
    faults(0xc0000f, X86_UD); /* sldt in virtual-8086 mode */
    faults(0xfa, X86_GP);     /* cli there, IOPL 0 */
    faults(0x9c, X86_GP);     /* pushf there */
}

static struct outcome replacement(struct interpreter_context *context,
                                  const struct x86_instruction *instruction)
{
    (void)instruction;
    context->cpu->gpr[X86_EAX] = 42;
    return (struct outcome){.kind = OUTCOME_DONE};
}

Test(interpreter, routines_can_be_replaced_and_taken_away)
{
    struct cpu_state before;

    setup(0, 0);
    interpreter.routines[X86_KIND_CPUID] = replacement;
    cr_assert_eq(run(0xa20f).kind, OUTCOME_DONE);
    cr_assert_eq(cpu.gpr[X86_EAX], 42);
    interpreter.routines[X86_KIND_CLI] = NULL;
    before = cpu;
    cr_assert_eq(run(0xfa).kind, OUTCOME_MISSING);
    cr_assert_eq(memcmp(&before, &cpu, sizeof cpu), 0);
    cr_assert_eq(run(0x90).kind, OUTCOME_MISSING); /* nobody's business */
}

Test(interpreter, a_page_that_is_away_is_asked_for)
{
    struct cpu_state before;

    setup(0, 0);
    flat->away[(WORLD_STACK0 - 4) / X86_PAGE_SIZE] = true;
    before = cpu;
    cr_assert_eq(run(0x9c).kind, OUTCOME_NEED_PAGE);
    cr_assert_eq(memcmp(&before, &cpu, sizeof cpu), 0);
    flat->away[(WORLD_STACK0 - 4) / X86_PAGE_SIZE] = false;
    retires(0x9c, OUTCOME_DONE);
}
