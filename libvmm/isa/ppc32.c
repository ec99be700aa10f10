/* PowerPC, 32 bits (The Programming Environments Manual for 32-Bit Microprocessors, chapters 2, 6).
 *
 * M is MSR.PR, P the address of the next instruction. R is the rest of the MSR. E is memory, the
 * general and floating-point registers, CR, XER, LR and CTR. Address translation is off. */
#include "classify/probe.h"
#include "isa/isa.h"

#include <capstone/capstone.h>

extern const struct isa_form ppc32_forms[];

enum {
    WL_CODE = 0x2000,
    WL_TARGET = 0x2400,
    WL_DATA = 0x4000,
    WL_SIZE = 0x8000,
    MSR_PR = 0x4000,
    MSR_FP = 0x2000,
    MSR_ME = 0x1000,
};

enum component { WC_R0, WC_PC = 32, WC_LR, WC_CTR, WC_XER, WC_CR, WC_PR, WC_MSR, WC_F1, WC_COUNT };

#define R(n)                                                                                       \
    {                                                                                              \
        "r" #n, ISA_STORAGE, ISA_BITS, UC_PPC_REG_##n, 0                                           \
    }
static const struct isa_component components[WC_COUNT] = {
    R(0),
    R(1),
    R(2),
    R(3),
    R(4),
    R(5),
    R(6),
    R(7),
    R(8),
    R(9),
    R(10),
    R(11),
    R(12),
    R(13),
    R(14),
    R(15),
    R(16),
    R(17),
    R(18),
    R(19),
    R(20),
    R(21),
    R(22),
    R(23),
    R(24),
    R(25),
    R(26),
    R(27),
    R(28),
    R(29),
    R(30),
    R(31),
    [WC_PC] = {"pc", ISA_COUNTER, ISA_BITS, UC_PPC_REG_PC, 0},
    [WC_LR] = {"LR", ISA_STORAGE, ISA_BITS, UC_PPC_REG_LR, 0},
    [WC_CTR] = {"CTR", ISA_STORAGE, ISA_BITS, UC_PPC_REG_CTR, 0},
    [WC_XER] = {"XER", ISA_STORAGE, ISA_BITS, UC_PPC_REG_XER, 0},
    [WC_CR] = {"CR", ISA_STORAGE, ISA_BITS, UC_PPC_REG_CR, 0},
    [WC_PR] = {"MSR.PR", ISA_MODE, ISA_CHANGED, UC_PPC_REG_MSR, MSR_PR},
    [WC_MSR] = {"MSR", ISA_RESOURCE, ISA_BITS, UC_PPC_REG_MSR, 0xffffffff & ~MSR_PR},
    [WC_F1] = {"f1", ISA_STORAGE, ISA_BITS, UC_PPC_REG_FPR1, 0},
};

static const struct isa_mode modes[] = {{"supervisor mode", false},
                                        {"user mode (problem state)", true}};

enum variation { V_BASE, V_MSR, V_COUNT };
static const struct isa_variation variations[V_COUNT] = {
    [V_BASE] = {.name = "nothing"},
    [V_MSR] = {.name = "MSR.ME"},
};

static bool build(struct probe *probe, unsigned mode, unsigned variation)
{
    uint64_t msr = MSR_FP | (mode == 0 ? 0 : MSR_PR) | (variation == V_MSR ? MSR_ME : 0);

    probe_write(probe, UC_PPC_REG_MSR, msr);
    return (probe_read(probe, UC_PPC_REG_MSR) & MSR_PR) == (msr & MSR_PR);
}

static void seed(struct probe *probe, unsigned number)
{
    static const uint32_t values[][2] = {
        {MSR_FP, 5}, {MSR_FP | MSR_ME, 3}, {0x80000000u, 7}, {0, 0}};

    for (int i = 0; i < 32; i++)
        probe_write(probe, UC_PPC_REG_0 + i, WL_DATA + 0x40u * (unsigned)i);
    probe_write(probe, UC_PPC_REG_4, values[number][0]);
    probe_write(probe, UC_PPC_REG_5, values[number][1]);
    probe_write(probe, UC_PPC_REG_LR, WL_TARGET);
    probe_write(probe, UC_PPC_REG_CTR, WL_TARGET);
    probe_write(probe, UC_PPC_REG_XER, number & 1 ? 0xe0000000u : 0);
    for (uint32_t i = 0; i < 4; i++)
        probe_store32(probe, WL_DATA + 0x180 + 4 * i, 0x01020304u * (number + 1));
}

/* DSI, ISI and alignment are about an address. */
static enum isa_trap classify_trap(uint32_t number)
{
    return number == 2 || number == 3 || number == 5 ? ISA_TRAP_MEMORY : ISA_TRAP;
}

const struct isa isa_ppc32 = {
    .name = "ppc32",
    .title = "PowerPC, 32 bits",
    .manual =
        "Programming Environments Manual for 32-Bit Implementations of the PowerPC Architecture",
    .assembler = "powerpc-linux-gnu-as -mppc",
    .arch = UC_ARCH_PPC,
    .mode = UC_MODE_PPC32 | UC_MODE_BIG_ENDIAN,
    .model = -1,
    .cs_arch = CS_ARCH_PPC,
    .cs_mode = CS_MODE_32 | CS_MODE_BIG_ENDIAN,
    .big_endian = true,
    .pc_reg = UC_PPC_REG_PC,
    .ram_size = WL_SIZE,
    .pc = WL_CODE,
    .pc_start = WL_CODE,
    .loop = "48000000",
    .unit = 4,
    .longest = 4,
    .components = components,
    .component_count = WC_COUNT,
    .modes = modes,
    .mode_count = 2,
    .variations = variations,
    .variation_count = V_COUNT,
    .seeds = 4,
    .forms = ppc32_forms,
    .build = build,
    .seed = seed,
    .classify_trap = classify_trap,
};
