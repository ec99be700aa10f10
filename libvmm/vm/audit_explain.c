/* Why two runs parted: the instruction, its class by experiment (vmm/classify.h), and what follows
 * from the class and from what the VMM did. A sensitive instruction that does not trap is a failure
 * of the machine, by Theorem 1; one that traps and comes to another result is a fault of the VMM.
 */
#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "vmm/classify.h"
#include "vmm/symbols.h"
#include "vmm/trace.h"

/* The record to go by: a sensitive form, if `sensitive` wants one. */
static const struct vmm_class_record *pick(const struct vmm_classification *found, bool sensitive)
{
    size_t count = found ? vmm_classification_count(found) : 0;
    const struct vmm_class_record *records = count ? vmm_classification_records(found) : 0;
    for (size_t i = 0; i < count; i++)
        if (!records[i].failure && (!sensitive || records[i].sensitive))
            return &records[i];
    return 0;
}

static const char *class_of(const struct vmm_class_record *record)
{
    if (!record)
        return "not classified";
    if (!record->sensitive)
        return record->privileged ? "privileged" : "innocuous";
    return record->privileged                 ? "sensitive, privileged"
           : record->conditionally_privileged ? "sensitive, conditionally privileged"
                                              : "sensitive, unprivileged";
}

/* The operand of the guest's may lie where the experiment has no memory: then another form of the
 * same mnemonic stands in. */
static const char *classify(const struct vmm_audit_divergence *d)
{
    char hex[2 * sizeof d->bytes + 1] = "", mnemonic[16] = "", error[256];
    if (!d->length || d->code16)
        return class_of(0);
    for (unsigned i = 0; i < d->length; i++)
        snprintf(hex + 2 * i, 3, "%02x", d->bytes[i]);
    struct vmm_classification *found = vmm_classify_bytes("x86-32", hex, 0, error, sizeof error);
    const struct vmm_class_record *record = pick(found, d->silent);
    if (!record) {
        vmm_classification_free(found);
        sscanf(d->text, "%15s", mnemonic);
        found = vmm_classify_text("x86-32", mnemonic, 0, error, sizeof error);
        record = pick(found, d->silent);
    }
    const char *name = class_of(record);
    vmm_classification_free(found);
    return name;
}

static const char *reason(const struct vmm_audit_divergence *d)
{
    bool sensitive = strncmp(d->class_name, "sensitive", 9) == 0;
    bool unprivileged = strcmp(d->class_name, "sensitive, unprivileged") == 0;
    if (d->silent || (unprivileged && !*d->vm_event))
        return "It is sensitive and did not trap: it read or changed the real machine instead of "
               "the virtual one, and the VMM was not told. Theorem 1 asks that every sensitive "
               "instruction be privileged; for a guest that uses this one, the technique is no "
               "VMM.";
    if (*d->vm_event && sensitive)
        return "It is sensitive, and the VMM was told; what the VMM then did is not what the "
               "machine does. The fault is in the VMM.";
    if (*d->vm_event)
        return "The VMM was in control in this step, and left another state than the machine "
               "would. The fault is in the VMM.";
    return "No trap came in this step: the processor ran from a state that already differed in "
           "what neither digest nor console shows, or under other tables.";
}

void audit_explain(const struct vmm_vm *vm, struct vmm_audit_divergence *d)
{
    char first[96] = "";
    if (d->length)
        d->length = (uint8_t)vmm_disassemble(d->bytes, d->length, d->linear, d->code16, d->text,
                                             sizeof d->text);
    vmm_symbol_text(vm, d->linear, d->symbol, sizeof d->symbol);
    d->class_name = classify(d);
    if (d->difference_count)
        snprintf(first, sizeof first, " The first difference is in %s.", d->differences[0].name);
    snprintf(d->explanation, sizeof d->explanation, "Equivalence fails at instruction %llu.%s %s",
             (unsigned long long)d->instruction, first, reason(d));
}
