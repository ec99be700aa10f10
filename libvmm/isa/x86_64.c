/* x86-64 in 64-bit mode (Intel SDM volume 3, chapters 2 to 5).
 *
 * As x86-32: M is the CPL, P is RIP, R is what the protection system keeps. The address space is
 * one identity mapping with large pages, in which user mode may do everything, so that a trap is
 * due to the mode. User mode is entered by IRETQ. IN and OUT are checked against IOPL here, since
 * the engine does not; the I/O permission map denies all. */
#include "classify/probe.h"
#include "isa/x86_32.h"

#include <capstone/capstone.h>

extern const struct isa_form x86_64_forms[];

enum {
    QL_GDT = 0x1000,
    QL_GDT_COPY = 0x1400,
    QL_IDT = 0x1800,
    QL_IDT_COPY = 0x2800,
    QL_TSS = 0x3800,
    QL_TSS_COPY = 0x3900,
    QL_LDT = 0x3a00,
    QL_ENTRY = 0x4000,
    QL_ENTRY_STACK = 0x4800,
    QL_PML4 = 0x5000, /* then the page-directory-pointer table and the directory */
    QL_PML4_COPY = 0xd000,
    QL_CODE = 0x8000,
    QL_TARGET = 0x8400,
    QL_DATA = 0xa000,
    QL_STACK = 0xc000,
    QL_SIZE = 0x10000,
    SEL64_CODE0 = 0x08,
    SEL64_DATA0 = 0x10,
    SEL64_CODE3 = 0x1b,
    SEL64_DATA3 = 0x23,
    SEL64_TSS = 0x28,
    SEL64_LDT = 0x38,
    SEL64_LDT_COPY = 0x48,
    SEL64_TSS_COPY = 0x58,
    SEL64_TSS_FREE = 0x68,
    SEL64_VARIED = 0x7b, /* the descriptor whose content a variation changes */
    GP = 13,
    PF = 14,
    MSR_SYSENTER_CS = 0x174,
    MSR_EFER = 0xc0000080u,
};

enum component {
    QC_RAX,
    QC_RIP = 16,
    QC_FLAGS,
    QC_SYSTEM,
    QC_CPL,
    QC_CS,
    QC_SS,
    QC_DS,
    QC_ES,
    QC_FS,
    QC_GS,
    QC_CR0,
    QC_CR2,
    QC_CR3,
    QC_CR4,
    QC_DR0,
    QC_DR7,
    QC_GDTR_BASE,
    QC_IDTR_BASE,
    QC_LDTR,
    QC_TR,
    QC_SYSENTER_CS,
    QC_EFER,
    QC_PORT,
    QC_COUNT,
};

static const struct isa_component components[QC_COUNT] = {
    [QC_RAX] = {"RAX", ISA_STORAGE, ISA_BITS, UC_X86_REG_RAX, 0},
    {"RCX", ISA_STORAGE, ISA_BITS, UC_X86_REG_RCX, 0},
    {"RDX", ISA_STORAGE, ISA_BITS, UC_X86_REG_RDX, 0},
    {"RBX", ISA_STORAGE, ISA_BITS, UC_X86_REG_RBX, 0},
    {"RSP", ISA_STORAGE, ISA_BITS, UC_X86_REG_RSP, 0},
    {"RBP", ISA_STORAGE, ISA_BITS, UC_X86_REG_RBP, 0},
    {"RSI", ISA_STORAGE, ISA_BITS, UC_X86_REG_RSI, 0},
    {"RDI", ISA_STORAGE, ISA_BITS, UC_X86_REG_RDI, 0},
    {"R8", ISA_STORAGE, ISA_BITS, UC_X86_REG_R8, 0},
    {"R9", ISA_STORAGE, ISA_BITS, UC_X86_REG_R9, 0},
    {"R10", ISA_STORAGE, ISA_BITS, UC_X86_REG_R10, 0},
    {"R11", ISA_STORAGE, ISA_BITS, UC_X86_REG_R11, 0},
    {"R12", ISA_STORAGE, ISA_BITS, UC_X86_REG_R12, 0},
    {"R13", ISA_STORAGE, ISA_BITS, UC_X86_REG_R13, 0},
    {"R14", ISA_STORAGE, ISA_BITS, UC_X86_REG_R14, 0},
    {"R15", ISA_STORAGE, ISA_BITS, UC_X86_REG_R15, 0},
    [QC_RIP] = {"RIP", ISA_COUNTER, ISA_BITS, UC_X86_REG_RIP, 0},
    [QC_FLAGS] = {"RFLAGS", ISA_STORAGE, ISA_BITS, UC_X86_REG_RFLAGS, X86_USER_FLAGS},
    [QC_SYSTEM] = {"RFLAGS.IF/IOPL", ISA_RESOURCE, ISA_BITS, UC_X86_REG_RFLAGS, X86_SYSTEM_FLAGS},
    [QC_CPL] = {"CPL", ISA_MODE, ISA_CHANGED, UC_X86_REG_CS, 3},
    [QC_CS] = {"CS", ISA_STORAGE, ISA_CHANGED, UC_X86_REG_CS, 0},
    [QC_SS] = {"SS", ISA_STORAGE, ISA_CHANGED, UC_X86_REG_SS, 0},
    [QC_DS] = {"DS", ISA_STORAGE, ISA_BITS, UC_X86_REG_DS, 0},
    [QC_ES] = {"ES", ISA_STORAGE, ISA_BITS, UC_X86_REG_ES, 0},
    [QC_FS] = {"FS", ISA_STORAGE, ISA_BITS, UC_X86_REG_FS, 0},
    [QC_GS] = {"GS", ISA_STORAGE, ISA_BITS, UC_X86_REG_GS, 0},
    [QC_CR0] = {"CR0", ISA_RESOURCE, ISA_BITS, UC_X86_REG_CR0, 0},
    [QC_CR2] = {"CR2", ISA_RESOURCE, ISA_BITS, UC_X86_REG_CR2, 0},
    [QC_CR3] = {"CR3", ISA_RESOURCE, ISA_BITS, UC_X86_REG_CR3, 0},
    [QC_CR4] = {"CR4", ISA_RESOURCE, ISA_BITS, UC_X86_REG_CR4, 0},
    [QC_DR0] = {"DR0", ISA_RESOURCE, ISA_BITS, UC_X86_REG_DR0, 0},
    [QC_DR7] = {"DR7", ISA_RESOURCE, ISA_BITS, UC_X86_REG_DR7, 0},
    [QC_GDTR_BASE] = {"GDTR base", ISA_RESOURCE, ISA_BITS, 0, 0},
    [QC_IDTR_BASE] = {"IDTR base", ISA_RESOURCE, ISA_BITS, 0, 0},
    [QC_LDTR] = {"LDTR", ISA_RESOURCE, ISA_BITS, 0, 0},
    [QC_TR] = {"TR", ISA_RESOURCE, ISA_BITS, 0, 0},
    [QC_SYSENTER_CS] = {"SYSENTER_CS", ISA_RESOURCE, ISA_BITS, 0, 0},
    [QC_EFER] = {"EFER", ISA_RESOURCE, ISA_BITS, 0, 0},
    [QC_PORT] = {"device", ISA_RESOURCE, ISA_BITS, 0, 0},
};

static const struct isa_mode modes[] = {
    {"supervisor mode (CPL 0)", false},
    {"user mode (CPL 3)", true},
};

enum variation {
    W_BASE,
    W_IF,
    W_TS,
    W_GDTR,
    W_IDTR,
    W_LDTR,
    W_TR,
    W_DESCRIPTOR,
    W_CR3,
    W_TSD,
    W_PORT,
    W_IOPL,
    W_COUNT
};
static const struct isa_variation variations[W_COUNT] = {
    [W_BASE] = {.name = "nothing"},
    [W_IF] = {.name = "RFLAGS.IF"},
    [W_TS] = {.name = "CR0.TS"},
    [W_GDTR] = {.name = "GDTR base"},
    [W_IDTR] = {.name = "IDTR base"},
    [W_LDTR] = {.name = "LDTR"},
    [W_TR] = {.name = "TR"},
    [W_DESCRIPTOR] = {.name = "a descriptor in the GDT"},
    [W_CR3] = {.name = "CR3 (another table, the same mapping)"},
    [W_TSD] = {.name = "CR4.TSD", .holds = "CR4.TSD = 1"},
    [W_PORT] = {.name = "the device behind the ports"},
    [W_IOPL] = {.name = "RFLAGS.IOPL", .condition = "CPL > IOPL", .outside = true},
};

static uint32_t system_flags(unsigned variation)
{
    return (variation == W_IF ? 0x200u : 0) | (variation == W_IOPL ? 0x3000u : 0);
}

static void build_gdt(struct probe *probe, uint32_t gdt, unsigned variation)
{
    /* SDM volume 3, 5.2.1: only L, D, P, DPL and the type count for code, P and DPL for data.
     * System descriptors take two places. */
    static const struct {
        uint16_t selector;
        uint64_t low;
    } descriptors[] = {
        {SEL64_CODE0, 0x00af9b000000ffff},    {SEL64_DATA0, 0x00cf93000000ffff},
        {SEL64_CODE3, 0x00affb000000ffff},    {SEL64_DATA3, 0x00cff3000000ffff},
        {SEL64_TSS, 0x00008b0038000067},      {SEL64_LDT, 0x000082003a00001f},
        {SEL64_LDT_COPY, 0x000082003a20001f}, {SEL64_TSS_COPY, 0x00008b0039000067},
        {SEL64_TSS_FREE, 0x0000890039000067}, {SEL64_VARIED, 0x00cff3000000ffff},
    };

    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        probe_store64(probe, gdt + (descriptors[i].selector & 0xfff8), descriptors[i].low);
    if (variation == W_DESCRIPTOR) /* of ring 0 and shorter */
        probe_store64(probe, gdt + (SEL64_VARIED & 0xfff8), 0x00c193000000ffff);
}

static void build_pages(struct probe *probe, uint32_t pml4)
{
    probe_store64(probe, pml4, (pml4 + 0x1000) | 0x67);
    probe_store64(probe, pml4 + 0x1000, (pml4 + 0x2000) | 0x67);
    probe_store64(probe, pml4 + 0x2000, 0xe7); /* 2 MB from 0, user, writable */
}

static void write_table(struct probe *probe, int reg, uint16_t selector, uint64_t base,
                        uint32_t limit, uint32_t flags)
{
    uc_x86_mmr mmr = {selector, base, limit, flags};

    uc_reg_write(probe->uc, reg, &mmr);
}

static void build_system(struct probe *probe, unsigned variation)
{
    uc_x86_msr efer = {.rid = MSR_EFER, .value = 0x501}; /* LMA, LME, SCE */
    bool ldt = variation == W_LDTR, tr = variation == W_TR;

    uc_reg_write(probe->uc, UC_X86_REG_MSR, &efer);
    write_table(probe, UC_X86_REG_GDTR, 0, variation == W_GDTR ? QL_GDT_COPY : QL_GDT, 0x7f, 0);
    write_table(probe, UC_X86_REG_IDTR, 0, variation == W_IDTR ? QL_IDT_COPY : QL_IDT, 0xfff, 0);
    write_table(probe, UC_X86_REG_LDTR, ldt ? SEL64_LDT_COPY : SEL64_LDT,
                ldt ? QL_LDT + 0x20 : QL_LDT, 0x1f, 0x8200);
    write_table(probe, UC_X86_REG_TR, tr ? SEL64_TSS_COPY : SEL64_TSS, tr ? QL_TSS_COPY : QL_TSS,
                0x67, 0x8900);
    probe_write(probe, UC_X86_REG_CR4, variation == W_TSD ? 0x224 : 0x220);
    probe_write(probe, UC_X86_REG_CR3, variation == W_CR3 ? QL_PML4_COPY : QL_PML4);
    probe_write(probe, UC_X86_REG_CR0, 0x80000031u | (variation == W_TS ? 8 : 0));
    probe_write(probe, UC_X86_REG_CS, SEL64_CODE0);
    probe_write(probe, UC_X86_REG_SS, SEL64_DATA0);
}

static bool build(struct probe *probe, unsigned mode, unsigned variation)
{
    /* mov ds, eax; mov es, eax; mov fs, eax; mov gs, eax; iretq: the register interface loads no
     * descriptors in 64-bit mode, and IRET would clear segments that seem to be of ring 0. */
    static const uint8_t enter[] = {0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xe0, 0x8e, 0xe8, 0x48, 0xcf};
    bool user = mode != 0;
    uint64_t frame[5] = {QL_CODE, user ? SEL64_CODE3 : SEL64_CODE0, 2 | system_flags(variation),
                         QL_STACK, user ? SEL64_DATA3 : SEL64_DATA0};

    build_gdt(probe, QL_GDT, variation);
    build_gdt(probe, QL_GDT_COPY, variation);
    build_pages(probe, QL_PML4);
    build_pages(probe, QL_PML4_COPY);
    probe_store64(probe, QL_TSS + 4, QL_ENTRY_STACK);
    probe_store64(probe, QL_TSS_COPY + 4, QL_ENTRY_STACK);
    probe_store64(probe, QL_LDT + 8, 0x00cff3000000ffff);
    probe_store64(probe, QL_LDT + 0x28, 0x00c7f1000000ffff);
    build_system(probe, variation);
    probe_store(probe, QL_ENTRY, enter, sizeof enter);
    for (uint32_t i = 0; i < 5; i++)
        probe_store64(probe, QL_ENTRY_STACK + 8 * i, frame[i]);
    probe_write(probe, UC_X86_REG_RAX, SEL64_DATA3);
    probe_write(probe, UC_X86_REG_RSP, QL_ENTRY_STACK);
    if (!probe_execute(probe, QL_ENTRY, 5))
        return false;
    for (uint32_t i = 0; i < 5; i++)
        probe_store64(probe, QL_ENTRY_STACK + 8 * i, 0);
    return probe_read(probe, UC_X86_REG_RIP) == QL_CODE &&
           (probe_read(probe, UC_X86_REG_CS) & 3) == (user ? 3 : 0);
}

static const struct operands {
    uint64_t rax, rcx, rdx, stack[5];
    uint16_t far;
    uint32_t arithmetic;
} operands[] = {
    {SEL64_DATA0,
     0x174,
     0,
     {SEL64_DATA3, SEL64_CODE3, 0x3246, QL_STACK - 64, SEL64_DATA3},
     SEL64_CODE3,
     0},
    {SEL64_DATA3,
     3,
     0x60,
     {0x3202, SEL64_CODE0, 0x0202, QL_STACK - 64, SEL64_DATA0},
     SEL64_CODE0,
     0xcd5},
    {0x0f,
     MSR_EFER,
     0,
     {QL_TARGET, SEL64_CODE3, 0x0cd7, QL_STACK - 64, SEL64_DATA3},
     SEL64_DATA3,
     0},
    {SEL64_LDT,
     1,
     0x3f8,
     {QL_TARGET, SEL64_CODE0, 0x3e02, QL_STACK - 64, SEL64_DATA0},
     SEL64_CODE3,
     0x8d5},
    {SEL64_TSS_FREE,
     0,
     2,
     {0x0f, SEL64_CODE3, 0x0002, QL_STACK - 64, SEL64_DATA3},
     SEL64_CODE0,
     0x41},
    {0x30400, 7, 0x80, {SEL64_DATA0, SEL64_CODE0, 0x0246, QL_STACK - 64, SEL64_DATA0}, 0, 0},
    {SEL64_VARIED, MSR_SYSENTER_CS, 1, {QL_TARGET, SEL64_CODE3, QL_STACK - 64, SEL64_DATA3}, 0, 0},
};

static void seed(struct probe *probe, unsigned number)
{
    const struct operands *o = &operands[number];

    for (int i = 0; i < 8; i++)
        probe_write(probe, UC_X86_REG_R8 + i, QL_DATA + 0x100u * (unsigned)i);
    probe_write(probe, UC_X86_REG_RAX, o->rax);
    probe_write(probe, UC_X86_REG_RCX, o->rcx);
    probe_write(probe, UC_X86_REG_RDX, o->rdx);
    probe_write(probe, UC_X86_REG_RBX, QL_DATA);
    probe_write(probe, UC_X86_REG_RSP, QL_STACK);
    probe_write(probe, UC_X86_REG_RBP, QL_STACK + 32);
    probe_write(probe, UC_X86_REG_RSI, QL_DATA + 0x40);
    probe_write(probe, UC_X86_REG_RDI, QL_DATA + 0x80);
    probe_write(probe, UC_X86_REG_RFLAGS, 2 | o->arithmetic | system_flags(probe->variation));
    for (uint32_t i = 0; i < 5; i++)
        probe_store64(probe, QL_STACK + 8 * i, o->stack[i]);
    probe_store32(probe, QL_DATA, QL_TARGET);
    probe_store32(probe, QL_DATA + 4, o->far);
    probe_store32(probe, QL_DATA + 0x40, 0x01020304u * (number + 1));
    probe->port.value = probe->variation == W_PORT ? 0x5aa5c33c : 0x12345678;
}

static void observe(struct probe *probe, uint64_t *value)
{
    uc_x86_mmr gdtr, idtr, ldtr, tr;
    uc_x86_msr sysenter = {.rid = MSR_SYSENTER_CS}, efer = {.rid = MSR_EFER};

    uc_reg_read(probe->uc, UC_X86_REG_MSR, &sysenter);
    uc_reg_read(probe->uc, UC_X86_REG_MSR, &efer);
    uc_reg_read(probe->uc, UC_X86_REG_GDTR, &gdtr);
    uc_reg_read(probe->uc, UC_X86_REG_IDTR, &idtr);
    uc_reg_read(probe->uc, UC_X86_REG_LDTR, &ldtr);
    uc_reg_read(probe->uc, UC_X86_REG_TR, &tr);
    value[QC_GDTR_BASE] = gdtr.base;
    value[QC_IDTR_BASE] = idtr.base;
    value[QC_LDTR] = ldtr.selector;
    value[QC_TR] = tr.selector;
    value[QC_SYSENTER_CS] = sysenter.value;
    value[QC_EFER] = efer.value;
    value[QC_PORT] = probe->port.value;
}

static bool denied(struct probe *probe)
{
    unsigned cpl = (unsigned)probe_read(probe, UC_X86_REG_CS) & 3;

    if (cpl <= (system_flags(probe->variation) >> 12 & 3))
        return false;
    probe->port.denied = true;
    uc_emu_stop(probe->uc);
    return true;
}

static uint32_t on_in(uc_engine *uc, uint32_t port, int size, void *data)
{
    struct probe *probe = data;

    (void)uc, (void)port, (void)size;
    denied(probe);
    return probe->port.value;
}

static void on_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *data)
{
    struct probe *probe = data;

    (void)uc, (void)port, (void)size;
    if (!denied(probe))
        probe->port.value = (probe->port.value * 31) ^ value ^ 1;
}

static bool attach(struct probe *probe)
{
    uc_hook hook;

    return uc_hook_add(probe->uc, &hook, UC_HOOK_INSN, (void *)on_in, probe, 1, 0, UC_X86_INS_IN) ==
               UC_ERR_OK &&
           uc_hook_add(probe->uc, &hook, UC_HOOK_INSN, (void *)on_out, probe, 1, 0,
                       UC_X86_INS_OUT) == UC_ERR_OK;
}

static void settle(struct probe *probe, struct observation *seen)
{
    bool interrupt = probe->code[0] == 0xcc || probe->code[0] == 0xcd;

    if (probe->port.denied) {
        seen->seen = SEEN_TRAP;
        seen->number = GP;
    } else if (seen->seen == SEEN_TRAP && seen->value[QC_RIP] != QL_CODE && !interrupt) {
        /* The fetch of the next instruction, under tables that this one has changed. */
        seen->seen = SEEN_RAN;
        seen->value[QC_CR2] =
            probe_before(probe, probe->mode, probe->variation, probe->seed)->value[QC_CR2];
    } else if (seen->seen == SEEN_TRAP && seen->number == PF) {
        seen->seen = SEEN_MEMORY;
    }
}

const struct isa isa_x86_64 = {
    .name = "x86-64",
    .title = "x86, 64-bit mode",
    .manual = "Intel 64 and IA-32 Architectures Software Developer's Manual, volumes 2 and 3",
    .invariant = "IOPL < CPL",
    .assembler = "x86_64-linux-gnu-as --64 -msyntax=intel -mnaked-reg",
    .arch = UC_ARCH_X86,
    .mode = UC_MODE_64,
    .model = UC_CPU_X86_QEMU64,
    .cs_arch = CS_ARCH_X86,
    .cs_mode = CS_MODE_64,
    .pc_reg = UC_X86_REG_RIP,
    .ram_size = QL_SIZE,
    .pc = QL_CODE,
    .pc_start = QL_CODE,
    .loop = "ebfe",
    .unit = 1,
    .longest = 15,
    .components = components,
    .component_count = QC_COUNT,
    .modes = modes,
    .mode_count = 2,
    .variations = variations,
    .variation_count = W_COUNT,
    .seeds = sizeof operands / sizeof *operands,
    .forms = x86_64_forms,
    .build = build,
    .seed = seed,
    .observe = observe,
    .settle = settle,
    .attach = attach,
};
