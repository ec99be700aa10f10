/* A record as a line of text, in the manner of strace: what was asked, an equals sign, what came of
 * it. */
#include <stdio.h>
#include <string.h>

#include "arch/x86/decode.h"
#include "dispatcher/record.h"
#include "record_text.h"
#include "text.h"
#include "vmm/symbols.h"
#include "vmm/trace.h"

/* Intel SDM volume 3, table 6-1. */
const char *record_vector_name(uint8_t vector)
{
    static const char *const names[32] = {
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", 0,
        "#TS", "#NP", "#SS", "#GP", "#PF", 0,     "#MF", "#AC", "#MC", "#XM",
    };
    return vector < 32 ? names[vector] : 0;
}

static bool is(const struct vmm_record *record, unsigned cause)
{
    return strcmp(record->cause, record_cause_name(cause)) == 0;
}

bool record_is_port(const struct vmm_record *record)
{
    static const enum x86_kind kinds[] = {X86_KIND_IN_IMMEDIATE, X86_KIND_OUT_IMMEDIATE,
                                          X86_KIND_IN_DX,        X86_KIND_OUT_DX,
                                          X86_KIND_INS,          X86_KIND_OUTS};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (is(record, TRAP_INSTRUCTION + kinds[i]))
            return true;
    return is(record, TRAP_VMEXIT + VMCB_EXIT_IOIO);
}

/* Whether the cause is the instruction itself; its text says it then. */
static bool is_instruction(const struct vmm_record *record)
{
    for (unsigned i = 0; i < TRAP_INSTRUCTION; i++)
        if (is(record, i))
            return false;
    return true;
}

const char *record_class(const struct vmm_record *record)
{
    if (is(record, TRAP_SILENT))
        return "sensitive, unprivileged";
    bool refused = record->has_vector && (record->vector == X86_GP || record->vector == X86_UD);
    return refused && !record->exit && is_instruction(record) && record->ring == 0 ? "privileged"
                                                                                   : 0;
}

void record_walk_text(const struct vmm_record *record, char *text, size_t room)
{
    struct text out = text_in(text, room);
    for (size_t i = 0; i < sizeof record->walk && record->walk[i]; i++) {
        if (i)
            text_put(&out, "-");
        text_put_bytes(&out, &record->walk[i], 1);
    }
}

/* ---- the parts of the line ---- */

static void add_place(struct text *out, const struct vmm_vm *vm, const struct vmm_record *record)
{
    char symbol[128];
    text_add(out, "[vm%u ring%u] ", record->vm, record->ring);
    if (record->code16)
        text_add(out, "%04x:%04x ", record->cs, record->eip & 0xffff);
    else
        text_add(out, "0x%08x ", record->linear);
    vmm_symbol_text(vm, record->linear, symbol, sizeof symbol);
    text_add(out, *symbol ? "<%.100s> " : "%s", symbol);
}

static void add_instruction(struct text *out, const struct vmm_record *record)
{
    char insn[96];
    if (is(record, TRAP_INTERRUPT)) /* the instruction there has nothing to do with it */
        return;
    if (record->length) {
        vmm_disassemble(record->bytes, record->length, record->linear, record->code16, insn,
                        sizeof insn);
        text_add(out, "%s ", insn);
    } else if (is_instruction(record)) {
        text_add(out, "%s ", record->cause);
    }
}

static void add_vector(struct text *out, const struct vmm_record *record)
{
    const char *name = record_vector_name(record->vector);
    if (is(record, TRAP_INTERRUPT))
        text_add(out, "= interrupt 0x%x", record->vector);
    else if (is(record, TRAP_SOFTWARE_INTERRUPT) || !name)
        text_add(out, "= int 0x%x", record->vector);
    else
        text_add(out, "= %s", name);
    if (record->has_error_code)
        text_add(out, "(0x%x)", record->error_code);
}

static void add_cause(struct text *out, const struct vmm_record *record)
{
    bool plain = is(record, TRAP_EXCEPTION) || is(record, TRAP_SOFTWARE_INTERRUPT) ||
                 is(record, TRAP_INTERRUPT) || is_instruction(record);
    if (record->has_vector)
        add_vector(out, record);
    else
        text_add(out, "= %s", record->cause);
    if (record->has_address)
        text_add(out, record_is_port(record) ? " port 0x%x" : " at 0x%08x", record->address);
    if (record->has_vector && !plain)
        text_add(out, " %s", record->cause);
}

static void add_handling(struct text *out, const struct vmm_record *record)
{
    char walk[16];
    record_walk_text(record, walk, sizeof walk);
    text_add(out, " ->%s%s", *walk ? " " : "", walk);
    if (record->routine)
        text_add(out, " %s", record->routine);
    if (record->outcome)
        text_add(out, ": %s", record->outcome);
    if (!record->injected || (record->has_vector && record->injected_vector == record->vector))
        return;
    const char *name = record_vector_name(record->injected_vector);
    if (name)
        text_add(out, " %s", name);
    else
        text_add(out, " vector 0x%x", record->injected_vector);
}

static void add_changes(struct text *out, const struct vmm_record *record)
{
    for (unsigned i = 0; i < record->change_count; i++) {
        const struct vmm_change *change = &record->changes[i];
        bool small = change->before < 10 && change->after < 10;
        text_add(out, small ? "%s %s %u->%u" : "%s %s 0x%x->0x%x", i ? "," : ";", change->what,
                 change->before, change->after);
    }
}

size_t vmm_record_text(const struct vmm_vm *vm, const struct vmm_record *record, char *text,
                       size_t room)
{
    struct text out = text_in(text, room);
    add_place(&out, vm, record);
    add_instruction(&out, record);
    add_cause(&out, record);
    add_handling(&out, record);
    add_changes(&out, record);
    return out.length;
}
