/* The VMCB as memory: its fields, and the guest state in it. See vmcb.h. */
#include "vmcb.h"

#include <string.h>

#include "arch/x86/descriptor.h"

uint64_t vmcb_get(const struct vmcb *vmcb, unsigned offset, unsigned bytes)
{
    uint64_t value = 0;
    memcpy(&value, vmcb->bytes + offset, bytes);
    return value;
}

void vmcb_put(struct vmcb *vmcb, unsigned offset, unsigned bytes, uint64_t value)
{
    memcpy(vmcb->bytes + offset, &value, bytes);
}

/* ---- guest state ----
 *
 * A segment is 16 bytes: selector, attributes, limit, base. Of the descriptor's second doubleword
 * the attributes have bits 8 to 15 and 20 to 23, packed into twelve. */

enum { SELECTOR = 0, ATTRIBUTES = 2, LIMIT = 4, BASE = 8 };

static uint32_t pack(uint32_t attributes)
{
    return (attributes >> 8 & 0xff) | (attributes >> 12 & 0xf00);
}

static uint32_t unpack(uint32_t packed)
{
    return (packed & 0xff) << 8 | (packed & 0xf00) << 12;
}

static void put_segment(struct vmcb *vmcb, unsigned at, const struct x86_segment *segment)
{
    vmcb_put(vmcb, at + SELECTOR, 2, segment->selector);
    vmcb_put(vmcb, at + ATTRIBUTES, 2, pack(segment->attributes));
    vmcb_put(vmcb, at + LIMIT, 4, segment->limit);
    vmcb_put(vmcb, at + BASE, 8, segment->base);
}

static void get_segment(const struct vmcb *vmcb, unsigned at, struct x86_segment *segment)
{
    segment->selector = (uint16_t)vmcb_get(vmcb, at + SELECTOR, 2);
    segment->attributes = unpack((uint32_t)vmcb_get(vmcb, at + ATTRIBUTES, 2));
    segment->limit = (uint32_t)vmcb_get(vmcb, at + LIMIT, 4);
    segment->base = (uint32_t)vmcb_get(vmcb, at + BASE, 8);
}

static void put_table(struct vmcb *vmcb, unsigned at, const struct x86_table *table)
{
    vmcb_put(vmcb, at + LIMIT, 4, table->limit);
    vmcb_put(vmcb, at + BASE, 8, table->base);
}

static void get_table(const struct vmcb *vmcb, unsigned at, struct x86_table *table)
{
    table->limit = (uint16_t)vmcb_get(vmcb, at + LIMIT, 4);
    table->base = (uint32_t)vmcb_get(vmcb, at + BASE, 8);
}

void vmcb_save(struct vmcb *vmcb, const struct cpu_state *s)
{
    for (unsigned i = 0; i < X86_SREGS; i++)
        put_segment(vmcb, VMCB_SEGMENTS + 16 * i, &s->seg[i]);
    put_segment(vmcb, VMCB_LDTR, &s->ldtr);
    put_segment(vmcb, VMCB_TR, &s->tr);
    put_table(vmcb, VMCB_GDTR, &s->gdtr);
    put_table(vmcb, VMCB_IDTR, &s->idtr);
    vmcb_put(vmcb, VMCB_CPL, 1, s->cpl);
    vmcb_put(vmcb, VMCB_EFER, 8, VMCB_EFER_SVME);
    vmcb_put(vmcb, VMCB_CR4, 8, s->cr4);
    vmcb_put(vmcb, VMCB_CR3, 8, s->cr3);
    vmcb_put(vmcb, VMCB_CR2, 8, s->cr2);
    vmcb_put(vmcb, VMCB_CR0, 8, s->cr0);
    vmcb_put(vmcb, VMCB_DR7, 8, s->dr[7]);
    vmcb_put(vmcb, VMCB_DR6, 8, s->dr[6]);
    vmcb_put(vmcb, VMCB_RFLAGS, 8, s->eflags);
    vmcb_put(vmcb, VMCB_RIP, 8, s->eip);
    vmcb_put(vmcb, VMCB_RSP, 8, s->gpr[X86_ESP]);
    vmcb_put(vmcb, VMCB_RAX, 8, s->gpr[X86_EAX]);
    vmcb_put(vmcb, VMCB_INTERRUPT_SHADOW, 8, s->interrupt_shadow);
}

void vmcb_load(const struct vmcb *vmcb, struct cpu_state *s)
{
    for (unsigned i = 0; i < X86_SREGS; i++)
        get_segment(vmcb, VMCB_SEGMENTS + 16 * i, &s->seg[i]);
    get_segment(vmcb, VMCB_LDTR, &s->ldtr);
    get_segment(vmcb, VMCB_TR, &s->tr);
    get_table(vmcb, VMCB_GDTR, &s->gdtr);
    get_table(vmcb, VMCB_IDTR, &s->idtr);
    s->cpl = (uint8_t)vmcb_get(vmcb, VMCB_CPL, 1) & 3;
    s->cr4 = (uint32_t)vmcb_get(vmcb, VMCB_CR4, 8);
    s->cr3 = (uint32_t)vmcb_get(vmcb, VMCB_CR3, 8);
    s->cr2 = (uint32_t)vmcb_get(vmcb, VMCB_CR2, 8);
    s->cr0 = (uint32_t)vmcb_get(vmcb, VMCB_CR0, 8);
    s->dr[7] = (uint32_t)vmcb_get(vmcb, VMCB_DR7, 8);
    s->dr[6] = (uint32_t)vmcb_get(vmcb, VMCB_DR6, 8);
    s->eflags = (uint32_t)vmcb_get(vmcb, VMCB_RFLAGS, 8) | X86_FIXED;
    s->eip = (uint32_t)vmcb_get(vmcb, VMCB_RIP, 8);
    s->gpr[X86_ESP] = (uint32_t)vmcb_get(vmcb, VMCB_RSP, 8);
    s->gpr[X86_EAX] = (uint32_t)vmcb_get(vmcb, VMCB_RAX, 8);
    s->interrupt_shadow = vmcb_get(vmcb, VMCB_INTERRUPT_SHADOW, 8) & 1;
}

/* Bits of EVENTINJ. */
enum { EVENT_INTR = 0, EVENT_EXCEPTION = 3, EVENT_SOFTWARE = 4, EVENT_TYPE_SHIFT = 8 };
#define EVENT_ERROR_CODE (1u << 11)
#define EVENT_VALID      (1u << 31)

uint64_t vmcb_event(const struct x86_event *event)
{
    unsigned type = event->kind == X86_EXTERNAL_INTERRUPT   ? EVENT_INTR
                    : event->kind == X86_SOFTWARE_INTERRUPT ? EVENT_SOFTWARE
                                                            : EVENT_EXCEPTION;
    uint64_t value = event->vector | type << EVENT_TYPE_SHIFT | EVENT_VALID;
    if (event->has_error_code)
        value |= EVENT_ERROR_CODE | (uint64_t)event->error_code << 32;
    return value;
}

/* ---- the checks of VMRUN ---- */

/* Reserved types, and exceptions that do not exist or that have to be NMIs (section 15.20). */
static bool legal_event(uint64_t event)
{
    unsigned type = event >> EVENT_TYPE_SHIFT & 7, vector = event & 0xff;
    if (!(event & EVENT_VALID))
        return true;
    if (type == 1 || type > EVENT_SOFTWARE)
        return false;
    return type != EVENT_EXCEPTION || (vector < 32 && vector != X86_NMI);
}

static bool beyond(uint64_t base, unsigned frames, uint64_t memory_size)
{
    base &= ~(uint64_t)(MEMORY_FRAME_SIZE - 1);
    return base + frames * MEMORY_FRAME_SIZE > memory_size || base > memory_size;
}

static const char *check_state(const struct vmcb *vmcb)
{
    uint64_t cr0 = vmcb_get(vmcb, VMCB_CR0, 8), cr3 = vmcb_get(vmcb, VMCB_CR3, 8),
             cr4 = vmcb_get(vmcb, VMCB_CR4, 8), efer = vmcb_get(vmcb, VMCB_EFER, 8);
    const uint64_t known_cr4 = 0x7ff, known_efer = VMCB_EFER_SVME;
    if (!(efer & VMCB_EFER_SVME))
        return "EFER.SVME is 0";
    if (!(cr0 & X86_CR0_CD) && (cr0 & X86_CR0_NW))
        return "CR0.CD is 0 and CR0.NW is 1";
    if (cr0 >> 32)
        return "CR0[63:32] are not 0";
    if (cr3 >> 32)
        return "a reserved bit of CR3 is 1";
    if (cr4 & ~known_cr4)
        return "a reserved bit of CR4 is 1";
    if (vmcb_get(vmcb, VMCB_DR6, 8) >> 32)
        return "DR6[63:32] are not 0";
    if (vmcb_get(vmcb, VMCB_DR7, 8) >> 32)
        return "DR7[63:32] are not 0";
    if (efer & ~known_efer)
        return "a bit of EFER is 1 that this processor does not have (long mode, say)";
    return 0;
}

const char *vmcb_check(const struct vmcb *vmcb, uint64_t memory_size)
{
    const char *bad = check_state(vmcb);
    if (bad)
        return bad;
    if (!vmcb_intercepts(vmcb, VMCB_EXIT_VMRUN))
        return "the VMRUN intercept is 0";
    if (beyond(vmcb_get(vmcb, VMCB_IOPM_BASE, 8), VMCB_IOPM_FRAMES, memory_size))
        return "the I/O permission bitmap is beyond the machine's memory";
    if (beyond(vmcb_get(vmcb, VMCB_MSRPM_BASE, 8), VMCB_MSRPM_FRAMES, memory_size))
        return "the MSR permission bitmap is beyond the machine's memory";
    if (!vmcb_get(vmcb, VMCB_ASID, 4))
        return "the ASID is 0";
    if (!legal_event(vmcb_get(vmcb, VMCB_EVENTINJ, 8)))
        return "EVENTINJ has a reserved type, or an exception that does not exist";
    if ((vmcb_get(vmcb, VMCB_NP_ENABLE, 8) & 1) &&
        beyond(vmcb_get(vmcb, VMCB_N_CR3, 8), 1, memory_size))
        return "N_CR3 is beyond the machine's memory";
    return 0;
}

/* ---- bitmaps ---- */

bool vmcb_iopm_intercepts(const uint8_t *iopm, uint16_t port, unsigned size)
{
    for (uint32_t i = port; i < (uint32_t)port + size; i++)
        if (iopm[i / 8] >> (i % 8) & 1)
            return true;
    return false;
}

bool vmcb_msrpm_intercepts(const uint8_t *msrpm, uint32_t msr, bool write)
{
    static const uint32_t ranges[] = {0x00000000, 0xc0000000, 0xc0010000};
    enum { RANGE = 0x2000, RANGE_BYTES = 0x800 };
    for (unsigned i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (msr - ranges[i] < RANGE) {
            uint32_t bit = 2 * (msr - ranges[i]) + write;
            return msrpm[i * RANGE_BYTES + bit / 8] >> (bit % 8) & 1;
        }
    return true;
}

/* ---- fields by name ---- */

#define SEGMENT(name, at, guest)                                                                   \
    {name ".selector", guest " selector", at, 2, false},                                           \
        {name ".attrib", guest " access rights", at + ATTRIBUTES, 2, false},                       \
        {name ".limit", guest " limit", at + LIMIT, 4, false},                                     \
    {                                                                                              \
        name ".base", guest " base address", at + BASE, 8, false                                   \
    }
#define TABLE(name, at, guest)                                                                     \
    {name ".limit", guest " limit", at + LIMIT, 4, false},                                         \
    {                                                                                              \
        name ".base", guest " base address", at + BASE, 8, false                                   \
    }

static const struct vmcb_field fields[] = {
    {"INTERCEPT_CR", "CR0/CR4 masks; CR3, CR8 exiting", 0x000, 4, false},
    {"INTERCEPT_DR", "MOV-DR exiting", 0x004, 4, false},
    {"INTERCEPT_EXCEPTIONS", "exception bitmap", 0x008, 4, false},
    {"INTERCEPT_MISC1", "pin-based, primary execution controls", 0x00c, 4, false},
    {"INTERCEPT_MISC2", "primary, secondary execution controls", 0x010, 4, false},
    {"PAUSE_FILTER_THRESHOLD", "PLE_Gap", 0x03c, 2, true},
    {"PAUSE_FILTER_COUNT", "PLE_Window", 0x03e, 2, true},
    {"IOPM_BASE_PA", "I/O-bitmap addresses A and B", VMCB_IOPM_BASE, 8, false},
    {"MSRPM_BASE_PA", "MSR-bitmap address", VMCB_MSRPM_BASE, 8, false},
    {"TSC_OFFSET", "TSC offset", VMCB_TSC_OFFSET, 8, false},
    {"ASID", "VPID", VMCB_ASID, 4, false},
    {"TLB_CONTROL", "INVEPT, INVVPID", VMCB_TLB_CONTROL, 1, true},
    {"V_INTR", "interrupt-window exiting; virtual APIC", VMCB_V_INTR, 8, false},
    {"INTERRUPT_SHADOW", "guest interruptibility state", VMCB_INTERRUPT_SHADOW, 8, false},
    {"EXITCODE", "exit reason", VMCB_EXITCODE, 8, false},
    {"EXITINFO1", "exit qualification", VMCB_EXITINFO1, 8, false},
    {"EXITINFO2", "guest-physical, guest-linear address", VMCB_EXITINFO2, 8, false},
    {"EXITINTINFO", "IDT-vectoring information", VMCB_EXITINTINFO, 8, false},
    {"NP_ENABLE", "enable EPT", VMCB_NP_ENABLE, 8, false},
    {"EVENTINJ", "VM-entry interruption information", VMCB_EVENTINJ, 8, false},
    {"N_CR3", "EPT pointer", VMCB_N_CR3, 8, false},
    {"LBR_VIRTUALIZATION_ENABLE", "", 0x0b8, 8, true},
    {"VMCB_CLEAN", "", 0x0c0, 4, true},
    {"NRIP", "VM-exit instruction length", VMCB_NRIP, 8, false},
    SEGMENT("ES", 0x400, "guest ES"),
    SEGMENT("CS", 0x410, "guest CS"),
    SEGMENT("SS", 0x420, "guest SS"),
    SEGMENT("DS", 0x430, "guest DS"),
    SEGMENT("FS", 0x440, "guest FS"),
    SEGMENT("GS", 0x450, "guest GS"),
    TABLE("GDTR", VMCB_GDTR, "guest GDTR"),
    SEGMENT("LDTR", VMCB_LDTR, "guest LDTR"),
    TABLE("IDTR", VMCB_IDTR, "guest IDTR"),
    SEGMENT("TR", VMCB_TR, "guest TR"),
    {"CPL", "DPL in the guest SS access rights", VMCB_CPL, 1, false},
    {"EFER", "guest IA32_EFER", VMCB_EFER, 8, false},
    {"CR4", "guest CR4", VMCB_CR4, 8, false},
    {"CR3", "guest CR3", VMCB_CR3, 8, false},
    {"CR0", "guest CR0", VMCB_CR0, 8, false},
    {"DR7", "guest DR7", VMCB_DR7, 8, false},
    {"DR6", "", VMCB_DR6, 8, false},
    {"RFLAGS", "guest RFLAGS", VMCB_RFLAGS, 8, false},
    {"RIP", "guest RIP", VMCB_RIP, 8, false},
    {"RSP", "guest RSP", VMCB_RSP, 8, false},
    {"RAX", "", VMCB_RAX, 8, false},
    {"STAR", "", 0x600, 8, true},
    {"LSTAR", "", 0x608, 8, true},
    {"CSTAR", "", 0x610, 8, true},
    {"SFMASK", "", 0x618, 8, true},
    {"KERNEL_GS_BASE", "", 0x620, 8, true},
    {"SYSENTER_CS", "guest IA32_SYSENTER_CS", 0x628, 8, true},
    {"SYSENTER_ESP", "guest IA32_SYSENTER_ESP", 0x630, 8, true},
    {"SYSENTER_EIP", "guest IA32_SYSENTER_EIP", 0x638, 8, true},
    {"CR2", "", VMCB_CR2, 8, false},
    {"G_PAT", "guest IA32_PAT", 0x668, 8, true},
    {"DBGCTL", "guest IA32_DEBUGCTL", 0x670, 8, true},
};

const struct vmcb_field *vmcb_field(size_t i)
{
    return i < sizeof fields / sizeof *fields ? &fields[i] : 0;
}
