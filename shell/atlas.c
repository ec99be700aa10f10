/* The atlas: what was found for every instruction set, on one page, beside what the literature
 * says.
 *
 * Counts, classes, witnesses and theorems are those of the results that are given. Only the notes
 * on the literature are written by hand, and where they say that we agree a reader can check it in
 * the table above them. */
#include "shell/atlas.h"

#include "vmm/classify.h"
#include "vmm/theorem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct entry {
    const char *isa, *title, *literature, *difference;
} entries[] = {
    {"x86-32", "x86, 32-bit protected mode",
     "Robin and Irvine, \"Analysis of the Intel Pentium's ability to support a secure virtual "
     "machine "
     "monitor\" (USENIX Security 2000), find SGDT, SIDT, SLDT, SMSW, PUSHF, POPF; LAR, LSL, VERR, "
     "VERW, POP, PUSH, CALL, JMP, INT n, RET, STR, MOV.",
     "The same eighteen names, CALL, JMP and RET in their far forms, MOV, PUSH and POP with CS or "
     "SS. "
     "Four more: INT3 and INTO are INT n with a vector of their own, IRET is to RET what INT is to "
     "CALL, LSS loads SS as MOV does."},
    {"x86-64", "x86, 64-bit mode",
     "No list that we know of; Robin and Irvine's, less what 64-bit mode has not (PUSH and POP of "
     "CS "
     "and SS, far CALL and JMP with an immediate, INTO).",
     "All of that but INT n, which the engine reports without a look at the IDT: it is taken for a "
     "trap and not tried through its gate. STR, SMSW and the others are as in 32 bits, for UMIP is "
     "off."},
    {"armv7", "ARMv7-A, ARM and Thumb",
     "Penneman et al., \"Formal virtualization requirements for the ARM architecture\" (JSA 59(3), "
     "2013): MRS, MSR, CPS; LDM and STM of user registers and with exception return; LDRT, STRT "
     "and "
     "their byte forms; RFE, SRS; data processing that writes PC with S set.",
     "MRS, MSR and CPS agree. The exception returns and LDM, STM are unpredictable in user mode; "
     "the "
     "engine makes them undefined, so that they trap. LDRT and STRT differ only with memory "
     "management on, which this experiment has off."},
    {"aarch64", "AArch64, EL1 and EL0", "Nothing in Popek and Goldberg's terms that we know of.",
     "MRS DCZID_EL0 shows in bit DZP at EL0 what SCTLR_EL1.DZE says, and 0 at EL1. The cache "
     "maintenance and counter registers trap at EL0 as those bits ask for."},
    {"riscv32", "RISC-V, 32 bits, S and U",
     "\"A fully virtualizable ISA\" is a design goal of the RISC-V manual (volume I, chapter 1).",
     "We agree. The engine lets the counters through whatever the counter-enable registers say."},
    {"riscv64", "RISC-V, 64 bits, S and U", "As riscv32.",
     "We agree; the sweep over all 4096 CSR numbers finds none either."},
    {"mips32", "MIPS32 (M14K, fixed mapping)",
     "Nothing in Popek and Goldberg's terms that we know of.",
     "No counterexample. This processor has no TLB: what page faults would show was not tried."},
    {"ppc32", "PowerPC, 32 bits", "Nothing in Popek and Goldberg's terms that we know of.",
     "No counterexample. The time base and the decrementer crash the engine."},
    {"m68000", "MC68000",
     "Motorola made MOVE from SR privileged in the MC68010, and says so in the M68000 Family "
     "Programmer's Reference Manual.",
     "We agree: it is the only one, in the sweep over all 65,536 first words too (40c0 to 40fb, as "
     "the engine decodes them)."},
    {"m68020", "MC68020", "MOVE from SR is privileged.",
     "The engine lets it through, as on the MC68000: its mistake. BKPT hangs the engine."},
    {"s390x", "z/Architecture",
     "Popek and Goldberg give IBM's System/360-67 as virtualizable. EPSW came decades later; the "
     "Principles of Operation (SA22-7832) has no privileged-operation exception for it, and it "
     "stores "
     "the problem-state bit.",
     "EPSW is the only one. IPK, SAC, IAC and the secondary-space instructions trap in both states "
     "here."},
    {"x86-32-svm", "x86, 32 bits, host and guest mode of SVM",
     "AMD64 Architecture Programmer's Manual, volume 2, chapter 15: every one of these can be "
     "intercepted, IN and OUT by the I/O permission map of the VMCB.",
     "The engine has no intercept for ports; that is all that remains."},
};

static const struct entry *find(const char *isa)
{
    static const struct entry none = {"", "", "None noted.", "None noted."};

    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        if (strcmp(entries[i].isa, isa) == 0)
            return &entries[i];
    return &none;
}

static bool leaks(const struct vmm_class_record *r)
{
    return r->sensitive && !r->privileged && !r->conditionally_privileged;
}

static const char *verdict(const struct vmm_theorem_result *result)
{
    static const char *const words[] = {"no", "yes", "not decided"};

    return words[result->holds];
}

/* The three theorems of one set or machine. */
struct decisions {
    struct vmm_theorem_result *theorem[3];
};

static bool decide(const char *name, const struct vmm_classification *c, struct decisions *d)
{
    bool all = true;

    for (int i = 0; i < 3; i++) {
        d->theorem[i] = vmm_theorem_decide_classes(name, vmm_classification_records(c),
                                                   vmm_classification_count(c), i + 1, NULL);
        all &= d->theorem[i] != NULL;
    }
    return all;
}

static void release(struct decisions *d)
{
    for (int i = 0; i < 3; i++)
        vmm_theorem_result_free(d->theorem[i]);
}

static void print_summary(const char *const *names, struct vmm_classification *const *results,
                          const struct decisions *decisions, size_t count)
{
    puts("| set | | tried | executed | privileged | conditionally | sensitive | of these "
         "unprivileged | Theorem 1 | 2 | 3 |\n"
         "|---|---|---|---|---|---|---|---|---|---|---|");
    for (size_t i = 0; i < count; i++) {
        struct vmm_class_counts n = vmm_classification_counts(results[i]);

        printf("| [%s](#%s) | %s | %zu | %zu | %zu | %zu | %zu | %zu |", names[i], names[i],
               find(names[i])->title, n.tried, n.executed, n.privileged, n.conditional, n.sensitive,
               n.unprivileged);
        for (int t = 0; t < 3; t++)
            printf(" %s |", verdict(decisions[i].theorem[t]));
        putchar('\n');
    }
}

static void print_theorem(const struct vmm_theorem_result *result)
{
    printf("* Theorem %d: %s", result->theorem, verdict(result));
    for (size_t i = 0; i < result->counterexample_count; i++)
        printf("%s%s", i ? ", " : "; counterexamples: ", result->counterexamples[i]);
    if (result->reason)
        printf("; %s", result->reason);
    if (result->conditions)
        printf(" (under %s)", result->conditions);
    puts(".");
}

static void print_cell(const char *text)
{
    for (; text && *text; text++)
        printf(*text == '|' ? "\\%c" : "%c", *text);
}

static void print_witnesses(const struct vmm_classification *c)
{
    const struct vmm_class_record *r = vmm_classification_records(c);
    size_t count = vmm_classification_count(c), shown = 0;

    for (size_t i = 0; i < count; i++) {
        if (!leaks(&r[i]) && !r[i].failure)
            continue;
        if (!shown++)
            puts("\n| sensitive and unprivileged | bytes | control | location | mode | user | "
                 "witness |\n|---|---|---|---|---|---|---|");
        printf("| ");
        print_cell(r[i].form ? r[i].form : r[i].mnemonic);
        printf(" | %s | %s | %s | %s | %s | ", r[i].bytes, r[i].control_sensitive ? "x" : "",
               r[i].location_sensitive ? "x" : "", r[i].mode_sensitive ? "x" : "",
               r[i].user_sensitive ? "x" : "");
        print_cell(r[i].failure ? r[i].failure : r[i].witness);
        if (r[i].engine_note) {
            printf(" *");
            print_cell(r[i].engine_note);
            printf("*");
        }
        puts(" |");
    }
}

static void print_set(const char *name, const struct vmm_classification *c,
                      const struct decisions *d)
{
    const struct entry *entry = find(name);

    printf("\n## %s\n\n%s.\n\n", name, entry->title);
    for (int t = 0; t < 3; t++)
        print_theorem(d->theorem[t]);
    print_witnesses(c);
    printf("\n**Literature.** %s\n\n**Here.** %s\n", entry->literature, entry->difference);
}

static bool print_machines(void)
{
    const char *name, *text;
    size_t length;

    puts("\n## Formal machines\n\n"
         "Small machines of which every state is tried ([formal-machine.md](formal-machine.md)). "
         "Popek and Goldberg's own examples are among\nthem: the PDP-10's JRST 1 breaks Theorem 1 "
         "and "
         "not Theorem 3, and we agree.\n\n"
         "| machine | states | Theorem 1 | 2 | 3 | counterexamples |\n|---|---|---|---|---|---|");
    for (unsigned i = 0; (name = vmm_theorem_shipped(i, &text, &length)); i++) {
        struct vmm_formal_machine *machine = vmm_theorem_load(text, length, NULL, NULL);

        if (!machine)
            return false;
        printf("| %s | %llu |", name, (unsigned long long)vmm_theorem_machine_states(machine));
        char examples[128] = "";
        for (int t = 1; t <= 3; t++) {
            struct vmm_theorem_result *r = vmm_theorem_decide(machine, t, NULL, NULL);

            printf(" %s |", r ? verdict(r) : "?");
            for (size_t k = 0; r && k < r->counterexample_count; k++)
                if (!strstr(examples, r->counterexamples[k]))
                    snprintf(examples + strlen(examples), sizeof examples - strlen(examples),
                             "%s%s", *examples ? ", " : "", r->counterexamples[k]);
            vmm_theorem_result_free(r);
        }
        printf(" %s |\n", examples);
        vmm_theorem_unload(machine);
    }
    return true;
}

bool atlas_print(const char *const *names, struct vmm_classification *const *results, size_t count)
{
    struct decisions *decisions = calloc(count, sizeof *decisions);
    bool good = decisions != NULL;

    for (size_t i = 0; good && i < count; i++)
        good = decide(names[i], results[i], &decisions[i]);
    if (good) {
        puts("# Atlas of instruction sets\n\n"
             "Which instructions are privileged, sensitive or innocuous (Popek and Goldberg, CACM "
             "17(7), 1974), found by executing them.\nThis page is the output of `vmm classify "
             "--all "
             "--format markdown`; [classify.md](classify.md) says how it is done.\n"
             "Theorem 1: a VMM may be constructed. 2: it is recursively virtualizable. 3: a hybrid "
             "VMM may be constructed.\n");
        print_summary(names, results, decisions, count);
        for (size_t i = 0; i < count; i++)
            print_set(names[i], results[i], &decisions[i]);
        good = print_machines();
    }
    if (!good)
        fputs("vmm classify: there is no memory for the page; close other programs\n", stderr);
    for (size_t i = 0; decisions && i < count; i++)
        release(&decisions[i]);
    free(decisions);
    return good;
}
