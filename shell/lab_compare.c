/* Two states after the same instruction, register by register: Popek and Goldberg's equivalence,
 * made a sentence. */
#include "shell/lab_compare.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

struct field {
    const char *name;
    size_t offset, size;
};

#define FIELD(name, member)                                                                        \
    {                                                                                              \
        name, offsetof(struct vmm_registers, member), sizeof((struct vmm_registers *)0)->member    \
    }
static const struct field fields[] = {FIELD("EIP", eip),
                                      FIELD("EFLAGS", eflags),
                                      FIELD("EAX", gpr[0]),
                                      FIELD("ECX", gpr[1]),
                                      FIELD("EDX", gpr[2]),
                                      FIELD("EBX", gpr[3]),
                                      FIELD("ESP", gpr[4]),
                                      FIELD("EBP", gpr[5]),
                                      FIELD("ESI", gpr[6]),
                                      FIELD("EDI", gpr[7]),
                                      FIELD("ES", segment[0]),
                                      FIELD("CS", segment[1]),
                                      FIELD("SS", segment[2]),
                                      FIELD("DS", segment[3]),
                                      FIELD("FS", segment[4]),
                                      FIELD("GS", segment[5]),
                                      FIELD("CR0", cr0),
                                      FIELD("CR2", cr2),
                                      FIELD("CR3", cr3),
                                      FIELD("CR4", cr4),
                                      FIELD("GDT base", gdt_base),
                                      FIELD("GDT limit", gdt_limit),
                                      FIELD("IDT base", idt_base),
                                      FIELD("IDT limit", idt_limit),
                                      FIELD("LDT", ldt),
                                      FIELD("TR", tr),
                                      FIELD("CPL", cpl)};

static const struct {
    const char *name;
    uint32_t bits;
} flags[] = {{"CF", 1},   {"PF", 4},    {"AF", 16},   {"ZF", 64},       {"SF", 128},   {"TF", 256},
             {"IF", 512}, {"DF", 1024}, {"OF", 2048}, {"IOPL", 0x3000}, {"NT", 0x4000}};

static __attribute__((format(printf, 3, 4))) void add(char *text, size_t room, const char *format,
                                                      ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, room - used, format, arguments);
    va_end(arguments);
}

static uint32_t value(const struct vmm_registers *registers, const struct field *field)
{
    const uint8_t *at = (const uint8_t *)registers + field->offset;
    uint32_t word = *at;
    if (field->size == 4)
        memcpy(&word, at, 4);
    if (field->size == 2)
        word = (uint32_t)(at[0] | at[1] << 8);
    return word;
}

/* How long a sentence is without its full stop. */
static int sentence(const char *text)
{
    size_t length = strlen(text);
    return (int)(length - (length && text[length - 1] == '.'));
}

void lab_differences(const struct lab_evidence *expected, const struct lab_evidence *got,
                     char *text, size_t room)
{
    text[0] = '\0';
    /* Registers of a guest that the VMM has stopped say nothing. */
    bool refused = got->stop == VMM_STOP_FAILURE && expected->stop != got->stop;
    for (size_t i = 0; !refused && i < sizeof fields / sizeof *fields; i++) {
        uint32_t right = value(&expected->registers, &fields[i]),
                 wrong = value(&got->registers, &fields[i]);
        if (right == wrong)
            continue;
        add(text, room, "    %s is 0x%x, expected 0x%x", fields[i].name, wrong, right);
        if (strcmp(fields[i].name, "EFLAGS") == 0)
            for (size_t f = 0; f < sizeof flags / sizeof *flags; f++)
                if ((right ^ wrong) & flags[f].bits)
                    add(text, room, " (%s)", flags[f].name);
        add(text, room, "\n");
    }
    /* Words of other places of memory tell nothing. */
    bool same_stack = !refused && expected->registers.gpr[4] == got->registers.gpr[4] &&
                      expected->registers.segment_base[2] == got->registers.segment_base[2];
    for (size_t i = 0; same_stack && i < LAB_STACK; i++)
        if (expected->stack[i] != got->stack[i])
            add(text, room, "    the word at ESP + %zu is 0x%x, expected 0x%x\n", i * 4,
                got->stack[i], expected->stack[i]);
    if (!refused && expected->sent != got->sent)
        add(text, room, "    %u bytes have gone to the console, expected %u\n", got->sent,
            expected->sent);
    else if (!refused && expected->last != got->last)
        add(text, room, "    0x%02x went to the console, expected 0x%02x\n", got->last,
            expected->last);
    if (expected->stop != got->stop || expected->exit_code != got->exit_code)
        add(text, room, "    the guest %s%.*s; expected: %s\n",
            got->stop == VMM_STOP_LIMIT ? "goes on" : "stops: ",
            got->stop == VMM_STOP_LIMIT ? 0 : sentence(got->text), got->text,
            expected->stop == VMM_STOP_LIMIT ? "it goes on" : expected->text);
    if (!text[0] && expected->instructions != got->instructions)
        add(text, room, "    %llu instructions have retired, expected %llu\n",
            (unsigned long long)got->instructions, (unsigned long long)expected->instructions);
    if (!text[0] && expected->emulated != got->emulated)
        add(text, room,
            "    the VMM has emulated %llu instructions, expected %llu; the processor executes the "
            "others\n",
            (unsigned long long)got->emulated, (unsigned long long)expected->emulated);
    /* What the processor did by itself is no exit; a guest that stops has no count to compare. */
    if (!text[0] && expected->exits != got->exits)
        add(text, room, "    the guest has exited %llu times, expected %llu; the last was %s\n",
            (unsigned long long)got->exits, (unsigned long long)expected->exits, got->last_exit);
    if (!text[0] && strcmp(expected->last_exit, got->last_exit) != 0)
        add(text, room, "    the last exit was %s, expected %s\n", got->last_exit,
            expected->last_exit);
    if (!text[0] && expected->predicted != LAB_NO_PREDICTION &&
        expected->predicted != got->predicted)
        add(text, room, "    the guest has exited %llu times, predicted were %lld\n",
            (unsigned long long)expected->predicted, (long long)got->predicted);
    if (!text[0] && expected->digest != got->digest)
        add(text, room,
            "    the registers are right; memory, a device or the interrupt shadow is not\n");
}
