/* Task switching against SDM volume 3, chapter 7. */
#include <criterion/criterion.h>

#include "arch/x86/deliver.h"
#include "arch/x86/farcall.h"
#include "arch/x86/iret.h"
#include "arch/x86/task.h"
#include "protected_mode.h"

static struct x86_memory memory;
static struct flat_memory *flat;
static struct cpu_state cpu;
static struct x86_event fault;

#define ENTRY     0x8800u
#define NEW_STACK 0xf000u

/* Offsets of a 32-bit TSS (figure 7-2). */
enum tss32 {
    TSS_EIP = 0x20,
    TSS_EFLAGS = 0x24,
    TSS_EAX = 0x28,
    TSS_ESP = 0x38,
    TSS_ES = 0x48,
    TSS_CS = 0x4c,
    TSS_SS = 0x50,
    TSS_DS = 0x54,
    TSS_GS = 0x5c,
    TSS_LDT = 0x60,
    TSS_TRAP = 0x64,
};

static void put(unsigned field, uint32_t value)
{
    flat_put32(flat, WORLD_TASK + field, value);
}

static void set_up(void)
{
    flat = flat_create(&memory);
    world_build(flat, &cpu);
    fault = (struct x86_event){0};
    put(TSS_EIP, ENTRY);
    put(TSS_EFLAGS, X86_FIXED | X86_ZF);
    put(TSS_EAX, 0x11223344);
    put(TSS_ESP, NEW_STACK);
    put(TSS_ES, WORLD_DATA0);
    put(TSS_CS, WORLD_CODE0);
    put(TSS_SS, WORLD_DATA0);
    put(TSS_DS, WORLD_DATA3);
}

static void tear_down(void)
{
    free(flat);
}

TestSuite(arch_task, .init = set_up, .fini = tear_down);

static enum x86_status call_task(void)
{
    return x86_far_call(&cpu, &memory, WORLD_TASK_SELECTOR, 0, true, 7, &fault);
}

static unsigned type_of(unsigned selector)
{
    return x86_type(world_attributes(flat, selector));
}

/* Section 7.3 and table 7-2, CALL: both busy, NT set, back link to the old task; the old state is
 * in its TSS, CR0.TS is set. */
Test(arch_task, call)
{
    cpu.gpr[X86_EAX] = 0x55667788;
    cpu.gpr[X86_EDI] = 0x99aabbcc;
    cpu.eflags |= X86_CF;
    cr_assert_eq(call_task(), X86_OK);
    cr_assert_eq(cpu.eip, ENTRY);
    cr_assert_eq(cpu.eflags, X86_FIXED | X86_ZF | X86_NT);
    cr_assert_eq(cpu.gpr[X86_EAX], 0x11223344u);
    cr_assert_eq(cpu.gpr[X86_ESP], NEW_STACK);
    cr_assert_eq(cpu.seg[X86_DS].selector, WORLD_DATA3);
    cr_assert_eq(cpu.seg[X86_GS].selector, 0);
    cr_assert_eq(cpu.tr.selector, WORLD_TASK_SELECTOR);
    cr_assert_eq(cpu.tr.base, (uint32_t)WORLD_TASK);
    cr_assert(cpu.cr0 & X86_CR0_TS);
    cr_assert_eq(type_of(WORLD_TR), X86_TSS32_BUSY);
    cr_assert_eq(type_of(WORLD_TASK_SELECTOR), X86_TSS32_BUSY);
    cr_assert_eq(flat_get16(flat, WORLD_TASK), WORLD_TR);
    cr_assert_eq(flat_get32(flat, WORLD_TSS + TSS_EIP), WORLD_CODE + 7u);
    cr_assert_eq(flat_get32(flat, WORLD_TSS + TSS_EFLAGS), X86_FIXED | X86_IF | X86_CF);
    cr_assert_eq(flat_get32(flat, WORLD_TSS + TSS_EAX), 0x55667788u);
    cr_assert_eq(flat_get32(flat, WORLD_TSS + TSS_EAX + 28), 0x99aabbccu);
    cr_assert_eq(flat_get16(flat, WORLD_TSS + TSS_CS), WORLD_CODE0);
}

/* Table 7-2, JMP: the old task is no longer busy, and nothing links back. */
Test(arch_task, jump)
{
    flat_put16(flat, WORLD_TASK, 0x7777);
    cr_assert_eq(x86_far_jump(&cpu, &memory, WORLD_TASK_SELECTOR, 0, true, 7, &fault), X86_OK);
    cr_assert_not(cpu.eflags & X86_NT);
    cr_assert_eq(type_of(WORLD_TR), X86_TSS32_AVAILABLE);
    cr_assert_eq(type_of(WORLD_TASK_SELECTOR), X86_TSS32_BUSY);
    cr_assert_eq(flat_get16(flat, WORLD_TASK), 0x7777);
}

/* Section 7.4: IRET with NT goes back; the nested task is available again, its saved NT clear. */
Test(arch_task, return_from_nested_task)
{
    struct cpu_state before;

    flat_put32(flat, WORLD_TSS + 0x1c, 0);
    cpu.gpr[X86_EBX] = 0xdead;
    before = cpu;
    cr_assert_eq(call_task(), X86_OK);
    cr_assert_eq(x86_iret(&cpu, &memory, true, 1, &fault), X86_OK);
    cr_assert_eq(cpu.eip, before.eip + 7);
    cr_assert_eq(cpu.gpr[X86_EBX], 0xdeadu);
    cr_assert_eq(cpu.eflags, before.eflags);
    cr_assert_eq(cpu.seg[X86_CS].selector, WORLD_CODE0);
    cr_assert_eq(type_of(WORLD_TASK_SELECTOR), X86_TSS32_AVAILABLE);
    cr_assert_eq(type_of(WORLD_TR), X86_TSS32_BUSY);
    cr_assert_eq(flat_get32(flat, WORLD_TASK + TSS_EIP), ENTRY + 1);
    cr_assert_not(flat_get32(flat, WORLD_TASK + TSS_EFLAGS) & X86_NT);
}

struct bad_tss {
    uint16_t selector;
    uint32_t limit, attributes; /* of WORLD_SPARE */
    uint8_t vector;
    uint32_t error_code;
};

/* Section 7.3, steps 1 to 7, and CALL: nothing has changed when one of these is raised. */
Test(arch_task, checks_before_the_switch)
{
    static const struct bad_tss rows[] = {
        {WORLD_SPARE, 0x67, X86_SEG_PRESENT | X86_TSS32_BUSY << 8, X86_GP, WORLD_SPARE},
        {WORLD_SPARE, 0x67, X86_TSS32_BUSY << 8, X86_GP, WORLD_SPARE},
        {WORLD_SPARE, 0x67, X86_TSS32_AVAILABLE << 8, X86_NP, WORLD_SPARE},
        {WORLD_SPARE, 0x66, X86_SEG_PRESENT | X86_TSS32_AVAILABLE << 8, X86_TS, WORLD_SPARE},
        {WORLD_SPARE, 0x2a, X86_SEG_PRESENT | X86_TSS16_AVAILABLE << 8, X86_TS, WORLD_SPARE},
        {WORLD_SPARE | 1, 0x67, X86_SEG_PRESENT | X86_TSS32_AVAILABLE << 8, X86_GP, WORLD_SPARE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cpu_state before = cpu;

        world_gdt(flat, WORLD_SPARE, WORLD_TASK, rows[i].limit, rows[i].attributes);
        cr_assert_eq(x86_far_call(&cpu, &memory, rows[i].selector, 0, true, 7, &fault), X86_FAULT);
        cr_assert_eq(fault.vector, rows[i].vector, "row %zu", i);
        cr_assert_eq(fault.error_code, rows[i].error_code, "row %zu", i);
        cr_assert_eq(memcmp(&before, &cpu, sizeof cpu), 0, "row %zu", i);
    }
}

/* IRET to a task that is not busy: #TS(TSS). */
Test(arch_task, return_to_an_idle_task)
{
    cpu.eflags |= X86_NT;
    flat_put16(flat, WORLD_TSS, WORLD_TASK_SELECTOR);
    cr_assert_eq(x86_iret(&cpu, &memory, true, 1, &fault), X86_FAULT);
    cr_assert_eq(fault.vector, X86_TS);
    cr_assert_eq(fault.error_code, (uint32_t)WORLD_TASK_SELECTOR);
}

struct bad_segment {
    unsigned field;
    uint16_t selector;
    uint8_t vector;
    uint32_t error_code;
};

/* Table 7-1: wrong segments are #TS, absent ones #NP or #SS, in the context of the new task. */
Test(arch_task, checks_in_the_new_task)
{
    static const struct bad_segment rows[] = {
        {TSS_CS, 0, X86_TS, 0},
        {TSS_CS, WORLD_DATA0, X86_TS, WORLD_DATA0},
        {TSS_CS, WORLD_CODE3 & ~3u, X86_TS, WORLD_CODE3 & ~3u},
        {TSS_CS, 0x80, X86_TS, 0x80},
        {TSS_SS, 0, X86_TS, 0},
        {TSS_SS, WORLD_CODE0, X86_TS, WORLD_CODE0},
        {TSS_SS, WORLD_DATA3, X86_TS, WORLD_DATA3 & ~3u},
        {TSS_SS, WORLD_SPARE, X86_STACK, WORLD_SPARE},
        {TSS_DS, WORLD_SPARE, X86_NP, WORLD_SPARE},
        {TSS_ES, WORLD_TR, X86_TS, WORLD_TR},
        {TSS_LDT, WORLD_CODE0, X86_TS, WORLD_CODE0},
        {TSS_LDT, WORLD_LDTR | 4, X86_TS, WORLD_LDTR | 4},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tear_down();
        set_up();
        world_gdt(flat, WORLD_SPARE, 0, UINT32_MAX, (WORLD_FLAT | X86_SEG_RW) & ~X86_SEG_PRESENT);
        put(rows[i].field, rows[i].selector);
        cr_assert_eq(call_task(), X86_FAULT, "row %zu", i);
        cr_assert_eq(fault.vector, rows[i].vector, "row %zu", i);
        cr_assert_eq(fault.error_code, rows[i].error_code, "row %zu", i);
        cr_assert_eq(cpu.tr.selector, WORLD_TASK_SELECTOR, "row %zu", i);
        cr_assert_eq(cpu.eip, ENTRY, "row %zu", i);
    }
}

Test(arch_task, entry_beyond_the_limit)
{
    world_gdt(flat, WORLD_SPARE, 0, 0xfff, (WORLD_FLAT | WORLD_CODER) & ~X86_SEG_G);
    put(TSS_CS, WORLD_SPARE);
    cr_assert_eq(call_task(), X86_FAULT);
    cr_assert_eq(fault.vector, X86_GP);
    cr_assert_eq(fault.error_code, 0u);
}

Test(arch_task, local_table_is_loaded)
{
    put(TSS_LDT, WORLD_LDTR);
    world_put(flat, WORLD_LDT + 8,
              x86_descriptor_make(0x4000, UINT32_MAX, WORLD_FLAT | X86_SEG_RW));
    put(TSS_GS, 0x0c);
    cr_assert_eq(call_task(), X86_OK);
    cr_assert_eq(cpu.ldtr.selector, WORLD_LDTR);
    cr_assert_eq(cpu.seg[X86_GS].base, 0x4000u);
}

/* Section 7.2.1: T raises a debug exception in the new task, with DR6.BT. */
Test(arch_task, debug_trap)
{
    put(TSS_TRAP, 1);
    cr_assert_eq(call_task(), X86_FAULT);
    cr_assert_eq(fault.vector, X86_DB);
    cr_assert_not(fault.has_error_code);
    cr_assert(cpu.dr[6] & 1u << 15);
    cr_assert_eq(cpu.eip, ENTRY);
}

/* Section 7.6: a 16-bit TSS (figure 7-10). */
Test(arch_task, sixteen_bit_tss)
{
    memset(flat->bytes + WORLD_TASK, 0, 0x68);
    world_gdt(flat, WORLD_TASK_SELECTOR, WORLD_TASK, 0x2b,
              X86_SEG_PRESENT | X86_TSS16_AVAILABLE << 8);
    flat_put16(flat, WORLD_TASK + 0x0e, 0x8800);
    flat_put16(flat, WORLD_TASK + 0x10, X86_FIXED);
    flat_put16(flat, WORLD_TASK + 0x12, 0x1234);
    flat_put16(flat, WORLD_TASK + 0x1a, 0xf000);
    flat_put16(flat, WORLD_TASK + 0x22, WORLD_DATA0);
    flat_put16(flat, WORLD_TASK + 0x24, WORLD_CODE0);
    flat_put16(flat, WORLD_TASK + 0x26, WORLD_DATA16);
    flat_put16(flat, WORLD_TASK + 0x28, WORLD_DATA0);
    cr_assert_eq(call_task(), X86_OK);
    cr_assert_eq(cpu.eip, ENTRY);
    cr_assert_eq(cpu.gpr[X86_EAX] & 0xffff, 0x1234u);
    cr_assert_eq(cpu.gpr[X86_ESP] & 0xffff, 0xf000u);
    cr_assert_eq(cpu.seg[X86_SS].selector, WORLD_DATA16);
    cr_assert_eq(cpu.seg[X86_FS].selector, 0);
    cpu.gpr[X86_EAX] = 0x5678;
    cr_assert_eq(x86_iret(&cpu, &memory, true, 1, &fault), X86_OK);
    cr_assert_eq(flat_get16(flat, WORLD_TASK + 0x12), 0x5678);
    cr_assert_eq(flat_get16(flat, WORLD_TASK + 0x0e), ENTRY + 1);
    cr_assert_eq(cpu.eip, WORLD_CODE + 7u);
}

/* Paging: CR3 comes from the TSS, and the new task's segments are found through it. */
Test(arch_task, loads_cr3)
{
    for (unsigned table = 0; table < 2; table++) {
        for (unsigned page = 0; page < FLAT_PAGES; page++) {
            flat_put32(flat, 0x22000 + table * 0x1000 + page * 4, page * X86_PAGE_SIZE | 7);
        }
        flat_put32(flat, 0x20000 + table * 0x1000, (0x22000 + table * 0x1000) | 7);
    }
    cpu.cr3 = 0x20000;
    cpu.cr0 |= X86_CR0_PG;
    put(0x1c, 0x21000);
    flat->away[0x21] = true;
    cr_assert_eq(call_task(), X86_NEED_PAGE);
    cr_assert_eq(type_of(WORLD_TASK_SELECTOR), X86_TSS32_AVAILABLE);
    flat->away[0x21] = false;
    cr_assert_eq(call_task(), X86_OK);
    cr_assert_eq(cpu.cr3, 0x21000u);
}

/* An event through a task gate pushes its error code on the new stack; a fault there has EXT set.
 */
Test(arch_task, event_through_a_task_gate)
{
    struct x86_event event = {
        .kind = X86_EXCEPTION, .vector = X86_NP, .has_error_code = true, .error_code = 0x58};
    struct x86_delivery journal;

    world_gate(flat, X86_NP, X86_TASK_GATE, 0, WORLD_TASK_SELECTOR, 0);
    world_gate(flat, X86_TS, X86_INTERRUPT_GATE32, 0, WORLD_CODE0, WORLD_HANDLER);
    cr_assert_eq(x86_deliver(&cpu, &memory, &event, NULL), X86_OK);
    cr_assert_eq(cpu.gpr[X86_ESP], NEW_STACK - 4);
    cr_assert_eq(flat_get32(flat, NEW_STACK - 4), 0x58u);
    cr_assert_eq(flat_get32(flat, WORLD_TSS + TSS_EIP), (uint32_t)WORLD_CODE);
    tear_down();
    set_up();
    world_gate(flat, 0x20, X86_TASK_GATE, 0, WORLD_TASK_SELECTOR, 0);
    world_gate(flat, X86_TS, X86_INTERRUPT_GATE32, 0, WORLD_CODE0, WORLD_HANDLER);
    put(TSS_DS, WORLD_TR);
    event = (struct x86_event){.kind = X86_EXTERNAL_INTERRUPT, .vector = 0x20};
    cr_assert_eq(x86_deliver(&cpu, &memory, &event, &journal), X86_OK);
    cr_assert_eq(journal.events[1].vector, X86_TS);
    cr_assert_eq(journal.events[1].error_code, WORLD_TR | 1u);
    cr_assert_eq(cpu.eip, (uint32_t)WORLD_HANDLER);
    cr_assert_eq(cpu.tr.selector, WORLD_TASK_SELECTOR);
    cr_assert_eq(flat_get32(flat, NEW_STACK - 12), ENTRY);
}

Test(arch_task, virtual_8086_task)
{
    put(TSS_EFLAGS, X86_FIXED | X86_VM);
    put(TSS_CS, 0x0800);
    put(TSS_EIP, 0x10);
    cr_assert_eq(call_task(), X86_OK);
    cr_assert_eq(cpu.cpl, 3);
    cr_assert_eq(cpu.seg[X86_CS].base, 0x8000u);
}

/* Every page that a switch needs may be missing, one after the other: nothing changes before all
 * are there. */
Test(arch_task, restarts)
{
    static const uint32_t pages[] = {WORLD_GDT, WORLD_TSS, WORLD_TASK};

    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        flat->away[pages[i] / X86_PAGE_SIZE] = true;
        cr_assert_eq(call_task(), X86_NEED_PAGE);
        cr_assert_eq(cpu.tr.selector, WORLD_TR);
        cr_assert_eq(type_of(WORLD_TASK_SELECTOR), X86_TSS32_AVAILABLE);
        cr_assert_eq(flat_get32(flat, WORLD_TSS + TSS_EIP), 0u);
        flat->away[pages[i] / X86_PAGE_SIZE] = false;
    }
    cr_assert_eq(call_task(), X86_OK);
}
