/* MC68000 and MC68020 (M68000 Family Programmer's Reference Manual, sections 1 and 6).
 *
 * M is bit S of the status register, P the program counter. R is the rest of SR's system byte
 * (trace and interrupt mask) and the stack pointer of the other mode, which MOVE USP reaches. E is
 * memory, D0-D7, A0-A7 and the condition codes. There is no relocation register: an MC68000 has no
 * memory management, and the engine's MC68020 is used without. A7 has the same value in both modes,
 * so that the two states differ in nothing but S. */
#include "isa/m68k.h"
#include "classify/probe.h"

#include <capstone/capstone.h>
#include <string.h>

enum {
    ML_CODE = 0x2000,
    ML_DATA = 0x4000,
    ML_STACK = 0x6000,
    ML_OTHER_STACK = 0x7000,
    ML_TARGET = 0x2200,
    ML_SIZE = 0x8000,
    SR_S = 0x2000,
    EXCEPTION_ACCESS = 2,
    EXCEPTION_ADDRESS = 3,
    EXCEPTION_RTE = 256, /* the engine's own: RTE in supervisor mode, not executed */
};

enum component {
    MC_D0,
    MC_A0 = 8,
    MC_A7 = 15,
    MC_PC,
    MC_CCR,
    MC_S,
    MC_SYSTEM,
    MC_OTHER_SP,
    MC_COUNT,
};

#define GENERAL(name, reg)                                                                         \
    {                                                                                              \
        name, ISA_STORAGE, ISA_BITS, reg, 0                                                        \
    }
static const struct isa_component components[MC_COUNT] = {
    GENERAL("D0", UC_M68K_REG_D0),
    GENERAL("D1", UC_M68K_REG_D1),
    GENERAL("D2", UC_M68K_REG_D2),
    GENERAL("D3", UC_M68K_REG_D3),
    GENERAL("D4", UC_M68K_REG_D4),
    GENERAL("D5", UC_M68K_REG_D5),
    GENERAL("D6", UC_M68K_REG_D6),
    GENERAL("D7", UC_M68K_REG_D7),
    GENERAL("A0", UC_M68K_REG_A0),
    GENERAL("A1", UC_M68K_REG_A1),
    GENERAL("A2", UC_M68K_REG_A2),
    GENERAL("A3", UC_M68K_REG_A3),
    GENERAL("A4", UC_M68K_REG_A4),
    GENERAL("A5", UC_M68K_REG_A5),
    GENERAL("A6", UC_M68K_REG_A6),
    GENERAL("A7", UC_M68K_REG_A7),
    [MC_PC] = {"PC", ISA_COUNTER, ISA_BITS, UC_M68K_REG_PC, 0},
    [MC_CCR] = {"CCR", ISA_STORAGE, ISA_BITS, UC_M68K_REG_SR, 0x1f},
    [MC_S] = {"SR.S", ISA_MODE, ISA_CHANGED, UC_M68K_REG_SR, SR_S},
    [MC_SYSTEM] = {"SR.T/I", ISA_RESOURCE, ISA_BITS, UC_M68K_REG_SR, 0xd700},
    [MC_OTHER_SP] = {"the other mode's A7", ISA_RESOURCE, ISA_BITS, 0, 0},
};

static const struct isa_mode modes[] = {{"supervisor mode", false}, {"user mode", true}};

enum variation { V_BASE, V_MASK, V_OTHER_SP, V_COUNT };
static const struct isa_variation variations[V_COUNT] = {
    [V_BASE] = {.name = "nothing"},
    [V_MASK] = {.name = "the interrupt mask SR.I"},
    [V_OTHER_SP] = {.name = "the other mode's A7"},
};

static bool build(struct probe *probe, unsigned mode, unsigned variation)
{
    uint64_t sr = (mode == 0 ? SR_S : 0) | (variation == V_MASK ? 0x0500 : 0);

    /* A write of SR exchanges the two stack pointers. */
    probe_write(probe, UC_M68K_REG_SR, sr ^ SR_S);
    probe_write(probe, UC_M68K_REG_A7, ML_OTHER_STACK + (variation == V_OTHER_SP ? 0x100 : 0));
    probe_write(probe, UC_M68K_REG_SR, sr);
    probe_write(probe, UC_M68K_REG_A7, ML_STACK);
    return probe_read(probe, UC_M68K_REG_SR) == sr;
}

static void seed(struct probe *probe, unsigned number)
{
    static const uint32_t data[][8] = {
        {4, 0x0000, 6, 0x80000000u, 2, 0, 8, 0x10},
        {2, 0x2700, 4, 5, 0x7ffe, 1, 0, 4},
        {0, 0x071f, 0xfffffffeu, 7, 0, 2, 3, 6},
        {8, 0x2004, 0x10, 1, 0x12345678, 0, 0, 2},
    };
    static const uint16_t status[] = {0x2700, 0x0000, 0x0704, 0x201f};
    uint64_t sr = probe_read(probe, UC_M68K_REG_SR);

    for (int i = 0; i < 8; i++)
        probe_write(probe, UC_M68K_REG_D0 + i, data[number][i]);
    for (int i = 0; i < 7; i++)
        probe_write(probe, UC_M68K_REG_A0 + i, ML_DATA + 0x80 * (unsigned)i);
    probe_write(probe, UC_M68K_REG_SR, (sr & 0xff00) | (number & 1 ? 0x1f : 0));
    for (uint32_t i = 0; i < 7; i++) {
        probe_store16(probe, ML_DATA + 0x80 * i, status[number]);
        probe_store32(probe, ML_DATA + 0x80 * i + 4, 0x01020304u * (number + 1));
    }
    /* On the stack: the frame of RTE and RTR, status, program counter, format word. */
    probe_store16(probe, ML_STACK, status[number]);
    probe_store32(probe, ML_STACK + 2, ML_TARGET);
    probe_store16(probe, ML_STACK + 6, 0);
}

static void observe(struct probe *probe, uint64_t *value)
{
    uint64_t sr = probe_read(probe, UC_M68K_REG_SR);

    probe_write(probe, UC_M68K_REG_SR, sr ^ SR_S);
    value[MC_OTHER_SP] = probe_read(probe, UC_M68K_REG_A7);
    probe_write(probe, UC_M68K_REG_SR, sr);
}

static enum isa_trap classify_trap(uint32_t number)
{
    switch (number) {
    case EXCEPTION_ACCESS:
    case EXCEPTION_ADDRESS: return ISA_TRAP_MEMORY;
    case EXCEPTION_RTE: return ISA_TRAP_NONE;
    default: return ISA_TRAP;
    }
}

static uint32_t load(const struct probe *probe, uint64_t address, unsigned size)
{
    uint32_t value = 0;

    if (address + size > ML_SIZE)
        return 0;
    for (unsigned i = 0; i < size; i++)
        value = value << 8 | probe->ram[address + i];
    return value;
}

/* RTE as the manual has it: SR and PC from the stack; an MC68020 has a format word above them. */
static void settle(struct probe *probe, struct observation *seen)
{
    uint64_t *v = seen->value;

    if (!probe->trapped || probe->trap_number != EXCEPTION_RTE)
        return;
    uint64_t sp = v[MC_A7];
    uint32_t sr = load(probe, sp, 2), pc = load(probe, sp + 2, 4);
    bool has_format = probe->isa == &isa_m68020;
    sp += has_format ? 8 : 6;
    v[MC_PC] = pc;
    v[MC_CCR] = sr & 0x1f;
    v[MC_SYSTEM] = sr & 0xd700;
    if (sr & SR_S) {
        v[MC_A7] = sp;
        return;
    }
    v[MC_S] = 0;
    v[MC_A7] = v[MC_OTHER_SP];
    v[MC_OTHER_SP] = sp;
}

/* Every first word; the words behind it name register 0, address 0 and address 408. */
static size_t encode_word(uint32_t i, uint8_t *bytes)
{
    static const uint8_t rest[] = {0x00, 0x00, 0x04, 0x08, 0x04, 0x08};

    bytes[0] = (uint8_t)(i >> 8);
    bytes[1] = (uint8_t)i;
    memcpy(bytes + 2, rest, sizeof rest);
    return 2 + sizeof rest;
}

static const struct isa_sweep sweeps[] = {{"all first words", 0x10000, encode_word}};

#define M68K_COMMON                                                                                \
    .manual = "M68000 Family Programmer's Reference Manual (M68000PM/AD)", .arch = UC_ARCH_M68K,   \
    .mode = UC_MODE_BIG_ENDIAN, .cs_arch = CS_ARCH_M68K, .big_endian = true,                       \
    .pc_reg = UC_M68K_REG_PC, .ram_base = 0, .ram_size = ML_SIZE, .pc = ML_CODE,                   \
    .pc_start = ML_CODE, .loop = "60fe", .unit = 2, .longest = 14, .components = components,       \
    .component_count = MC_COUNT, .modes = modes, .mode_count = 2, .variations = variations,        \
    .variation_count = V_COUNT, .seeds = 4, .sweeps = sweeps, .sweep_count = 1,                    \
    .sweep_variations = 1u << V_BASE | 1u << V_MASK, .sweep_seeds = 3, .build = build,             \
    .seed = seed, .observe = observe, .classify_trap = classify_trap, .settle = settle

const struct isa isa_m68000 = {
    .name = "m68000",
    .title = "Motorola MC68000",
    .assembler = "m68k-linux-gnu-as -m68000",
    .model = UC_CPU_M68K_M5206, /* number 0, which the engine takes for an MC68000 */
    .cs_mode = CS_MODE_BIG_ENDIAN | CS_MODE_M68K_000,
    .forms = m68000_forms,
    M68K_COMMON,
};

const struct isa isa_m68020 = {
    .name = "m68020",
    .title = "Motorola MC68020",
    .assembler = "m68k-linux-gnu-as -m68020",
    .model = UC_CPU_M68K_M68000, /* number 1, which the engine takes for an MC68020 */
    .cs_mode = CS_MODE_BIG_ENDIAN | CS_MODE_M68K_020,
    .forms = m68020_forms,
    M68K_COMMON,
};
