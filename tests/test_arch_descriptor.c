/* Descriptors and segment loads against SDM volume 3, chapters 3 and 5, and volume 2 (MOV, LLDT,
 * LTR, LAR, LSL, VERR, VERW). */
#include <criterion/criterion.h>

#include "arch/x86/descriptor.h"
#include "protected_mode.h"

static struct x86_memory memory;
static struct flat_memory *flat;
static struct cpu_state cpu;
static struct x86_event fault;

#define DATA (WORLD_FLAT | X86_SEG_RW)
#define CODE (WORLD_FLAT | WORLD_CODER)

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

TestSuite(arch_descriptor, .init = set_up, .fini = tear_down);

/* Figure 3-8. */
Test(arch_descriptor, fields)
{
    struct x86_descriptor descriptor = {.low = 0x5678abcd, .high = 0x12cf9a34};
    struct x86_segment segment = x86_descriptor_segment(8, descriptor);

    cr_assert_eq(segment.base, 0x12345678u);
    cr_assert_eq(segment.limit, 0xfabcdfffu);
    cr_assert_eq(segment.attributes, 0x00c09a00u);
    descriptor.high &= ~X86_SEG_G;
    cr_assert_eq(x86_descriptor_limit(descriptor), 0xfabcdu);
    descriptor = x86_descriptor_make(0x12345678, 0xfabcdfff, 0x00c09a00);
    cr_assert_eq(descriptor.low, 0x5678abcdu);
    cr_assert_eq(descriptor.high, 0x12cf9a34u);
}

struct load {
    uint8_t sreg, cpl;
    uint16_t selector;
    uint32_t attributes; /* of WORLD_SPARE */
    int vector;          /* -1: loads */
    uint32_t error_code;
};

/* Volume 2, MOV, "Loading a segment register while in protected mode". */
Test(arch_descriptor, segment_loads)
{
    static const struct load rows[] = {
        {X86_DS, 0, WORLD_SPARE, DATA, -1, 0},
        {X86_ES, 3, WORLD_SPARE | 3, DATA | WORLD_RING(3), -1, 0},
        {X86_DS, 0, WORLD_SPARE, CODE, -1, 0},
        {X86_DS, 0, WORLD_SPARE, WORLD_FLAT, -1, 0}, /* read-only data */
        {X86_DS, 3, WORLD_SPARE | 3, CODE | X86_SEG_DC, -1, 0},
        {X86_DS, 0, 0, DATA, -1, 0},
        {X86_FS, 3, 3, DATA, -1, 0},
        {X86_DS, 0, 0x80, DATA, X86_GP, 0x80},
        {X86_DS, 0, 0x84, DATA, X86_GP, 0x84},
        {X86_DS, 3, WORLD_SPARE, DATA, X86_GP, WORLD_SPARE},
        {X86_DS, 0, WORLD_SPARE | 3, DATA, X86_GP, WORLD_SPARE},
        {X86_GS, 3, WORLD_SPARE | 3, CODE, X86_GP, WORLD_SPARE},
        {X86_DS, 0, WORLD_SPARE, WORLD_FLAT | X86_SEG_CODE, X86_GP, WORLD_SPARE},
        {X86_DS, 0, WORLD_SPARE, X86_SEG_PRESENT | X86_LDT << 8, X86_GP, WORLD_SPARE},
        {X86_DS, 0, WORLD_SPARE, DATA & ~X86_SEG_PRESENT, X86_NP, WORLD_SPARE},
        {X86_SS, 0, WORLD_SPARE, DATA, -1, 0},
        {X86_SS, 3, WORLD_SPARE | 3, DATA | WORLD_RING(3), -1, 0},
        {X86_SS, 0, 0, DATA, X86_GP, 0},
        {X86_SS, 0, WORLD_SPARE | 1, DATA, X86_GP, WORLD_SPARE},
        {X86_SS, 0, WORLD_SPARE, DATA | WORLD_RING(3), X86_GP, WORLD_SPARE},
        {X86_SS, 0, WORLD_SPARE, WORLD_FLAT, X86_GP, WORLD_SPARE},
        {X86_SS, 0, WORLD_SPARE, CODE, X86_GP, WORLD_SPARE},
        {X86_SS, 0, WORLD_SPARE, DATA & ~X86_SEG_PRESENT, X86_STACK, WORLD_SPARE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct load *row = &rows[i];
        struct cpu_state before;
        enum x86_status status;

        world_enter(flat, &cpu, row->cpl);
        world_gdt(flat, WORLD_SPARE, 0x1000, UINT32_MAX, row->attributes);
        before = cpu;
        status = x86_load_segment(&cpu, &memory, row->sreg, row->selector, &fault);
        if (row->vector < 0) {
            cr_assert_eq(status, X86_OK, "row %zu", i);
            cr_assert_eq(cpu.seg[row->sreg].selector, row->selector, "row %zu", i);
            continue;
        }
        cr_assert_eq(status, X86_FAULT, "row %zu", i);
        cr_assert_eq(fault.vector, row->vector, "row %zu", i);
        cr_assert_eq(fault.error_code, row->error_code, "row %zu", i);
        cr_assert_eq(memcmp(&before, &cpu, sizeof cpu), 0, "row %zu", i);
    }
}

/* Section 3.4.5.1: the processor sets the accessed bit when it loads the segment. */
Test(arch_descriptor, accessed_bit)
{
    world_gdt(flat, WORLD_SPARE, 0, UINT32_MAX, DATA);
    cr_assert_eq(x86_load_segment(&cpu, &memory, X86_DS, WORLD_SPARE, &fault), X86_OK);
    cr_assert(world_attributes(flat, WORLD_SPARE) & X86_SEG_ACCESSED);
    cr_assert(cpu.seg[X86_DS].attributes & X86_SEG_ACCESSED);
    flat->write_requests = 0;
    cr_assert_eq(x86_load_segment(&cpu, &memory, X86_DS, WORLD_SPARE, &fault), X86_OK);
    cr_assert_eq(flat->write_requests, 0u);
}

Test(arch_descriptor, code_segment_register_is_not_loaded)
{
    cr_assert_eq(x86_load_segment(&cpu, &memory, X86_CS, WORLD_CODE0, &fault), X86_FAULT);
    cr_assert_eq(fault.vector, X86_UD);
    cr_assert_not(fault.has_error_code);
}

Test(arch_descriptor, null_segment_refuses_accesses)
{
    cr_assert_eq(x86_load_segment(&cpu, &memory, X86_ES, 0, &fault), X86_OK);
    cr_assert_eq(x86_segment_check(&cpu, X86_ES, 0, 1, false, &fault), X86_FAULT);
    cr_assert_eq(fault.vector, X86_GP);
    cr_assert_eq(fault.error_code, 0u);
}

Test(arch_descriptor, local_table)
{
    world_put(flat, WORLD_LDT + 8, x86_descriptor_make(0x4000, 0xfff, DATA & ~X86_SEG_G));
    cr_assert_eq(x86_load_segment(&cpu, &memory, X86_DS, 0x0c, &fault), X86_FAULT);
    cr_assert_eq(fault.error_code, 0x0cu);
    cr_assert_eq(x86_load_ldtr(&cpu, &memory, WORLD_LDTR, &fault), X86_OK);
    cr_assert_eq(x86_load_segment(&cpu, &memory, X86_DS, 0x0c, &fault), X86_OK);
    cr_assert_eq(cpu.seg[X86_DS].base, 0x4000u);
    cr_assert_eq(x86_load_segment(&cpu, &memory, X86_DS, 0x14, &fault), X86_FAULT);
    cr_assert_eq(fault.error_code, 0x14u);
    cr_assert_eq(x86_load_ldtr(&cpu, &memory, 0, &fault), X86_OK);
    cr_assert_eq(x86_load_segment(&cpu, &memory, X86_DS, 0x0c, &fault), X86_FAULT);
}

struct system_load {
    bool task;
    uint8_t cpl;
    uint16_t selector;
    uint32_t attributes;
    int vector;
    uint32_t error_code;
};

/* Volume 2, LLDT and LTR. */
Test(arch_descriptor, system_loads)
{
    static const struct system_load rows[] = {
        {false, 0, WORLD_SPARE, X86_SEG_PRESENT | X86_LDT << 8, -1, 0},
        {false, 0, 0, 0, -1, 0},
        {false, 3, WORLD_SPARE, X86_SEG_PRESENT | X86_LDT << 8, X86_GP, 0},
        {false, 0, WORLD_SPARE, X86_LDT << 8, X86_NP, WORLD_SPARE},
        {false, 0, WORLD_SPARE, DATA, X86_GP, WORLD_SPARE},
        {false, 0, WORLD_SPARE, X86_SEG_PRESENT | X86_TSS32_AVAILABLE << 8, X86_GP, WORLD_SPARE},
        {false, 0, WORLD_SPARE | 4, 0, X86_GP, WORLD_SPARE | 4},
        {true, 0, WORLD_SPARE, X86_SEG_PRESENT | X86_TSS32_AVAILABLE << 8, -1, 0},
        {true, 0, WORLD_SPARE, X86_SEG_PRESENT | X86_TSS16_AVAILABLE << 8, -1, 0},
        {true, 0, WORLD_SPARE, X86_SEG_PRESENT | X86_TSS32_BUSY << 8, X86_GP, WORLD_SPARE},
        {true, 0, WORLD_SPARE, X86_TSS32_AVAILABLE << 8, X86_NP, WORLD_SPARE},
        {true, 0, 0, 0, X86_GP, 0},
        {true, 1, WORLD_SPARE, X86_SEG_PRESENT | X86_TSS32_AVAILABLE << 8, X86_GP, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct system_load *row = &rows[i];
        enum x86_status status;

        world_enter(flat, &cpu, row->cpl);
        world_gdt(flat, WORLD_SPARE, 0x3000, 0x67, row->attributes);
        status = row->task ? x86_load_tr(&cpu, &memory, row->selector, &fault)
                           : x86_load_ldtr(&cpu, &memory, row->selector, &fault);
        cr_assert_eq(status, row->vector < 0 ? X86_OK : X86_FAULT, "row %zu", i);
        if (row->vector >= 0) {
            cr_assert_eq(fault.vector, row->vector, "row %zu", i);
            cr_assert_eq(fault.error_code, row->error_code, "row %zu", i);
        }
    }
}

Test(arch_descriptor, ltr_marks_busy)
{
    cr_assert_eq(x86_load_tr(&cpu, &memory, WORLD_TASK_SELECTOR, &fault), X86_OK);
    cr_assert_eq(x86_type(world_attributes(flat, WORLD_TASK_SELECTOR)), X86_TSS32_BUSY);
    cr_assert_eq(cpu.tr.base, (uint32_t)WORLD_TASK);
    cr_assert_eq(x86_load_tr(&cpu, &memory, WORLD_TASK_SELECTOR, &fault), X86_FAULT);
}

/* LLDT, LTR, LAR and the others are #UD in real and virtual-8086 mode. */
Test(arch_descriptor, not_in_real_or_virtual_8086_mode)
{
    uint32_t value;
    bool valid;

    cpu.eflags |= X86_VM;
    cpu.cpl = 3;
    cr_assert_eq(x86_load_ldtr(&cpu, &memory, WORLD_LDTR, &fault), X86_FAULT);
    cr_assert_eq(fault.vector, X86_UD);
    cr_assert_eq(x86_lar(&cpu, &memory, WORLD_CODE0, &value, &valid, &fault), X86_FAULT);
    cr_assert_eq(fault.vector, X86_UD);
    cpu.eflags &= ~X86_VM;
    cpu.cr0 = 0;
    cr_assert_eq(x86_load_tr(&cpu, &memory, WORLD_TR, &fault), X86_FAULT);
    cr_assert_eq(fault.vector, X86_UD);
    cr_assert_eq(x86_verify(&cpu, &memory, WORLD_CODE0, false, &valid, &fault), X86_FAULT);
}

/* Section 20.1.1: base = selector * 16. */
Test(arch_descriptor, real_mode_loads)
{
    cpu.cr0 = 0;
    cr_assert_eq(x86_load_segment(&cpu, &memory, X86_DS, 0x1234, &fault), X86_OK);
    cr_assert_eq(cpu.seg[X86_DS].base, 0x12340u);
    cr_assert_eq(cpu.seg[X86_DS].limit, UINT32_MAX); /* what protected mode left: "unreal mode" */
    cpu.cr0 = X86_CR0_PE;
    cpu.eflags |= X86_VM;
    cpu.cpl = 3;
    cr_assert_eq(x86_load_segment(&cpu, &memory, X86_SS, 0x2000, &fault), X86_OK);
    cr_assert_eq(cpu.seg[X86_SS].limit, 0xffffu);
    cr_assert_eq(X86_SEG_DPL(cpu.seg[X86_SS].attributes), 3u);
}

struct inspection {
    uint16_t selector;
    uint8_t cpl;
    uint32_t attributes; /* of WORLD_SPARE */
    bool lar, lsl, verr, verw;
};

/* Volume 2: LAR table 3-54, LSL table 3-57, VERR/VERW. */
Test(arch_descriptor, inspections)
{
    static const struct inspection rows[] = {
        {WORLD_SPARE, 0, DATA, true, true, true, true},
        {WORLD_SPARE, 0, WORLD_FLAT, true, true, true, false},
        {WORLD_SPARE, 0, CODE, true, true, true, false},
        {WORLD_SPARE, 0, WORLD_FLAT | X86_SEG_CODE, true, true, false, false},
        {WORLD_SPARE, 3, DATA, false, false, false, false},
        {WORLD_SPARE | 3, 0, DATA, false, false, false, false},
        {WORLD_SPARE | 3, 3, CODE | X86_SEG_DC, true, true, true, false},
        {WORLD_SPARE, 0, X86_SEG_PRESENT | X86_TSS32_BUSY << 8, true, true, false, false},
        {WORLD_SPARE, 0, X86_SEG_PRESENT | X86_LDT << 8, true, true, false, false},
        {WORLD_SPARE, 0, X86_SEG_PRESENT | X86_CALL_GATE32 << 8, true, false, false, false},
        {WORLD_SPARE, 0, X86_SEG_PRESENT | X86_TASK_GATE << 8, true, false, false, false},
        {WORLD_SPARE, 0, X86_SEG_PRESENT | X86_INTERRUPT_GATE32 << 8, false, false, false, false},
        {0, 0, DATA, false, false, false, false},
        {0x80, 0, DATA, false, false, false, false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct inspection *row = &rows[i];
        uint32_t rights = 0, limit = 0;
        bool lar, lsl, verr, verw;

        world_enter(flat, &cpu, row->cpl);
        world_gdt(flat, WORLD_SPARE, 0, UINT32_MAX, row->attributes);
        cr_assert_eq(x86_lar(&cpu, &memory, row->selector, &rights, &lar, &fault), X86_OK);
        cr_assert_eq(x86_lsl(&cpu, &memory, row->selector, &limit, &lsl, &fault), X86_OK);
        cr_assert_eq(x86_verify(&cpu, &memory, row->selector, false, &verr, &fault), X86_OK);
        cr_assert_eq(x86_verify(&cpu, &memory, row->selector, true, &verw, &fault), X86_OK);
        cr_assert_eq(lar, row->lar, "LAR, row %zu", i);
        cr_assert_eq(lsl, row->lsl, "LSL, row %zu", i);
        cr_assert_eq(verr, row->verr, "VERR, row %zu", i);
        cr_assert_eq(verw, row->verw, "VERW, row %zu", i);
        if (lar) {
            cr_assert_eq(rights, row->attributes, "row %zu", i);
        }
        if (lsl && (row->attributes & X86_SEG_G)) {
            cr_assert_eq(limit, UINT32_MAX, "row %zu", i);
        }
    }
}

/* Sections 5.3 and 3.4.5.1: limits, also of segments that expand down. */
Test(arch_descriptor, limits)
{
    struct x86_segment up = {.limit = 0xfff, .attributes = DATA};
    struct x86_segment down = {.limit = 0xfff, .attributes = DATA | X86_SEG_DC};
    struct x86_segment small = {.limit = 0xfff, .attributes = (DATA | X86_SEG_DC) & ~X86_SEG_DB};

    cr_assert(x86_segment_contains(&up, 0xffc, 4));
    cr_assert_not(x86_segment_contains(&up, 0xffd, 4));
    cr_assert_not(x86_segment_contains(&up, 0xfffffffe, 4));
    cr_assert_not(x86_segment_contains(&down, 0xfff, 1));
    cr_assert(x86_segment_contains(&down, 0x1000, 4));
    cr_assert(x86_segment_contains(&down, 0xfffffffc, 4));
    cr_assert(x86_segment_contains(&small, 0xfffc, 4));
    cr_assert_not(x86_segment_contains(&small, 0xfffd, 4));
}

Test(arch_descriptor, segment_checks)
{
    cpu.seg[X86_DS].limit = 0xfff;
    cpu.seg[X86_SS].limit = 0xfff;
    cr_assert_eq(x86_segment_check(&cpu, X86_DS, 0xffc, 4, true, &fault), X86_OK);
    cr_assert_eq(x86_segment_check(&cpu, X86_DS, 0xffd, 4, true, &fault), X86_FAULT);
    cr_assert_eq(fault.vector, X86_GP);
    cr_assert_eq(x86_segment_check(&cpu, X86_SS, 0xffd, 4, true, &fault), X86_FAULT);
    cr_assert_eq(fault.vector, X86_STACK);
    cr_assert_eq(x86_segment_check(&cpu, X86_CS, 0, 4, true, &fault), X86_FAULT);
    cr_assert_eq(x86_segment_check(&cpu, X86_CS, 0, 4, false, &fault), X86_OK);
}

Test(arch_descriptor, restarts)
{
    flat->away[WORLD_GDT / X86_PAGE_SIZE] = true;
    cr_assert_eq(x86_load_segment(&cpu, &memory, X86_DS, WORLD_DATA0, &fault), X86_NEED_PAGE);
    cr_assert_eq(flat->wanted, WORLD_GDT / X86_PAGE_SIZE);
}
