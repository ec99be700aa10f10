/* The classifier on ARMv7-A, RISC-V and the MC68000, held against their manuals.
 *
 * ARM: ARM DDI 0406C, part B (and Penneman et al., "Formal virtualization requirements for the ARM
 * architecture", JSA 59(3), 2013). RISC-V: The RISC-V Instruction Set Manual, volume II, chapters 2
 * and 4: "attempts to access a CSR without appropriate privilege level raise illegal instruction
 * exceptions"; the two highest bits but two of a CSR's number are the lowest level that may access
 * it. MC68000: M68000 Family Programmer's Reference Manual, section 6 "Supervisor (Privileged)
 * Instructions", where MOVE from SR is listed for the MC68010 and later only. */
#include "vmm/classify.h"
#include "vmm/theorem.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct expected {
    const char *form;
    char class; /* P privileged, L sensitive and unprivileged (leaks), I unprivileged, innocuous */
};

static const struct vmm_class_record *find(const struct vmm_classification *c, const char *form)
{
    const struct vmm_class_record *r = vmm_classification_records(c);

    for (size_t i = 0; i < vmm_classification_count(c); i++)
        if (strcmp(r[i].form, form) == 0)
            return &r[i];
    return NULL;
}

static char class_of(const struct vmm_class_record *r)
{
    return r->failure ? '?' : r->privileged ? 'P' : r->sensitive ? 'L' : 'I';
}

static size_t leaks(const struct vmm_classification *c)
{
    const struct vmm_class_record *r = vmm_classification_records(c);
    size_t n = 0;

    for (size_t i = 0; i < vmm_classification_count(c); i++)
        n += r[i].sensitive && !r[i].privileged && !r[i].conditionally_privileged;
    return n;
}

static void check(const char *isa, const struct expected *expected, size_t count, size_t leaking)
{
    char error[256] = "";
    struct vmm_classification *c = vmm_classify(isa, NULL, error, sizeof error);

    cr_assert_not_null(c, "%s", error);
    cr_expect_geq(count, 40, "%s: only %zu instructions", isa, count);
    for (size_t i = 0; i < count; i++) {
        const struct vmm_class_record *r = find(c, expected[i].form);

        cr_assert_not_null(r, "%s: %s is in the list", isa, expected[i].form);
        cr_expect_eq(class_of(r), expected[i].class, "%s: %s is %c, not %c: %s", isa, r->form,
                     class_of(r), expected[i].class, r->witness ? r->witness : "no witness");
    }
    cr_expect_eq(leaks(c), leaking, "%s: %zu sensitive unprivileged forms", isa, leaks(c));
    vmm_classification_free(c);
}
#define CHECK(isa, table, leaking) check(isa, table, sizeof table / sizeof *table, leaking)

Test(classify_isas, armv7)
{
    static const struct expected table[] = {
        /* B9.3.9, MRS: "in User mode ... reads as UNKNOWN mode bits" is not a trap; B9.3.12, MSR:
         * "writes of the privileged bits from User mode are ignored"; B9.3.2, CPS: "treated as NOP
         * in User mode". */
        {"mrs r0, cpsr", 'L'},
        {"msr cpsr_c, r1", 'L'},
        {"msr cpsr_fsxc, r1", 'L'},
        {"msr cpsr_c, #0xd2", 'L'},
        {"cps #18", 'L'},
        {"cpsie i", 'L'},
        {"cpsid i", 'L'},
        {"cpsid aif", 'L'},
        {"cpsie if", 'L'},
        {"cpsid i, #18", 'L'},
        {"msr cpsr_f, r1", 'I'}, /* APSR: the application's view */
        /* B3.17: registers of CP15 that are accessible at PL1 only. */
        {"mrc p15, 0, r0, c0, c0, 0", 'P'},
        {"mrc p15, 0, r0, c1, c0, 0", 'P'},
        {"mrc p15, 0, r0, c2, c0, 0", 'P'},
        {"mrc p15, 0, r0, c12, c0, 0", 'P'},
        {"mrc p15, 0, r0, c13, c0, 4", 'P'},
        {"mcr p15, 0, r1, c2, c0, 0", 'P'},
        {"mcr p15, 0, r1, c3, c0, 0", 'P'},
        {"mcr p15, 0, r1, c12, c0, 0", 'P'},
        {"mcr p15, 0, r1, c8, c7, 0", 'P'},
        {"mcr p15, 0, r1, c13, c0, 3", 'P'},
        {"vmrs r0, fpexc", 'P'},
        /* B4.1.150, .151, C7: TPIDRURW and TPIDRURO are for PL0 too; so are the barriers of c7. */
        {"mrc p15, 0, r0, c13, c0, 2", 'I'},
        {"mrc p15, 0, r0, c13, c0, 3", 'I'},
        {"mcr p15, 0, r1, c13, c0, 2", 'I'},
        {"mcr p15, 0, r1, c7, c5, 4", 'I'},
        {"mcr p15, 0, r1, c7, c10, 5", 'I'},
        {"setend be", 'I'},
        {"add r0, r1, r3", 'I'},
        {"adds r0, r1, #5", 'I'},
        {"and r0, r1, r3", 'I'},
        {"b .+0x10", 'I'},
        {"bl .+0x10", 'I'},
        {"bx r5", 'I'},
        {"clz r0, r1", 'I'},
        {"cmp r1, r3", 'I'},
        {"ldr r0, [r2]", 'I'},
        {"str r0, [r2]", 'I'},
        {"ldmia r2, {r0, r1, r3}", 'I'},
        {"mul r0, r1, r3", 'I'},
        {"push {r0, r1}", 'I'},
        {"pop {r0, r1}", 'I'},
        {"sdiv r0, r1, r3", 'I'},
        {"umull r0, r1, r3, r4", 'I'},
        {"dmb sy", 'I'},
        {"nop", 'I'},
        {"svc #0", 'I'}, /* always traps */
    };
    /* MRS of the CPSR, four forms of MSR that write privileged bytes, six of CPS. */
    CHECK("armv7", table, 11);
}

Test(classify_isas, riscv64)
{
    static const struct expected table[] = {
        {"csrr a0, sstatus", 'P'},
        {"csrrw a0, sstatus, a1", 'P'},
        {"csrrs a0, sstatus, a1", 'P'},
        {"csrrc a0, sstatus, a1", 'P'},
        {"csrrwi a0, sstatus, 2", 'P'},
        {"csrr a0, sie", 'P'},
        {"csrr a0, sip", 'P'},
        {"csrr a0, stvec", 'P'},
        {"csrw stvec, a1", 'P'},
        {"csrr a0, sscratch", 'P'},
        {"csrrw sp, sscratch, sp", 'P'},
        {"csrr a0, sepc", 'P'},
        {"csrw sepc, a1", 'P'},
        {"csrr a0, scause", 'P'},
        {"csrr a0, stval", 'P'},
        {"csrr a0, satp", 'P'},
        {"csrw satp, a1", 'P'},
        {"sret", 'P'},       /* 3.3.2: "SRET ... when privilege mode is less: illegal" */
        {"sfence.vma", 'P'}, /* 4.2.1 */
        {"mret", 'I'},       /* traps in S as in U */
        {"csrr a0, mstatus", 'I'},
        {"ecall", 'I'},
        {"ebreak", 'I'},
        {"csrr a0, fcsr", 'I'}, /* 0x003: bits 9:8 are 00, user level */
        {"csrw fcsr, a1", 'I'},
        {"csrr a0, fflags", 'I'},
        {"fence", 'I'},
        {"fence.i", 'I'},
        {"lui a0, 0x12345", 'I'},
        {"auipc a0, 0x1", 'I'},
        {"jalr a0, 0(a2)", 'I'},
        {"lw a0, 0(a2)", 'I'},
        {"sw a1, 4(a2)", 'I'},
        {"ld a0, 0(a2)", 'I'},
        {"addi a0, a1, 5", 'I'},
        {"add a0, a1, a3", 'I'},
        {"sub a0, a1, a3", 'I'},
        {"mul a0, a1, a3", 'I'},
        {"div a0, a1, a3", 'I'},
        {"sc.w a0, a1, (a2)", 'I'},
        {"amoadd.d a0, a1, (a2)", 'I'},
        {"addw a0, a1, a3", 'I'},
        {"fadd.s fa0, fa1, fa2", 'I'},
        {"c.mv a0, a1", 'I'},
    };
    CHECK("riscv64", table, 0); /* the supervisor level is virtualizable */
}

/* x86-64: Intel SDM volume 2, "Protected Mode" and "64-Bit Mode Exceptions" of each instruction,
 * and volume 3, 5.9. What 64-bit mode has of Robin and Irvine's list is as unprivileged as ever.
 * INT n is not tried through its gate here. */
Test(classify_isas, x86_64)
{
    static const struct expected table[] = {
        {"sgdt [rbx]", 'L'},
        {"sidt [rbx]", 'L'},
        {"sldt eax", 'L'},
        {"str eax", 'L'},
        {"smsw eax", 'L'},
        {"pushfq", 'L'},
        {"popfq", 'L'},
        {"lar ecx, ax", 'L'},
        {"lsl ecx, ax", 'L'},
        {"verr ax", 'L'},
        {"verw ax", 'L'},
        {"mov eax, cs", 'L'},
        {"mov eax, ss", 'L'},
        {"mov ss, eax", 'L'},
        {"call fword ptr [rbx]", 'L'},
        {"jmp fword ptr [rbx]", 'L'},
        {"retfq", 'L'},
        {"iretq", 'L'},
        {"lgdt [rbx]", 'P'},
        {"lidt [rbx]", 'P'},
        {"lldt ax", 'P'},
        {"ltr ax", 'P'},
        {"lmsw ax", 'P'},
        {"clts", 'P'},
        {"hlt", 'P'},
        {"invd", 'P'},
        {"wbinvd", 'P'},
        {"invlpg [rbx]", 'P'},
        {"mov rax, cr3", 'P'},
        {"mov cr3, rax", 'P'},
        {"mov rax, dr0", 'P'},
        {"rdmsr", 'P'},
        {"wrmsr", 'P'},
        {"swapgs", 'P'},
        {"sysretq", 'P'},
        {"mov eax, ds", 'I'},
        {"push fs", 'I'},
        {"push rax", 'I'},
        {"pop rax", 'I'},
        {"call rax", 'I'},
        {"ret", 'I'},
        {"nop", 'I'},
        {"add rax, rcx", 'I'},
        {"cpuid", 'I'},
    };
    CHECK("x86-64", table, 25);
}

Test(classify_isas, m68000)
{
    static const struct expected table[] = {
        {"move.w %sr,%d0", 'L'},
        {"move.w %sr,(%a0)", 'L'},
        {"move.w %sr,-(%a0)", 'L'},
        {"move.w %d1,%sr", 'P'},
        {"move.w #0x2700,%sr", 'P'},
        {"move.w (%a0),%sr", 'P'},
        {"move.l %usp,%a0", 'P'},
        {"move.l %a1,%usp", 'P'},
        {"andi.w #0x20ff,%sr", 'P'},
        {"ori.w #0x0700,%sr", 'P'},
        {"eori.w #0x0100,%sr", 'P'},
        {"reset", 'P'},
        {"stop #0x2000", 'P'},
        {"rte", 'P'},
        {"andi.b #0x0f,%ccr", 'I'},
        {"ori.b #0x10,%ccr", 'I'},
        {"eori.b #0x1f,%ccr", 'I'},
        {"move.w %d1,%ccr", 'I'},
        {"rts", 'I'},
        {"trap #0", 'I'},
        {"nop", 'I'},
        {"abcd %d0,%d1", 'I'},
        {"add.l %d0,%d1", 'I'},
        {"addi.l #0x1234,%d1", 'I'},
        {"addx.l %d0,%d1", 'I'},
        {"and.l %d0,%d1", 'I'},
        {"asl.l #2,%d1", 'I'},
        {"bne.s .+0x10", 'I'},
        {"bsr.s .+0x10", 'I'},
        {"bset #3,(%a0)", 'I'},
        {"clr.l %d1", 'I'},
        {"cmp.l %d0,%d1", 'I'},
        {"divu.w %d0,%d1", 'I'},
        {"exg %d0,%a1", 'I'},
        {"jsr (%a0)", 'I'},
        {"lea 8(%a0),%a1", 'I'},
        {"link.w %a5,#-8", 'I'},
        {"move.l %d0,%d1", 'I'},
        {"move.w %d1,-(%a0)", 'I'},
        {"movem.l (%a0)+,%d0-%d3", 'I'},
        {"mulu.w %d0,%d1", 'I'},
        {"pea (%a0)", 'I'},
        {"swap %d1", 'I'},
        {"tas (%a0)", 'I'},
        {"unlk %a5", 'I'},
    };
    CHECK("m68000", table, 3);
}

/* Volume II, table 2.1: of the CSRs that S may access, those with bits 9:8 = 01 must trap in U. */
Test(classify_isas, no_csr_number_leaks)
{
    struct vmm_classify_options options = {.sweep = true};
    struct vmm_classification *c = vmm_classify("riscv64", &options, NULL, 0);

    cr_assert_not_null(c);
    cr_expect_eq(vmm_classification_counts(c).tried, 2 * 4096);
    cr_expect_eq(leaks(c), 0);
    const struct vmm_class_record *r = vmm_classification_records(c);
    for (size_t i = 0; i < vmm_classification_count(c); i++)
        if (r[i].privileged) { /* the number is in the two highest bytes; bits 9:8 of it: 01 */
            unsigned byte = 0;

            cr_assert_eq(sscanf(r[i].bytes + 6, "%2x", &byte), 1);
            cr_expect_eq(byte >> 4 & 3, 1, "CSR encoding %s", r[i].bytes);
        }
    vmm_classification_free(c);
}

/* AMD64 APM volume 2, 15.9: with all intercepts set a guest's sensitive instructions exit. The
 * engine has no intercept for ports (15.10.2), and that is all that remains. */
Test(classify_isas, svm_leaves_what_the_engine_cannot_intercept)
{
    struct vmm_classification *c = vmm_classify("x86-32-svm", NULL, NULL, 0);
    static const char *const intercepted[] = {
        "sgdt [ebx]", "sidt [ebx]", "sldt eax",     "str eax",      "smsw eax",
        "pushfd",     "popfd",      "lgdt [ebx]",   "mov cr3, eax", "iretd",
        "rdtsc",      "cpuid",      "mov eax, cr0", "hlt",          "int 0x80"};

    cr_assert_not_null(c);
    const struct vmm_class_record *r = vmm_classification_records(c);
    for (size_t i = 0; i < vmm_classification_count(c); i++, r++) {
        bool port = strcmp(r->mnemonic, "in") == 0 || strcmp(r->mnemonic, "out") == 0 ||
                    strcmp(r->mnemonic, "ins") == 0 || strcmp(r->mnemonic, "outs") == 0;

        cr_expect_eq(class_of(r) == 'L', port, "%s: %s", r->form, r->witness);
        cr_expect(!port || r->engine_note, "%s has a note", r->form);
    }
    for (size_t i = 0; i < sizeof intercepted / sizeof *intercepted; i++)
        cr_expect(find(c, intercepted[i])->privileged, "%s exits", intercepted[i]);
    vmm_classification_free(c);
}

/* DDI 0487, DCZID_EL0: bit DZP shows at EL0 what SCTLR_EL1.DZE is. SA22-7832, EXTRACT PSW: it has
 * no privileged-operation exception and stores the problem-state bit. MIPS, PowerPC and RISC-V have
 * no such instruction. */
Test(classify_isas, the_other_sets)
{
    static const struct {
        const char *isa, *leak;
    } sets[] = {
        {"aarch64", "mrs x0, dczid_el0"},
        {"s390x", "epsw %r0,%r1"},
        {"mips32", NULL},
        {"ppc32", NULL},
        {"riscv32", NULL},
    };

    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        struct vmm_classification *c = vmm_classify(sets[i].isa, NULL, NULL, 0);

        cr_assert_not_null(c, "%s", sets[i].isa);
        cr_expect_eq(leaks(c), sets[i].leak ? 1 : 0, "%s: %zu", sets[i].isa, leaks(c));
        if (sets[i].leak)
            cr_expect_eq(class_of(find(c, sets[i].leak)), 'L', "%s", sets[i].leak);
        vmm_classification_free(c);
    }
}

/* Decides one theorem and looks at the JSON that other tools read: `verdict` is T, F or ?, and
 * `counterexample` must be in the list. */
static void expect_theorem(const char *isa, const struct vmm_classification *c, int number,
                           char verdict, const char *counterexample)
{
    struct vmm_theorem_result *result = vmm_theorem_decide_classes(
        isa, vmm_classification_records(c), vmm_classification_count(c), number, NULL);

    cr_assert_not_null(result);
    char *text = vmm_theorem_json(result);
    json_t *json = json_loads(text, 0, NULL);
    cr_assert_not_null(json, "%s", text);
    const json_t *holds = json_object_get(json, "holds"), *member;
    cr_expect_eq(json_integer_value(json_object_get(json, "theorem")), number);
    cr_expect_str_eq(json_string_value(json_object_get(json, "isa")), isa);
    cr_expect_eq(json_is_true(holds)    ? 'T'
                 : json_is_false(holds) ? 'F'
                                        : '?',
                 verdict, "%s, Theorem %d: %s", isa, number, text);
    cr_expect_eq(json_is_string(json_object_get(json, "reason")), verdict == '?', "%s", text);
    const json_t *list = json_object_get(json, "counterexamples");
    bool found = counterexample == NULL;
    size_t i;
    json_array_foreach(list, i, member) found |=
        counterexample && strcmp(json_string_value(member), counterexample) == 0;
    cr_expect(found, "%s, Theorem %d: %s is missing in %s", isa, number, counterexample, text);
    cr_expect(verdict == 'F' || json_array_size(list) == 0, "%s", text);
    json_decref(json);
    free(text);
    vmm_theorem_result_free(result);
}

/* x86: Robin and Irvine 2000. ARM: Penneman et al. 2013. RISC-V: volume I, 1: "a fully
 * virtualizable ISA". MC68000: the manual's history of MOVE from SR. MC68020 and the ports under
 * SVM: mistakes of the engine, noted in the records. Theorem 2 is no matter of classes where
 * Theorem 1 holds. */
Test(classify_isas, theorems_of_every_set)
{
    static const struct {
        const char *isa, *verdicts, *first, *third;
    } sets[] = {
        {"x86-32", "FFF", "popf", "sidt"}, {"x86-64", "FFF", "popf", "sidt"},
        {"armv7", "FFF", "msr", "mrs"},    {"aarch64", "FFT", "mrs", NULL},
        {"riscv32", "T?T", NULL, NULL},    {"riscv64", "T?T", NULL, NULL},
        {"mips32", "T?T", NULL, NULL},     {"ppc32", "T?T", NULL, NULL},
        {"m68000", "FFF", "move", "move"}, {"m68020", "FFF", "move", "move"},
        {"s390x", "FFF", "epsw", "epsw"},  {"x86-32-svm", "FFF", "in", "out"},
    };
    const char *const *names;

    cr_assert_eq(vmm_classify_isas(&names), sizeof sets / sizeof *sets);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        struct vmm_classification *c = vmm_classify(sets[i].isa, NULL, NULL, 0);

        cr_expect_str_eq(names[i], sets[i].isa);
        cr_assert_not_null(c, "%s", sets[i].isa);
        for (int number = 1; number <= 3; number++)
            expect_theorem(sets[i].isa, c, number, sets[i].verdicts[number - 1],
                           number == 3 ? sets[i].third : sets[i].first);
        vmm_classification_free(c);
    }
}
