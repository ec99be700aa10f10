/* Far JMP, CALL and RET against SDM volume 3, section 5.8, and volume 2. */
#include <criterion/criterion.h>

#include "arch/x86/farcall.h"
#include "protected_mode.h"

static struct x86_memory memory;
static struct flat_memory *flat;
static struct cpu_state cpu;
static struct x86_event fault;

#define TARGET 0x8123u
#define CODE   (WORLD_FLAT | WORLD_CODER)

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

TestSuite(arch_farcall, .init = set_up, .fini = tear_down);

static void call_gate(unsigned type, unsigned dpl, uint16_t selector, uint32_t offset,
                      unsigned parameters)
{
    flat_put32(flat, WORLD_GDT + WORLD_SPARE, (uint32_t)selector << 16 | (offset & 0xffff));
    flat_put32(flat, WORLD_GDT + WORLD_SPARE + 4,
               (offset & 0xffff0000) | X86_SEG_PRESENT | dpl << 13 | type << 8 | parameters);
}

static enum x86_status call(uint16_t selector)
{
    return x86_far_call(&cpu, &memory, selector, TARGET, true, 7, &fault);
}

Test(arch_farcall, jump_to_the_same_ring)
{
    cr_assert_eq(x86_far_jump(&cpu, &memory, WORLD_CODE0, TARGET, true, 7, &fault), X86_OK);
    cr_assert_eq(cpu.eip, TARGET);
    cr_assert_eq(cpu.gpr[X86_ESP], (uint32_t)WORLD_STACK0);
}

Test(arch_farcall, call_and_return)
{
    cr_assert_eq(call(WORLD_CODE0), X86_OK);
    cr_assert_eq(cpu.gpr[X86_ESP], WORLD_STACK0 - 8u);
    cr_assert_eq(flat_get32(flat, WORLD_STACK0 - 8), WORLD_CODE + 7u);
    cr_assert_eq(flat_get32(flat, WORLD_STACK0 - 4), (uint32_t)WORLD_CODE0);
    cr_assert_eq(x86_far_return(&cpu, &memory, true, 0, &fault), X86_OK);
    cr_assert_eq(cpu.eip, WORLD_CODE + 7u);
    cr_assert_eq(cpu.gpr[X86_ESP], (uint32_t)WORLD_STACK0);
}

/* Section 5.8.1: conforming code of an inner ring runs at the caller's CPL. */
Test(arch_farcall, conforming_code)
{
    world_enter(flat, &cpu, 3);
    cr_assert_eq(call(WORLD_CONFORMING), X86_OK);
    cr_assert_eq(cpu.cpl, 3);
    cr_assert_eq(cpu.seg[X86_CS].selector, WORLD_CONFORMING | 3);
}

struct bad_target {
    uint8_t cpl;
    uint16_t selector;
    uint32_t attributes; /* of WORLD_SPARE2 */
    uint8_t vector;
    uint32_t error_code;
};

Test(arch_farcall, checks)
{
    static const struct bad_target rows[] = {
        {0, 0, 0, X86_GP, 0},
        {0, 0x80, 0, X86_GP, 0x80},
        {0, WORLD_DATA0, 0, X86_GP, WORLD_DATA0},
        {0, WORLD_LDTR, 0, X86_GP, WORLD_LDTR},
        {0, WORLD_CODE3, 0, X86_GP, WORLD_CODE3 & ~3u},
        {3, WORLD_CODE0, 0, X86_GP, WORLD_CODE0},
        {0, WORLD_CODE0 | 3, 0, X86_GP, WORLD_CODE0},
        {0, WORLD_SPARE2, CODE | X86_SEG_DC | WORLD_RING(3), X86_GP, WORLD_SPARE2},
        {0, WORLD_SPARE2, CODE & ~X86_SEG_PRESENT, X86_NP, WORLD_SPARE2},
        {0, WORLD_SPARE2, CODE & ~X86_SEG_G, X86_GP, 0}, /* TARGET is beyond its limit */
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cpu_state before;

        world_enter(flat, &cpu, rows[i].cpl);
        world_gdt(flat, WORLD_SPARE2, 0, 0xfff, rows[i].attributes & ~X86_SEG_G);
        before = cpu;
        cr_assert_eq(call(rows[i].selector), X86_FAULT, "row %zu", i);
        cr_assert_eq(fault.vector, rows[i].vector, "row %zu", i);
        cr_assert_eq(fault.error_code, rows[i].error_code, "row %zu", i);
        cr_assert_eq(memcmp(&before, &cpu, sizeof cpu), 0, "row %zu", i);
    }
}

/* Section 5.8.5: through a call gate inward the stack changes and the parameters are copied. */
Test(arch_farcall, call_gate_inward)
{
    call_gate(X86_CALL_GATE32, 3, WORLD_CODE0, TARGET, 2);
    world_enter(flat, &cpu, 3);
    cpu.gpr[X86_ESP] -= 8;
    flat_put32(flat, cpu.gpr[X86_ESP], 0x1111);
    flat_put32(flat, cpu.gpr[X86_ESP] + 4, 0x2222);
    cr_assert_eq(call(WORLD_SPARE | 3), X86_OK);
    cr_assert_eq(cpu.cpl, 0);
    cr_assert_eq(cpu.eip, TARGET);
    cr_assert_eq(cpu.seg[X86_CS].selector, WORLD_CODE0);
    cr_assert_eq(cpu.gpr[X86_ESP], WORLD_STACK0 - 24u);
    cr_assert_eq(flat_get32(flat, WORLD_STACK0 - 24), WORLD_CODE + 7u);
    cr_assert_eq(flat_get32(flat, WORLD_STACK0 - 20), (uint32_t)WORLD_CODE3);
    cr_assert_eq(flat_get32(flat, WORLD_STACK0 - 16), 0x1111u);
    cr_assert_eq(flat_get32(flat, WORLD_STACK0 - 12), 0x2222u);
    cr_assert_eq(flat_get32(flat, WORLD_STACK0 - 8), WORLD_STACK3 - 8u);
    cr_assert_eq(flat_get32(flat, WORLD_STACK0 - 4), (uint32_t)WORLD_DATA3);
    cr_assert_eq(x86_far_return(&cpu, &memory, true, 8, &fault), X86_OK);
    cr_assert_eq(cpu.cpl, 3);
    cr_assert_eq(cpu.eip, WORLD_CODE + 7u);
    cr_assert_eq(cpu.gpr[X86_ESP], (uint32_t)WORLD_STACK3);
    cr_assert_eq(cpu.seg[X86_SS].selector, WORLD_DATA3);
}

/* Section 5.8.4: gate DPL >= CPL and RPL; JMP does not go inward. */
Test(arch_farcall, call_gate_privilege)
{
    call_gate(X86_CALL_GATE32, 2, WORLD_CODE0, TARGET, 0);
    world_enter(flat, &cpu, 3);
    cr_assert_eq(call(WORLD_SPARE), X86_FAULT);
    cr_assert_eq(fault.error_code, (uint32_t)WORLD_SPARE);
    call_gate(X86_CALL_GATE32, 3, WORLD_CODE0, TARGET, 0);
    cr_assert_eq(x86_far_jump(&cpu, &memory, WORLD_SPARE, 0, true, 7, &fault), X86_FAULT);
    cr_assert_eq(fault.error_code, (uint32_t)WORLD_CODE0);
    world_enter(flat, &cpu, 0);
    cr_assert_eq(x86_far_jump(&cpu, &memory, WORLD_SPARE, 0, true, 7, &fault), X86_OK);
    cr_assert_eq(cpu.eip, TARGET);
}

Test(arch_farcall, sixteen_bit_gate)
{
    call_gate(X86_CALL_GATE16, 3, WORLD_CODE0, 0xffff0123, 0);
    cr_assert_eq(call(WORLD_SPARE), X86_OK);
    cr_assert_eq(cpu.eip, 0x123u);
    cr_assert_eq(cpu.gpr[X86_ESP], WORLD_STACK0 - 4u);
}

Test(arch_farcall, task_gate)
{
    flat_put32(flat, WORLD_GDT + WORLD_SPARE, WORLD_TASK_SELECTOR << 16);
    flat_put32(flat, WORLD_GDT + WORLD_SPARE + 4, X86_SEG_PRESENT | X86_TASK_GATE << 8);
    flat_put32(flat, WORLD_TASK + 0x20, TARGET);
    flat_put32(flat, WORLD_TASK + 0x4c, WORLD_CODE0);
    flat_put32(flat, WORLD_TASK + 0x50, WORLD_DATA0);
    cr_assert_eq(call(WORLD_SPARE), X86_OK);
    cr_assert_eq(cpu.eip, TARGET);
    cr_assert_eq(cpu.tr.selector, WORLD_TASK_SELECTOR);
}

/* Far RET never goes inward. */
Test(arch_farcall, return_inward)
{
    world_enter(flat, &cpu, 3);
    cpu.gpr[X86_ESP] -= 8;
    flat_put32(flat, cpu.gpr[X86_ESP], TARGET);
    flat_put32(flat, cpu.gpr[X86_ESP] + 4, WORLD_CODE0);
    cr_assert_eq(x86_far_return(&cpu, &memory, true, 0, &fault), X86_FAULT);
    cr_assert_eq(fault.vector, X86_GP);
    cr_assert_eq(fault.error_code, (uint32_t)WORLD_CODE0);
}

Test(arch_farcall, real_mode)
{
    cpu.cr0 = 0;
    cpu.seg[X86_CS].limit = 0xffff;
    cpu.seg[X86_SS].attributes &= ~X86_SEG_DB;
    cr_assert_eq(x86_far_call(&cpu, &memory, 0x0123, 0x4567, false, 5, &fault), X86_OK);
    cr_assert_eq(cpu.seg[X86_CS].base, 0x1230u);
    cr_assert_eq(cpu.eip, 0x4567u);
    cr_assert_eq(flat_get16(flat, WORLD_STACK0 - 4), WORLD_CODE + 5);
    cr_assert_eq(flat_get16(flat, WORLD_STACK0 - 2), WORLD_CODE0);
    cr_assert_eq(x86_far_return(&cpu, &memory, false, 2, &fault), X86_OK);
    cr_assert_eq(cpu.eip, WORLD_CODE + 5u);
    cr_assert_eq(cpu.gpr[X86_ESP], WORLD_STACK0 + 2u);
    cr_assert_eq(x86_far_jump(&cpu, &memory, 0, 0x10000, true, 7, &fault), X86_FAULT);
    cr_assert_eq(fault.vector, X86_GP);
}
