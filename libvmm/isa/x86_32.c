/* x86-32 in protected mode (Intel SDM volume 3, chapters 2 to 6).
 *
 * M is the CPL, P is EIP. R is what the protection system keeps: GDTR, IDTR, LDTR, TR and the
 * tables they point to, CR0, CR3, CR4, IF and IOPL, the device behind the ports. E is memory, the
 * general registers, the arithmetic flags and the data segment selectors. Rings 1 and 3 are both
 * user modes: ring compression runs a guest's kernel at 1. Paging is on, so that R can be relocated
 * as the paper means it: another CR3, with code, data and stack moved to the frames it names.
 *
 * Segments are flat, all storage is mapped and accessible in every state, and accessed bits are
 * set beforehand: a trap is then due to the mode and not to an address. */
#include "isa/x86_32.h"
#include "classify/probe.h"
#include "classify/x86_machine.h"

#include <capstone/capstone.h>
#include <string.h>

/* The engine keeps the type of the loaded TSS as "available", and aborts on a busy one. */
enum { TSS_FLAGS = 0x8900 };

const struct isa_component x86_32_components[XC_COUNT] = {
    [XC_EAX] = {"EAX", ISA_STORAGE, ISA_BITS, UC_X86_REG_EAX, 0},
    [XC_ECX] = {"ECX", ISA_STORAGE, ISA_BITS, UC_X86_REG_ECX, 0},
    [XC_EDX] = {"EDX", ISA_STORAGE, ISA_BITS, UC_X86_REG_EDX, 0},
    [XC_EBX] = {"EBX", ISA_STORAGE, ISA_BITS, UC_X86_REG_EBX, 0},
    [XC_ESP] = {"ESP", ISA_STORAGE, ISA_BITS, UC_X86_REG_ESP, 0},
    [XC_EBP] = {"EBP", ISA_STORAGE, ISA_BITS, UC_X86_REG_EBP, 0},
    [XC_ESI] = {"ESI", ISA_STORAGE, ISA_BITS, UC_X86_REG_ESI, 0},
    [XC_EDI] = {"EDI", ISA_STORAGE, ISA_BITS, UC_X86_REG_EDI, 0},
    [XC_EIP] = {"EIP", ISA_COUNTER, ISA_BITS, UC_X86_REG_EIP, 0},
    [XC_FLAGS] = {"EFLAGS", ISA_STORAGE, ISA_BITS, UC_X86_REG_EFLAGS, X86_USER_FLAGS},
    [XC_SYSTEM] = {"EFLAGS.IF/IOPL", ISA_RESOURCE, ISA_BITS, UC_X86_REG_EFLAGS, X86_SYSTEM_FLAGS},
    [XC_CPL] = {"CPL", ISA_MODE, ISA_CHANGED, UC_X86_REG_CS, 3},
    [XC_CS] = {"CS", ISA_STORAGE, ISA_CHANGED, UC_X86_REG_CS, 0},
    [XC_SS] = {"SS", ISA_STORAGE, ISA_CHANGED, UC_X86_REG_SS, 0},
    [XC_DS] = {"DS", ISA_STORAGE, ISA_BITS, UC_X86_REG_DS, 0},
    [XC_ES] = {"ES", ISA_STORAGE, ISA_BITS, UC_X86_REG_ES, 0},
    [XC_FS] = {"FS", ISA_STORAGE, ISA_BITS, UC_X86_REG_FS, 0},
    [XC_GS] = {"GS", ISA_STORAGE, ISA_BITS, UC_X86_REG_GS, 0},
    [XC_CR0] = {"CR0", ISA_RESOURCE, ISA_BITS, UC_X86_REG_CR0, 0},
    [XC_CR2] = {"CR2", ISA_RESOURCE, ISA_BITS, UC_X86_REG_CR2, 0},
    [XC_CR3] = {"CR3", ISA_RESOURCE, ISA_BITS, UC_X86_REG_CR3, 0},
    [XC_CR4] = {"CR4", ISA_RESOURCE, ISA_BITS, UC_X86_REG_CR4, 0},
    [XC_DR0] = {"DR0", ISA_RESOURCE, ISA_BITS, UC_X86_REG_DR0, 0},
    [XC_DR7] = {"DR7", ISA_RESOURCE, ISA_BITS, UC_X86_REG_DR7, 0},
    [XC_GDTR_BASE] = {"GDTR base", ISA_RESOURCE, ISA_BITS, 0, 0},
    [XC_GDTR_LIMIT] = {"GDTR limit", ISA_RESOURCE, ISA_BITS, 0, 0},
    [XC_IDTR_BASE] = {"IDTR base", ISA_RESOURCE, ISA_BITS, 0, 0},
    [XC_IDTR_LIMIT] = {"IDTR limit", ISA_RESOURCE, ISA_BITS, 0, 0},
    [XC_LDTR] = {"LDTR", ISA_RESOURCE, ISA_BITS, 0, 0},
    [XC_TR] = {"TR", ISA_RESOURCE, ISA_BITS, 0, 0},
    [XC_SYSENTER_CS] = {"SYSENTER_CS", ISA_RESOURCE, ISA_BITS, 0, 0},
    [XC_EFER] = {"EFER", ISA_RESOURCE, ISA_BITS, 0, 0},
    [XC_PORT] = {"device", ISA_RESOURCE, ISA_BITS, 0, 0},
    [XC_FPSW] = {"FPU status", ISA_STORAGE, ISA_BITS, UC_X86_REG_FPSW, 0xffff},
    [XC_FPCW] = {"FPU control", ISA_STORAGE, ISA_BITS, UC_X86_REG_FPCW, 0xffff},
    [XC_ST0] = {"ST0", ISA_STORAGE, ISA_BITS, 0, 0},
    [XC_XMM0] = {"XMM0", ISA_STORAGE, ISA_BITS, 0, 0},
};

static const struct isa_mode modes[] = {
    {"supervisor mode (CPL 0)", false},
    {"user mode (CPL 3)", true},
    {"user mode (CPL 1)", true},
};
static const struct {
    uint16_t code, stack;
} selectors[] = {{SEL_CODE0, SEL_DATA0}, {SEL_CODE3, SEL_DATA3}, {SEL_CODE1, SEL_DATA1}};

static const struct isa_variation variations[V_COUNT] = {
    [V_BASE] = {.name = "nothing"},
    [V_IF] = {.name = "EFLAGS.IF"},
    [V_TS] = {.name = "CR0.TS"},
    [V_GDTR] = {.name = "GDTR base"},
    [V_IDTR] = {.name = "IDTR base"},
    [V_LDTR] = {.name = "LDTR"},
    [V_TR] = {.name = "TR"},
    [V_DESCRIPTOR] = {.name = "a descriptor in the GDT"},
    [V_GATE] = {.name = "a gate in the IDT"},
    [V_GATE_DPL] = {.name = "the DPL of gates in the IDT",
                    .condition = "the gate's DPL < CPL",
                    .holds = "the gate's DPL < CPL"},
    [V_RELOCATED] = {.name = "CR3 (code, data and stack relocated)",
                     .moved_from = XL_CODE & ~0xfffu,
                     .moved_to = XL_MOVED,
                     .moved_size = 0x3000},
    [V_TSD] = {.name = "CR4.TSD", .holds = "CR4.TSD = 1"},
    [V_PORT] = {.name = "the device behind the ports"},
    [V_MSR] = {.name = "the MSR SYSENTER_CS"},
    [V_IOPL] = {.name = "EFLAGS.IOPL", .condition = "CPL > IOPL", .outside = true},
    [V_IOMAP] = {.name = "the I/O permission map",
                 .condition = "the I/O permission map denies the port",
                 .outside = true},
};

unsigned x86_32_variation(const struct probe *probe)
{
    return probe->isa == &isa_x86_32_svm ? x86_32_svm_variations[probe->variation]
                                         : probe->variation;
}

uint32_t x86_32_system_flags(unsigned variation)
{
    return (variation == V_IF ? 0x200u : 0) | (variation == V_IOPL ? 0x3000u : 0);
}

uint32_t x86_32_port_value(unsigned variation)
{
    return variation == V_PORT ? 0x5aa5c33cu : 0x12345678u;
}

/* A segment descriptor as SDM volume 3, figure 3-8 draws it; flags: G, D/B, L, AVL. */
static void descriptor(struct probe *probe, uint32_t table, unsigned selector, uint32_t base,
                       uint32_t limit, unsigned access, unsigned flags)
{
    uint32_t where = table + (selector & 0xfff8u);

    probe_store32(probe, where, (base << 16) | (limit & 0xffffu));
    probe_store32(probe, where + 4,
                  (base & 0xff000000u) | flags << 20 | (limit & 0xf0000u) | access << 8 |
                      ((base >> 16) & 0xffu));
}

static void build_gdt(struct probe *probe, uint32_t gdt, unsigned variation)
{
    bool varied = variation == V_DESCRIPTOR;

    descriptor(probe, gdt, SEL_CODE0, 0, 0xfffff, 0x9b, 0xc);
    descriptor(probe, gdt, SEL_DATA0, 0, 0xfffff, 0x93, 0xc);
    descriptor(probe, gdt, SEL_CODE3, 0, 0xfffff, 0xfb, 0xc);
    descriptor(probe, gdt, SEL_DATA3, 0, 0xfffff, 0xf3, 0xc);
    descriptor(probe, gdt, SEL_CODE1, 0, 0xfffff, 0xbb, 0xc);
    descriptor(probe, gdt, SEL_DATA1, 0, 0xfffff, 0xb3, 0xc);
    descriptor(probe, gdt, SEL_TSS, XL_TSS, 0x67, 0x8b, 0);
    descriptor(probe, gdt, SEL_CONFORMING, 0, 0xfffff, 0x9f, 0xc);
    /* A call gate: selector and offset of the entry point instead of base and limit. */
    probe_store32(probe, gdt + (SEL_CALL_GATE & 0xfff8), SEL_CODE0 << 16 | XL_TARGET);
    probe_store32(probe, gdt + (SEL_CALL_GATE & 0xfff8) + 4, 0xec00);
    descriptor(probe, gdt, SEL_READ_ONLY, 0, 0xfffff, 0xf1, 0xc);
    descriptor(probe, gdt, SEL_LDT, XL_LDT, 0x1f, 0x82, 0);
    descriptor(probe, gdt, SEL_TSS_FREE, XL_TSS_COPY, 0x67, 0x89, 0);
    descriptor(probe, gdt, SEL_VARIED, 0, varied ? 0x1ffff : 0xfffff, varied ? 0xf1 : 0xf3, 0xc);
    descriptor(probe, gdt, SEL_LDT_COPY, XL_LDT_COPY, 0x1f, 0x82, 0);
    descriptor(probe, gdt, SEL_TSS_COPY, XL_TSS_COPY, 0x67, 0x8b, 0);
}

/* Gates 3, 4 (breakpoint, overflow) and 0x80 are open to every ring, the others to ring 0 only; or
 * the other way round. */
static void build_idt(struct probe *probe, uint32_t idt, unsigned variation)
{
    uint32_t handler = XL_HANDLER + (variation == V_GATE ? 0x40 : 0);

    for (unsigned vector = 0; vector < 256; vector++) {
        bool open = vector == 3 || vector == 4 || vector == 0x80;

        if (variation == V_GATE_DPL)
            open = !open;

        probe_store32(probe, idt + 8 * vector, SEL_CODE0 << 16 | (handler & 0xffff));
        probe_store32(probe, idt + 8 * vector + 4, open ? 0xee00 : 0x8e00);
    }
}

static void build_tss(struct probe *probe, uint32_t tss)
{
    probe_store32(probe, tss + 4, XL_KERNEL_STACK);
    probe_store32(probe, tss + 8, SEL_DATA0);
    probe_store32(probe, tss + 12, XL_KERNEL_STACK);
    probe_store32(probe, tss + 16, SEL_DATA1);
    probe_store16(probe, tss + 0x66, 0x68); /* the I/O map; beyond the limit, it denies all */
}

/* All pages present, writable, for users, accessed and dirty; identity but for the moved ones. */
static void build_pages(struct probe *probe, uint32_t directory, uint32_t table, bool moved)
{
    probe_store32(probe, directory, table | 0x67);
    for (uint32_t page = 0; page < XL_SIZE >> 12; page++) {
        uint32_t frame = page << 12;

        if (moved && page >= XL_CODE >> 12 && page < (XL_CODE >> 12) + 3)
            frame += XL_MOVED - (XL_CODE & ~0xfffu);
        probe_store32(probe, table + 4 * page, frame | 0x67);
    }
}

static void write_table(struct probe *probe, int reg, uint16_t selector, uint32_t base,
                        uint32_t limit, uint32_t flags)
{
    uc_x86_mmr mmr = {selector, base, limit, flags};

    uc_reg_write(probe->uc, reg, &mmr);
}

bool x86_32_build(struct probe *probe, unsigned mode, unsigned variation)
{
    bool gdt = variation == V_GDTR, idt = variation == V_IDTR, ldt = variation == V_LDTR,
         tr = variation == V_TR, moved = variation == V_RELOCATED;
    uint32_t flags = 2 | x86_32_system_flags(variation);

    build_gdt(probe, XL_GDT, variation);
    build_gdt(probe, XL_GDT_COPY, variation);
    build_idt(probe, XL_IDT, variation);
    build_idt(probe, XL_IDT_COPY, variation);
    build_tss(probe, XL_TSS);
    build_tss(probe, XL_TSS_COPY);
    descriptor(probe, XL_LDT, 0x08, 0, 0xfffff, 0xf3, 0xc);
    descriptor(probe, XL_LDT_COPY, 0x08, 0, 0x7ffff, 0xf1, 0xc);
    build_pages(probe, XL_DIRECTORY, XL_TABLE, false);
    build_pages(probe, XL_DIRECTORY_COPY, XL_TABLE_COPY, true);

    write_table(probe, UC_X86_REG_GDTR, 0, gdt ? XL_GDT_COPY : XL_GDT, 0x87, 0);
    write_table(probe, UC_X86_REG_IDTR, 0, idt ? XL_IDT_COPY : XL_IDT, 0x7ff, 0);
    write_table(probe, UC_X86_REG_LDTR, ldt ? SEL_LDT_COPY : SEL_LDT, ldt ? XL_LDT_COPY : XL_LDT,
                0x1f, 0x8200);
    write_table(probe, UC_X86_REG_TR, tr ? SEL_TSS_COPY : SEL_TSS, tr ? XL_TSS_COPY : XL_TSS,
                variation == V_IOMAP ? 0x2067 : 0x67, TSS_FLAGS);
    if (variation == V_MSR) {
        uc_x86_msr sysenter = {.rid = 0x174, .value = 0x58};

        uc_reg_write(probe->uc, UC_X86_REG_MSR, &sysenter);
    }
    static const int data[] = {UC_X86_REG_DS, UC_X86_REG_ES, UC_X86_REG_FS, UC_X86_REG_GS};
    probe_write(probe, UC_X86_REG_CS, SEL_CODE0);
    probe_write(probe, UC_X86_REG_SS, SEL_DATA0);
    for (unsigned i = 0; i < 4; i++)
        probe_write(probe, data[i], SEL_DATA3);
    probe_write(probe, UC_X86_REG_CR4, variation == V_TSD ? 0x204 : 0x200);
    probe_write(probe, UC_X86_REG_CR3, moved ? XL_DIRECTORY_COPY : XL_DIRECTORY);
    probe_write(probe, UC_X86_REG_CR0, 0x80000031u | (variation == V_TS ? 8 : 0));
    probe_write(probe, UC_X86_REG_EFLAGS, flags);
    if (mode == 0)
        return true;
    /* Down to ring 1 or 3 by IRET, as an operating system does it. */
    static const uint8_t iretd[] = {0xcf};
    uint32_t frame[5] = {XL_CODE, selectors[mode].code, flags, XL_STACK, selectors[mode].stack};
    probe_store(probe, XL_ENTRY, iretd, sizeof iretd);
    probe_store(probe, XL_KERNEL_STACK - sizeof frame, frame, sizeof frame);
    probe_write(probe, UC_X86_REG_ESP, XL_KERNEL_STACK - sizeof frame);
    if (!probe_execute(probe, XL_ENTRY, 1))
        return false;
    memset(frame, 0, sizeof frame);
    probe_store(probe, XL_KERNEL_STACK - sizeof frame, frame, sizeof frame);
    return (probe_read(probe, UC_X86_REG_CS) & 3) == (uint64_t)(selectors[mode].code & 3);
}

/* Operands that make each instruction do its work under at least one seed: selectors of every kind
 * in EAX and in far pointers, ports and MSR numbers, flag images and frames on the stack. */
static const struct operands {
    uint32_t eax, ecx, edx;
    uint32_t stack[5];   /* for POP, POPF, RET, IRET */
    uint16_t far;        /* the selector of a far pointer at EBX */
    uint32_t arithmetic; /* the flags any program may set */
} operands[] = {
    {SEL_DATA0, 0x174, 0, {SEL_DATA3, SEL_CODE3, 0x3246, XL_STACK - 64, SEL_DATA3}, SEL_CODE3, 0},
    {SEL_DATA3, 3, 0x60, {0x3202, SEL_CODE0, 0x0202, 0x23, 0x23}, SEL_CODE0, 0xcd5},
    {SEL_READ_ONLY,
     1,
     0,
     {SEL_READ_ONLY, SEL_CODE3, 0xcd7, XL_STACK - 64, SEL_DATA3},
     SEL_CALL_GATE,
     0},
    {0x0f, 0, 0x3f8, {0x0f, SEL_CODE1, 0x3202, XL_STACK - 64, SEL_DATA1}, SEL_CONFORMING, 0xcd5},
    {SEL_LDT, 0xc0000080u, 0, {0x0cd7, SEL_CODE0, 0x0002, 0x23, 0x23}, SEL_CODE1, 0x8d5},
    {SEL_TSS_FREE, 4, 2, {XL_TARGET, SEL_CODE3, 0x3e02, XL_STACK - 64, SEL_DATA3}, SEL_DATA3, 0},
    {SEL_VARIED, 0x174, 1, {SEL_VARIED, SEL_CONFORMING, 0x0202, 0x23, 0x23}, SEL_DATA0, 0x41},
    {0x30400, 7, 0x80, {SEL_DATA1, SEL_CODE1, 0x0246, XL_STACK - 64, SEL_DATA1}, SEL_DATA1, 0},
};

void x86_32_seed(struct probe *probe, unsigned number)
{
    const struct operands *o = &operands[number];
    struct {
        uint32_t offset;
        uint16_t selector, rest;
        uint32_t words[6];
    } pointer = {XL_TARGET, o->far, 0x1234, {3, 0x40000000, 5, 0x23, 9, 11}};

    probe_write(probe, UC_X86_REG_EAX, o->eax);
    probe_write(probe, UC_X86_REG_ECX, o->ecx);
    probe_write(probe, UC_X86_REG_EDX, o->edx);
    probe_write(probe, UC_X86_REG_EBX, XL_DATA);
    probe_write(probe, UC_X86_REG_ESP, XL_STACK);
    probe_write(probe, UC_X86_REG_EBP, XL_STACK + 16);
    probe_write(probe, UC_X86_REG_ESI, XL_DATA + 0x40);
    probe_write(probe, UC_X86_REG_EDI, XL_DATA + 0x80);
    probe_write(probe, UC_X86_REG_EFLAGS,
                2 | o->arithmetic | x86_32_system_flags(x86_32_variation(probe)));
    for (unsigned i = 0; i < 5; i++)
        probe_store32(probe, XL_STACK + 4 * i, o->stack[i]);
    probe_store(probe, XL_DATA, &pointer, sizeof pointer);
    probe_store32(probe, XL_DATA + 0x40, 0x01020304u * (number + 1));
    probe->port.value = x86_32_port_value(x86_32_variation(probe));
}

void x86_32_observe(struct probe *probe, uint64_t *value)
{
    uc_x86_mmr gdtr, idtr, ldtr, tr;
    uc_x86_msr sysenter = {.rid = 0x174}, efer = {.rid = 0xc0000080u};
    uint64_t st0[2] = {0}, xmm0[2] = {0};

    uc_reg_read(probe->uc, UC_X86_REG_GDTR, &gdtr);
    uc_reg_read(probe->uc, UC_X86_REG_IDTR, &idtr);
    uc_reg_read(probe->uc, UC_X86_REG_LDTR, &ldtr);
    uc_reg_read(probe->uc, UC_X86_REG_TR, &tr);
    /* In SVM's guest mode the engine takes even this for an RDMSR, and does not survive it. */
    if (probe->isa != &isa_x86_32_svm || probe->mode == 0) {
        uc_reg_read(probe->uc, UC_X86_REG_MSR, &sysenter);
        uc_reg_read(probe->uc, UC_X86_REG_MSR, &efer);
    }
    uc_reg_read(probe->uc, UC_X86_REG_ST0, st0);
    uc_reg_read(probe->uc, UC_X86_REG_XMM0, xmm0);
    value[XC_GDTR_BASE] = gdtr.base;
    value[XC_GDTR_LIMIT] = gdtr.limit;
    value[XC_IDTR_BASE] = idtr.base;
    value[XC_IDTR_LIMIT] = idtr.limit;
    value[XC_LDTR] = ldtr.selector;
    value[XC_TR] = tr.selector;
    value[XC_SYSENTER_CS] = sysenter.value;
    value[XC_EFER] = efer.value;
    value[XC_PORT] = probe->port.value;
    value[XC_ST0] = st0[0] ^ (st0[1] & 0xffff);
    value[XC_XMM0] = xmm0[0] ^ (xmm0[1] << 1);
}

/* Every one-byte opcode, then every two-byte opcode (0F xx), with each value of the byte after it:
 * ModRM where the opcode has one. The bytes behind are displacement and immediate. */
static size_t encode_one_byte(uint32_t i, uint8_t *bytes)
{
    static const uint8_t rest[] = {0x00, 0xa4, 0x00, 0x00, 0x23, 0x00, 0xeb, 0xfe};

    bytes[0] = (uint8_t)(i >> 8);
    bytes[1] = (uint8_t)i;
    memcpy(bytes + 2, rest, sizeof rest);
    return 2 + sizeof rest;
}

static size_t encode_two_byte(uint32_t i, uint8_t *bytes)
{
    bytes[0] = 0x0f;
    return 1 + encode_one_byte(i, bytes + 1);
}

static const struct isa_sweep sweeps[] = {
    {"one-byte opcodes with every ModRM", 0x10000, encode_one_byte},
    {"two-byte opcodes (0F xx) with every ModRM", 0x10000, encode_two_byte},
};

const struct isa isa_x86_32 = {
    .name = "x86-32",
    .title = "x86, 32-bit protected mode",
    .manual = "Intel 64 and IA-32 Architectures Software Developer's Manual, volumes 2 and 3",
    .invariant = "IOPL < CPL",
    .assembler = "as --32 -msyntax=intel -mnaked-reg",
    .triple = "i686",
    .arch = UC_ARCH_X86,
    .mode = UC_MODE_32,
    .model = UC_CPU_X86_QEMU64,
    .cs_arch = CS_ARCH_X86,
    .cs_mode = CS_MODE_32,
    .pc_reg = UC_X86_REG_EIP,
    .ram_base = 0,
    .ram_size = XL_SIZE,
    .pc = XL_CODE,
    .pc_start = XL_CODE,
    .loop = "ebfe",
    .components = x86_32_components,
    .component_count = XC_COUNT,
    .modes = modes,
    .mode_count = 3,
    .variations = variations,
    .variation_count = V_COUNT,
    .seeds = sizeof operands / sizeof *operands,
    .forms = x86_32_forms,
    .sweeps = sweeps,
    .sweep_count = 2,
    .sweep_variations = 1u << V_BASE | 1u << V_IF | 1u << V_GDTR | 1u << V_IDTR | 1u << V_LDTR |
                        1u << V_TR | 1u << V_TS | 1u << V_IOPL,
    .sweep_seeds = 0x4b,
    .build = x86_32_build,
    .seed = x86_32_seed,
    .observe = x86_32_observe,
    .settle = x86_machine_settle,
    .attach = x86_machine_attach,
};
