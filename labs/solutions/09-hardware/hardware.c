/* Lab 9, the reference: intercepts, exits and nested paging as the manual has them (AMD APM volume
 * 2, chapter 15; Bhargava et al., ASPLOS 2008, for the second dimension). What the guest may do by
 * itself is not intercepted: its page tables, page faults, interrupt flag and descriptor tables are
 * its own. */
#include "lab.h"

enum { P = 1, RW = 2, US = 4 };
#define EVERYTHING ((uint32_t)(P | RW | US))

/* ---- what stops the guest ---- */

static bool intercept(void *context, unsigned code)
{
    (void)context;
    switch (code) {
    case VMM_EXIT_INTR: /* the host's devices */
    case VMM_EXIT_VINTR:
    case VMM_EXIT_CPUID: /* the machine's, not the VM's */
    case VMM_EXIT_HLT:
    case VMM_EXIT_IOIO:
    case VMM_EXIT_MSR:
    case VMM_EXIT_RDPMC:
    case VMM_EXIT_INVD:
    case VMM_EXIT_WBINVD:
    case VMM_EXIT_RSM:
    case VMM_EXIT_VMRUN:
    case VMM_EXIT_VMMCALL:
    case VMM_EXIT_SHUTDOWN:
    case VMM_EXIT_CR0_SEL_WRITE: /* caches and modes, but not TS */
    case VMM_EXIT_CR4_WRITE:
    case VMM_EXIT_EXCP0 + 6: return true;
    default: return false;
    }
}

/* ---- the second dimension ---- */

static struct vmm_nested_answer fill(void *context, const struct vmm_nested_fault *fault)
{
    struct vmm_nested_answer answer = {.kind = VMM_FILL_MAP};
    uint32_t rights = EVERYTHING;
    (void)context;
    if (fault->frame == VMM_NO_FRAME)
        return (struct vmm_nested_answer){.kind = VMM_FILL_NOTHING};
    if (fault->log && !(fault->error_code & RW))
        rights = P | US; /* the first write is to come here, too */
    answer.directory_entry = fault->directory_entry;
    if (!(fault->directory_entry & P))
        answer.directory_entry = fault->new_table | EVERYTHING;
    answer.table_entry = fault->frame | rights;
    if (fault->table_entry & P)
        answer.table_entry = fault->table_entry | rights; /* with the processor's A and D */
    return answer;
}

/* ---- exits ---- */

/* EVENTINJ (section 15.20). */
enum { EXTERNAL = 0, EXCEPTION = 3 };
static enum vmm_exit_end inject(struct vmm_vmexit *exit, unsigned type, unsigned vector)
{
    exit->event = 1ull << 31 | type << 8 | vector;
    return VMM_EXIT_INJECT;
}

/* EXITINFO1 of IOIO (section 15.10.2): the port from bit 16, SZ32, SZ16, SZ8 at 6 to 4, REP 3, STR
 * 2, TYPE 0. */
static enum vmm_exit_end port(struct vmm_vmexit *exit)
{
    uint32_t eax = exit->registers.gpr[0];
    if (exit->info1 & 1 << 2)
        return VMM_EXIT_EMULATE;
    exit->port.port = (uint16_t)(exit->info1 >> 16);
    exit->port.size = (exit->info1 >> 4 & 7);
    exit->port.in = exit->info1 & 1;
    exit->port.value = exit->port.size == 4   ? eax
                       : exit->port.size == 2 ? eax & 0xffff
                                              : eax & 0xff;
    return VMM_EXIT_IO;
}

static enum vmm_exit_end cpuid(struct vmm_vmexit *exit)
{
    struct vmm_registers *r = &exit->registers;
    r->gpr[0] = exit->cpuid[0];
    r->gpr[3] = exit->cpuid[1];
    r->gpr[1] = exit->cpuid[2];
    r->gpr[2] = exit->cpuid[3];
    r->eip += exit->length;
    return VMM_EXIT_RESUME;
}

static enum vmm_exit_end handle(void *context, struct vmm_vmexit *exit)
{
    (void)context;
    switch (exit->code) {
    case VMM_EXIT_NPF: return VMM_EXIT_FILL;
    case VMM_EXIT_IOIO: return port(exit);
    case VMM_EXIT_CPUID: return cpuid(exit);
    case VMM_EXIT_HLT: return VMM_EXIT_IDLE;
    case VMM_EXIT_INTR:
    case VMM_EXIT_VINTR: return inject(exit, EXTERNAL, exit->vector);
    case VMM_EXIT_EXCP0 + 6: return inject(exit, EXCEPTION, 6);
    default: return VMM_EXIT_EMULATE;
    }
}

/* ---- interrupts ---- */

static uint64_t window(void *context, const struct vmm_window *window)
{
    (void)context;
    return window->v_intr | VMM_V_IRQ;
}

/* ---- what it costs ---- */

/* The last OUT is the guest's end. CR3, INVLPG and RDTSC are the guest's own. */
static uint64_t predict(const struct lab_workload *work)
{
    return work->cpuid + work->rdmsr + work->out + work->pages + work->void_pages + 1;
}

static const struct vmm_hardware hardware = {intercept, handle, fill, window};

const struct lab_module lab_modules[] = {
    {"dispatcher.hardware", .hardware = &hardware},
    {"lab.exits", .predict = predict},
    {NULL},
};
