/* The explanation of traps: that it says the right thing of each kind, by the definitions of Popek
 * and Goldberg (1974, section 2) and of the processor's manual (Intel SDM volume 3, table 6-1). */
#include "shell/repl/why.h"

#include "dispatcher/record.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static char *explain(const struct vmm_record *record, const char *instruction,
                     const struct vmm_class_record *classes)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    const struct why_facts facts = {record, instruction, "0x00100000 <main>", classes, "", ""};
    why_explain(to, &facts);
    fclose(to);
    return text;
}

/* Whether `text` has the words of `words`, whatever the line ends between them. */
static bool says(const char *text, const char *words)
{
    while (*text) {
        const char *a = text, *b = words;
        while (*b && *a) {
            if (*b == ' ' && (*a == ' ' || *a == '\n')) {
                a += strspn(a, " \n");
                b++;
            } else if (*a == *b) {
                a++;
                b++;
            } else {
                break;
            }
        }
        if (!*b)
            return true;
        text++;
    }
    return false;
}
#define SAYS(text, words)     cr_assert(says(text, words), "not said: %s\n%s", words, text)
#define SAYS_NOT(text, words) cr_assert_not(says(text, words), "said: %s\n%s", words, text)

Test(repl_why, every_cause_of_the_dispatcher_is_known)
{
    for (unsigned cause = 0; cause < TRAP_INSTRUCTION + X86_KIND_JMP; cause++) {
        if (cause == TRAP_INSTRUCTION + X86_KIND_OTHER)
            continue;
        const struct why_cause *known = why_find_cause(record_cause_name(cause));
        cr_assert_not_null(known, "%s", record_cause_name(cause));
        cr_assert_gt(strlen(known->wants), 10);
        if (known->kind == WHY_PRIVILEGED || known->kind == WHY_IOPL)
            cr_assert_not_null(known->without, "%s", known->cause);
    }
    for (size_t i = 0; why_cause(i); i++) {
        unsigned cause = 0;
        while (cause < TRAP_CAUSES && strcmp(record_cause_name(cause), why_cause(i)) != 0)
            cause++;
        cr_assert_lt(cause, TRAP_CAUSES, "the dispatcher knows no '%s'", why_cause(i));
    }
}

Test(repl_why, a_privileged_instruction)
{
    const struct vmm_class_record verdict = {
        .bytes = "0f22d8", .privileged = true, .control_sensitive = true, .sensitive = true};
    const struct vmm_record record = {.sequence = 7,
                                      .cause = "mov_to_cr",
                                      .routine = "mov_to_cr",
                                      .outcome = "address space",
                                      .walk = "DIA",
                                      .has_vector = true,
                                      .vector = 13,
                                      .has_error_code = true,
                                      .change_count = 1,
                                      .changes = {{"cr3", 0, 0x101000}}};
    char *text = explain(&record, "mov cr3, eax", &verdict);
    SAYS(text, "Trap 7");
    SAYS(text, "mov cr3, eax");
    SAYS(text, "Privileged: it traps in user mode, and does not trap in supervisor mode.");
    SAYS(text, "Control sensitive");
    SAYS(text, "vmm classify --bytes 0f22d8");
    SAYS(text, "runs in ring 1 (ring compression)");
    SAYS(text, "#GP (general protection, vector 13), error code 0x0");
    SAYS(text, "Walk D-I-A.");
    SAYS(text, "The interpreter's routine 'mov_to_cr' (I)");
    SAYS(text, "cr3 0x0 -> 0x101000");
    SAYS(text, "Without VMM");
    free(text);
}

Test(repl_why, a_hidden_fault_is_nothing_of_the_guests)
{
    const struct vmm_record record = {.cause = "hidden_fault",
                                      .routine = "shadow_fault",
                                      .outcome = "filled",
                                      .walk = "DA",
                                      .ring = 3,
                                      .has_vector = true,
                                      .vector = 14,
                                      .has_error_code = true,
                                      .error_code = 6,
                                      .has_address = true,
                                      .address = 0x40001000};
    char *text = explain(&record, "mov eax, dword ptr [0x40001000]", NULL);
    SAYS(text, "the guest's own page tables allow it");
    SAYS(text, "0x40001000");
    SAYS(text, "a write from ring 3, and the page is not present");
    SAYS(text, "memory trap");
    SAYS(text, "nothing that the guest can see");
    SAYS_NOT(text, "ring 1");
    SAYS_NOT(text, "interpreter");
    free(text);
}

Test(repl_why, a_true_fault_is_the_guests)
{
    const struct vmm_record record = {.cause = "true_fault",
                                      .routine = "shadow_fault",
                                      .outcome = "inject",
                                      .walk = "DA",
                                      .has_vector = true,
                                      .vector = 14,
                                      .has_error_code = true,
                                      .error_code = 3,
                                      .injected = true,
                                      .injected_vector = 14};
    char *text = explain(&record, "", NULL);
    SAYS(text, "the fault is the guest's");
    SAYS(text, "a write from the supervisor, and the page is there but its rights");
    SAYS(text, "The guest sees #PF (page fault, vector 14).");
    free(text);
}

Test(repl_why, a_silent_instruction_breaks_theorem_1)
{
    const struct vmm_class_record verdict = {
        .bytes = "9d", .control_sensitive = true, .sensitive = true};
    const struct vmm_record record = {
        .cause = "silent", .routine = "popf", .outcome = "not trapped", .walk = "D"};
    char *text = explain(&record, "popfd", &verdict);
    SAYS(text, "POPF loads EFLAGS from the stack");
    SAYS(text, "Not privileged");
    SAYS(text, "breaks Theorem 1");
    SAYS(text, "without a trap");
    SAYS(text, "equivalence ends here");
    SAYS_NOT(text, "its own business");
    free(text);
}

Test(repl_why, the_bare_machine_has_no_vmm)
{
    const struct vmm_record record = {.cause = "exception",
                                      .routine = "hardware",
                                      .outcome = "delivered",
                                      .ring = 3,
                                      .has_vector = true,
                                      .vector = 0};
    char *text = explain(&record, "div ecx", NULL);
    SAYS(text, "#DE (divide error, vector 0)");
    SAYS(text, "The quotient of a division has no room");
    SAYS(text, "on the bare machine there is no VMM");
    SAYS(text, "gate 0x0");
    SAYS_NOT(text, "dispatcher");
    free(text);
}

Test(repl_why, an_interrupt_is_nobodys_instruction)
{
    const struct vmm_class_record verdict = {.innocuous = true};
    const struct vmm_record record = {.cause = "interrupt",
                                      .routine = "deliver",
                                      .outcome = "inject",
                                      .walk = "D",
                                      .has_vector = true,
                                      .vector = 14};
    char *text = explain(&record, "add eax, ebx", &verdict);
    SAYS(text, "No instruction's: an external event");
    SAYS(text, "vector 0xe");
    SAYS_NOT(text, "page fault");
    SAYS_NOT(text, "Innocuous");
    free(text);
}

Test(repl_why, lines_are_at_most_80_columns)
{
    for (size_t i = 0; why_cause(i); i++) {
        const struct vmm_record record = {.cause = why_cause(i),
                                          .routine = "routine",
                                          .outcome = "done",
                                          .walk = "DIAI",
                                          .has_vector = true,
                                          .vector = 14,
                                          .has_error_code = true,
                                          .error_code = 7};
        char *text = explain(&record, "insn", NULL);
        for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
            cr_assert_leq(strcspn(line, "\n"), 80, "%.100s", line);
        free(text);
    }
}

Test(repl_why, a_record_that_knows_nothing_is_explained_without_harm)
{
    const struct vmm_record record = {.cause = "some_new_cause", .walk = "D"};
    char *text = explain(&record, "", NULL);
    SAYS(text, "some_new_cause");
    free(text);
}
