/* x86-32 with AMD's secure virtual machine extension (AMD64 Architecture Programmer's Manual,
 * volume 2, chapter 15).
 *
 * M is (host mode, guest mode) at one CPL, 0: SVM's answer to Popek and Goldberg is a second mode
 * bit, in which a kernel keeps its ring. A #VMEXIT is the trap. VMRUN gives the guest its own copy
 * of most of what x86-32 counts as R (flags, control registers, descriptor tables), so that here
 * these belong to the program. R is what the host keeps: the devices, and the registers that VMRUN
 * does not exchange. Every intercept of the VMCB is set, virtual interrupt masking is on.
 *
 * This set is tried on the engine itself: the machine layer is always in guest mode, and one pair
 * of states that differ in M needs both. */
#include "arch/x86/decode.h"
#include "arch/x86/deliver.h"
#include "classify/probe.h"
#include "isa/x86_32.h"

#include <capstone/capstone.h>
#include <string.h>

enum {
    SVM_VMCB = 0xf000,
    SVM_MSRPM = 0x10000, /* two pages of ones: every MSR is intercepted */
    SVM_HOST_SAVE = 0x12000,
    SVM_SIZE = 0x13000,
    SVM_SAVE = 0x400, /* the state save area in the VMCB */
    MSR_SYSENTER_CS = 0x174,
    MSR_EFER = 0xc0000080u,
    MSR_VM_HSAVE_PA = 0xc0010117u,
    EFER_SVME = 1 << 12,
    V_INTR_MASKING = 1 << 24,
};

enum { SV_BASE, SV_PORT, SV_MSR, SV_COUNT };
static const struct isa_variation variations[SV_COUNT] = {
    {.name = "nothing"},
    {.name = "the device behind the ports"},
    {.name = "the MSR SYSENTER_CS"},
};

/* As x86-32's variation. */
static unsigned plain(unsigned variation)
{
    return variation == SV_PORT ? V_PORT : V_BASE;
}

static const struct isa_mode modes[] = {{"host mode (CPL 0)", false}, {"guest mode (CPL 0)", true}};

enum { SC_SYSENTER_CS = XC_COUNT, SC_EFER, SC_COUNT };
static const struct isa_component components[SC_COUNT] = {
    X86_32_COMPONENTS(ISA_STORAGE, ISA_STORAGE, ISA_RESOURCE),
    [SC_SYSENTER_CS] = {"SYSENTER_CS", ISA_RESOURCE, ISA_BITS, 0, 0},
    [SC_EFER] = {"EFER", ISA_STORAGE, ISA_BITS, 0, 0},
};

/* ---- struct cpu_state and the engine's registers ---- */

static const int general[8] = {UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_EBX,
                               UC_X86_REG_ESP, UC_X86_REG_EBP, UC_X86_REG_ESI, UC_X86_REG_EDI};
static const int selectors[X86_SREGS] = {UC_X86_REG_ES, UC_X86_REG_CS, UC_X86_REG_SS,
                                         UC_X86_REG_DS, UC_X86_REG_FS, UC_X86_REG_GS};

static void write_table(struct probe *probe, int reg, const struct x86_segment *table)
{
    /* The engine aborts where it meets a busy task register. */
    uc_x86_mmr mmr = {table->selector, table->base, table->limit,
                      reg == UC_X86_REG_TR ? table->attributes & ~0x200u : table->attributes};

    uc_reg_write(probe->uc, reg, &mmr);
}

static struct x86_segment read_table(struct probe *probe, int reg)
{
    uc_x86_mmr mmr = {0};

    uc_reg_read(probe->uc, reg, &mmr);
    return (struct x86_segment){mmr.selector, (uint32_t)mmr.base, mmr.limit, mmr.flags};
}

static void write_state(struct probe *probe, const struct cpu_state *state)
{
    const struct x86_segment gdtr = {0, state->gdtr.base, state->gdtr.limit, 0};
    const struct x86_segment idtr = {0, state->idtr.base, state->idtr.limit, 0};

    write_table(probe, UC_X86_REG_GDTR, &gdtr);
    write_table(probe, UC_X86_REG_IDTR, &idtr);
    write_table(probe, UC_X86_REG_LDTR, &state->ldtr);
    write_table(probe, UC_X86_REG_TR, &state->tr);
    for (unsigned i = 0; i < X86_SREGS; i++) /* the engine loads the descriptors */
        probe_write(probe, selectors[i], state->seg[i].selector);
    probe_write(probe, UC_X86_REG_CR4, state->cr4);
    probe_write(probe, UC_X86_REG_CR3, state->cr3);
    probe_write(probe, UC_X86_REG_CR0, state->cr0);
    probe_write(probe, UC_X86_REG_EFLAGS, state->eflags);
}

static void read_state(struct probe *probe, struct cpu_state *state)
{
    struct x86_segment gdtr = read_table(probe, UC_X86_REG_GDTR),
                       idtr = read_table(probe, UC_X86_REG_IDTR);

    x86_32_state(0, plain(probe->variation), state);
    for (unsigned i = 0; i < 8; i++)
        state->gpr[i] = (uint32_t)probe_read(probe, general[i]);
    for (unsigned i = 0; i < X86_SREGS; i++)
        state->seg[i].selector = (uint16_t)probe_read(probe, selectors[i]);
    state->cpl = state->seg[X86_CS].selector & 3;
    state->eip = (uint32_t)probe_read(probe, UC_X86_REG_EIP);
    state->eflags = (uint32_t)probe_read(probe, UC_X86_REG_EFLAGS);
    state->gdtr = (struct x86_table){gdtr.base, (uint16_t)gdtr.limit};
    state->idtr = (struct x86_table){idtr.base, (uint16_t)idtr.limit};
    state->ldtr.selector = read_table(probe, UC_X86_REG_LDTR).selector;
    state->tr.selector = read_table(probe, UC_X86_REG_TR).selector;
    state->cr0 = (uint32_t)probe_read(probe, UC_X86_REG_CR0);
    state->cr2 = (uint32_t)probe_read(probe, UC_X86_REG_CR2);
    state->cr3 = (uint32_t)probe_read(probe, UC_X86_REG_CR3);
    state->cr4 = (uint32_t)probe_read(probe, UC_X86_REG_CR4);
    state->dr[0] = (uint32_t)probe_read(probe, UC_X86_REG_DR0);
    state->dr[7] = (uint32_t)probe_read(probe, UC_X86_REG_DR7);
}

static void seed(struct probe *probe, unsigned number)
{
    struct cpu_state state = {0};

    x86_32_operands(probe, number, plain(probe->variation), &state);
    for (unsigned i = 0; i < 8; i++)
        probe_write(probe, general[i], state.gpr[i]);
    probe_write(probe, UC_X86_REG_EFLAGS, state.eflags);
}

static void observe(struct probe *probe, uint64_t *value)
{
    uc_x86_msr sysenter = {.rid = MSR_SYSENTER_CS}, efer = {.rid = MSR_EFER};
    uint64_t st0[2] = {0}, xmm0[2] = {0};
    struct cpu_state state = {0};

    read_state(probe, &state);
    x86_32_values(&state, value);
    /* In guest mode the engine takes even this for an RDMSR, and does not survive it. */
    if (probe->mode == 0) {
        uc_reg_read(probe->uc, UC_X86_REG_MSR, &sysenter);
        uc_reg_read(probe->uc, UC_X86_REG_MSR, &efer);
    }
    uc_reg_read(probe->uc, UC_X86_REG_ST0, st0);
    uc_reg_read(probe->uc, UC_X86_REG_XMM0, xmm0);
    value[XC_PORT] = probe->port.value;
    value[XC_FPSW] = probe_read(probe, UC_X86_REG_FPSW) & 0xffff;
    value[XC_FPCW] = probe_read(probe, UC_X86_REG_FPCW) & 0xffff;
    value[XC_ST0] = st0[0] ^ (st0[1] & 0xffff);
    value[XC_XMM0] = xmm0[0] ^ (xmm0[1] << 1);
    value[SC_SYSENTER_CS] = sysenter.value;
    value[SC_EFER] = efer.value;
}

/* ---- the VMCB ---- */

static void put_segment(struct probe *probe, uint32_t offset, unsigned selector,
                        unsigned attributes)
{
    uint32_t at = SVM_VMCB + SVM_SAVE + offset;

    probe_store16(probe, at, (uint16_t)selector);
    probe_store16(probe, at + 2, (uint16_t)attributes);
    probe_store32(probe, at + 4, 0xffffffff);
}

static void put_table(struct probe *probe, uint32_t offset, int reg)
{
    uc_x86_mmr table = {0};

    uc_reg_read(probe->uc, reg, &table);
    probe_store32(probe, SVM_VMCB + SVM_SAVE + offset + 4, table.limit);
    probe_store64(probe, SVM_VMCB + SVM_SAVE + offset + 8, table.base);
}

/* APM volume 2, appendix B: the control area, then the state save area. */
static void build_vmcb(struct probe *probe)
{
    static const struct {
        uint32_t offset, value;
    } control[] = {
        {0x00, 0xffffffff}, {0x04, 0xffffffff}, {0x08, 0xffffffff},   {0x0c, 0xffffffff},
        {0x10, 0x3fff},     {0x48, SVM_MSRPM},  {0x58, 1 /* ASID */}, {0x60, V_INTR_MASKING},
    };
    const uint32_t save = SVM_VMCB + SVM_SAVE;

    for (size_t i = 0; i < sizeof control / sizeof *control; i++)
        probe_store32(probe, SVM_VMCB + control[i].offset, control[i].value);
    put_segment(probe, 0x00, SEL_DATA3, 0xcf3);
    put_segment(probe, 0x10, SEL_CODE0, 0xc9b);
    put_segment(probe, 0x20, SEL_DATA0, 0xc93);
    put_segment(probe, 0x30, SEL_DATA3, 0xcf3);
    put_table(probe, 0x60, UC_X86_REG_GDTR);
    put_table(probe, 0x80, UC_X86_REG_IDTR);
    probe_store64(probe, save + 0xd0, EFER_SVME);
    probe_store64(probe, save + 0x148, probe_read(probe, UC_X86_REG_CR4));
    probe_store64(probe, save + 0x150, probe_read(probe, UC_X86_REG_CR3));
    probe_store64(probe, save + 0x158, probe_read(probe, UC_X86_REG_CR0));
    probe_store64(probe, save + 0x160, 0x400);      /* DR7 */
    probe_store64(probe, save + 0x168, 0xffff0ff0); /* DR6 */
    probe_store64(probe, save + 0x170, 2);          /* RFLAGS */
    probe_store64(probe, save + 0x178, XL_CODE);    /* RIP */
    probe_store64(probe, save + 0x1d8, XL_STACK);   /* RSP */
}

static bool build(struct probe *probe, unsigned mode, unsigned variation)
{
    static const uint8_t vmrun[] = {0x0f, 0x01, 0xd8};
    uc_x86_msr efer = {.rid = MSR_EFER, .value = EFER_SVME};
    uc_x86_msr save = {.rid = MSR_VM_HSAVE_PA, .value = SVM_HOST_SAVE};

    struct cpu_state state = {0};

    x86_32_tables(probe, plain(variation));
    x86_32_state(0, plain(variation), &state);
    write_state(probe, &state);
    if (variation == SV_MSR) {
        uc_x86_msr sysenter = {.rid = MSR_SYSENTER_CS, .value = 0x58};

        uc_reg_write(probe->uc, UC_X86_REG_MSR, &sysenter);
    }
    uc_reg_write(probe->uc, UC_X86_REG_MSR, &efer);
    uc_reg_write(probe->uc, UC_X86_REG_MSR, &save);
    memset(probe->ram + SVM_MSRPM, 0xff, SVM_HOST_SAVE - SVM_MSRPM);
    build_vmcb(probe);
    if (mode == 0)
        return true;
    probe_store(probe, XL_ENTRY, vmrun, sizeof vmrun);
    probe_write(probe, UC_X86_REG_EAX, SVM_VMCB);
    return probe_execute(probe, XL_ENTRY, 1) && probe_read(probe, UC_X86_REG_EIP) == XL_CODE;
}

/* ---- what the engine leaves to us ---- */

static uint32_t on_in(uc_engine *uc, uint32_t port, int size, void *data)
{
    struct probe *probe = data;

    (void)uc, (void)port, (void)size;
    return probe->port.value;
}

static void on_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *data)
{
    struct probe *probe = data;

    (void)uc, (void)port, (void)size;
    probe->port.value = (probe->port.value * 31) ^ value ^ 1;
}

static bool attach(struct probe *probe)
{
    uc_hook hook;

    return !uc_hook_add(probe->uc, &hook, UC_HOOK_INSN, (void *)on_in, probe, 1, 0,
                        UC_X86_INS_IN) &&
           !uc_hook_add(probe->uc, &hook, UC_HOOK_INSN, (void *)on_out, probe, 1, 0,
                        UC_X86_INS_OUT);
}

static uint8_t *page(void *context, uint32_t physical, bool write)
{
    static uint8_t nowhere[X86_PAGE_SIZE];
    struct probe *probe = context;

    (void)write;
    return physical < SVM_SIZE ? probe->ram + (physical & X86_PAGE_MASK) : nowhere;
}

/* In host mode the engine reports a software interrupt and leaves its delivery to us. */
static void deliver(struct probe *probe, struct observation *seen, uint32_t length)
{
    const struct x86_event event = {
        .kind = X86_SOFTWARE_INTERRUPT, .vector = (uint8_t)seen->number, .length = (uint8_t)length};
    const struct x86_memory memory = {probe, page};
    struct x86_delivery log;
    struct cpu_state state = {0};

    read_state(probe, &state);
    state.eip -= length;
    if (x86_deliver(&state, &memory, &event, &log) != X86_OK || log.count != 1)
        return;
    x86_32_values(&state, seen->value);
    seen->seen = SEEN_RAN;
}

/* A fetch that faults behind the instruction is a #VMEXIT of the next one: what it left in the
 * VMCB, which is the host's storage, is not this instruction's doing. */
static void settle(struct probe *probe, struct observation *seen)
{
    const uint8_t *image = probe->image[isa_state(probe->isa, probe->mode, probe->variation)];
    struct x86_instruction insn = {0};
    bool behind = seen->seen == SEEN_TRAP && seen->value[XC_EIP] != probe->isa->pc;

    x86_decode(probe->code, probe->code_size, true, &insn);
    bool software =
        insn.kind == X86_KIND_INT || insn.kind == X86_KIND_INT3 || insn.kind == X86_KIND_INTO;
    if (behind && software) {
        deliver(probe, seen, insn.length);
    } else if (behind) {
        seen->seen = SEEN_RAN;
        if (seen->number == X86_PAGE)
            seen->value[XC_CR2] =
                probe_before(probe, probe->mode, probe->variation, probe->seed)->value[XC_CR2];
    } else if (seen->seen == SEEN_TRAP && seen->number == X86_UD) {
        seen->seen = SEEN_UNDEFINED;
    } else if (seen->seen == SEEN_TRAP && seen->number == X86_PAGE) {
        seen->seen = SEEN_MEMORY;
    }
    memcpy(probe->ram + SVM_VMCB, image + SVM_VMCB, 4096);
}

const struct isa isa_x86_32_svm = {
    .name = "x86-32-svm",
    .title = "x86, 32-bit protected mode, in SVM guest mode",
    .manual = "AMD64 Architecture Programmer's Manual, volume 2, chapter 15",
    .assembler = "x86_64-linux-gnu-as --32 -msyntax=intel -mnaked-reg",
    .triple = "i686",
    .arch = UC_ARCH_X86,
    .mode = UC_MODE_32,
    .model = UC_CPU_X86_QEMU64,
    .cs_arch = CS_ARCH_X86,
    .cs_mode = CS_MODE_32,
    .pc_reg = UC_X86_REG_EIP,
    .ram_base = 0,
    .ram_size = SVM_SIZE,
    .pc = XL_CODE,
    .pc_start = XL_CODE,
    .loop = "ebfe",
    .unit = 1,
    .longest = 15,
    .components = components,
    .component_count = SC_COUNT,
    .modes = modes,
    .mode_count = 2,
    .variations = variations,
    .variation_count = SV_COUNT,
    .seeds = 8,
    .forms = x86_32_forms,
    .build = build,
    .seed = seed,
    .observe = observe,
    .settle = settle,
    .note = x86_32_note,
    .attach = attach,
};
