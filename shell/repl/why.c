/* The command `why`: fetches the record and the classifier's verdict, and has them explained. */
#include "shell/repl/why.h"

#include "shell/repl/repl.h"

#include <stdlib.h>
#include <string.h>

/* Whether the cause says that the instruction is sensitive. */
static bool should_be_sensitive(const struct vmm_record *record)
{
    bool elsewhere = strcmp(record->cause, "silent") == 0 || record->exit;
    const char *name = elsewhere ? record->routine : record->cause;
    const struct why_cause *known = name ? why_find_cause(name) : NULL;
    return known &&
           (known->kind == WHY_PRIVILEGED || known->kind == WHY_IOPL || known->kind == WHY_SILENT);
}

static const struct vmm_class_record *first(const struct vmm_classification *found, bool sensitive)
{
    size_t count = found ? vmm_classification_count(found) : 0;
    const struct vmm_class_record *records = count ? vmm_classification_records(found) : NULL;
    for (size_t i = 0; i < count; i++)
        if (!sensitive || records[i].sensitive)
            return &records[i];
    return NULL;
}

/* The instruction is executed in pairs of states. An operand of the guest's may lie where the
 * experiment has no memory: then a form of the same mnemonic that reaches its operand stands in. */
struct vmm_classification *why_classify(const struct vmm_record *trap, const char *instruction,
                                        const struct vmm_class_record **record)
{
    char hex[2 * sizeof trap->bytes + 1] = "", mnemonic[16] = "", error[256];
    bool sensitive = should_be_sensitive(trap);
    *record = NULL;
    if (!trap->length || trap->code16 || strcmp(trap->cause, "interrupt") == 0)
        return NULL;
    for (unsigned i = 0; i < trap->length; i++)
        snprintf(hex + 2 * i, 3, "%02x", trap->bytes[i]);
    struct vmm_classification *found = vmm_classify_bytes("x86-32", hex, NULL, error, sizeof error);
    *record = first(found, sensitive);
    if (*record)
        return found;
    vmm_classification_free(found);
    sscanf(instruction, "%15s", mnemonic);
    found = vmm_classify_text("x86-32", mnemonic, NULL, error, sizeof error);
    *record = first(found, sensitive);
    return found;
}

bool repl_classify(struct session *session, char *arguments)
{
    char error[256];
    if (!*arguments)
        return repl_complain(session, "Which instruction? Write 'classify popf', or its bytes.");
    bool hexadecimal = strspn(arguments, "0123456789abcdefABCDEF ") == strlen(arguments);
    struct vmm_classification *found =
        vmm_classify_text("x86-32", arguments, NULL, error, sizeof error);
    if (!found && hexadecimal)
        found = vmm_classify_bytes("x86-32", arguments, NULL, error, sizeof error);
    if (!found && !hexadecimal)
        return repl_complain(session,
                             "'%.60s' is none of the instructions that are known by name; write "
                             "its bytes, as 'classify 9d'.",
                             arguments);
    if (!found)
        return repl_complain(session, "%s", error);
    for (size_t i = 0; i < vmm_classification_count(found); i++) {
        char *text = vmm_classification_explain(found, i);
        repl_say(session, "%s%s", i ? "\n" : "", text ? text : "");
        free(text);
    }
    vmm_classification_free(found);
    return true;
}

bool repl_why(struct session *session, char *arguments)
{
    struct vmm_record record;
    char instruction[128] = "", place[128];
    uint64_t back = 0;
    if (!repl_need_guest(session) || (*arguments && !repl_count(session, arguments, &back)))
        return false;
    if (back >= VMM_RECORDS_KEPT || !vmm_last_record(session->guest.vm, (unsigned)back, &record))
        return repl_complain(session,
                             back ? "That trap is not kept; the last %d are."
                                  : "There was no trap yet; 'trap' runs to the next.",
                             VMM_RECORDS_KEPT);
    if (record.length)
        record.length = (uint8_t)vmm_disassemble(record.bytes, record.length, record.linear,
                                                 record.code16, instruction, sizeof instruction);
    const struct vmm_class_record *verdict;
    struct vmm_classification *found = why_classify(&record, instruction, &verdict);
    const struct why_facts facts = {
        .record = &record,
        .instruction = instruction,
        .place = repl_place(session, record.linear, place, sizeof place),
        .classes = verdict,
        .head = repl_paint(session, PAINT_HEAD),
        .plain = repl_paint(session, PAINT_OFF),
    };
    repl_say(session, "%s", "");
    why_explain(repl_out(session), &facts);
    vmm_classification_free(found);
    return true;
}
