/* `info`: the state of the guest and of what holds it, a topic each. */
#include "shell/repl/repl.h"

#include "shell/nearest.h"
#include "shell/repl/source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- registers ---- */

static const struct {
    char name[5];
    uint8_t bit;
} flags[] = {{"CF", 0},  {"PF", 2},  {"AF", 4},  {"ZF", 6},  {"SF", 7},  {"TF", 8},  {"IF", 9},
             {"DF", 10}, {"OF", 11}, {"NT", 14}, {"RF", 16}, {"VM", 17}, {"AC", 18}, {"ID", 21}};

static void put_flags(struct session *session, uint32_t eflags)
{
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (eflags >> flags[i].bit & 1)
            repl_say(session, " %s", flags[i].name);
    repl_say(session, " IOPL=%u", eflags >> 12 & 3);
}

static void put_cr0(struct session *session, uint32_t cr0)
{
    static const struct {
        char name[3];
        uint8_t bit;
    } bits[] = {{"PE", 0}, {"MP", 1},  {"EM", 2},  {"TS", 3},
                {"NE", 5}, {"WP", 16}, {"AM", 18}, {"PG", 31}};
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (cr0 >> bits[i].bit & 1)
            repl_say(session, " %s", bits[i].name);
}

static bool info_registers(struct session *session, char *arguments)
{
    static const char *const names[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    static const char *const segments[] = {"es", "cs", "ss", "ds", "fs", "gs"};
    struct vmm_registers r;
    char symbol[96];
    uint32_t value;
    if (*arguments) {
        if (!vmm_register(session->guest.vm, arguments + (*arguments == '$'), &value))
            return repl_complain(session, "There is no register '%.20s'.", arguments);
        repl_say(session, "%-8s 0x%08x  %d\n", arguments, value, (int32_t)value);
        return true;
    }
    vmm_registers(session->guest.vm, &r);
    for (unsigned i = 0; i < 8; i++)
        repl_say(session, "%-3s 0x%08x%s", names[i], r.gpr[i], i % 4 == 3 ? "\n" : "   ");
    vmm_symbol_text(session->guest.vm, r.segment_base[1] + r.eip, symbol, sizeof symbol);
    repl_say(session, "eip 0x%08x  %s\n", r.eip, symbol);
    repl_say(session, "eflags 0x%08x ", r.eflags);
    put_flags(session, r.eflags);
    repl_say(session, "\n");
    for (unsigned i = 0; i < 6; i++)
        repl_say(session, "%s %04x  base 0x%08x%s", segments[i], r.segment[i], r.segment_base[i],
                 i % 3 == 2 ? "\n" : "   ");
    repl_say(session, "cr0 0x%08x ", r.cr0);
    put_cr0(session, r.cr0);
    repl_say(session, "\ncr2 0x%08x   cr3 0x%08x   cr4 0x%08x   cpl %u\n", r.cr2, r.cr3, r.cr4,
             r.cpl);
    repl_say(session, "gdt 0x%08x limit 0x%04x   idt 0x%08x limit 0x%04x   ldt %04x   tr %04x\n",
             r.gdt_base, r.gdt_limit, r.idt_base, r.idt_limit, r.ldt, r.tr);
    return true;
}

/* ---- traps and statistics ---- */

static bool info_traps(struct session *session, char *arguments)
{
    uint64_t count = 10;
    struct vmm_record record;
    char text[VMM_RECORD_TEXT];
    if (*arguments && !repl_count(session, arguments, &count))
        return false;
    if (count > VMM_RECORDS_KEPT)
        count = VMM_RECORDS_KEPT;
    for (uint64_t back = count; back-- > 0;) {
        if (!vmm_last_record(session->guest.vm, (unsigned)back, &record))
            continue;
        vmm_record_text(session->guest.vm, &record, text, sizeof text);
        repl_say(session, "%6" PRIu64 "  %s\n", record.sequence, text);
    }
    if (!vmm_last_record(session->guest.vm, 0, &record))
        repl_say(session, "There was no trap yet.\n");
    return true;
}

static void put_share(struct session *session, const char *name, uint64_t part, uint64_t whole)
{
    if (part)
        repl_say(session, "  %-12s %14" PRIu64 "  %6.2f %%\n", name, part,
                 100.0 * (double)part / (double)(whole ? whole : 1));
}

static bool info_stats(struct session *session, char *arguments)
{
    struct vmm_statistics s;
    struct vmm_cause_count cause;
    uint64_t traps = 0;
    (void)arguments;
    vmm_statistics(session->guest.vm, &s);
    repl_say(session, "%sguest instructions%s %" PRIu64 "\n", repl_paint(session, PAINT_HEAD),
             repl_paint(session, PAINT_OFF), s.guest_instructions);
    put_share(session, "direct", s.direct, s.guest_instructions);
    put_share(session, "translated", s.translated, s.guest_instructions);
    put_share(session, "interpreted", s.interpreted, s.guest_instructions);
    put_share(session, "emulated", s.emulated, s.guest_instructions);
    for (size_t i = 0; vmm_cause(session->guest.vm, i, &cause); i++)
        traps += cause.count;
    repl_say(session, "%straps%s %" PRIu64 "\n", repl_paint(session, PAINT_HEAD),
             repl_paint(session, PAINT_OFF), traps);
    if (traps)
        repl_say(session, "  %-20s %10s  %8s  %9s\n", "cause", "count", "share", "mean");
    for (size_t i = 0; vmm_cause(session->guest.vm, i, &cause); i++)
        repl_say(session, "  %-20s %10" PRIu64 "  %6.2f %%  %6" PRIu64 " ns\n", cause.cause,
                 cause.count, 100.0 * (double)cause.count / (double)traps,
                 cause.ns_total / (cause.count ? cause.count : 1));
    repl_say(session, "port accesses %" PRIu64 ", interrupts %" PRIu64 "\n", s.port_accesses,
             s.interrupts);
    return true;
}

static bool info_vm(struct session *session, char *arguments)
{
    struct vmm_statistics s;
    uint32_t size = session->options.config.memory_size;
    (void)arguments;
    vmm_statistics(session->guest.vm, &s);
    repl_say(session, "image        %s\n", session->options.image);
    repl_say(session, "technique    %s\n", s.technique);
    repl_say(session, "memory       %u MB\n", (size ? size : 64u << 20) >> 20);
    repl_say(session, "virtual time %" PRIu64 " cycles (%.3f ms at 100 MHz)\n", s.virtual_time,
             (double)s.virtual_time / 1e5);
    repl_say(session, "instructions %" PRIu64 "\n", s.guest_instructions);
    repl_say(session, "stopped      %s\n",
             s.stop == VMM_STOP_NONE ? "not started" : vmm_stop_text(session->guest.vm));
    repl_say(session, "digest       0x%016" PRIx64 "\n", vmm_digest(session->guest.vm));
    return true;
}

/* ---- memory ---- */

static bool put_range(void *context, const struct vmm_range *range)
{
    struct session *session = context;
    repl_say(session, "  0x%08x-0x%08x %7u page%s  %-10s %-9s", range->linear,
             range->linear + range->pages * 4096 - 1, range->pages, range->pages == 1 ? " " : "s",
             range->user ? "user" : "supervisor", range->writable ? "writable" : "read-only");
    if (range->shadow_pages)
        repl_say(session, "  %u shadowed", range->shadow_pages);
    repl_say(session, "\n");
    return true;
}

static bool info_map(struct session *session, char *arguments)
{
    uint32_t cr0;
    (void)arguments;
    vmm_register(session->guest.vm, "cr0", &cr0);
    if (!(cr0 >> 31))
        repl_say(session, "Paging is off: linear addresses are physical ones.\n");
    else
        vmm_ranges(session->guest.vm, put_range, session);
    return true;
}

static bool info_shadow(struct session *session, char *arguments)
{
    static const char *const causes[] = {"hidden_fault", "true_fault", "table_write",
                                         "table_call_out", "descriptor_write"};
    struct vmm_cause_count cause;
    struct vmm_walk walk;
    vmm_walk(session->guest.vm, repl_pc(session), &walk);
    if (!walk.shadowed) {
        repl_say(session,
                 "There are no shadow tables here: the processor walks the guest's own.\n");
        return true;
    }
    if (*arguments)
        return repl_walk(session, arguments);
    for (size_t i = 0; vmm_cause(session->guest.vm, i, &cause); i++)
        for (size_t k = 0; k < sizeof causes / sizeof *causes; k++)
            if (strcmp(cause.cause, causes[k]) == 0)
                repl_say(session, "  %-18s %10" PRIu64 "\n", cause.cause, cause.count);
    return info_map(session, arguments);
}

static uint64_t count_of(const struct vmm_vm *vm, const char *name)
{
    struct vmm_cause_count cause;
    for (size_t i = 0; vmm_cause(vm, i, &cause); i++)
        if (strcmp(cause.cause, name) == 0)
            return cause.count;
    return 0;
}

static bool add_pages(void *context, const struct vmm_range *range)
{
    uint64_t *pages = context;
    *pages += range->shadow_pages;
    return true;
}

/* Shadow tables are a TLB that the VMM keeps: Bugnion and others, "Bringing virtualization to the
 * x86 architecture with the original VMware Workstation" (2012), section 4.3. */
static bool info_tlb(struct session *session, char *arguments)
{
    const struct vmm_vm *vm = session->guest.vm;
    struct vmm_walk walk;
    uint64_t pages = 0;
    (void)arguments;
    vmm_walk(vm, repl_pc(session), &walk);
    if (!walk.shadowed) {
        repl_say(session,
                 "The processor walks the guest's own tables and keeps what it found in "
                 "its TLB, where\nnobody can look. 'info map' shows what the tables say.\n");
        repl_nested_walks(session);
        return true;
    }
    vmm_ranges(vm, add_pages, &pages);
    repl_say(session,
             "The shadow tables are the guest's TLB: what is not in them yet faults (a miss), and\n"
             "is filled in from the guest's tables; INVLPG and MOV CR3 drop what they name.\n"
             "  pages in it now          %10" PRIu64 "\n  misses (hidden faults)   %10" PRIu64
             "\n  traced table writes      %10" PRIu64 "\n  INVLPG                   %10" PRIu64
             "\n  moves to CRs             %10" PRIu64 "\n",
             pages, count_of(vm, "hidden_fault"),
             count_of(vm, "table_write") + count_of(vm, "table_call_out"), count_of(vm, "invlpg"),
             count_of(vm, "mov_to_cr"));
    return true;
}

/* ---- devices, breakpoints, symbols ---- */

static bool put_device(struct session *session, const char *name)
{
    char text[2048];
    if (!vmm_device_text(session->guest.vm, name, text, sizeof text))
        return repl_complain(session, "There is no device '%.20s'; 'info devices' shows all.",
                             name);
    repl_say(session, "%s%s%s\n", repl_paint(session, PAINT_HEAD), name,
             repl_paint(session, PAINT_OFF));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        repl_say(session, "  %s\n", line);
    return true;
}

static bool info_devices(struct session *session, char *arguments)
{
    const char *name;
    if (*arguments)
        return put_device(session, arguments);
    for (size_t i = 0; (name = vmm_device(i)); i++)
        put_device(session, name);
    return true;
}

static bool info_breakpoints(struct session *session, char *arguments)
{
    (void)arguments;
    if (!session->breakpoint_count)
        repl_say(session, "There are no breakpoints; 'break ADDRESS' sets one.\n");
    for (unsigned i = 0; i < session->breakpoint_count; i++) {
        const struct breakpoint *point = &session->breakpoints[i];
        const char *what = !point->watched                     ? ""
                           : point->access == VMM_WATCH_READ   ? "reads: "
                           : point->access == VMM_WATCH_ACCESS ? "accesses: "
                                                               : "changes: ";
        repl_say(session, "%3u  %s%s%s%s  met %" PRIu64 " time%s\n", point->number, what,
                 point->where, *point->condition ? " if " : "", point->condition, point->hits,
                 point->hits == 1 ? "" : "s");
    }
    return true;
}

static bool info_symbols(struct session *session, char *arguments)
{
    const char *name;
    bool any = false;
    for (size_t i = 0; (name = vmm_symbol_name(session->guest.vm, i)); i++) {
        uint32_t linear;
        if (!strstr(name, arguments) || !vmm_symbol_address(session->guest.vm, name, &linear))
            continue;
        repl_say(session, "0x%08x  %s\n", linear, name);
        any = true;
    }
    if (!any)
        repl_say(session, "No symbol of the image contains '%s'.\n", arguments);
    return true;
}

/* ---- hardware assist ---- */

static void put_intercepts(struct session *session)
{
    struct vmm_intercepted intercepted;
    repl_say(session, "%sintercepts%s\n", repl_paint(session, PAINT_HEAD),
             repl_paint(session, PAINT_OFF));
    for (size_t i = 0; vmm_intercepted(session->guest.vm, i, &intercepted); i++)
        repl_say(session, "  0x%02x  %-14s %-22s %s\n", intercepted.code, intercepted.name,
                 intercepted.exit, intercepted.intel);
}

/* Every field by AMD's name, with what VT-x calls it. `info vmcb all` has those, too, that are zero
 * and of no use to this guest. */
static bool info_vmcb(struct session *session, char *arguments)
{
    struct vmm_vmcb_field field;
    bool all = strcmp(arguments, "all") == 0, any = false;
    if (*arguments && !all)
        return repl_complain(session, "'info vmcb' takes 'all' or nothing.");
    for (size_t i = 0; vmm_vmcb_field(session->guest.vm, i, &field); i++) {
        any = true;
        if (!field.idle || all)
            repl_say(session, "  +0x%03x  %-26s 0x%0*" PRIx64 "%*s  %s\n", field.offset, field.name,
                     (int)field.bytes * 2, field.value, 16 - (int)field.bytes * 2, "", field.intel);
    }
    if (!any)
        return repl_complain(session,
                             "There is no VMCB: no hardware assists this guest; 'technique hw'.");
    put_intercepts(session);
    return true;
}

/* ---- reports ---- */

static bool write_report(void *context, const char *bytes, size_t count)
{
    repl_say(context, "%.*s", (int)count, bytes);
    return true;
}

static bool info_report(struct session *session, char *arguments)
{
    (void)arguments;
    return vmm_postmortem(session->guest.vm, write_report, session);
}

/* A return address belongs to the call before it, which may be its function's last instruction. */
static void put_frame(struct session *session, unsigned number, uint32_t pc)
{
    uint32_t offset;
    const char *name = vmm_symbol(session->guest.vm, pc - (number > 0), &offset), *file;
    unsigned line;
    repl_say(session, "#%-2u 0x%08x", number, pc);
    if (name)
        repl_say(session, " <%s+0x%x>", name, offset + (number > 0));
    if (source_line(session->source, pc - (number > 0), &file, &line))
        repl_say(session, " at %s:%u", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line);
    repl_say(session, "\n");
}

bool repl_backtrace(struct session *session, char *arguments)
{
    struct vmm_frame frames[VMM_FRAMES];
    if (*arguments)
        return repl_complain(session, "'backtrace' takes nothing.");
    if (!repl_need_guest(session))
        return false;
    unsigned count = repl_frames(session, frames, VMM_FRAMES);
    for (unsigned i = 0; i < count; i++)
        put_frame(session, i, frames[i].pc);
    return true;
}

/* ---- topics ---- */

static const struct {
    const char *name;
    bool (*show)(struct session *session, char *arguments);
} topics[] = {
    {"registers", info_registers},
    {"traps", info_traps},
    {"stats", info_stats},
    {"vm", info_vm},
    {"shadow", info_shadow},
    {"map", info_map},
    {"devices", info_devices},
    {"breakpoints", info_breakpoints},
    {"tlb", info_tlb},
    {"symbols", info_symbols},
    {"report", info_report},
    {"vmcb", info_vmcb},
    {"tu", repl_info_units},
    {"cache", repl_info_cache},
    {"chain", repl_info_cache},
    {"snapshots", repl_info_snapshots},
};
enum { TOPICS = sizeof topics / sizeof *topics };

const char *repl_info_topic(size_t i)
{
    return i < TOPICS ? topics[i].name : NULL;
}

static const char *topic_name(void *context, size_t i)
{
    (void)context;
    return repl_info_topic(i);
}

/* The topic that is `word`, or that it begins and no other does; -1 otherwise. */
static int find_topic(const char *word)
{
    int found = -1;
    for (int i = 0; i < TOPICS; i++)
        if (strcmp(topics[i].name, word) == 0)
            return i;
    for (int i = 0; i < TOPICS; i++) {
        if (strncmp(topics[i].name, word, strlen(word)) != 0)
            continue;
        if (found >= 0)
            return -1;
        found = i;
    }
    return found;
}

bool repl_info(struct session *session, char *arguments)
{
    char *word = repl_word(&arguments);
    if (!word)
        return repl_complain(session, "About what? 'help info' lists the topics.");
    int topic = strcmp(word, "s") == 0 ? 2 : find_topic(word);
    const char *nearest = nearest_name(word, topic_name, NULL);
    if (topic < 0 && nearest)
        return repl_complain(session, "There is no topic '%.20s'; did you mean '%s'?", word,
                             nearest);
    if (topic < 0)
        return repl_complain(session,
                             "'%.20s' is no topic, or more than one; 'help info' lists "
                             "them.",
                             word);
    while (*arguments == ' ' || *arguments == '\t')
        arguments++;
    return repl_need_guest(session) && topics[topic].show(session, arguments);
}
