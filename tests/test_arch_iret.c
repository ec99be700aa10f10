/* IRET against SDM volume 2, IRET, and volume 3, sections 6.12.1 and 20.2. */
#include <criterion/criterion.h>

#include "arch/x86/deliver.h"
#include "arch/x86/iret.h"
#include "protected_mode.h"

static struct x86_memory memory;
static struct flat_memory *flat;
static struct cpu_state cpu;
static struct x86_event fault;

#define TARGET 0x8123u

static void set_up(void)
{
    flat = flat_create(&memory);
    world_build(flat, &cpu);
    fault = (struct x86_event){0};
}

static void tear_down(void)
{
    free(flat);
}

TestSuite(arch_iret, .init = set_up, .fini = tear_down);

/* Puts a frame of doublewords on the current stack, lowest first. */
static void frame(const uint32_t *words, unsigned count)
{
    cpu.gpr[X86_ESP] -= count * 4;
    for (unsigned i = 0; i < count; i++) {
        flat_put32(flat, cpu.gpr[X86_ESP] + i * 4, words[i]);
    }
}

static enum x86_status iretd(void)
{
    return x86_iret(&cpu, &memory, true, 1, &fault);
}

Test(arch_iret, same_ring)
{
    frame((uint32_t[]){TARGET, WORLD_CODE0, X86_FIXED | X86_CF | X86_RF | 3u << 12}, 3);
    cpu.interrupt_shadow = true;
    cr_assert_eq(iretd(), X86_OK);
    cr_assert_eq(cpu.eip, TARGET);
    cr_assert_eq(cpu.gpr[X86_ESP], (uint32_t)WORLD_STACK0);
    cr_assert_eq(cpu.eflags, X86_FIXED | X86_CF | X86_RF | X86_IOPL);
    cr_assert_not(cpu.interrupt_shadow);
}

Test(arch_iret, sixteen_bit_operand)
{
    cpu.gpr[X86_ESP] -= 6;
    flat_put16(flat, WORLD_STACK0 - 6, 0x8123);
    flat_put16(flat, WORLD_STACK0 - 4, WORLD_CODE0);
    flat_put16(flat, WORLD_STACK0 - 2, X86_FIXED | X86_ZF);
    cpu.eflags |= X86_AC | X86_ID;
    cr_assert_eq(x86_iret(&cpu, &memory, false, 1, &fault), X86_OK);
    cr_assert_eq(cpu.eip, TARGET);
    cr_assert_eq(cpu.eflags, X86_FIXED | X86_ZF | X86_AC | X86_ID);
    cr_assert_eq(cpu.gpr[X86_ESP], (uint32_t)WORLD_STACK0);
}

/* Outward: SS:ESP popped too, and data segments that the outer ring may not use become null. */
Test(arch_iret, outward)
{
    frame((uint32_t[]){TARGET, WORLD_CODE3, X86_FIXED | X86_IF, 0x6ff0, WORLD_DATA3}, 5);
    cpu.seg[X86_ES] = world_segment(flat, WORLD_DATA3);
    cpu.seg[X86_FS] = world_segment(flat, WORLD_CONFORMING);
    cr_assert_eq(iretd(), X86_OK);
    cr_assert_eq(cpu.cpl, 3);
    cr_assert_eq(cpu.seg[X86_CS].selector, WORLD_CODE3);
    cr_assert_eq(cpu.seg[X86_SS].selector, WORLD_DATA3);
    cr_assert_eq(cpu.gpr[X86_ESP], 0x6ff0u);
    cr_assert_eq(cpu.seg[X86_DS].selector, 0);
    cr_assert_eq(cpu.seg[X86_GS].attributes, 0u);
    cr_assert_eq(cpu.seg[X86_ES].selector, WORLD_DATA3);
    cr_assert_eq(cpu.seg[X86_FS].selector, WORLD_CONFORMING);
}

/* What delivery pushed, IRET takes back. */
Test(arch_iret, undoes_delivery)
{
    struct x86_event event = {.kind = X86_EXTERNAL_INTERRUPT, .vector = 0x20};
    struct cpu_state before;

    world_gate(flat, 0x20, X86_INTERRUPT_GATE32, 0, WORLD_CODE0, WORLD_HANDLER);
    world_enter(flat, &cpu, 3);
    for (unsigned i = 0; i < X86_SREGS; i++) {
        cpu.seg[i].attributes |= X86_SEG_ACCESSED;
    }
    before = cpu;
    cr_assert_eq(x86_deliver(&cpu, &memory, &event, NULL), X86_OK);
    cr_assert_eq(cpu.cpl, 0);
    cr_assert_eq(iretd(), X86_OK);
    cr_assert_eq(memcmp(&before, &cpu, sizeof cpu), 0);
}

struct flags_row {
    uint8_t cpl, iopl;
    uint32_t changed; /* of IF and IOPL */
};

/* Volume 2, IRET and POPF: IOPL changes at CPL 0 only, IF if CPL <= IOPL. */
Test(arch_iret, privileged_flags)
{
    static const struct flags_row rows[] = {
        {0, 0, X86_IF | X86_IOPL}, {1, 0, 0}, {1, 1, X86_IF}, {3, 2, 0}, {3, 3, X86_IF},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t iopl = (uint32_t)rows[i].iopl << X86_IOPL_SHIFT;
        uint32_t other = X86_IOPL & ~iopl;
        uint32_t expected = X86_FIXED | iopl;

        cpu.cpl = rows[i].cpl;
        cpu.eflags = X86_FIXED | iopl;
        expected ^= rows[i].changed & X86_IF;
        if (rows[i].changed & X86_IOPL) {
            expected = (expected & ~X86_IOPL) | other;
        }
        cr_assert_eq(x86_eflags_load(&cpu, X86_IF | other, true, false), expected, "row %zu", i);
    }
}

struct bad_return {
    uint8_t cpl;
    uint16_t cs, ss;
    uint32_t attributes; /* of WORLD_SPARE, ring included */
    uint8_t vector;
    uint32_t error_code;
};

#define CODE (WORLD_FLAT | WORLD_CODER)
#define DATA (WORLD_FLAT | X86_SEG_RW)

/* Volume 2, IRET, protected mode exceptions. */
Test(arch_iret, checks)
{
    static const struct bad_return rows[] = {
        {0, 0, 0, 0, X86_GP, 0},
        {0, 0x80, 0, 0, X86_GP, 0x80},
        {0, WORLD_DATA0, 0, 0, X86_GP, WORLD_DATA0},
        {3, WORLD_CODE0, 0, 0, X86_GP, WORLD_CODE0},
        {0, WORLD_CODE0 | 3, 0, 0, X86_GP, WORLD_CODE0},
        {0, WORLD_CODE3 & ~3u, 0, 0, X86_GP, WORLD_CODE3 & ~3u},
        {0, WORLD_SPARE | 1, 0, CODE | X86_SEG_DC | WORLD_RING(3), X86_GP, WORLD_SPARE},
        {0, WORLD_SPARE, 0, CODE & ~X86_SEG_PRESENT, X86_NP, WORLD_SPARE},
        {0, WORLD_SPARE | 3, 0, (CODE & ~X86_SEG_PRESENT) | WORLD_RING(3), X86_NP, WORLD_SPARE},
        {0, WORLD_CODE3, 0, 0, X86_GP, 0},
        {0, WORLD_CODE3, 0x83, 0, X86_GP, 0x80},
        {0, WORLD_CODE3, WORLD_DATA0, 0, X86_GP, WORLD_DATA0},
        {0, WORLD_CODE3, WORLD_DATA0 | 3, 0, X86_GP, WORLD_DATA0},
        {0, WORLD_CODE3, WORLD_CODE3, 0, X86_GP, WORLD_CODE3 & ~3u},
        {0, WORLD_CODE3, WORLD_SPARE | 3, WORLD_FLAT | WORLD_RING(3), X86_GP, WORLD_SPARE},
        {0, WORLD_CODE3, WORLD_SPARE | 3, (DATA & ~X86_SEG_PRESENT) | WORLD_RING(3), X86_STACK,
         WORLD_SPARE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cpu_state before;

        world_enter(flat, &cpu, rows[i].cpl);
        world_gdt(flat, WORLD_SPARE, 0, UINT32_MAX, rows[i].attributes);
        frame((uint32_t[]){TARGET, rows[i].cs, X86_FIXED, 0x6ff0, rows[i].ss}, 5);
        before = cpu;
        cr_assert_eq(iretd(), X86_FAULT, "row %zu", i);
        cr_assert_eq(fault.vector, rows[i].vector, "row %zu", i);
        cr_assert_eq(fault.error_code, rows[i].error_code, "row %zu", i);
        cr_assert_eq(memcmp(&before, &cpu, sizeof cpu), 0, "row %zu", i);
    }
}

Test(arch_iret, target_beyond_the_limit)
{
    world_gdt(flat, WORLD_SPARE, 0, 0xfff, CODE & ~X86_SEG_G);
    frame((uint32_t[]){0x1000, WORLD_SPARE, X86_FIXED}, 3);
    cr_assert_eq(iretd(), X86_FAULT);
    cr_assert_eq(fault.vector, X86_GP);
    cr_assert_eq(fault.error_code, 0u);
}

Test(arch_iret, stack_too_short)
{
    cpu.seg[X86_SS].limit = WORLD_STACK0 - 5;
    cpu.gpr[X86_ESP] = WORLD_STACK0 - 12;
    cr_assert_eq(iretd(), X86_FAULT);
    cr_assert_eq(fault.vector, X86_STACK);
    cr_assert_eq(fault.error_code, 0u);
}

/* A 16-bit outer stack takes SP only. */
Test(arch_iret, outward_to_a_sixteen_bit_stack)
{
    world_gdt(flat, WORLD_SPARE, 0, 0xffff, X86_SEG_PRESENT | X86_SEG_S | X86_SEG_RW | 3u << 13);
    frame((uint32_t[]){TARGET, WORLD_CODE3, X86_FIXED, 0x12346ff0, WORLD_SPARE | 3}, 5);
    cr_assert_eq(iretd(), X86_OK);
    cr_assert_eq(cpu.gpr[X86_ESP] & 0xffff, 0x6ff0u);
}

/* Section 20.2.5: VM set in the image, at CPL 0, enters virtual-8086 mode. */
Test(arch_iret, into_virtual_8086_mode)
{
    frame((uint32_t[]){0x20, 0x101, X86_FIXED | X86_VM | X86_IF, 0x1000, 0x102, 0x103, 0x104, 0x105,
                       0x106},
          9);
    cr_assert_eq(iretd(), X86_OK);
    cr_assert(cpu.eflags & X86_VM);
    cr_assert_eq(cpu.cpl, 3);
    cr_assert_eq(cpu.eip, 0x20u);
    cr_assert_eq(cpu.seg[X86_CS].base, 0x1010u);
    cr_assert_eq(cpu.seg[X86_SS].selector, 0x102);
    cr_assert_eq(cpu.seg[X86_ES].selector, 0x103);
    cr_assert_eq(cpu.seg[X86_DS].selector, 0x104);
    cr_assert_eq(cpu.seg[X86_FS].selector, 0x105);
    cr_assert_eq(cpu.seg[X86_GS].selector, 0x106);
    cr_assert_eq(cpu.gpr[X86_ESP], 0x1000u);
}

/* At CPL above 0 the VM bit of the image is ignored. */
Test(arch_iret, vm_needs_ring_0)
{
    world_enter(flat, &cpu, 3);
    frame((uint32_t[]){TARGET, WORLD_CODE3, X86_FIXED | X86_VM}, 3);
    cr_assert_eq(iretd(), X86_OK);
    cr_assert_not(cpu.eflags & X86_VM);
}

static void enter_virtual_8086(unsigned iopl)
{
    cpu.eflags = X86_FIXED | X86_VM | iopl << X86_IOPL_SHIFT;
    cpu.cpl = 3;
    for (unsigned i = 0; i < X86_SREGS; i++) {
        x86_load_segment_real(&cpu, i, 0x100);
    }
    cpu.gpr[X86_ESP] = 0x1000;
    flat_put16(flat, 0x2000, 0x1234);
    flat_put16(flat, 0x2002, 0x0200);
    flat_put16(flat, 0x2004, X86_FIXED | X86_IF);
}

/* Section 20.2.7: in virtual-8086 mode IRET needs IOPL 3, and cannot change IOPL. */
Test(arch_iret, in_virtual_8086_mode)
{
    enter_virtual_8086(2);
    cr_assert_eq(x86_iret(&cpu, &memory, false, 1, &fault), X86_FAULT);
    cr_assert_eq(fault.vector, X86_GP);
    cr_assert_eq(fault.error_code, 0u);
    enter_virtual_8086(3);
    cr_assert_eq(x86_iret(&cpu, &memory, false, 1, &fault), X86_OK);
    cr_assert_eq(cpu.eip, 0x1234u);
    cr_assert_eq(cpu.seg[X86_CS].base, 0x2000u);
    cr_assert_eq(cpu.eflags, X86_FIXED | X86_IF | X86_VM | X86_IOPL);
    cr_assert_eq(cpu.gpr[X86_ESP], 0x1006u);
}

Test(arch_iret, real_mode)
{
    cpu.cr0 = 0;
    cpu.seg[X86_CS].limit = 0xffff;
    cpu.seg[X86_SS].attributes &= ~X86_SEG_DB;
    cpu.gpr[X86_ESP] = 0xabcd2000;
    flat_put16(flat, 0x2000, 0x1234);
    flat_put16(flat, 0x2002, 0x0200);
    flat_put16(flat, 0x2004, X86_FIXED | X86_IF | X86_IOPL);
    cr_assert_eq(x86_iret(&cpu, &memory, false, 1, &fault), X86_OK);
    cr_assert_eq(cpu.eip, 0x1234u);
    cr_assert_eq(cpu.seg[X86_CS].selector, 0x0200);
    cr_assert_eq(cpu.eflags, X86_FIXED | X86_IF | X86_IOPL);
    cr_assert_eq(cpu.gpr[X86_ESP], 0xabcd2006u);
}

Test(arch_iret, restarts)
{
    static const uint32_t pages[] = {WORLD_STACK0 - 4, WORLD_GDT};

    for (unsigned i = 0; i < 2; i++) {
        struct cpu_state before;

        world_enter(flat, &cpu, 0);
        frame((uint32_t[]){TARGET, WORLD_CODE3, X86_FIXED, 0x6ff0, WORLD_DATA3}, 5);
        before = cpu;
        flat->away[pages[i] / X86_PAGE_SIZE] = true;
        cr_assert_eq(iretd(), X86_NEED_PAGE);
        cr_assert_eq(memcmp(&before, &cpu, sizeof cpu), 0);
        flat->away[pages[i] / X86_PAGE_SIZE] = false;
        cr_assert_eq(iretd(), X86_OK);
    }
}
