/* The post-mortem: what somebody wants to see who finds a guest stopped. Everything is read through
 * the architecture's own algorithms without effect (x86_probe, x86_peek), on the guest's state as
 * it believes itself to be; the processor's own tables are shown beside the guest's where a
 * technique has made them different. */
#include "vmm/postmortem.h"

#include <stdio.h>
#include <string.h>

#include "arch/x86/decode.h"
#include "arch/x86/walk.h"
#include "text.h"
#include "vm.h"
#include "vmm/debug.h"
#include "vmm/symbols.h"

enum { LAST_TRAPS = 16, CODE_LINES = 4, STACK_WORDS = 8, LINE = 1024 };

/* A report on its way out, line by line. */
struct report {
    const struct vmm_vm *vm;
    const struct cpu_state *guest;
    vmm_write *write;
    void *context;
    bool failed;
};

static struct report report_to(const struct vmm_vm *vm, vmm_write *write, void *context)
{
    return (struct report){vm, vm->dispatcher.guest, write, context, false};
}

static void put(struct report *report, const struct text *text)
{
    size_t count = text->length < text->room ? text->length : text->room - 1;
    if (!report->failed && !report->write(report->context, text->bytes, count))
        report->failed = true;
}

#define SAY(report, ...)                                                                           \
    do {                                                                                           \
        char say_bytes[LINE];                                                                      \
        struct text say_text = text_in(say_bytes, sizeof say_bytes);                               \
        text_add(&say_text, __VA_ARGS__);                                                          \
        put(report, &say_text);                                                                    \
    } while (0)

static bool code16(const struct cpu_state *s)
{
    return !(s->seg[X86_CS].attributes & X86_SEG_DB);
}

static uint32_t linear_eip(const struct cpu_state *s)
{
    return s->seg[X86_CS].base + s->eip;
}

/* ---- registers ---- */

static void add_flags(struct text *out, uint32_t eflags)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } flags[] = {{X86_CF, "CF"}, {X86_PF, "PF"}, {X86_AF, "AF"}, {X86_ZF, "ZF"}, {X86_SF, "SF"},
                 {X86_TF, "TF"}, {X86_IF, "IF"}, {X86_DF, "DF"}, {X86_OF, "OF"}, {X86_NT, "NT"},
                 {X86_RF, "RF"}, {X86_VM, "VM"}, {X86_AC, "AC"}, {X86_ID, "ID"}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (eflags & flags[i].bit)
            text_add(out, " %s", flags[i].name);
    text_add(out, " IOPL=%u", (eflags & X86_IOPL) >> X86_IOPL_SHIFT);
}

static void say_general(struct report *report)
{
    static const char *const names[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    static const enum x86_gpr order[] = {X86_EAX, X86_EBX, X86_ECX, X86_EDX,
                                         X86_ESI, X86_EDI, X86_EBP, X86_ESP};
    const struct cpu_state *s = report->guest;
    char line[LINE];
    struct text out = text_in(line, sizeof line);
    for (unsigned i = 0; i < 8; i++)
        text_add(&out, "  %s %08x%s", names[order[i]], s->gpr[order[i]], i % 4 == 3 ? "\n" : "");
    text_add(&out, "  eip %08x  eflags %08x:", s->eip, s->eflags);
    add_flags(&out, s->eflags);
    text_add(&out, "\n");
    put(report, &out);
}

static void say_segment(struct report *report, const char *name, const struct x86_segment *segment)
{
    static const char *const system[16] = {
        [1] = "286 TSS", [2] = "LDT", [3] = "busy 286 TSS", [9] = "TSS", [11] = "busy TSS"};
    uint32_t a = segment->attributes;
    const char *kind = !(a & X86_SEG_PRESENT) ? "not present"
                       : !(a & X86_SEG_S)     ? system[a >> 8 & 15]
                       : a & X86_SEG_CODE     ? "code"
                                              : "data";
    SAY(report, "  %-3s %04x  base %08x  limit %08x  DPL %u  %s%s\n", name, segment->selector,
        segment->base, segment->limit, X86_SEG_DPL(a), a & X86_SEG_DB ? "32-bit " : "",
        kind ? kind : "system");
}

static void say_system(struct report *report)
{
    static const char *const names[] = {"es", "cs", "ss", "ds", "fs", "gs"};
    static const enum x86_sreg order[] = {X86_CS, X86_SS, X86_DS, X86_ES, X86_FS, X86_GS};
    const struct cpu_state *s = report->guest;
    for (unsigned i = 0; i < X86_SREGS; i++)
        say_segment(report, names[order[i]], &s->seg[order[i]]);
    say_segment(report, "ldt", &s->ldtr);
    say_segment(report, "tr", &s->tr);
    SAY(report, "  gdt base %08x  limit %04x  idt base %08x  limit %04x\n", s->gdtr.base,
        s->gdtr.limit, s->idtr.base, s->idtr.limit);
    SAY(report, "  cr0 %08x  cr2 %08x  cr3 %08x  cr4 %08x\n", s->cr0, s->cr2, s->cr3, s->cr4);
}

static const char *mode(const struct cpu_state *s)
{
    if (!(s->cr0 & X86_CR0_PE))
        return "real mode";
    if (s->eflags & X86_VM)
        return "virtual-8086 mode";
    return code16(s) ? "16-bit protected mode" : "32-bit protected mode";
}

static void say_registers(struct report *report)
{
    const struct cpu_state *s = report->guest;
    SAY(report, "registers: ring %u, %s, paging %s\n", s->cpl, mode(s),
        x86_paging(s) ? "on" : "off");
    say_general(report);
    say_system(report);
}

bool vmm_registers_text(const struct vmm_vm *vm, vmm_write *write, void *context)
{
    struct report report = report_to(vm, write, context);
    say_registers(&report);
    return !report.failed;
}

/* ---- code and stack ---- */

static void say_code(struct report *report)
{
    const struct cpu_state *s = report->guest;
    uint32_t at = linear_eip(s);
    SAY(report, "code:\n");
    for (unsigned line = 0; line < CODE_LINES; line++) {
        uint8_t bytes[X86_INSN_MAX];
        char insn[96], hexadecimal[2 * X86_INSN_MAX + 1] = "";
        size_t count = vmm_read_linear(report->vm, at, bytes, sizeof bytes);
        unsigned length = vmm_disassemble(bytes, count, at, code16(s), insn, sizeof insn);
        unsigned shown = length ? length : count ? 1 : 0;
        for (unsigned i = 0; i < shown; i++)
            snprintf(hexadecimal + 2 * i, 3, "%02x", bytes[i]);
        SAY(report, "%s 0x%08x  %-16s  %s\n", line ? "   " : " =>", at, hexadecimal,
            count ? insn : "not readable");
        if (!length)
            return;
        at += length;
    }
}

static void say_stack(struct report *report)
{
    const struct cpu_state *s = report->guest;
    unsigned size = s->seg[X86_SS].attributes & X86_SEG_DB ? 4 : 2;
    uint32_t top = s->seg[X86_SS].base + (size == 4 ? s->gpr[X86_ESP] : s->gpr[X86_ESP] & 0xffff);
    uint8_t bytes[STACK_WORDS * 4] = {0};
    size_t words = vmm_read_linear(report->vm, top, bytes, (size_t)STACK_WORDS * size) / size;
    char line[LINE];
    struct text out = text_in(line, sizeof line);
    text_add(&out, "stack at 0x%08x:", top);
    for (size_t i = 0; i < words; i++) {
        uint32_t word = 0;
        memcpy(&word, bytes + i * size, size);
        text_add(&out, " %0*x", (int)size * 2, word);
    }
    text_add(&out, "%s\n", words ? "" : " not readable");
    put(report, &out);
}

/* ---- the backtrace ---- */

unsigned vmm_backtrace(const struct vmm_vm *vm, struct vmm_frame *frames, unsigned room)
{
    const struct cpu_state *s = vm->dispatcher.guest;
    struct vmm_frame frame = {linear_eip(s), s->gpr[X86_EBP]};
    unsigned count = 0;
    while (count < room) {
        uint32_t saved[2]; /* the caller's EBP, the return address */
        frames[count++] = frame;
        if (code16(s) || frame.base == 0 ||
            vmm_read_linear(vm, s->seg[X86_SS].base + frame.base, saved, sizeof saved) !=
                sizeof saved ||
            saved[1] == 0 || saved[1] == UINT32_MAX) /* what no memory reads as */
            break;
        uint32_t inner = frame.base;
        frame = (struct vmm_frame){s->seg[X86_CS].base + saved[1], saved[0]};
        /* A frame further out lies higher. Zero ends the chain, one frame later. */
        if (frame.base <= inner)
            frame.base = 0;
    }
    return count;
}

static void say_backtrace(struct report *report)
{
    struct vmm_frame frames[VMM_FRAMES];
    unsigned count = vmm_backtrace(report->vm, frames, VMM_FRAMES);
    SAY(report, "backtrace%s:\n", code16(report->guest) ? " (16-bit code has no frame chain)" : "");
    for (unsigned i = 0; i < count; i++) {
        uint32_t offset;
        /* A call may be its function's last instruction: the one to name is before the return
         * address. */
        const char *name = vmm_symbol(report->vm, frames[i].pc - (i > 0), &offset);
        if (name)
            SAY(report, "  #%-2u 0x%08x %.200s+0x%x\n", i, frames[i].pc, name, offset + (i > 0));
        else
            SAY(report, "  #%-2u 0x%08x\n", i, frames[i].pc);
    }
    if (count == VMM_FRAMES)
        SAY(report, "  ... and perhaps more\n");
}

/* ---- walks ---- */

static void say_entry(struct report *report, const char *level, uint32_t index, uint32_t address,
                      uint32_t entry, bool large)
{
    if (!(entry & X86_PTE_P)) {
        SAY(report, "    %-9s entry 0x%03x at 0x%08x: %08x  P=0, the other bits are software's\n",
            level, index, address, entry);
        return;
    }
    SAY(report,
        "    %-9s entry 0x%03x at 0x%08x: %08x  %s 0x%08x  G=%u PS=%u D=%u A=%u PCD=%u PWT=%u U=%u "
        "W=%u P=1\n",
        level, index, address, entry, large ? "4 MB page" : "frame",
        entry & (large ? X86_PDE_LARGE_BASE : X86_PAGE_MASK), !!(entry & X86_PTE_G),
        !!(entry & X86_PTE_PS), !!(entry & X86_PTE_D), !!(entry & X86_PTE_A),
        !!(entry & X86_PTE_PCD), !!(entry & X86_PTE_PWT), !!(entry & X86_PTE_US),
        !!(entry & X86_PTE_RW));
}

static void say_guest_tables(struct report *report, uint32_t linear)
{
    const struct cpu_state *s = report->guest;
    struct x86_walk walk;
    SAY(report, "  guest's tables:\n");
    if (!x86_paging_supported(s)) {
        SAY(report, "    CR4.PAE is set, and this processor has no PAE\n");
        return;
    }
    if (x86_probe(s, report->vm->dispatcher.linear, linear, 0, &walk) != X86_OK) {
        SAY(report, "    a table lies where there is no memory\n");
        return;
    }
    if (walk.levels == 0)
        SAY(report, "    paging is off\n");
    if (walk.levels >= 1)
        say_entry(report, "directory", linear >> 22, walk.pde_address, walk.pde, walk.large);
    if (walk.levels == 2)
        say_entry(report, "table", linear >> 12 & 0x3ff, walk.pte_address, walk.pte, false);
    if (walk.end != X86_WALK_MAPPED)
        SAY(report, "    not mapped: %s\n", x86_walk_end_text(walk.end));
    else
        SAY(report, "    -> guest-physical 0x%08x: %s, %s%s\n", walk.physical,
            walk.user ? "user" : "supervisor", walk.writable ? "writable" : "read-only",
            walk.global ? ", global" : "");
}

/* What the processor walks instead, where a technique has made it. */
static void say_shadow_tables(struct report *report, uint32_t linear)
{
    struct vmm_walk walk;
    vmm_walk(report->vm, linear, &walk);
    const struct vmm_levels *shadow = &walk.shadow;
    if (!walk.shadowed)
        return;
    SAY(report, "  shadow tables:\n");
    if (shadow->count >= 1)
        say_entry(report, "directory", linear >> 22, shadow->pde_address, shadow->pde,
                  shadow->large);
    if (shadow->count == 2)
        say_entry(report, "table", linear >> 12 & 0x3ff, shadow->pte_address, shadow->pte, false);
    if (shadow->mapped)
        SAY(report, "    -> machine 0x%08x\n", shadow->physical);
    else if (walk.has_machine)
        SAY(report, "    not filled yet: the guest's page lies at machine 0x%08x\n", walk.machine);
    else
        SAY(report, "    not mapped\n");
}

static void say_walk(struct report *report, const char *what, uint32_t linear)
{
    SAY(report, "walk of 0x%08x%s: directory entry 0x%03x, table entry 0x%03x, offset 0x%03x\n",
        linear, what, linear >> 22, linear >> 12 & 0x3ff, linear & 0xfff);
    say_guest_tables(report, linear);
    say_shadow_tables(report, linear);
}

bool vmm_walk_text(const struct vmm_vm *vm, uint32_t linear, vmm_write *write, void *context)
{
    struct report report = report_to(vm, write, context);
    say_walk(&report, "", linear);
    return !report.failed;
}

/* ---- traps ---- */

static void say_traps(struct report *report)
{
    struct vmm_record record;
    unsigned count = 0;
    while (count < LAST_TRAPS && vmm_last_record(report->vm, count, &record))
        count++;
    SAY(report,
        count ? "last %u traps, the latest below; instructions are those there now:\n"
              : "no traps\n",
        count);
    while (count-- && vmm_last_record(report->vm, count, &record)) {
        char text[VMM_RECORD_TEXT];
        if (!record.length) /* nobody watched: they were not kept */
            record.length = (uint8_t)vmm_read_linear(report->vm, record.linear, record.bytes,
                                                     sizeof record.bytes);
        vmm_record_text(report->vm, &record, text, sizeof text);
        SAY(report, "  %10llu %s\n", (unsigned long long)record.time, text);
    }
}

bool vmm_postmortem(const struct vmm_vm *vm, vmm_write *write, void *context)
{
    struct report report = report_to(vm, write, context);
    const struct cpu_state *s = report.guest;
    say_registers(&report);
    say_code(&report);
    say_stack(&report);
    say_backtrace(&report);
    say_walk(&report, " (EIP)", linear_eip(s));
    if (x86_paging(s) || s->cr2)
        say_walk(&report, " (CR2)", s->cr2);
    say_traps(&report);
    return !report.failed;
}
