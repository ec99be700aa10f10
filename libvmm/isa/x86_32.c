/* x86-32 in protected mode (Intel SDM volume 3, chapters 2 to 6).
 *
 * M is the CPL, P is EIP. R is what the protection system keeps: GDTR, IDTR, LDTR, TR and the
 * tables they point to, CR0, CR3, CR4, IF and IOPL, the device behind the ports. E is memory, the
 * general registers, the arithmetic flags and the data segment selectors. Rings 1 and 3 are both
 * user modes: ring compression runs a guest's kernel at 1. Paging is on, so that R can be relocated
 * as the paper means it: another CR3, with code, data and stack moved to the frames it names.
 *
 * It is tried on the machine layer (classify/probe_machine.c), the processor that guests run on.
 *
 * Segments are flat, all storage is mapped and accessible in every state, and accessed bits are
 * set beforehand: a trap is then due to the mode and not to an address. */
#include "isa/x86_32.h"
#include "arch/x86/decode.h"
#include "arch/x86/descriptor.h"
#include "classify/probe.h"
#include "machine/engine.h"

#include <capstone/capstone.h>
#include <stdio.h>
#include <string.h>

static const struct isa_component components[XC_COUNT] = {
    X86_32_COMPONENTS(ISA_MODE, ISA_RESOURCE, ISA_RESOURCE),
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
    [V_IOPL] = {.name = "EFLAGS.IOPL", .condition = "CPL > IOPL", .outside = true},
    [V_IOMAP] = {.name = "the I/O permission map",
                 .condition = "the I/O permission map denies the port",
                 .outside = true},
};

static uint32_t system_flags(unsigned variation)
{
    return (variation == V_IF ? X86_IF : 0) | (variation == V_IOPL ? X86_IOPL : 0);
}

static void put_descriptor(struct probe *probe, uint32_t table, unsigned selector,
                           struct x86_descriptor descriptor)
{
    uint32_t where = table + (selector & X86_SELECTOR_INDEX);

    probe_store32(probe, where, descriptor.low);
    probe_store32(probe, where + 4, descriptor.high);
}

/* `access` is the descriptor's byte 5, `limit` in bytes; code and data are 32-bit. */
static struct x86_descriptor descriptor(uint32_t base, uint32_t limit, unsigned access)
{
    uint32_t flags = access & 0x10 ? X86_SEG_DB | X86_SEG_G : 0;

    return x86_descriptor_make(base, limit, access << 8 | flags);
}

/* The descriptor of a selector that is loaded in some state; as build_gdt() puts it there. */
static struct x86_descriptor known_descriptor(unsigned selector)
{
    switch (selector) {
    case SEL_CODE0: return descriptor(0, UINT32_MAX, 0x9b);
    case SEL_DATA0: return descriptor(0, UINT32_MAX, 0x93);
    case SEL_CODE3: return descriptor(0, UINT32_MAX, 0xfb);
    case SEL_DATA3: return descriptor(0, UINT32_MAX, 0xf3);
    case SEL_CODE1: return descriptor(0, UINT32_MAX, 0xbb);
    case SEL_DATA1: return descriptor(0, UINT32_MAX, 0xb3);
    case SEL_TSS: return descriptor(XL_TSS, 0x67, 0x8b);
    case SEL_TSS_COPY: return descriptor(XL_TSS_COPY, 0x67, 0x8b);
    case SEL_LDT: return descriptor(XL_LDT, 0x1f, 0x82);
    case SEL_LDT_COPY: return descriptor(XL_LDT_COPY, 0x1f, 0x82);
    default: return (struct x86_descriptor){0, 0};
    }
}

static void build_gdt(struct probe *probe, uint32_t gdt, unsigned variation)
{
    static const uint16_t known[] = {SEL_CODE0, SEL_DATA0, SEL_CODE3, SEL_DATA3,    SEL_CODE1,
                                     SEL_DATA1, SEL_TSS,   SEL_LDT,   SEL_LDT_COPY, SEL_TSS_COPY};
    bool varied = variation == V_DESCRIPTOR;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        put_descriptor(probe, gdt, known[i], known_descriptor(known[i]));
    put_descriptor(probe, gdt, SEL_CONFORMING, descriptor(0, UINT32_MAX, 0x9f));
    /* A call gate: selector and offset of the entry point instead of base and limit. */
    put_descriptor(probe, gdt, SEL_CALL_GATE,
                   (struct x86_descriptor){SEL_CODE0 << 16 | XL_TARGET, 0xec00});
    put_descriptor(probe, gdt, SEL_READ_ONLY, descriptor(0, UINT32_MAX, 0xf1));
    put_descriptor(probe, gdt, SEL_TSS_FREE, descriptor(XL_TSS_COPY, 0x67, 0x89));
    /* Of ring 0 and shorter instead of ring 3: what user mode may read and write of it changes. */
    put_descriptor(probe, gdt, SEL_VARIED,
                   varied ? descriptor(0, 0x1fffffff, 0x93) : descriptor(0, UINT32_MAX, 0xf3));
}

/* Gates 3, 4 (breakpoint, overflow) and 0x80 are open to every ring, the others to ring 0 only; or
 * the other way round. Each vector has a handler of its own, four bytes apart. */
static void build_idt(struct probe *probe, uint32_t idt, unsigned variation)
{
    for (unsigned vector = 0; vector < 256; vector++) {
        bool open = vector == X86_BP || vector == X86_OVERFLOW || vector == 0x80;
        uint32_t handler = XL_HANDLER + 4 * vector + (variation == V_GATE ? 2 : 0);

        if (variation == V_GATE_DPL)
            open = !open;
        probe_store32(probe, idt + 8 * vector, SEL_CODE0 << 16 | handler);
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

void x86_32_tables(struct probe *probe, unsigned variation)
{
    build_gdt(probe, XL_GDT, variation);
    build_gdt(probe, XL_GDT_COPY, variation);
    build_idt(probe, XL_IDT, variation);
    build_idt(probe, XL_IDT_COPY, variation);
    build_tss(probe, XL_TSS);
    build_tss(probe, XL_TSS_COPY);
    put_descriptor(probe, XL_LDT, 0x08, descriptor(0, UINT32_MAX, 0xf3));
    put_descriptor(probe, XL_LDT_COPY, 0x08, descriptor(0, 0x7fffffff, 0xf1));
    build_pages(probe, XL_DIRECTORY, XL_TABLE, false);
    build_pages(probe, XL_DIRECTORY_COPY, XL_TABLE_COPY, true);
}

static struct x86_segment segment(unsigned selector)
{
    return x86_descriptor_segment((uint16_t)selector, known_descriptor(selector));
}

void x86_32_state(unsigned mode, unsigned variation, struct cpu_state *state)
{
    state->eip = XL_CODE;
    state->eflags = X86_FIXED | system_flags(variation);
    state->cpl = selectors[mode].code & 3;
    state->seg[X86_CS] = segment(selectors[mode].code);
    state->seg[X86_SS] = segment(selectors[mode].stack);
    state->seg[X86_DS] = state->seg[X86_ES] = segment(SEL_DATA3);
    state->seg[X86_FS] = state->seg[X86_GS] = segment(SEL_DATA3);
    state->gdtr = (struct x86_table){variation == V_GDTR ? XL_GDT_COPY : XL_GDT, 0x87};
    state->idtr = (struct x86_table){variation == V_IDTR ? XL_IDT_COPY : XL_IDT, 0x7ff};
    state->ldtr = segment(variation == V_LDTR ? SEL_LDT_COPY : SEL_LDT);
    state->tr = segment(variation == V_TR ? SEL_TSS_COPY : SEL_TSS);
    if (variation == V_IOMAP)
        state->tr.limit = 0x2067; /* the map, all clear, is behind the TSS */
    state->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE | X86_CR0_PG |
                 (variation == V_TS ? (uint32_t)X86_CR0_TS : 0);
    state->cr3 = variation == V_RELOCATED ? XL_DIRECTORY_COPY : XL_DIRECTORY;
    /* SSE, which this processor's CPUID does not show, is there to be tried. */
    state->cr4 = X86_CR4_OSFXSR | (variation == V_TSD ? (uint32_t)X86_CR4_TSD : 0);
}

/* Operands that make each instruction do its work under at least one seed: selectors of every kind
 * in EAX and in far pointers, ports and MSR numbers, flag images and frames on the stack. */
static const struct operands {
    uint32_t eax, ecx, edx;
    uint32_t stack[6];   /* for POP, POPF, RET, IRET */
    uint16_t far;        /* the selector of a far pointer at EBX */
    uint32_t arithmetic; /* the flags any program may set */
} operands[] = {
    {SEL_DATA0,
     0x10,
     0,
     {SEL_DATA3, SEL_CODE3, 0x3246, XL_STACK - 64, SEL_DATA3, 0x23},
     SEL_CODE3,
     0},
    {SEL_DATA3, 3, 0x60, {0x3202, SEL_CODE0, 0x0202, 0x23, 0x23, 0x23}, SEL_CODE0, 0xcd5},
    {SEL_READ_ONLY,
     1,
     0,
     {SEL_READ_ONLY, SEL_CODE3, 0xcd7, XL_STACK - 64, SEL_DATA3, 0x23},
     SEL_CALL_GATE,
     0},
    {0x0f,
     0,
     0x3f8,
     {0x0f, SEL_CODE1, 0x3202, XL_STACK - 64, SEL_DATA1, 0x23},
     SEL_CONFORMING,
     0xcd5},
    {SEL_LDT, 0xc0000080u, 0, {0x0cd7, SEL_CODE0, 0x0002, 0x23, 0x23, 0x23}, SEL_CODE1, 0x8d5},
    {SEL_TSS_FREE,
     4,
     2,
     {XL_TARGET, SEL_CODE3, 0x3e02, XL_STACK - 64, SEL_DATA3, 0x23},
     SEL_DATA3,
     0},
    {SEL_VARIED, 0x174, 1, {SEL_VARIED, SEL_CONFORMING, 0x0202, 0x23, 0x23, 0x23}, SEL_DATA0, 0x41},
    {0x30400,
     7,
     0x80,
     {SEL_DATA1, SEL_CODE1, 0x0246, XL_STACK - 64, SEL_DATA1, 0x23},
     SEL_DATA1,
     0},
};

void x86_32_operands(struct probe *probe, unsigned seed, unsigned variation,
                     struct cpu_state *state)
{
    const struct operands *o = &operands[seed];
    const uint32_t gpr[8] = {
        [X86_EAX] = o->eax,         [X86_ECX] = o->ecx,         [X86_EDX] = o->edx,
        [X86_EBX] = XL_DATA,        [X86_ESP] = XL_STACK,       [X86_EBP] = XL_STACK + 16,
        [X86_ESI] = XL_DATA + 0x40, [X86_EDI] = XL_DATA + 0x80,
    };
    struct {
        uint32_t offset;
        uint16_t selector, rest;
        uint32_t words[6];
    } pointer = {XL_TARGET, o->far, 0x1234, {3, 0x40000000, 5, 0x23, 9, 11}};

    memcpy(state->gpr, gpr, sizeof gpr);
    state->eflags = X86_FIXED | o->arithmetic | system_flags(variation);
    for (unsigned i = 0; i < 6; i++)
        probe_store32(probe, XL_STACK + 4 * i, o->stack[i]);
    probe_store(probe, XL_DATA, &pointer, sizeof pointer);
    probe_store32(probe, XL_DATA + 0x40, 0x01020304u * (seed + 1));
    probe->port.value = variation == V_PORT ? 0x5aa5c33cu : 0x12345678u;
}

void x86_32_values(const struct cpu_state *state, uint64_t *value)
{
    for (unsigned i = 0; i < 8; i++)
        value[XC_EAX + i] = state->gpr[i];
    value[XC_EIP] = state->eip;
    value[XC_FLAGS] = state->eflags & X86_USER_FLAGS;
    value[XC_SYSTEM] = state->eflags & X86_SYSTEM_FLAGS;
    value[XC_CPL] = state->cpl;
    value[XC_CS] = state->seg[X86_CS].selector;
    value[XC_SS] = state->seg[X86_SS].selector;
    value[XC_DS] = state->seg[X86_DS].selector;
    value[XC_ES] = state->seg[X86_ES].selector;
    value[XC_FS] = state->seg[X86_FS].selector;
    value[XC_GS] = state->seg[X86_GS].selector;
    value[XC_CR0] = state->cr0;
    value[XC_CR2] = state->cr2;
    value[XC_CR3] = state->cr3;
    value[XC_CR4] = state->cr4;
    value[XC_DR0] = state->dr[0];
    value[XC_DR7] = state->dr[7];
    value[XC_GDTR_BASE] = state->gdtr.base;
    value[XC_GDTR_LIMIT] = state->gdtr.limit;
    value[XC_IDTR_BASE] = state->idtr.base;
    value[XC_IDTR_LIMIT] = state->idtr.limit;
    value[XC_LDTR] = state->ldtr.selector;
    value[XC_TR] = state->tr.selector;
}

/* ---- on the machine layer ---- */

static bool build(struct probe *probe, unsigned mode, unsigned variation)
{
    x86_32_tables(probe, variation);
    x86_32_state(mode, variation, probe_state(probe));
    return true;
}

static void seed(struct probe *probe, unsigned number)
{
    x86_32_operands(probe, number, probe->variation, probe_state(probe));
}

static void observe(struct probe *probe, uint64_t *value)
{
    struct engine_float f;

    probe_float(probe, &f);
    x86_32_values(probe_state(probe), value);
    value[XC_PORT] = probe->port.value;
    value[XC_FPSW] = f.status;
    value[XC_FPCW] = f.control;
    value[XC_ST0] = f.st0[0] ^ f.st0[1];
    value[XC_XMM0] = f.xmm0[0] ^ f.xmm0[1] << 1;
}

/* Every one-byte opcode, then every two-byte opcode (0F xx), with each value of the byte after it:
 * ModRM where the opcode has one. The bytes behind are SIB, displacement and immediate. Where the
 * instruction ends before the byte that is varied, one value is enough. */
static size_t encode(uint8_t *bytes, size_t opcode, uint32_t i)
{
    static const uint8_t rest[] = {0x00, 0xa4, 0x00, 0x00, 0x23, 0x00, 0x00, 0x00, 0x00, 0x00};
    struct x86_instruction insn;

    bytes[opcode] = (uint8_t)(i >> 8);
    bytes[opcode + 1] = (uint8_t)i;
    memcpy(bytes + opcode + 2, rest, sizeof rest);
    size_t size = opcode + 2 + sizeof rest;
    if (!x86_decode(bytes, (unsigned)size, true, &insn) || insn.kind == X86_KIND_INVALID)
        return size; /* the processor has to find out */
    return insn.length <= opcode + 1 && bytes[opcode + 1] ? 0 : insn.length;
}

static size_t encode_one_byte(uint32_t i, uint8_t *bytes)
{
    return encode(bytes, 0, i);
}

static size_t encode_two_byte(uint32_t i, uint8_t *bytes)
{
    bytes[0] = 0x0f;
    return encode(bytes, 1, i);
}

const char *x86_32_note(const uint8_t *bytes, size_t size)
{
    struct x86_instruction insn;

    if (!x86_decode(bytes, (unsigned)size, true, &insn))
        return NULL;
    if ((insn.flags & X86_INSN_LOCK) && insn.kind == X86_KIND_INVALID)
        return "The manual has #UD for a LOCK prefix here (SDM volume 2, LOCK); the engine ignores "
               "it.";
    for (const struct isa_form *form = x86_32_forms; form->bytes; form++) {
        unsigned opcode;

        /* The note of a form with the same opcode, for ports and software interrupts. */
        if (form->note && insn.map == 0 && sscanf(form->bytes, "%2x", &opcode) == 1 &&
            opcode == insn.opcode)
            return form->note;
    }
    return NULL;
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
    .assembler = "x86_64-linux-gnu-as --32 -msyntax=intel -mnaked-reg",
    .triple = "i686",
    .cs_arch = CS_ARCH_X86,
    .cs_mode = CS_MODE_32,
    .ram_base = 0,
    .ram_size = XL_SIZE,
    .pc = XL_CODE,
    .pc_start = XL_CODE,
    .loop = "ebfe",
    .unit = 1,
    .longest = 15,
    .components = components,
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
    .note = x86_32_note,
    .on_machine = true,
    .build = build,
    .seed = seed,
    .observe = observe,
};
