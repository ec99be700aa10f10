/* What a shutdown began with. A kernel that finds out too late that it is for another processor
 * ends this way: it sets a bit of CR4 or reads a model-specific register that is not there, gets
 * #GP(0) (SDM volume 2, MOV to control registers, RDMSR), and has no handlers yet. */
#include "shutdown.h"

#include <stdio.h>

#include "arch/x86/decode.h"
#include "arch/x86/walk.h"
#include "dispatcher/dispatcher.h"
#include "record_text.h"
#include "vmm/vmm.h"

/* Bits of CR4 that this processor reserves (SDM volume 3, section 2.5). */
static const struct {
    unsigned bit;
    const char *name, *remedy;
} features[] = {
    {5, "PAE", "; take a kernel without PAE"},
    {0, "VME", ""},
    {1, "PVI", ""},
    {6, "MCE", ""},
    {9, "OSFXSR", " (SSE)"},
    {10, "OSXMMEXCPT", " (SSE)"},
    {11, "UMIP", ""},
    {16, "FSGSBASE", ""},
    {18, "OSXSAVE", ""},
    {20, "SMEP", ""},
    {21, "SMAP", ""},
};

/* Where a #GP at `insn` is for something that this processor does not have. */
static void describe_lack(const struct cpu_state *state, const struct x86_instruction *insn,
                          char *text, size_t room)
{
    *text = 0;
    if (insn->kind == X86_KIND_RDMSR || insn->kind == X86_KIND_WRMSR)
        snprintf(text, room, ": ECX names model-specific register 0x%x", state->gpr[X86_ECX]);
    if (insn->kind != X86_KIND_MOV_TO_CR || insn->reg != 4)
        return;
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        if (state->gpr[insn->rm] >> features[i].bit & 1) {
            snprintf(text, room, ": it sets CR4.%s, which this processor does not have%s",
                     features[i].name, features[i].remedy);
            return;
        }
}

void shutdown_describe(const struct dispatcher *d, char *text, size_t room)
{
    const struct cpu_state *state = d->guest;
    const struct x86_event *event = &d->lost;
    const char *name = record_vector_name(event->vector);
    char numbered[24], instruction[80], lack[96] = "";
    uint8_t bytes[X86_INSN_MAX];
    struct x86_instruction insn = {0};
    uint32_t linear = state->seg[X86_CS].base + state->eip;
    bool code32 = state->seg[X86_CS].attributes & X86_SEG_DB;
    if (event->kind != X86_EXCEPTION || !name) {
        snprintf(numbered, sizeof numbered, "interrupt 0x%02x", event->vector);
        name = numbered;
    }
    size_t count = x86_peek(state, d->memory, linear, bytes, sizeof bytes);
    bool decoded = count && x86_decode(bytes, (unsigned)count, code32, &insn);
    if (event->kind == X86_EXTERNAL_INTERRUPT || !decoded ||
        !vmm_disassemble(bytes, count, linear, !code32, instruction, sizeof instruction)) {
        snprintf(text, room, "which began with %s", name);
        return;
    }
    if (event->kind == X86_EXCEPTION && event->vector == X86_GP)
        describe_lack(state, &insn, lack, sizeof lack);
    snprintf(text, room, "which began with %s by '%s'%s", name, instruction, lack);
}
