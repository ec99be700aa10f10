/* x86-32 with AMD's secure virtual machine extension (AMD64 Architecture Programmer's Manual,
 * volume 2, chapter 15).
 *
 * M is (host mode, guest mode) at one CPL, 0: SVM's answer to Popek and Goldberg is a second mode
 * bit, in which a kernel keeps its ring. A #VMEXIT is the trap. VMRUN gives the guest its own copy
 * of most of what x86-32 counts as R (flags, control registers, descriptor tables), so that here
 * these belong to the program. R is what the host keeps: the devices, and the registers that VMRUN
 * does not exchange. Every intercept of the VMCB is set, virtual interrupt masking is on. */
#include "classify/probe.h"
#include "classify/x86_machine.h"
#include "isa/x86_32.h"

#include <capstone/capstone.h>
#include <string.h>

enum {
    SVM_VMCB = 0xf000,
    SVM_MSRPM = 0x10000, /* two pages of ones: every MSR is intercepted */
    SVM_HOST_SAVE = 0x12000,
    SVM_SIZE = 0x13000,
    SVM_SAVE = 0x400, /* the state save area in the VMCB */
    MSR_EFER = 0xc0000080u,
    MSR_VM_HSAVE_PA = 0xc0010117u,
    EFER_SVME = 1 << 12,
    V_INTR_MASKING = 1 << 24,
};

const uint8_t x86_32_svm_variations[] = {V_BASE, V_PORT, V_MSR};
static const struct isa_variation variations[] = {
    {.name = "nothing"},
    {.name = "the device behind the ports"},
    {.name = "the MSR SYSENTER_CS"},
};
static const struct isa_mode modes[] = {{"host mode (CPL 0)", false}, {"guest mode (CPL 0)", true}};

static struct isa_component components[XC_COUNT];

/* The components of x86-32, those that the VMCB holds a copy of being the program's own. */
static void take_components(void)
{
    static const enum x86_component host_owned[] = {XC_PORT, XC_SYSENTER_CS, XC_DR0};

    memcpy(components, x86_32_components, sizeof components);
    for (int i = 0; i < XC_COUNT; i++)
        if (components[i].part == ISA_RESOURCE || components[i].part == ISA_MODE)
            components[i].part = ISA_STORAGE;
    for (size_t i = 0; i < sizeof host_owned / sizeof *host_owned; i++)
        components[host_owned[i]].part = ISA_RESOURCE;
}

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

    if (!x86_32_build(probe, 0, x86_32_svm_variations[variation]))
        return false;
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

/* A fetch that faults behind the instruction is a #VMEXIT of the next one: what it left in the
 * VMCB, which is the host's storage, is not this instruction's doing. */
static void settle(struct probe *probe, struct observation *seen)
{
    const uint8_t *image = probe->image[isa_state(probe->isa, probe->mode, probe->variation)];

    x86_machine_settle(probe, seen);
    memcpy(probe->ram + SVM_VMCB, image + SVM_VMCB, 4096);
}

static bool attach(struct probe *probe)
{
    take_components();
    return x86_machine_attach(probe);
}

const struct isa isa_x86_32_svm = {
    .name = "x86-32-svm",
    .title = "x86, 32-bit protected mode, in SVM guest mode",
    .manual = "AMD64 Architecture Programmer's Manual, volume 2, chapter 15",
    .assembler = "as --32 -msyntax=intel -mnaked-reg",
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
    .components = components,
    .component_count = XC_COUNT,
    .modes = modes,
    .mode_count = 2,
    .variations = variations,
    .variation_count = 3,
    .seeds = 8,
    .forms = x86_32_forms,
    .build = build,
    .seed = x86_32_seed,
    .observe = x86_32_observe,
    .settle = settle,
    .attach = attach,
};
