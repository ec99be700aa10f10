/* Records of traps. See record.h. */
#include "record.h"

#include <assert.h>
#include <string.h>

#include "machine/host.h"

static const char *const names[TRAP_VMEXIT] = {
    [TRAP_EXCEPTION] = "exception",
    [TRAP_SOFTWARE_INTERRUPT] = "software_interrupt",
    [TRAP_INTERRUPT] = "interrupt",
    [TRAP_HIDDEN_FAULT] = "hidden_fault",
    [TRAP_TRUE_FAULT] = "true_fault",
    [TRAP_TABLE_WRITE] = "table_write",
    [TRAP_TABLE_CALL_OUT] = "table_call_out",
    [TRAP_DESCRIPTOR_WRITE] = "descriptor_write",
    [TRAP_DEVICE_MEMORY] = "device_memory",
    [TRAP_HYPERCALL] = "hypercall",
    [TRAP_SILENT] = "silent",
    [TRAP_CHAIN] = "chain",
    [TRAP_MISS] = "chain_miss",
#define KIND(kind, name) [TRAP_INSTRUCTION + X86_KIND_##kind] = name
    KIND(OTHER, "other"),
    KIND(INVALID, "invalid"),
    KIND(CLI, "cli"),
    KIND(STI, "sti"),
    KIND(PUSHF, "pushf"),
    KIND(POPF, "popf"),
    KIND(IRET, "iret"),
    KIND(INT, "int"),
    KIND(INT3, "int3"),
    KIND(INTO, "into"),
    KIND(ICEBP, "icebp"),
    KIND(HLT, "hlt"),
    KIND(UD, "ud"),
    KIND(IN_IMMEDIATE, "in"),
    KIND(OUT_IMMEDIATE, "out"),
    KIND(IN_DX, "in_dx"),
    KIND(OUT_DX, "out_dx"),
    KIND(INS, "ins"),
    KIND(OUTS, "outs"),
    KIND(LGDT, "lgdt"),
    KIND(LIDT, "lidt"),
    KIND(SGDT, "sgdt"),
    KIND(SIDT, "sidt"),
    KIND(LLDT, "lldt"),
    KIND(LTR, "ltr"),
    KIND(SLDT, "sldt"),
    KIND(STR, "str"),
    KIND(LMSW, "lmsw"),
    KIND(SMSW, "smsw"),
    KIND(CLTS, "clts"),
    KIND(MOV_FROM_CR, "mov_from_cr"),
    KIND(MOV_TO_CR, "mov_to_cr"),
    KIND(MOV_FROM_DR, "mov_from_dr"),
    KIND(MOV_TO_DR, "mov_to_dr"),
    KIND(INVLPG, "invlpg"),
    KIND(INVD, "invd"),
    KIND(WBINVD, "wbinvd"),
    KIND(RDMSR, "rdmsr"),
    KIND(WRMSR, "wrmsr"),
    KIND(RDTSC, "rdtsc"),
    KIND(RDTSCP, "rdtscp"),
    KIND(RDPMC, "rdpmc"),
    KIND(CPUID, "cpuid"),
    KIND(XGETBV, "xgetbv"),
    KIND(XSETBV, "xsetbv"),
    KIND(MONITOR, "monitor"),
    KIND(MWAIT, "mwait"),
    KIND(PAUSE, "pause"),
    KIND(LAR, "lar"),
    KIND(LSL, "lsl"),
    KIND(VERR, "verr"),
    KIND(VERW, "verw"),
    KIND(ARPL, "arpl"),
    KIND(MOV_FROM_SREG, "mov_from_sreg"),
    KIND(MOV_TO_SREG, "mov_to_sreg"),
    KIND(PUSH_SREG, "push_sreg"),
    KIND(POP_SREG, "pop_sreg"),
    KIND(LOAD_FAR_POINTER, "load_far_pointer"),
    KIND(CALL_FAR, "call_far"),
    KIND(CALL_FAR_INDIRECT, "call_far_indirect"),
    KIND(JMP_FAR, "jmp_far"),
    KIND(JMP_FAR_INDIRECT, "jmp_far_indirect"),
    KIND(RET_FAR, "ret_far"),
    KIND(SYSENTER, "sysenter"),
    KIND(SYSEXIT, "sysexit"),
    KIND(SYSCALL, "syscall"),
    KIND(SYSRET, "sysret"),
    KIND(RSM, "rsm"),
    KIND(VMCALL, "vmcall"),
    KIND(VMMCALL, "vmmcall"),
    KIND(VMX, "vmx"),
    KIND(SVM, "svm"),
    KIND(JMP, "jmp"),
    KIND(JCC, "jcc"),
    KIND(LOOP, "loop"),
    KIND(CALL, "call"),
    KIND(JMP_INDIRECT, "jmp_indirect"),
    KIND(CALL_INDIRECT, "call_indirect"),
    KIND(RET, "ret"),
#undef KIND
};

const char *record_cause_name(unsigned cause)
{
    const char *exit =
        cause < TRAP_VMEXIT ? names[cause] : vmcb_exit_name(cause - TRAP_VMEXIT)->amd;
    return exit ? exit : "";
}

/* ---- the host's time ----
 *
 * The processor's time stamp counter is read twice a trap; what a tick is worth is measured against
 * the host's clock over the life of the recorder. */

static uint64_t ticks_now(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return host_nanoseconds();
#endif
}

uint64_t record_nanoseconds(const struct recorder *r, uint64_t ticks)
{
    uint64_t passed = ticks_now() - r->born_ticks;
    double share = passed ? (double)ticks / (double)passed : 0;
    return (uint64_t)(share * (double)(host_nanoseconds() - r->born_nanoseconds));
}

/* The same for one record of many: the host's clock is asked again when the recorder is twice as
 * old. */
static uint64_t nanoseconds_soon(struct recorder *r, uint64_t ticks)
{
    enum { MEASURED = 1 << 20 };
    uint64_t age = r->begun - r->born_ticks;
    if (age >= r->measure_age) {
        r->measured = record_nanoseconds(r, MEASURED);
        r->measure_age = 2 * age;
    }
    return (uint64_t)((double)ticks * ((double)r->measured / MEASURED));
}

void record_init(struct recorder *r, unsigned vm)
{
    memset(r, 0, sizeof *r);
    r->vm = vm;
    r->born_ticks = ticks_now();
    r->born_nanoseconds = host_nanoseconds();
}

/* ---- one record ---- */

bool record_watched(const struct recorder *r)
{
    return r->sink || r->stop;
}

void record_begin(struct recorder *r, const struct cpu_state *guest, uint64_t time,
                  uint64_t instructions)
{
    struct vmm_record *record = &r->kept[r->count++ % VMM_RECORDS_KEPT];
    r->open = record;
    r->begun = ticks_now();
    r->steps = 0;
    if (record_watched(r))
        r->before = *guest;
    /* What says itself that it does not hold is not cleared. */
    record->sequence = r->count;
    record->time = time;
    record->instructions = instructions;
    record->vm = r->vm;
    record->eip = guest->eip;
    record->linear = guest->seg[X86_CS].base + guest->eip;
    record->cs = guest->seg[X86_CS].selector;
    record->ring = guest->cpl;
    record->code16 = !(guest->seg[X86_CS].attributes & X86_SEG_DB);
    record->length = 0;
    record->change_count = 0;
    record->routine = record->outcome = record->exit = 0;
    record->has_vector = record->has_error_code = record->has_address = record->injected = false;
    memset(record->walk, 0, sizeof record->walk);
}

void record_cause(struct recorder *r, unsigned cause)
{
    r->cause = cause;
}

void record_event(struct recorder *r, const struct x86_event *event)
{
    struct vmm_record *record = r->open;
    if (!record)
        return;
    record->has_vector = true;
    record->vector = event->vector;
    record->has_error_code = event->has_error_code;
    record->error_code = event->error_code;
    if (event->kind == X86_EXCEPTION && event->vector == X86_PAGE)
        record_address(r, event->cr2);
}

void record_address(struct recorder *r, uint32_t address)
{
    if (!r->open)
        return;
    r->open->has_address = true;
    r->open->address = address;
}

void record_exit(struct recorder *r, unsigned code, uint64_t info1, uint64_t info2)
{
    struct vmm_record *record = r->open;
    record->exit = vmcb_exit_name(code)->amd;
    record->exit_intel = vmcb_exit_name(code)->intel;
    record->exit_code = vmcb_exit_number(code);
    record->exit_info1 = info1;
    record->exit_info2 = info2;
}

void record_bytes(struct recorder *r, const uint8_t *bytes, unsigned length)
{
    r->open->length = (uint8_t)length;
    memcpy(r->open->bytes, bytes, length);
}

void record_step(struct recorder *r, char room)
{
    if (!r->open)
        return;
    /* A trap passes through three rooms at most before the guest runs on: see outcome.c. */
    assert(r->steps <= VMM_RECORD_STEPS);
    r->open->walk[r->steps++] = room;
}

void record_result(struct recorder *r, const char *routine, const char *outcome)
{
    if (!r->open)
        return;
    r->open->routine = routine;
    r->open->outcome = outcome;
}

void record_injected(struct recorder *r, uint8_t vector)
{
    if (!r->open)
        return;
    r->open->injected = true;
    r->open->injected_vector = vector;
}

static void change(struct vmm_record *record, const char *what, uint32_t before, uint32_t after)
{
    if (before != after && record->change_count < VMM_RECORD_CHANGES)
        record->changes[record->change_count++] = (struct vmm_change){what, before, after};
}

/* What matters most comes first: there is room for a few only. */
static void compare(struct vmm_record *record, const struct cpu_state *old,
                    const struct cpu_state *new)
{
    static const char *const gprs[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    static const char *const sregs[] = {"es", "cs", "ss", "ds", "fs", "gs"};
    change(record, "cr0", old->cr0, new->cr0);
    change(record, "cr2", old->cr2, new->cr2);
    change(record, "cr3", old->cr3, new->cr3);
    change(record, "cr4", old->cr4, new->cr4);
    change(record, "cpl", old->cpl, new->cpl);
    change(record, "if", !!(old->eflags & X86_IF), !!(new->eflags &X86_IF));
    change(record, "iopl", x86_iopl(old), x86_iopl(new));
    change(record, "gdtr.base", old->gdtr.base, new->gdtr.base);
    change(record, "gdtr.limit", old->gdtr.limit, new->gdtr.limit);
    change(record, "idtr.base", old->idtr.base, new->idtr.base);
    change(record, "idtr.limit", old->idtr.limit, new->idtr.limit);
    change(record, "ldtr", old->ldtr.selector, new->ldtr.selector);
    change(record, "tr", old->tr.selector, new->tr.selector);
    for (unsigned i = 0; i < X86_SREGS; i++)
        change(record, sregs[i], old->seg[i].selector, new->seg[i].selector);
    for (unsigned i = 0; i < 8; i++)
        change(record, gprs[i], old->gpr[i], new->gpr[i]);
    change(record, "eip", old->eip, new->eip);
    change(record, "eflags", old->eflags, new->eflags);
}

void record_end(struct recorder *r, const struct cpu_state *guest)
{
    struct vmm_record *record = r->open;
    uint64_t ticks = ticks_now() - r->begun;
    record->cause = record_cause_name(r->cause);
    record->host_ns = ticks; /* in ticks while it is kept */
    r->causes[r->cause].count++;
    r->causes[r->cause].ticks += ticks;
    r->deliveries += record->injected || r->cause <= TRAP_INTERRUPT;
    r->open = 0;
    if (!record_watched(r))
        return;
    compare(record, &r->before, guest);
    struct vmm_record shown = *record;
    shown.host_ns = nanoseconds_soon(r, ticks);
    if (r->sink)
        r->sink(r->sink_context, &shown);
    if (r->stop && r->stop(r->stop_context, &shown))
        r->stopped = true;
}

bool record_copy(const struct recorder *r, unsigned back, struct vmm_record *record)
{
    if (back >= VMM_RECORDS_KEPT || back >= r->count)
        return false;
    *record = r->kept[(r->count - 1 - back) % VMM_RECORDS_KEPT];
    record->host_ns = record_nanoseconds(r, record->host_ns);
    return true;
}
