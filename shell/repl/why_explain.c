/* Putting the sentences together. Each paragraph answers one question, and says nothing where the
 * record knows nothing. */
#include "shell/repl/why.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 80, INDENT = 13, PARAGRAPH = 2048 };

/* ---- paragraphs ---- */

struct paragraph {
    char text[PARAGRAPH];
    size_t length;
};

static __attribute__((format(printf, 2, 3))) void add(struct paragraph *p, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(p->text + p->length, sizeof p->text - p->length, format, arguments);
    va_end(arguments);
    p->length += n > 0 ? (size_t)n : 0;
    if (p->length >= sizeof p->text)
        p->length = sizeof p->text - 1;
}

/* Who takes the paragraphs. */
struct reader {
    why_take *take;
    void *context;
};

static void put_paragraph(const struct reader *to, const char *head, const struct paragraph *p)
{
    if (p->length)
        to->take(to->context, head, p->text);
}

/* ---- what kind of trap ---- */

static bool is(const struct vmm_record *record, const char *cause)
{
    return strcmp(record->cause, cause) == 0;
}

/* On the bare machine a trap goes through no room. */
static bool virtualized(const struct vmm_record *record)
{
    return record->walk[0] != '\0';
}

static bool is_interrupt(const struct vmm_record *record)
{
    return is(record, "interrupt");
}

/* The cause of a #VMEXIT in the words of the other techniques: what trapped is the same. */
static const char *plain_cause(const struct vmm_record *record)
{
    static const struct {
        const char *prefix, *cause;
    } table[] = {
        {"VMEXIT_EXCP", "exception"},
        {"VMEXIT_SWINT", "software_interrupt"},
        {"VMEXIT_ICEBP", "icebp"},
        {"VMEXIT_INTR", "interrupt"},
        {"VMEXIT_VINTR", "interrupt"},
        {"VMEXIT_NPF", "VMEXIT_NPF"},
        {"VMEXIT_SHUTDOWN", "VMEXIT_SHUTDOWN"},
        {"VMEXIT_INVALID", "VMEXIT_INVALID"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strncmp(record->cause, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].cause;
    bool exit = strncmp(record->cause, "VMEXIT_", strlen("VMEXIT_")) == 0;
    return exit && record->routine ? record->routine : record->cause;
}

static bool is_nested_fault(const struct vmm_record *record)
{
    return is(record, "VMEXIT_NPF");
}

static bool is_page_fault(const struct vmm_record *record)
{
    return record->has_vector && record->vector == 14 && !is_interrupt(record) &&
           !is(record, "software_interrupt");
}

/* The cause is the instruction itself, and not an event or a page. */
static bool is_instruction(const struct vmm_record *record)
{
    static const char *const others[] = {"exception",      "software_interrupt", "interrupt",
                                         "hidden_fault",   "true_fault",         "table_write",
                                         "chain",          "chain_miss",         "descriptor_write",
                                         "device_memory",  "VMEXIT_NPF",         "VMEXIT_SHUTDOWN",
                                         "VMEXIT_INVALID", "hypercall",          "table_call_out"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (is(record, others[i]))
            return false;
    return true;
}

/* A silent instruction's record names it as its routine. */
static const struct why_cause *knowledge(const struct vmm_record *record)
{
    const struct why_cause *known =
        is(record, "silent") && record->routine ? why_find_cause(record->routine) : NULL;
    return known ? known : why_find_cause(record->cause);
}

static void add_vector(struct paragraph *p, uint8_t vector)
{
    if (why_vector_name(vector))
        add(p, "%s (%s, vector %u)", why_vector_name(vector), why_vector_title(vector), vector);
    else
        add(p, "vector 0x%x", vector);
}

/* Intel SDM volume 3, section 4.7. */
static void add_page_error(struct paragraph *p, uint32_t error)
{
    add(p, " Error code 0x%x: a %s from %s, and %s.", error, error & 2 ? "write" : "read",
        error & 4 ? "ring 3" : "the supervisor",
        error & 8   ? "reserved bits were set in an entry"
        : error & 1 ? "the page is there but its rights do not allow it"
                    : "the page is not present");
}

/* ---- the paragraphs ---- */

/* What exceptions mean, for those that the instruction did not ask for. */
static const char *exception_meaning(uint8_t vector)
{
    switch (vector) {
    case 0: return "The quotient of a division has no room, or the divisor is zero.";
    case 1: return "A debugger's event: a single step (TF) or a hardware breakpoint.";
    case 3: return "INT3 is a debugger's breakpoint.";
    case 4: return "INTO found the overflow flag set.";
    case 5: return "BOUND found an index outside of its bounds.";
    case 6: return "The processor does not know this instruction, or it is UD2.";
    case 7:
        return "A floating-point instruction, while CR0.TS or CR0.EM says that the unit is not "
               "this task's.";
    case 8: return "A fault was raised while another one was being delivered.";
    case 10: return "A task state segment is not as it must be.";
    case 11: return "A segment was named whose descriptor says that it is not present.";
    case 12: return "An access through the stack segment lies outside of its limit.";
    case 13:
        return "The instruction may not be executed in this ring, or a segment's limit or "
               "rights do not allow the access.";
    case 14: return "The instruction accesses a linear address that the page tables refuse.";
    case 17: return "A program that asked for it (EFLAGS.AC) accessed an unaligned address.";
    default: return NULL;
    }
}

static void explain_wish(const struct reader *to, const struct why_facts *facts)
{
    const struct vmm_record *record = facts->record;
    const struct why_cause *known = knowledge(record);
    struct paragraph p = {.length = 0};
    const char *meaning =
        is(record, "exception") && record->has_vector ? exception_meaning(record->vector) : NULL;
    if (meaning)
        add(&p, "%s", meaning);
    else if (known)
        add(&p, "%s", known->wants);
    if (record->has_address && is_page_fault(record))
        add(&p, " The address is 0x%08x.", record->address);
    else if (record->has_address && is_nested_fault(record))
        add(&p, " The guest-physical address is 0x%08x.", record->address);
    else if (record->has_address && is(record, "invlpg"))
        add(&p, " The page is that of 0x%08x.", record->address);
    else if (record->has_address)
        add(&p, " It is port 0x%x.", record->address);
    put_paragraph(to, "It wants", &p);
}

/* `trapped`: it did here, all the same. */
static void add_verdict(struct paragraph *p, const struct vmm_class_record *c, bool trapped)
{
    if (c->privileged)
        add(p, "Privileged: it traps in user mode, and does not trap in supervisor mode.");
    else if (c->conditionally_privileged)
        add(p, "Conditionally privileged: it traps in user mode where %s, and only there.",
            c->condition ? c->condition : "a condition holds");
    else
        add(p, "Not privileged: it does not trap in user mode.");
    if (c->control_sensitive)
        add(p, " Control sensitive: without trapping it can change the mode or a resource "
               "(Popek and Goldberg's M and R).");
    if (c->location_sensitive || c->mode_sensitive)
        add(p, " Behaviour sensitive: what it does depends on %s%s%s.",
            c->location_sensitive ? "a resource that the VMM keeps" : "",
            c->location_sensitive && c->mode_sensitive ? " and on " : "",
            c->mode_sensitive ? "the mode" : "");
    if (c->innocuous)
        add(p, " Innocuous: neither control nor behaviour sensitive.");
    if (c->sensitive && (c->privileged || c->conditionally_privileged))
        add(p, " Sensitive and privileged is what Theorem 1 asks for: every attempt reaches the "
               "VMM.");
    else if (c->sensitive)
        add(p,
            " Sensitive and not privileged is what breaks Theorem 1: the VMM is told only where "
            "it has arranged for a trap%s.",
            trapped ? ", as here" : ", and here it has not");
    if (c->bytes)
        add(p, " (Found by executing it: vmm classify --bytes %s.)", c->bytes);
}

static void add_known_class(struct paragraph *p, const struct why_cause *known)
{
    static const char *const texts[] = {
        [WHY_PRIVILEGED] = "Privileged: it traps in user mode, and does not trap in supervisor "
                           "mode.",
        [WHY_IOPL] = "Privileged where CPL > IOPL: there it traps, and only there.",
        [WHY_SILENT] = "Sensitive and not privileged: it depends on what the VMM keeps from the "
                       "guest, and does not trap.",
        [WHY_INNOCUOUS] = "Innocuous: neither control nor behaviour sensitive.",
    };
    if (known && texts[known->kind])
        add(p, "%s", texts[known->kind]);
}

static void explain_class(const struct reader *to, const struct why_facts *facts)
{
    const struct vmm_record *record = facts->record;
    struct paragraph p = {.length = 0};
    if (is_interrupt(record))
        add(&p, "No instruction's: an external event. Popek and Goldberg's machine has none; real "
                "ones need the VMM to own them.");
    else if ((is_page_fault(record) || is_nested_fault(record)) && !is_instruction(record))
        add(&p, "It is its address that trapped, whatever the instruction is: a memory trap, by "
                "which the relocation of the machine protects itself.");
    else if (facts->classes && !facts->classes->failure)
        add_verdict(&p, facts->classes, !is(record, "silent"));
    else
        add_known_class(&p, knowledge(record));
    put_paragraph(to, "Class", &p);
}

static void add_bare_hardware(struct paragraph *p, const struct vmm_record *record)
{
    if (is_interrupt(record))
        add(p,
            "The processor finished an instruction, took vector 0x%x from the interrupt "
            "controller and called the handler in gate 0x%x of the guest's IDT.",
            record->vector, record->vector);
    else if (record->has_vector) {
        add(p, "The processor raised ");
        add_vector(p, record->vector);
        if (is_page_fault(record) && record->has_error_code)
            add(p, ".");
        else if (record->has_error_code)
            add(p, ", error code 0x%x.", record->error_code);
        else
            add(p, ".");
        if (is_page_fault(record) && record->has_error_code)
            add_page_error(p, record->error_code);
        add(p, " It called the handler in gate 0x%x of the IDT itself%s.", record->vector,
            record->ring == 3 ? ", on the stack that the TSS names for the kernel's ring" : "");
    }
}

/* Guest mode. `exit` has the code that the VMCB got. */
static void add_guest_mode(struct paragraph *p, const struct vmm_record *record)
{
    char bits[160];
    uint64_t qualification;
    add(p,
        "The guest runs in the processor's guest mode, its kernel in ring 0: the trap does not "
        "depend on the ring, but on the VMCB, which intercepts this. The processor left guest "
        "mode with %s, EXITCODE 0x%llx, EXITINFO1 0x%llx, EXITINFO2 0x%llx.",
        record->exit, (unsigned long long)record->exit_code, (unsigned long long)record->exit_info1,
        (unsigned long long)record->exit_info2);
    if (vmm_exit_bits(record, bits, sizeof bits))
        add(p, " EXITINFO1 says: %s.", bits);
    else if (is_page_fault(record) && record->has_error_code)
        add_page_error(p, record->error_code);
    if (record->exit_intel && vmm_exit_qualification(record, &qualification))
        add(p, " In Intel's VT-x: %s, exit qualification 0x%llx.", record->exit_intel,
            (unsigned long long)qualification);
    else if (record->exit_intel)
        add(p, " In Intel's VT-x: %s.", record->exit_intel);
}

static void add_virtual_hardware(struct paragraph *p, const struct vmm_record *record)
{
    if (record->exit) {
        add_guest_mode(p, record);
        return;
    }
    if (is_interrupt(record)) {
        add(p,
            "The VMM let the guest run until its virtual interrupt flag allowed the interrupt, "
            "and took vector 0x%x from the virtual interrupt controller.",
            record->vector);
        return;
    }
    if (is(record, "silent")) {
        add(p,
            "Nothing: in ring %s the processor executes it without a trap, with another result "
            "than in ring 0. The VMM knows of it only because it looked before.",
            record->ring == 3 ? "3" : "1");
        return;
    }
    if (record->ring == 0)
        add(p, "The guest's kernel believes to be in ring 0, but runs in ring 1 (ring "
               "compression).");
    if (record->has_vector) {
        bool asked = is(record, "software_interrupt");
        add(p, "%sThe processor %s ", record->ring == 0 ? " " : "",
            asked ? "went through the VMM's gate for" : "raised");
        add_vector(p, record->vector);
        if (record->has_error_code && !is_page_fault(record))
            add(p, ", error code 0x%x", record->error_code);
        add(p, ", and with it entered the VMM.");
        if (is_page_fault(record) && record->has_error_code)
            add_page_error(p, record->error_code);
    } else {
        add(p, "%sThe processor did not execute it, and entered the VMM.",
            record->ring == 0 ? " " : "");
    }
}

static void explain_hardware(const struct reader *to, const struct why_facts *facts)
{
    struct paragraph p = {.length = 0};
    if (virtualized(facts->record))
        add_virtual_hardware(&p, facts->record);
    else
        add_bare_hardware(&p, facts->record);
    put_paragraph(to, "The hardware", &p);
}

/* What each outcome means; the names are those of the dispatcher's table. */
static const char *outcome_meaning(const char *outcome)
{
    static const struct {
        const char *name, *meaning;
    } table[] = {
        {"done", "the instruction is done, on the virtual processor; the guest goes on behind it"},
        {"inject", "the guest gets the event, through its own IDT, as from real hardware"},
        {"filled", "the entry is filled in; the instruction is executed again, and now succeeds"},
        {"emulated", "the interpreter executed the one instruction, and the shadow is told what it "
                     "changed"},
        {"stepped", "the one instruction is executed with the page open, and the shadow is told "
                    "what it changed"},
        {"not trapped", "nobody simulated it: equivalence ends here"},
        {"address space", "the allocator made the shadow tables of that address space current"},
        {"paging", "the allocator made shadow tables for the new paging mode"},
        {"refused", "the guest is not entered"},
        {"stop", "the guest ends"},
        {"invalidate", "the allocator took the page out of the shadow tables"},
        {"tables", "the allocator checked the guest's descriptors and shadowed them"},
        {"idle", "the guest sleeps; time passes to its next event"},
        {"port", "the allocator looked who owns the port, and the virtual device answered"},
        {"missing", "this VM has no routine for it: a module is missing"},
        {"shutdown", "the fault could not be delivered: the virtual processor shut down"},
        {"delivered", "the handler of the guest's kernel runs next"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, outcome) == 0)
            return table[i].meaning;
    return NULL;
}

static void add_rooms(struct paragraph *p, const struct vmm_record *record)
{
    for (unsigned i = 0; record->walk[i]; i++)
        add(p, "%s%c", i ? "-" : "Walk ", record->walk[i]);
    add(p, ". The dispatcher (D) is entered on every trap and decides who handles it.");
    if (strchr(record->walk, 'I'))
        add(p,
            " The interpreter's routine '%s' (I) simulated the instruction on the virtual "
            "processor.",
            record->routine ? record->routine : "?");
    if (strchr(record->walk, 'A'))
        add(p, " The allocator (A) was asked, as no resource changes hands without it.");
    if (!record->walk[1] && !is(record, "silent"))
        add(p, " It is the guest's own business: D hands it on.");
}

/* Which hypercall, and with which error it came back. */
static void add_hypercall(struct paragraph *p, const struct vmm_record *record)
{
    add(p, " The hypercall is '%s'.", record->routine ? record->routine : "?");
    if (!record->outcome || strcmp(record->outcome, "refused") != 0)
        return;
    add(p, " Outcome 'refused': the VMM does not do it, and the guest goes on with the error");
    for (unsigned i = 0; i < record->change_count; i++)
        if (strcmp(record->changes[i].what, "eax") == 0)
            add(p, " %d", (int32_t)record->changes[i].after);
    add(p, " in EAX (<vmm/hypercall.h>).");
}

static void explain_handling(const struct reader *to, const struct why_facts *facts)
{
    const struct vmm_record *record = facts->record;
    struct paragraph p = {.length = 0};
    const char *meaning = record->outcome ? outcome_meaning(record->outcome) : NULL;
    if (virtualized(record))
        add_rooms(&p, record);
    else
        add(&p, "The hardware itself: on the bare machine there is no VMM.");
    const bool refused =
        is(record, "hypercall") && record->outcome && strcmp(record->outcome, "refused") == 0;
    if (is(record, "hypercall"))
        add_hypercall(&p, record);
    if (record->outcome && !refused)
        add(&p, " Outcome '%s'%s%s.", record->outcome, meaning ? ": " : "", meaning ? meaning : "");
    if (record->injected && virtualized(record)) {
        add(&p, " The guest sees ");
        add_vector(&p, record->injected_vector);
        add(&p, ".");
    }
    put_paragraph(to, "Handled by", &p);
}

static void explain_changes(const struct reader *to, const struct why_facts *facts)
{
    const struct vmm_record *record = facts->record;
    struct paragraph p = {.length = 0};
    for (unsigned i = 0; i < record->change_count; i++) {
        const struct vmm_change *c = &record->changes[i];
        bool small = c->before < 10 && c->after < 10;
        add(&p, small ? "%s%s %u -> %u" : "%s%s 0x%x -> 0x%x", i ? ", " : "", c->what, c->before,
            c->after);
    }
    if (record->change_count == VMM_RECORD_CHANGES)
        add(&p, ", and perhaps more");
    if (!record->change_count)
        add(&p, "nothing that the guest can see");
    add(&p, ".");
    put_paragraph(to, "Changed", &p);
}

static void explain_without(const struct reader *to, const struct why_facts *facts)
{
    const struct vmm_record *record = facts->record;
    const struct why_cause *known = knowledge(record);
    struct paragraph p = {.length = 0};
    if (record->exit && is_instruction(record))
        add(&p,
            "not intercepted, it would be no exit: the hardware would do it by itself, on state "
            "that is the guest's own. What is intercepted is the VMM's choice ('info vmcb').");
    else if (is(record, "exception") && virtualized(record) && !record->exit)
        add(&p, "the exception would go through the real IDT, and the guest's kernel never hear of "
                "what its program did.");
    else if (virtualized(record) && known && known->without)
        add(&p, "%s", known->without);
    else if (!virtualized(record))
        add(&p, "this is that case. Under 'technique trap' the same trap enters the VMM first.");
    if (p.length)
        put_paragraph(to, is(record, "silent") ? "What breaks" : "Without VMM", &p);
}

void why_paragraphs(const struct why_facts *given, why_take *take, void *context)
{
    const struct reader to = {take, context};
    struct vmm_record record = *given->record;
    struct why_facts plain = *given, *facts = &plain;
    record.cause = plain_cause(given->record);
    plain.record = &record;
    explain_wish(&to, facts);
    explain_class(&to, facts);
    explain_hardware(&to, facts);
    explain_handling(&to, facts);
    explain_changes(&to, facts);
    explain_without(&to, facts);
}

/* ---- for a terminal ---- */

struct page {
    FILE *to;
    const struct why_facts *facts;
};

static void print_paragraph(void *context, const char *head, const char *text)
{
    const struct page *page = context;
    size_t column = INDENT;
    fprintf(page->to, "%s%-*s%s", page->facts->head, INDENT, head, page->facts->plain);
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column > INDENT && column + 1 + word > WIDTH) {
            fprintf(page->to, "\n%*s", INDENT, "");
            column = INDENT;
        }
        if (column > INDENT)
            fputc(' ', page->to);
        column += word + (column > INDENT);
        fwrite(text, 1, word, page->to);
        text += word + strspn(text + word, " ");
    }
    fputc('\n', page->to);
}

static void explain_place(FILE *to, const struct why_facts *facts)
{
    const struct vmm_record *record = facts->record;
    fprintf(to, "Trap %llu of this guest: %s, at virtual time %llu, in ring %u.\n",
            (unsigned long long)record->sequence, record->cause, (unsigned long long)record->time,
            record->ring);
    if (*facts->instruction)
        fprintf(to, "%s%-*s%s%s  %s\n", facts->head, INDENT, "Instruction", facts->plain,
                facts->place, facts->instruction);
}

void why_explain(FILE *to, const struct why_facts *facts)
{
    struct page page = {to, facts};
    explain_place(to, facts);
    why_paragraphs(facts, print_paragraph, &page);
}
