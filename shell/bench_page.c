/* The page "repeated research" (docs/research.md, by `make research`): the published comparison
 * beside ours, which orderings hold, and why the others do not. Only the numbers and the verdicts
 * are filled in; what explains a result stands with the operation that it is of. */
#include "shell/bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char head[] =
    "# Repeated research\n\n"
    "Adams and Agesen compared a software VMM (binary translation) and a hardware VMM (VT-x with "
    "shadow page tables)\nwith the bare machine, by seven nanobenchmarks (ASPLOS 2006). Here are "
    "their operations, and six more, on our machine under all\ntechniques, then whole jobs after "
    "theirs. `make research` writes "
    "this page from `vmm bench`; there is nothing on it that a second run would not repeat.\n\n"
    "Counted are instructions and exits of one operation, exactly. *Model cycles* are what that "
    "would take on the paper's processor, a\nPentium 4 672 of 2005, if each primitive cost what "
    "was "
    "published for it ([below](#the-model)). The native column is what the model is\ncalibrated "
    "on; "
    "the others are predictions, and so may be wrong.\n";

static const char *const columns[] = {"native", "software VMM", "hardware VMM"};

/* What there is to say about an operation's orderings. */
static const struct {
    const char *operation, *text;
} notes[] = {
    {"in",
     "A binary translator makes a call of the VMM from IN, so that a device in software can be "
     "nearer than the chipset. The paper's hardware VMM left its devices to a process of the host, "
     "which took 15826 cycles; ours has them in the VMM, some rooms away, and so comes out close "
     "to the real device."},
    {"syscall",
     "Under hardware assistance INT and IRET are the processor's affair. In ring compression both "
     "go through the VMM; a translator has the IRET of the kernel in its code cache."},
    {"crwrite",
     "The paper wrote CR8, which has a shadow in the processor, and which its translator turned "
     "into a store. CR0 has neither: our translator calls the VMM for each write, and with shadow "
     "page tables guest mode exits, for PG and WP are what those tables hang on. With nested "
     "tables "
     "(`hw`) TS is the guest's own, and the write costs what it costs natively."},
    {"callret",
     "A return in translated code is a look-up and an indirect jump that nobody predicts. Who runs "
     "code as it is pays nothing."},
    {"pgfault",
     "With shadow page tables every page fault has to be looked at: hidden or true? The published "
     "figures contain the walk of the guest's tables and the injection, in more code than our "
     "model has rooms for."},
    {"divzero", "An exception that the VMM has no business with is delivered by the hardware."},
    {"ptemod",
     "The paper's translator is adaptive: an instruction that writes to traced pages often is "
     "translated anew, into a call, and takes no fault. So does ours. But the published 391 cycles "
     "are less than two rooms of our model, and the published 12733 of the hardware VMM several "
     "times as much as its exit and its rooms: the order is the paper's, the distance is not. The "
     "store of 1 cycle natively is in our loop one of eight instructions."},
    {"forkwait",
     "Creating a process is writing page tables: who traces them pays, by an exit (shadow page "
     "tables in guest mode), an exception (ring compression) or a call-out (translation). A page "
     "that a kernel empties with REP STOS is one of them, and 1024 stores that are simulated. For "
     "the hardware VMM the model has the published exit and nothing of what an exit does to caches "
     "and TLB, and its factor is too low."},
    {"compile",
     "User code runs directly under every technique, so that the factors are small. But ours is a "
     "short compilation: the kernel, which begins processes and moves text through pipes, executes "
     "more than half of its instructions, where the paper's compiler left it little. Each return "
     "in the kernel's translation is a look-up, and they put the translator above the hardware VMM "
     "here. Linux closes its kernel's pages to user code by a second address space (page table "
     "isolation, "
     "which the paper's kernel did not have), and so changes CR3 at each system call, interrupt "
     "and fault: twice an exit and an empty TLB for every VMM at ring 0 with the kernel beneath, "
     "and nothing for nested page tables."},
};

/* Orderings of others, between techniques by name. */
static const struct {
    const char *operation, *left, *right, *source;
} others[] = {
    {"fork", "bare", "para", "Xen's fork is dearer than Linux's (Barham et al., SOSP 2003)"},
    {"fork", "para", "hw-shadow", "and cheaper than with shadow page tables (the same)"},
    {"fork", "para", "trap", "the same"},
    {"ptebatch", "para", "trap", "updates in a batch for one hypercall (section 3.3.3 there)"},
    {"flags", "para", "trap", "the interrupt flag is a word in shared memory (section 3.2 there)"},
    {"fork", "hw", "hw-shadow", "nested page tables need no traces (Bhargava et al., ASPLOS 2008)"},
    {"forkwait", "bare", "para", "Xen's fork is dearer than Linux's (Barham et al., SOSP 2003)"},
    {"forkwait", "para", "hw-shadow", "and cheaper than with shadow page tables (the same)"},
    {"forkwait", "hw", "hw-shadow", "nested page tables need no traces (Bhargava et al.)"},
    {"compile", "hw", "hw-shadow", "the same"},
    {"disk", "bt", "hw", "a device in software is nearer by a call-out than by an exit"},
    {"ctxswitch", "bare", "hw", "a TLB miss takes 8 references for 2 (the same, section 3)"},
};

/* ---- tables ---- */

static void table_head(FILE *to, const struct bench *bench)
{
    fputs("| operation |", to);
    for (size_t s = 0; s < bench->subjects; s++)
        fprintf(to, " %s |", bench->subject[s].name);
    fputs("\n|---|", to);
    for (size_t s = 0; s < bench->subjects; s++)
        fputs("---:|", to);
    putc('\n', to);
}

static double exits_of(const struct bench_result *result)
{
    return result->all_exits;
}

static double cycles_of(const struct bench_result *result)
{
    return result->cycles;
}

static void write_table(FILE *to, const struct bench *bench, enum bench_suite suite,
                        double (*value)(const struct bench_result *result), bool whole)
{
    table_head(to, bench);
    for (size_t o = 0; o < BENCH_OPERATIONS; o++) {
        if (!bench->wanted[o] || bench_operations[o].suite != suite)
            continue;
        fprintf(to, "| %s |", bench_operations[o].name);
        for (size_t s = 0; s < bench->subjects; s++) {
            const struct bench_result *result = &bench->result[o][s];
            double number = value(result);
            if (!result->good)
                fputs(" - |", to);
            else
                fprintf(to, whole || number == (double)(long)number ? " %.0f |" : " %.2f |",
                        number);
        }
        putc('\n', to);
    }
}

static void write_operations(FILE *to, const struct bench *bench)
{
    fputs("\n## What is measured\n\n| operation | |\n|---|---|\n", to);
    for (size_t o = 0; o < BENCH_OPERATIONS; o++)
        if (bench->wanted[o])
            fprintf(to, "| %s | %s |\n", bench_operations[o].name, bench_operations[o].what);
    fputs("\n`trap` runs the virtualizable build of the guest, `para` the paravirtual one "
          "(`tests/guests/nano/`); a dash is an operation that its\nguest does not have. `hw` has "
          "nested page tables, `hw-shadow` shadow ones.\n\n## Model cycles\n\n![chart]"
          "(research.svg)\n\n",
          to);
    write_table(to, bench, SUITE_NANO, cycles_of, true);
    fputs("\n## Exits\n\n", to);
    write_table(to, bench, SUITE_NANO, exits_of, false);
}

/* Why an operation could not be measured: a sentence for each reason. */
static void write_failures(FILE *to, const struct bench *bench, size_t o)
{
    const struct bench_result *results = bench->result[o];
    for (size_t s = 0; s < bench->subjects; s++)
        if (!results[s].good && !results[s].absent)
            fprintf(to, "* %s, %s: %s\n", bench_operations[o].name, bench->subject[s].name,
                    results[s].why);
}

static void write_factors(FILE *to, const struct bench *bench, size_t o)
{
    const struct bench_result *results = bench->result[o];
    for (size_t s = 0; s < bench->subjects; s++) {
        double paper = bench_published(bench, o, s);
        fprintf(to, "| %s | %s |", s ? "" : bench_operations[o].name, bench->subject[s].name);
        if (!results[s].good) {
            fputs(" - | | | | |\n", to);
            continue;
        }
        fprintf(to, " %.0f | %.0f | %.2f |", results[s].counts.instructions, results[s].all_exits,
                bench_over_bare(bench, o, s));
        if (paper > 0 && s)
            fprintf(to, " %.2f | %+.0f %% |\n", paper, bench_error(bench, o, s));
        else
            fputs(" | |\n", to);
    }
}

static void write_macro(FILE *to, const struct bench *bench)
{
    if (!bench_wants(bench, SUITE_MACRO))
        return;
    fputs(
        "\n## Whole jobs\n\nThe paper's 40,000 processes that are forked and waited for took "
        "6.0 seconds natively, 36.9 in the software VMM and 106.4 in the hardware\nVMM; the build "
        "of a kernel 265, 393 and 484 (section 6.2). Ours are smaller, and told as a factor of "
        "the bare machine, in model cycles:\nof one process, of one build of text, of one sector "
        "read and a line written about it.\n\n| job | technique | instructions | exits | factor | "
        "paper | off |\n|---|---|---:|---:|---:|---:|---:|\n",
        to);
    for (size_t o = 0; o < BENCH_OPERATIONS; o++)
        if (bench->wanted[o] && bench_operations[o].suite == SUITE_MACRO)
            write_factors(to, bench, o);
    fputs("\nNot measured:\n\n", to);
    for (size_t o = 0; o < BENCH_OPERATIONS; o++)
        if (bench->wanted[o] && bench_operations[o].suite == SUITE_MACRO)
            write_failures(to, bench, o);
    fputs(
        "\nXen's build of a kernel took 1.03 times native, VMware Workstation's 1.27, and that of "
        "User-mode Linux 2.03 (Barham et al., SOSP 2003); there is no\nparavirtual Linux here. "
        "What Linux does is counted over one of its rounds; of that, TLB misses and indirect "
        "jumps in a sample of 80,000\ninstructions.\n",
        to);
}

static void write_paper(FILE *to, const struct bench *bench)
{
    fputs("\n## Beside the paper\n\nCycles published, model cycles, and by how much these are "
          "off.\n\n| operation |",
          to);
    for (unsigned c = 0; c < PAPER_COLUMNS; c++)
        fprintf(to, " %s | ours | |", columns[c]);
    fputs("\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n", to);
    for (size_t o = 0; o < BENCH_OPERATIONS; o++) {
        if (bench_operations[o].suite != SUITE_NANO ||
            bench_paper(bench_operations[o].name, PAPER_NATIVE) <= 0)
            continue;
        fprintf(to, "| %s |", bench_operations[o].name);
        for (unsigned c = 0; c < PAPER_COLUMNS; c++) {
            const struct bench_subject *subject = bench_subject_of(bench, c);
            double paper = bench_paper(bench_operations[o].name, c);
            const struct bench_result *result =
                subject ? &bench->result[o][subject - bench->subject] : NULL;
            if (result && result->good)
                fprintf(to, " %.0f | %.0f | %+.0f %% |", paper, result->cycles,
                        100 * (result->cycles - paper) / paper);
            else
                fprintf(to, " %.0f | - | |", paper);
        }
        putc('\n', to);
    }
}

static void write_orderings(FILE *to, const struct bench *bench)
{
    static const char *const verdicts[] = {[ORDER_HOLDS] = "holds",
                                           [ORDER_FAILS] = "**does not hold**",
                                           [ORDER_UNKNOWN] = "not decided"};
    fputs("\n## Orderings\n\nOnly orderings carry over from one machine to another. Each is tried "
          "again with every primitive of the model 30 % cheaper and 30 %\ndearer; *survives* says "
          "how often the verdict stayed. Exits are the harder evidence: no constant is in them."
          "\n\n| ordering of the paper | here | cycles | exits | survives | unless |\n"
          "|---|---|---:|---:|---:|---|\n",
          to);
    for (size_t i = 0; i < bench_ordering_count; i++) {
        struct bench_check check;
        char text[64];
        if (!bench->wanted[bench_operation_of(bench_orderings[i].operation)])
            continue;
        bench_check(bench, &bench_orderings[i], &check);
        bench_ordering_text(&bench_orderings[i], text, sizeof text);
        fprintf(to, "| %s | %s |", text, verdicts[check.verdict]);
        if (check.verdict == ORDER_UNKNOWN)
            fputs(" | | | |\n", to);
        else
            fprintf(to, " %.0f, %.0f | %.4g, %.4g | %u of %u | %s |\n", check.left, check.right,
                    check.left_exits, check.right_exits, check.survived, check.perturbed,
                    check.breaks);
    }
    fputs("\n### Why\n\n", to);
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        fprintf(to, "* **%s** %s\n", notes[i].operation, notes[i].text);
}

static const struct bench_result *result_of(const struct bench *bench, const char *operation,
                                            const char *name)
{
    size_t o = bench_operation_of(operation);
    for (size_t s = 0; s < bench->subjects && o < BENCH_OPERATIONS; s++)
        if (strcmp(bench->subject[s].name, name) == 0)
            return &bench->result[o][s];
    return NULL;
}

static void write_others(FILE *to, const struct bench *bench)
{
    fputs("\n## Others\n\n| ordering | here | cycles | exits | from |\n|---|---|---:|---:|---|\n",
          to);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const struct bench_result *l = result_of(bench, others[i].operation, others[i].left),
                                  *r = result_of(bench, others[i].operation, others[i].right);
        fprintf(to, "| %s: %s < %s |", others[i].operation, others[i].left, others[i].right);
        if (l && r && l->good && r->good)
            fprintf(to, " %s | %.0f, %.0f | %.4g, %.4g |",
                    bench_holds(LESS, l->cycles, r->cycles) ? "holds" : "**does not hold**",
                    l->cycles, r->cycles, l->all_exits, r->all_exits);
        else
            fputs(" not decided | | |", to);
        fprintf(to, " %s |\n", others[i].source);
    }
}

static void write_model(FILE *to)
{
    fputs("\n## The model\n\nAll constants, from `shell/bench_model.c`. None belongs to an "
          "operation, and none comes from a column that is predicted.\n\n| primitive | cycles | "
          "from |\n|---|---:|---|\n",
          to);
    for (unsigned i = 0; i < COST_PRIMITIVES; i++)
        fprintf(to, "| %s | %.0f | %s |\n", bench_sources[i].name, bench_sources[i].cycles,
                bench_sources[i].source);
    fputs(
        "\nAn exit is an exception and its IRET where the guest's kernel runs at ring 1, a world "
        "switch in guest mode, a call-out (two\nmispredicted jumps, 32 instructions) in "
        "translated code. On top comes what the VMM does: each room that the trap passed through "
        "([dispatcher.md](dispatcher.md)).\nA return in translated code is 12 instructions and a "
        "mispredicted jump. A simulated instruction is 20, and such a jump where the interpreter "
        "goes "
        "from one to the next; not where that is\nanother iteration of the same, which the "
        "processor predicts. TLB misses are counted by "
        "`vmm_count` (`vmm/census.h`) with a TLB of 64 entries.\n\n"
        "What this leaves out: caches, what an exit does to them and to the TLB, and the way to a "
        "host process. The published costs of hardware VMMs\nare mostly that, so that our "
        "predictions for them are too low.\n\n"
        "## Where the machine differs\n\nThe engine beneath has departures from the manual of its "
        "own ([engine-deviations.md](engine-deviations.md)). Two matter here: the hardware's TLB "
        "cannot be\nasked for its misses, which is why they are modelled; and host times "
        "(`vmm bench` without `--no-time`) are those of a translator in which\nan exception "
        "costs some hundred times an instruction, on every technique and the bare machine "
        "alike.\n",
        to);
}

int bench_page(const struct bench *bench, const char *path, struct vmm_error *error)
{
    FILE *to = fopen(path, "w");
    if (to) {
        fputs(head, to);
        write_operations(to, bench);
        write_paper(to, bench);
        write_macro(to, bench);
        write_orderings(to, bench);
        write_others(to, bench);
        write_model(to);
    }
    bool written = to && !ferror(to);
    if (to && fclose(to) == 0 && written)
        return 0;
    error->code = VMM_E_IO;
    snprintf(error->text, sizeof error->text, "the page '%.120s' cannot be written: %s", path,
             strerror(errno));
    return -1;
}
