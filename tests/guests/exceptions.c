/* Shows every exception that software can raise without paging, at ring 0 and ring 3, with the
 * frame that the processor pushed: vector, error code, where EIP points (at a faulting instruction,
 * behind a trapping one), CS, EFLAGS, bytes pushed (SDM 3, 6.15). Debug register breakpoints, and
 * what QEMU's TCG gets wrong, are in other guests (see DEVIATIONS.md). Exit code 0. */
#include "cpu.h"

/* Interrupt 0, divide error: a fault */
PROBE(div, "divl %ecx");
PROBE(div8, "divb %cl");
PROBE(div_overflow, "movl $1, %edx; divl 1f; jmp 2f; 1: .long 1; 2:");
PROBE(idiv_overflow, "movl $0x80000000, %eax; cltd; idivl 1f; jmp 2f; 1: .long -1; 2:");
PROBE(aam, "aam $0");
/* Interrupt 1, single step: a trap; the flag is set in EFLAGS on entry */
PROBE(step, "nop; nop");
PROBE(step_branch, "jmp 1f; nop; 1: nop");
PROBE(step_popf, "pushl $0x102; popfl; nop; nop");
PROBE(step_end, "popfl; nop"); /* the flags that it finds there have TF clear */
PROBE(step_rep, "movl $3, %ecx; movl $user_stack, %esi; pushl $0x102; popfl; rep lodsb; nop");
/* 3 and 4: traps */
PROBE(int3, "int3");
PROBE(int_3, "int $3");
PROBE(into, "into");
PROBE(into_set, "movb $0x7f, %al; addb $1, %al; into");
/* 5: a fault */
PROBE(bound_low, "boundl %eax, 1f; 1: .long 1, 5");
PROBE(bound_high, "movl $6, %eax; boundl %eax, 1f; 1: .long 1, 5");
PROBE(bound_inside, "movl $5, %eax; boundl %eax, 1f; jmp 2f; 1: .long 1, 5; 2:");
/* 6: a fault */
PROBE(ud2, "ud2");
PROBE(ud1, ".byte 0x0f, 0xb9, 0xc0");
PROBE(undefined_0f, ".byte 0x0f, 0x0a");
PROBE(lock_nop, ".byte 0xf0, 0x90");
PROBE(lock_register, ".byte 0xf0, 0x01, 0xc0");
PROBE(lea_register, ".byte 0x8d, 0xc0");
PROBE(mov_to_cs, ".byte 0x8e, 0xc8");
PROBE(mov_segment_6, ".byte 0x8e, 0xf0");
PROBE(les_register, ".byte 0xc4, 0xc0");
PROBE(ff_7, ".byte 0xff, 0xff");
PROBE(rsm, "rsm");
PROBE(cmpxchg8b_register, ".byte 0x0f, 0xc7, 0xc8");
PROBE(far_call_register, ".byte 0xff, 0xd8");
/* 7: a fault; CR0.TS and CR0.EM are set by the test */
PROBE(fpu, "fnop");
PROBE(fwait, "fwait");
/* 13: a fault, with a selector or 0 */
PROBE(ds_null_ok, "movw %ax, %ds");
PROBE(ss_null, "movw %ax, %ss");
PROBE(ds_beyond, "movl $0xfff8, %eax; 1: movw %ax, %ds");
PROBE(ds_ldt, "movl $0x0c, %eax; movw %ax, %ds");
PROBE(far_jump_null, "ljmp $0, $0");
PROBE(far_jump_data, "ljmp $0x10, $0");
PROBE(far_jump_beyond, "ljmp $0xff8, $0");
PROBE(far_call_null, "lcall $0, $0");
PROBE(hlt_user, "hlt");
PROBE(cli_user, "cli");
PROBE(sti_user, "sti");
PROBE(lgdt_user, "lgdt 0");
PROBE(lidt_user, "lidt 0");
PROBE(lldt_user, "lldt %ax");
PROBE(ltr_user, "ltr %ax");
PROBE(lmsw_user, "lmsw %ax");
PROBE(clts_user, "clts");
PROBE(invd_user, "invd");
PROBE(wbinvd_user, "wbinvd");
PROBE(invlpg_user, "invlpg 0");
PROBE(mov_from_cr0, "movl %cr0, %eax");
PROBE(mov_to_cr0, "movl %eax, %cr0");
PROBE(mov_from_cr3, "movl %cr3, %eax");
PROBE(mov_from_dr7, "movl %dr7, %eax");
PROBE(rdmsr_user, "rdmsr");
PROBE(wrmsr_user, "wrmsr");
PROBE(in_user, "inb $0x80, %al");
PROBE(out_user, "outl %eax, $0xf4");
PROBE(insb_user, "insb");
PROBE(outsb_user, "outsb");
PROBE(int_supervisor, "int $0x40");
/* 16: reported at the next waiting instruction */
PROBE(fpu_divide, "fninit; pushl $0x37b; fldcw (%esp); fld1; fldz; fdivrp; nop; fwait");
PROBE(fpu_masked, "fninit; fld1; fldz; fdivrp; fwait; fninit");

struct test {
    const char *name, *code;
    uint32_t eflags;
    enum { BOTH, KERNEL, USER } rings;
};

#define TEST(id, rings)                                                                            \
    {                                                                                              \
#id, probe_##id, 0, rings                                                                  \
    }

static const struct test tests[] = {
    TEST(div, BOTH),
    TEST(div8, BOTH),
    {"div overflow", probe_div_overflow, 0, BOTH},
    {"idiv overflow", probe_idiv_overflow, 0, BOTH},
    TEST(aam, BOTH),
    {"single step", probe_step, FLAG_TF, BOTH},
    {"single step over a jump", probe_step_branch, FLAG_TF, BOTH},
    {"popf sets TF", probe_step_popf, 0, BOTH},
    TEST(int3, BOTH),
    {"int 3", probe_int_3, 0, BOTH},
    {"into, OF=0", probe_into, 0, BOTH},
    {"into, OF=1", probe_into_set, 0, BOTH},
    {"bound, below", probe_bound_low, 0, BOTH},
    {"bound, above", probe_bound_high, 0, BOTH},
    {"bound, inside", probe_bound_inside, 0, BOTH},
    TEST(ud2, BOTH),
    TEST(ud1, BOTH),
    {"undefined 0f 0a", probe_undefined_0f, 0, BOTH},
    {"lock nop", probe_lock_nop, 0, BOTH},
    {"lock add to register", probe_lock_register, 0, BOTH},
    {"lea of a register", probe_lea_register, 0, BOTH},
    {"mov to cs", probe_mov_to_cs, 0, BOTH},
    {"mov to segment register 6", probe_mov_segment_6, 0, BOTH},
    {"les of a register", probe_les_register, 0, BOTH},
    {"ff /7", probe_ff_7, 0, BOTH},
    TEST(rsm, BOTH),
    {"cmpxchg8b of a register", probe_cmpxchg8b_register, 0, BOTH},
    {"far call of a register", probe_far_call_register, 0, BOTH},
    {"ds: null", probe_ds_null_ok, 0, BOTH},
    {"ss: null", probe_ss_null, 0, BOTH},
    {"ds: beyond the GDT", probe_ds_beyond, 0, BOTH},
    {"ds: no LDT", probe_ds_ldt, 0, BOTH},
    {"far jump: null", probe_far_jump_null, 0, BOTH},
    {"far jump: data segment", probe_far_jump_data, 0, BOTH},
    {"far jump: beyond the GDT", probe_far_jump_beyond, 0, BOTH},
    {"far call: null", probe_far_call_null, 0, BOTH},
    {"hlt", probe_hlt_user, 0, USER},
    {"cli", probe_cli_user, 0, USER},
    {"sti", probe_sti_user, 0, USER},
    {"cli, IOPL 3", probe_cli_user, FLAG_IOPL3 | FLAG_IF, USER},
    {"sti, IOPL 3", probe_sti_user, FLAG_IOPL3, USER},
    {"lgdt", probe_lgdt_user, 0, USER},
    {"lidt", probe_lidt_user, 0, USER},
    {"lldt", probe_lldt_user, 0, USER},
    {"ltr", probe_ltr_user, 0, USER},
    {"lmsw", probe_lmsw_user, 0, USER},
    {"clts", probe_clts_user, 0, USER},
    {"invd", probe_invd_user, 0, USER},
    {"wbinvd", probe_wbinvd_user, 0, USER},
    {"invlpg", probe_invlpg_user, 0, USER},
    {"mov from cr0", probe_mov_from_cr0, 0, USER},
    {"mov to cr0", probe_mov_to_cr0, 0, USER},
    {"mov from cr3", probe_mov_from_cr3, 0, USER},
    {"mov from dr7", probe_mov_from_dr7, 0, USER},
    {"rdmsr", probe_rdmsr_user, 0, USER},
    {"wrmsr", probe_wrmsr_user, 0, USER},
    {"in", probe_in_user, 0, USER},
    {"out", probe_out_user, 0, USER},
    {"ins", probe_insb_user, 0, USER},
    {"outs", probe_outsb_user, 0, USER},
    {"in, IOPL 3", probe_in_user, FLAG_IOPL3, USER},
    {"int n, gate DPL 0", probe_int_supervisor, 0, USER},
};

static void run(const struct test *test, unsigned ring)
{
    char name[40] = "ring ";
    unsigned length = 5;
    name[length++] = (char)('0' + ring);
    name[length++] = ' ';
    for (const char *at = test->name; *at && length < sizeof name - 1;)
        name[length++] = *at++;
    name[length] = 0;
    attempt(test->code, ring, test->eflags);
    report(name, test->code);
}

static void run_all(const struct test *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (list[i].rings != USER)
            run(&list[i], 0);
        if (list[i].rings != KERNEL)
            run(&list[i], 3);
    }
}

/* #NM: which of CR0.EM, TS and MP make which instruction fault (SDM 3, table 2-2). */
static void device_not_available(void)
{
    static const struct test fpu[] = {{"fnop", probe_fpu, 0, BOTH},
                                      {"fwait", probe_fwait, 0, BOTH}};
    const uint32_t em = 4, ts = 8, mp = 2, cr0 = read_cr0();
    static const char *names[] = {"none", "MP", "EM", "EM MP", "TS", "TS MP", "TS EM", "TS EM MP"};
    for (uint32_t bits = 0; bits < 8; bits++) {
        print("CR0: %s\n", names[bits]);
        write_cr0((cr0 & ~(em | ts | mp)) | bits << 1);
        run_all(fpu, 2);
    }
    write_cr0(cr0 & ~(em | ts));
}

/* #MF with CR0.NE = 1; the pending error is cleared by FNINIT afterwards. */
static void floating_point(void)
{
    static const struct test error[] = {{"fdiv by 0, unmasked", probe_fpu_divide, 0, BOTH}};
    static const struct test masked[] = {{"fdiv by 0, masked", probe_fpu_masked, 0, BOTH}};
    write_cr0((read_cr0() & ~0xCu) | 0x22);
    run_all(masked, 1);
    run(error, 0);
    asm volatile("fninit");
    run(error, 3);
    asm volatile("fninit");
}

/* DR6 tells a single step (BS, bit 14) from other debug exceptions; the processor never clears it.
 */
static void debug_status(void)
{
    uint32_t dr6;
    asm volatile("movl %0, %%dr6" ::"r"(0));
    attempt(probe_step, 3, FLAG_TF);
    asm volatile("movl %%dr6, %0" : "=r"(dr6));
    print("DR6 after a single step: BS=%u\n", dr6 >> 14 & 1);
    /* The instruction that clears TF began with it set, and is the last one that traps. */
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        asm volatile("movl %0, %%dr6" ::"r"(0));
        attempt(probe_step_end, ring, FLAG_TF);
        asm volatile("movl %%dr6, %0" : "=r"(dr6));
        report("step over popf that clears TF", probe_step_end);
        print("BS=%u\n", dr6 >> 14 & 1);
    }
    /* Each iteration of a string instruction is a step; EIP stays at it while ECX is not 0. */
    attempt(probe_step_rep, 3, 0);
    report("step in rep lodsb", probe_step_rep);
    print("ecx=%u esi=+%u\n", trapped.ecx, trapped.esi - (uint32_t)user_stack);
}

int main(void)
{
    cpu_init();
    idt[3] = gate(KERNEL_CODE, stub_of(3), PRESENT | DPL_3 | INTERRUPT_GATE, 0);
    idt[4] = gate(KERNEL_CODE, stub_of(4), PRESENT | DPL_3 | INTERRUPT_GATE, 0);
    run_all(tests, sizeof tests / sizeof tests[0]);
    device_not_available();
    floating_point();
    debug_status();
    return 0;
}
