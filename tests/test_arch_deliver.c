/* Event delivery against SDM volume 3, chapter 6 (and 20 for real and virtual-8086 mode). */
#include <criterion/criterion.h>

#include "arch/x86/deliver.h"
#include "arch/x86/walk.h"
#include "protected_mode.h"

static struct x86_memory memory;
static struct flat_memory *flat;
static struct cpu_state cpu;
static struct x86_delivery journal;

static void set_up(void)
{
    flat = flat_create(&memory);
    world_build(flat, &cpu);
    for (unsigned vector = 0; vector < 256; vector++) {
        world_gate(flat, vector, X86_INTERRUPT_GATE32, 0, WORLD_CODE0, WORLD_HANDLER + vector);
    }
}

static void tear_down(void)
{
    free(flat);
}

TestSuite(arch_deliver, .init = set_up, .fini = tear_down);

static enum x86_status exception(uint8_t vector, uint32_t error_code)
{
    struct x86_event event = {.kind = X86_EXCEPTION,
                              .vector = vector,
                              .has_error_code = x86_has_error_code(vector),
                              .error_code = error_code,
                              .cr2 = 0xcafe0000};

    return x86_deliver(&cpu, &memory, &event, &journal);
}

static enum x86_status software(uint8_t vector, uint8_t length)
{
    struct x86_event event = {.kind = X86_SOFTWARE_INTERRUPT, .vector = vector, .length = length};

    return x86_deliver(&cpu, &memory, &event, &journal);
}

static enum x86_status external(uint8_t vector)
{
    struct x86_event event = {.kind = X86_EXTERNAL_INTERRUPT, .vector = vector};

    return x86_deliver(&cpu, &memory, &event, &journal);
}

static uint32_t pushed(unsigned index)
{
    return flat_get32(flat, cpu.gpr[X86_ESP] + index * 4);
}

/* The event whose handler was entered; the handlers lie vector by vector. */
static unsigned entered(void)
{
    return cpu.eip - WORLD_HANDLER;
}

/* The last event that was raised on the way and not turned into a double fault. */
static uint32_t last_error(void)
{
    return journal.events[journal.count - 1].error_code;
}

/* Figure 6-4: without privilege change EFLAGS, CS, EIP, error code go onto the current stack. */
Test(arch_deliver, same_ring)
{
    cpu.eflags |= X86_TF | X86_NT;
    cr_assert_eq(exception(X86_GP, 0x28), X86_OK);
    cr_assert_eq(entered(), 13u);
    cr_assert_eq(cpu.gpr[X86_ESP], WORLD_STACK0 - 16u);
    cr_assert_eq(pushed(0), 0x28u);
    cr_assert_eq(pushed(1), (uint32_t)WORLD_CODE);
    cr_assert_eq(pushed(2), (uint32_t)WORLD_CODE0);
    cr_assert_eq(pushed(3), X86_FIXED | X86_IF | X86_TF | X86_NT | X86_RF);
    cr_assert_eq(cpu.eflags, (uint32_t)X86_FIXED);
    cr_assert_eq(journal.count, 1u);
}

/* Section 17.3.1.1: RF is set in the image for faults only. */
Test(arch_deliver, resume_flag)
{
    cr_assert_eq(external(0x20), X86_OK);
    cr_assert_eq(pushed(2) & X86_RF, 0u);
    cr_assert_eq(exception(X86_DB, 0), X86_OK);
    cr_assert_eq(pushed(2) & X86_RF, 0u);
    cr_assert_eq(exception(X86_UD, 0), X86_OK);
    cr_assert_eq(pushed(2) & X86_RF, (uint32_t)X86_RF);
}

/* Table 6-1: which exceptions push an error code. */
Test(arch_deliver, error_codes_by_vector)
{
    for (unsigned vector = 0; vector < 32; vector++) {
        bool expected = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
        cr_assert_eq(x86_has_error_code((uint8_t)vector), expected, "vector %u", vector);
    }
}

/* Figure 6-4: with a privilege change SS:ESP of the interrupted code goes onto the TSS's stack. */
Test(arch_deliver, stack_switch)
{
    world_enter(flat, &cpu, 3);
    cpu.gpr[X86_ESP] = 0x6ff4;
    cr_assert_eq(exception(X86_DE, 0), X86_OK);
    cr_assert_eq(cpu.cpl, 0);
    cr_assert_eq(cpu.seg[X86_CS].selector, WORLD_CODE0);
    cr_assert_eq(cpu.seg[X86_SS].selector, WORLD_DATA0);
    cr_assert_eq(cpu.gpr[X86_ESP], WORLD_STACK0 - 20u);
    cr_assert_eq(pushed(0), (uint32_t)WORLD_CODE);
    cr_assert_eq(pushed(1), (uint32_t)WORLD_CODE3);
    cr_assert_eq(pushed(3), 0x6ff4u);
    cr_assert_eq(pushed(4), (uint32_t)WORLD_DATA3);
    cr_assert_eq(cpu.seg[X86_DS].selector, WORLD_DATA3);
    cr_assert(world_attributes(flat, WORLD_CODE0) & X86_SEG_ACCESSED);
    cr_assert(world_attributes(flat, WORLD_DATA0) & X86_SEG_ACCESSED);
}

Test(arch_deliver, stack_switch_to_ring_1)
{
    world_enter(flat, &cpu, 3);
    world_gate(flat, 0x40, X86_TRAP_GATE32, 3, WORLD_CODE1, WORLD_HANDLER);
    cr_assert_eq(software(0x40, 2), X86_OK);
    cr_assert_eq(cpu.cpl, 1);
    cr_assert_eq(cpu.seg[X86_CS].selector, WORLD_CODE1);
    cr_assert_eq(cpu.seg[X86_SS].selector, WORLD_DATA1);
    cr_assert_eq(cpu.gpr[X86_ESP], WORLD_STACK1 - 20u);
}

/* Section 6.12.1.3: an interrupt gate clears IF, a trap gate does not. */
Test(arch_deliver, trap_gate_keeps_if)
{
    world_gate(flat, 0x30, X86_TRAP_GATE32, 0, WORLD_CODE0, WORLD_HANDLER);
    cr_assert_eq(external(0x30), X86_OK);
    cr_assert(cpu.eflags & X86_IF);
    cr_assert_eq(external(0x31), X86_OK);
    cr_assert_not(cpu.eflags & X86_IF);
}

/* The address pushed for INT n lies behind it. */
Test(arch_deliver, software_interrupt_returns_behind)
{
    cr_assert_eq(software(0x80, 2), X86_OK);
    cr_assert_eq(pushed(0), WORLD_CODE + 2u);
}

/* Section 6.12.1.2: a software interrupt needs gate DPL >= CPL, else #GP(vector * 8 + 2), EXT = 0,
 * at the instruction; exceptions and external interrupts ignore the DPL. */
Test(arch_deliver, gate_privilege)
{
    world_enter(flat, &cpu, 3);
    cr_assert_eq(software(0x80, 2), X86_OK);
    cr_assert_eq(entered(), 13u);
    cr_assert_eq(pushed(0), 0x80 * 8 + 2u);
    cr_assert_eq(pushed(1), (uint32_t)WORLD_CODE);
    cr_assert_eq(journal.count, 2u);
    world_enter(flat, &cpu, 3);
    cr_assert_eq(external(0x80), X86_OK);
    cr_assert_eq(entered(), 0x80u);
    world_enter(flat, &cpu, 3);
    world_gate(flat, 0x80, X86_TRAP_GATE32, 3, WORLD_CODE0, WORLD_HANDLER + 0x80);
    cr_assert_eq(software(0x80, 2), X86_OK);
    cr_assert_eq(entered(), 0x80u);
}

/* Section 6.12.1: a gate that is not present is #NP(vector * 8 + 2 + EXT). */
Test(arch_deliver, gate_not_present)
{
    flat_put32(flat, WORLD_IDT + 0x20 * 8 + 4, X86_INTERRUPT_GATE32 << 8);
    cr_assert_eq(external(0x20), X86_OK);
    cr_assert_eq(entered(), 11u);
    cr_assert_eq(pushed(0), 0x20 * 8 + 3u);
    cr_assert_eq(software(0x20, 2), X86_OK);
    cr_assert_eq(pushed(0), 0x20 * 8 + 2u);
}

Test(arch_deliver, vector_beyond_the_limit)
{
    cpu.idtr.limit = 0x80 * 8 + 6;
    cr_assert_eq(software(0x80, 2), X86_OK);
    cr_assert_eq(entered(), 13u);
    cr_assert_eq(pushed(0), 0x80 * 8 + 2u);
}

Test(arch_deliver, not_a_gate)
{
    static const unsigned types[] = {0, 1, 2, 4, 8, 9, 12, 13};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        world_gate(flat, 0x44, types[i], 0, WORLD_CODE0, WORLD_HANDLER);
        cr_assert_eq(external(0x44), X86_OK);
        cr_assert_eq(entered(), 13u, "type %u", types[i]);
        cr_assert_eq(pushed(0), 0x44 * 8 + 3u);
    }
}

struct bad_handler {
    uint16_t selector;
    uint8_t vector;
    uint32_t error_code;
};

/* INT n, volume 2: the handler's code segment. */
Test(arch_deliver, bad_handler_segments)
{
    static const struct bad_handler rows[] = {
        {0x00, 13, 1},           {0x03, 13, 1},           {0x88, 13, 0x89}, {WORLD_DATA0, 13, 0x11},
        {WORLD_CODE3, 13, 0x29}, {WORLD_SPARE, 11, 0x51}, {0x0c, 13, 0x0d},
    };

    world_gdt(flat, WORLD_SPARE, 0, UINT32_MAX, (WORLD_FLAT | WORLD_CODER) & ~X86_SEG_PRESENT);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world_enter(flat, &cpu, 0);
        world_gate(flat, 0x44, X86_INTERRUPT_GATE32, 0, rows[i].selector, 0);
        cr_assert_eq(external(0x44), X86_OK);
        cr_assert_eq(entered(), rows[i].vector, "row %zu", i);
        cr_assert_eq(pushed(0), rows[i].error_code, "row %zu", i);
    }
}

Test(arch_deliver, entry_beyond_the_code_limit)
{
    world_gdt(flat, WORLD_SPARE, 0, 0xfff, X86_SEG_DB | X86_SEG_PRESENT | X86_SEG_S | WORLD_CODER);
    world_gate(flat, 0x44, X86_INTERRUPT_GATE32, 0, WORLD_SPARE, 0x1000);
    cr_assert_eq(external(0x44), X86_OK);
    cr_assert_eq(entered(), 13u);
    cr_assert_eq(pushed(0), 1u);
}

/* A conforming handler runs at the interrupted code's privilege, on its stack. */
Test(arch_deliver, conforming_handler)
{
    world_enter(flat, &cpu, 3);
    world_gate(flat, 0x44, X86_INTERRUPT_GATE32, 3, WORLD_CONFORMING, WORLD_HANDLER);
    cr_assert_eq(software(0x44, 2), X86_OK);
    cr_assert_eq(cpu.cpl, 3);
    cr_assert_eq(cpu.seg[X86_CS].selector, WORLD_CONFORMING | 3);
    cr_assert_eq(cpu.gpr[X86_ESP], WORLD_STACK3 - 12u);
}

struct bad_stack {
    uint16_t selector;
    uint32_t attributes; /* of WORLD_SPARE */
    uint8_t vector;
    uint32_t error_code;
};

/* Volume 2, INT, INTER-PRIVILEGE-LEVEL-INTERRUPT: what the TSS's stack segment must be. The
 * handlers of #TS and #SS are conforming and so need no such stack. */
Test(arch_deliver, bad_inner_stacks)
{
    static const uint32_t data = WORLD_FLAT | X86_SEG_RW;
    static const struct bad_stack rows[] = {
        {0, data, X86_TS, 1},
        {0x88, data, X86_TS, 0x89},
        {WORLD_SPARE | 1, data, X86_TS, 0x51},
        {WORLD_SPARE, data | WORLD_RING(1), X86_TS, 0x51},
        {WORLD_SPARE, WORLD_FLAT, X86_TS, 0x51},
        {WORLD_SPARE, WORLD_FLAT | WORLD_CODER, X86_TS, 0x51},
        {WORLD_SPARE, data & ~X86_SEG_PRESENT, X86_STACK, 0x51},
    };

    world_gate(flat, X86_TS, X86_INTERRUPT_GATE32, 0, WORLD_CONFORMING, WORLD_HANDLER + X86_TS);
    world_gate(flat, X86_STACK, X86_INTERRUPT_GATE32, 0, WORLD_CONFORMING,
               WORLD_HANDLER + X86_STACK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world_enter(flat, &cpu, 3);
        flat_put32(flat, WORLD_TSS + 8, rows[i].selector);
        world_gdt(flat, WORLD_SPARE, 0, UINT32_MAX, rows[i].attributes);
        cr_assert_eq(external(0x20), X86_OK);
        cr_assert_eq(entered(), rows[i].vector, "row %zu", i);
        cr_assert_eq(pushed(0), rows[i].error_code, "row %zu", i);
    }
}

/* No room on the inner stack: #SS(new SS + EXT). */
Test(arch_deliver, inner_stack_too_small)
{
    world_gate(flat, X86_STACK, X86_INTERRUPT_GATE32, 0, WORLD_CONFORMING,
               WORLD_HANDLER + X86_STACK);
    world_enter(flat, &cpu, 3);
    world_gdt(flat, WORLD_SPARE, 0, 0x4fff,
              X86_SEG_DB | X86_SEG_PRESENT | X86_SEG_S | X86_SEG_RW | X86_SEG_DC);
    flat_put32(flat, WORLD_TSS + 8, WORLD_SPARE);
    cr_assert_eq(external(0x20), X86_OK);
    cr_assert_eq(entered(), 12u);
    cr_assert_eq(pushed(0), 0x51u);
}

/* A TSS that ends before the stack of ring 0: #TS(TSS + EXT). */
Test(arch_deliver, tss_too_short)
{
    world_gate(flat, X86_TS, X86_INTERRUPT_GATE32, 0, WORLD_CONFORMING, WORLD_HANDLER + X86_TS);
    world_enter(flat, &cpu, 3);
    cpu.tr.limit = 8;
    cr_assert_eq(external(0x20), X86_OK);
    cr_assert_eq(entered(), 10u);
    cr_assert_eq(pushed(0), WORLD_TR + 1u);
}

Test(arch_deliver, sixteen_bit_gate_and_tss)
{
    world_gate(flat, 0x44, X86_INTERRUPT_GATE16, 0, WORLD_CODE0, 0xffff0123);
    flat_put16(flat, WORLD_TSS + 2, 0x4ff0);
    flat_put16(flat, WORLD_TSS + 4, WORLD_DATA0);
    cpu.tr.attributes = X86_SEG_PRESENT | X86_TSS16_BUSY << 8;
    world_enter(flat, &cpu, 3);
    cr_assert_eq(external(0x44), X86_OK);
    cr_assert_eq(cpu.eip, 0x0123u);
    cr_assert_eq(cpu.gpr[X86_ESP], 0x4ff0u - 10);
    cr_assert_eq(flat_get16(flat, 0x4fe6), WORLD_CODE);
    cr_assert_eq(flat_get16(flat, 0x4fe8), WORLD_CODE3);
    cr_assert_eq(flat_get16(flat, 0x4fec), WORLD_STACK3);
    cr_assert_eq(flat_get16(flat, 0x4fee), WORLD_DATA3);
}

/* A 16-bit stack segment uses SP, and wraps. */
Test(arch_deliver, sixteen_bit_stack)
{
    cpu.seg[X86_SS] = world_segment(flat, WORLD_DATA16);
    cpu.gpr[X86_ESP] = 0xabcd0004;
    cr_assert_eq(external(0x44), X86_OK);
    cr_assert_eq(cpu.gpr[X86_ESP], 0xabcdfff8u);
    cr_assert_eq(flat_get32(flat, 0xfff8), (uint32_t)WORLD_CODE);
    cr_assert_eq(flat_get32(flat, 0xfffc), (uint32_t)WORLD_CODE0);
    cr_assert_eq(flat_get32(flat, 0), X86_FIXED | X86_IF);
}

/* Table 6-5, second column: contributory on contributory is a double fault with error code 0. */
Test(arch_deliver, contributory_pair_is_a_double_fault)
{
    static const uint8_t contributory[] = {X86_DE, X86_TS, X86_NP, X86_STACK, X86_GP};

    for (unsigned i = 0; i < 5; i++) {
        world_enter(flat, &cpu, 0);
        flat_put32(flat, WORLD_IDT + contributory[i] * 8u + 4, 0);
        cr_assert_eq(exception(contributory[i], 0), X86_OK);
        cr_assert_eq(entered(), 8u, "vector %u", contributory[i]);
        cr_assert_eq(pushed(0), 0u);
        cr_assert_eq(pushed(1), (uint32_t)WORLD_CODE);
        cr_assert_eq(pushed(3) & X86_RF, 0u);
        cr_assert_eq(journal.count, 3u);
        world_gate(flat, contributory[i], X86_INTERRUPT_GATE32, 0, WORLD_CODE0, WORLD_HANDLER);
    }
}

/* Table 6-5, first row: anything on a benign event is handled by itself, with EXT set. */
Test(arch_deliver, fault_on_benign_is_serial)
{
    flat_put32(flat, WORLD_IDT + X86_UD * 8u + 4, 0);
    cr_assert_eq(exception(X86_UD, 0), X86_OK);
    cr_assert_eq(entered(), 13u);
    cr_assert_eq(pushed(0), 6 * 8 + 3u);
}

/* Section 6.15, interrupt 8: a fault while calling the double fault handler is a shutdown. */
Test(arch_deliver, triple_fault)
{
    struct cpu_state before;

    flat_put32(flat, WORLD_IDT + X86_GP * 8u + 4, 0);
    flat_put32(flat, WORLD_IDT + X86_DF_ABORT * 8u + 4, 0);
    before = cpu;
    cr_assert_eq(exception(X86_GP, 0), X86_SHUTDOWN);
    cr_assert_eq(memcmp(&before, &cpu, sizeof cpu), 0);
    cr_assert_eq(journal.events[0].vector, 13);
    cr_assert_eq(journal.events[journal.count - 2].vector, 8);
}

static void paging_on(void)
{
    for (unsigned page = 0; page < FLAT_PAGES; page++) {
        flat_put32(flat, 0x21000 + page * 4, page * X86_PAGE_SIZE | 7);
    }
    flat_put32(flat, 0x20000, 0x21000 | 7);
    cpu.cr3 = 0x20000;
    cpu.cr0 |= X86_CR0_PG | X86_CR0_WP;
}

static void unmap(uint32_t linear)
{
    flat_put32(flat, 0x21000 + linear / X86_PAGE_SIZE * 4, 0);
}

/* A page fault loads CR2 (section 6.15, interrupt 14). */
Test(arch_deliver, page_fault_loads_cr2)
{
    cr_assert_eq(exception(X86_PAGE, 6), X86_OK);
    cr_assert_eq(cpu.cr2, 0xcafe0000u);
    cr_assert_eq(pushed(0), 6u);
}

/* Table 6-5: a page fault while a contributory exception is delivered is handled by itself. CR2 is
 * the address of the word that is pushed first. */
Test(arch_deliver, page_fault_on_contributory_is_serial)
{
    paging_on();
    world_gate(flat, X86_PAGE, X86_INTERRUPT_GATE32, 0, WORLD_CONFORMING, WORLD_HANDLER + 14);
    world_enter(flat, &cpu, 3);
    unmap(WORLD_STACK0 - 4);
    cr_assert_eq(exception(X86_GP, 0), X86_OK);
    cr_assert_eq(entered(), 14u);
    cr_assert_eq(cpu.cr2, WORLD_STACK0 - 4u);
    cr_assert_eq(pushed(0), 2u);
}

/* Table 6-5: contributory or page fault on a page fault is a double fault; CR2 is the later one's.
 */
Test(arch_deliver, page_fault_pair_is_a_double_fault)
{
    paging_on();
    world_gate(flat, X86_DF_ABORT, X86_INTERRUPT_GATE32, 0, WORLD_CODE1, WORLD_HANDLER + 8);
    world_enter(flat, &cpu, 3);
    unmap(WORLD_STACK0 - 4);
    cr_assert_eq(exception(X86_PAGE, 4), X86_OK);
    cr_assert_eq(entered(), 8u);
    cr_assert_eq(cpu.cr2, WORLD_STACK0 - 4u);
    flat_put32(flat, WORLD_IDT + X86_PAGE * 8u + 4, 0);
    world_enter(flat, &cpu, 3);
    cr_assert_eq(exception(X86_PAGE, 4), X86_OK);
    cr_assert_eq(entered(), 8u);
    cr_assert_eq(journal.events[1].vector, X86_GP);
}

/* The longest way: interrupt, #GP, #PF, #DF, shutdown. */
Test(arch_deliver, shutdown_with_no_kernel_stack_mapped)
{
    paging_on();
    world_enter(flat, &cpu, 3);
    unmap(WORLD_STACK0 - 4);
    cr_assert_eq(external(0x20), X86_SHUTDOWN);
    cr_assert_eq(cpu.cr2, WORLD_STACK0 - 4u);
    cr_assert_eq(cpu.cpl, 3);
}

/* A page that is not at hand: nothing has happened, and the second try gives the whole frame. */
Test(arch_deliver, restarts)
{
    static const uint32_t pages[] = {WORLD_GDT,        WORLD_IDT, WORLD_TSS,
                                     WORLD_STACK0 - 4, 0x20000,   0x21000};

    paging_on();
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        struct cpu_state before;

        world_enter(flat, &cpu, 3);
        before = cpu;
        flat->away[pages[i] / X86_PAGE_SIZE] = true;
        cr_assert_eq(exception(X86_PAGE, 4), X86_NEED_PAGE, "page %x", pages[i]);
        cr_assert_eq(flat->wanted, pages[i] / X86_PAGE_SIZE);
        cr_assert_eq(memcmp(&before, &cpu, sizeof cpu), 0);
        flat->away[pages[i] / X86_PAGE_SIZE] = false;
        cr_assert_eq(exception(X86_PAGE, 4), X86_OK);
        cr_assert_eq(cpu.gpr[X86_ESP], WORLD_STACK0 - 24u);
    }
}

Test(arch_deliver, interrupt_shadow_ends)
{
    cpu.interrupt_shadow = true;
    cr_assert_eq(exception(X86_UD, 0), X86_OK);
    cr_assert_not(cpu.interrupt_shadow);
}

/* Section 17.2.4: entering the debug exception's handler clears DR7.GD. */
Test(arch_deliver, debug_exception_clears_general_detect)
{
    cpu.dr[7] = 0x2400;
    cr_assert_eq(exception(X86_DB, 0), X86_OK);
    cr_assert_eq(cpu.dr[7], 0x400u);
}

static void enter_virtual_8086(unsigned iopl)
{
    cpu.eflags = X86_FIXED | X86_IF | X86_VM | iopl << X86_IOPL_SHIFT;
    cpu.cpl = 3;
    for (unsigned i = 0; i < X86_SREGS; i++) {
        x86_load_segment_real(&cpu, i, (uint16_t)(0x100 + i));
    }
    cpu.gpr[X86_ESP] = 0x1000;
    cpu.eip = 0x20;
}

/* Section 20.3.1.1: GS FS DS ES SS ESP EFLAGS CS EIP on the ring 0 stack, data segments null. */
Test(arch_deliver, out_of_virtual_8086_mode)
{
    enter_virtual_8086(0);
    cr_assert_eq(exception(X86_GP, 0), X86_OK);
    cr_assert_eq(cpu.gpr[X86_ESP], WORLD_STACK0 - 40u);
    cr_assert_eq(pushed(0), 0u);
    cr_assert_eq(pushed(1), 0x20u);
    cr_assert_eq(pushed(2), 0x100u + X86_CS);
    cr_assert(pushed(3) & X86_VM);
    cr_assert_eq(pushed(4), 0x1000u);
    cr_assert_eq(pushed(5), 0x100u + X86_SS);
    cr_assert_eq(pushed(6), 0x100u + X86_ES);
    cr_assert_eq(pushed(7), 0x100u + X86_DS);
    cr_assert_eq(pushed(8), 0x100u + X86_FS);
    cr_assert_eq(pushed(9), 0x100u + X86_GS);
    cr_assert_eq(cpu.seg[X86_DS].selector, 0);
    cr_assert_eq(cpu.seg[X86_GS].attributes, 0u);
    cr_assert_not(cpu.eflags & X86_VM);
    cr_assert_eq(cpu.cpl, 0);
}

/* Section 20.2.7 and table 20-2: INT n needs IOPL 3 in virtual-8086 mode; INT3 does not. */
Test(arch_deliver, virtual_8086_software_interrupts)
{
    world_gate(flat, 3, X86_TRAP_GATE32, 3, WORLD_CODE0, WORLD_HANDLER + 3);
    enter_virtual_8086(0);
    flat->bytes[0x1010 + 0x20] = 0xcc;
    cr_assert_eq(software(3, 1), X86_OK);
    cr_assert_eq(entered(), 3u);
    enter_virtual_8086(0);
    flat->bytes[0x1010 + 0x20] = 0xcd;
    flat->bytes[0x1010 + 0x21] = 3;
    cr_assert_eq(software(3, 2), X86_OK);
    cr_assert_eq(entered(), 13u);
    cr_assert_eq(pushed(0), 0u);
    cr_assert_eq(pushed(1), 0x20u);
    enter_virtual_8086(3);
    cr_assert_eq(software(3, 2), X86_OK);
    cr_assert_eq(entered(), 3u);
}

/* Virtual-8086 mode is left for ring 0 only: #GP(CS). */
Test(arch_deliver, virtual_8086_to_another_ring)
{
    world_gate(flat, 0x44, X86_INTERRUPT_GATE32, 3, WORLD_CODE1, WORLD_HANDLER);
    enter_virtual_8086(3);
    cr_assert_eq(software(0x44, 2), X86_OK);
    cr_assert_eq(entered(), 13u);
    cr_assert_eq(pushed(0), WORLD_CODE1 & ~3u);
}

static void enter_real_mode(void)
{
    cpu.cr0 = X86_CR0_ET;
    cpu.eflags = X86_FIXED | X86_IF | X86_TF;
    cpu.cpl = 0;
    cpu.idtr = (struct x86_table){.base = 0, .limit = 0x3ff};
    for (unsigned i = 0; i < X86_SREGS; i++) {
        cpu.seg[i] = (struct x86_segment){.limit = 0xffff,
                                          .attributes = X86_SEG_PRESENT | X86_SEG_S | X86_SEG_RW};
    }
    cpu.gpr[X86_ESP] = 0x7c00;
    cpu.eip = 0x8000;
}

/* Section 20.1.4: FLAGS, CS, IP; no error code; IF and TF cleared. */
Test(arch_deliver, real_mode)
{
    enter_real_mode();
    flat_put16(flat, 0x10 * 4, 0x1234);
    flat_put16(flat, 0x10 * 4 + 2, 0x0f00);
    cr_assert_eq(software(0x10, 2), X86_OK);
    cr_assert_eq(cpu.eip, 0x1234u);
    cr_assert_eq(cpu.seg[X86_CS].selector, 0x0f00);
    cr_assert_eq(cpu.seg[X86_CS].base, 0xf000u);
    cr_assert_eq(cpu.gpr[X86_ESP], 0x7c00u - 6);
    cr_assert_eq(flat_get16(flat, 0x7bfa), 0x8002);
    cr_assert_eq(flat_get16(flat, 0x7bfc), 0);
    cr_assert_eq(flat_get16(flat, 0x7bfe), X86_FIXED | X86_IF | X86_TF);
    cr_assert_not(cpu.eflags & (X86_IF | X86_TF));
}

Test(arch_deliver, real_mode_pushes_no_error_code)
{
    enter_real_mode();
    cr_assert_eq(exception(X86_GP, 0), X86_OK);
    cr_assert_eq(cpu.gpr[X86_ESP], 0x7c00u - 6);
}

/* Section 20.1.4: a stack that ends in the middle of a word is #SS, without an error code. */
Test(arch_deliver, real_mode_stack_limit)
{
    enter_real_mode();
    cpu.gpr[X86_ESP] = 1;
    cr_assert_eq(software(0x10, 2), X86_SHUTDOWN);
    cr_assert_eq(journal.events[1].vector, X86_STACK);
    cr_assert_not(journal.events[1].has_error_code);
}

/* Section 20.1.4: a vector beyond the limit of the table is #GP, then double fault, then shutdown.
 */
Test(arch_deliver, real_mode_table_limit)
{
    enter_real_mode();
    cpu.idtr.limit = 13 * 4 + 3;
    flat_put16(flat, 13 * 4, 0x1313);
    cr_assert_eq(software(0x10, 2), X86_OK);
    cr_assert_eq(cpu.eip, 0x1313u);
    cr_assert_eq(flat_get16(flat, 0x7bfa), 0x8000);
    enter_real_mode();
    cpu.idtr.limit = 0;
    cr_assert_eq(software(0x10, 2), X86_SHUTDOWN);
}

/* The error code of a fault on the way of an INT n has EXT clear, that of a fault on the way of
 * that fault is only seen as a double fault. */
Test(arch_deliver, external_bit)
{
    world_gate(flat, 0x44, X86_INTERRUPT_GATE32, 3, WORLD_DATA0, 0);
    cr_assert_eq(software(0x44, 2), X86_OK);
    cr_assert_eq(last_error(), (uint32_t)WORLD_DATA0);
    cr_assert_eq(external(0x44), X86_OK);
    cr_assert_eq(last_error(), WORLD_DATA0 | 1u);
}

/* Section 6.12.2: a task gate for the double fault, as Linux has it; the error code is on its
 * stack. */
Test(arch_deliver, double_fault_task)
{
    world_gate(flat, X86_DF_ABORT, X86_TASK_GATE, 0, WORLD_TASK_SELECTOR, 0);
    flat_put32(flat, WORLD_TASK + 0x20, WORLD_HANDLER);
    flat_put32(flat, WORLD_TASK + 0x24, X86_FIXED);
    flat_put32(flat, WORLD_TASK + 0x38, 0xf000);
    flat_put32(flat, WORLD_TASK + 0x48, WORLD_DATA0);
    flat_put32(flat, WORLD_TASK + 0x4c, WORLD_CODE0);
    flat_put32(flat, WORLD_TASK + 0x50, WORLD_DATA0);
    flat_put32(flat, WORLD_TASK + 0x54, WORLD_DATA0);
    flat_put32(flat, WORLD_IDT + X86_GP * 8u + 4, 0);
    cpu.gpr[X86_EAX] = 0x12345678;
    cr_assert_eq(exception(X86_GP, 0), X86_OK);
    cr_assert_eq(cpu.eip, (uint32_t)WORLD_HANDLER);
    cr_assert_eq(cpu.gpr[X86_ESP], 0xf000u - 4);
    cr_assert_eq(flat_get32(flat, 0xf000 - 4), 0u);
    cr_assert_eq(cpu.tr.selector, WORLD_TASK_SELECTOR);
    cr_assert_eq(flat_get32(flat, WORLD_TSS + 0x20), (uint32_t)WORLD_CODE);
    cr_assert_eq(flat_get32(flat, WORLD_TSS + 0x28), 0x12345678u);
    cr_assert_eq(flat_get16(flat, WORLD_TASK), WORLD_TR);
    cr_assert(cpu.eflags & X86_NT);
}
