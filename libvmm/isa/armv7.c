/* ARMv7-A (ARM Architecture Reference Manual ARMv7-A and ARMv7-R, ARM DDI 0406C, part B).
 *
 * M is the mode field of the CPSR, P the pc. R is the interrupt masks A, I, F and the registers of
 * coprocessor 15. E is memory, r0-r14 and the other bits of the CPSR, which any program may write.
 * The supervisor state is SVC mode, the user state USR mode; r13 and r14, banked, have the same
 * values in both. Memory management is off. */
#include "classify/probe.h"
#include "isa/isa.h"

#include <capstone/capstone.h>
#include <string.h>

extern const struct isa_form armv7_forms[];

enum {
    AL_CODE = 0x2000,
    AL_TARGET = 0x2400,
    AL_DATA = 0x4000,
    AL_STACK = 0x6000,
    AL_SIZE = 0x8000,
    MODE_USER = 0x10,
    MODE_SVC = 0x13,
    MASKS = 0x1c0, /* A, I, F */
    PREFETCH_ABORT = 3,
    DATA_ABORT = 4,
};

enum component {
    AC_R0,
    AC_SP = 13,
    AC_LR,
    AC_PC,
    AC_FLAGS,
    AC_MODE,
    AC_MASKS,
    AC_CP15,
    AC_TTBR0 = AC_CP15,
    AC_DACR,
    AC_VBAR,
    AC_CONTEXT,
    AC_TPIDRPRW,
    AC_COUNT,
};

/* c2 TTBR0, c3 DACR, c12 VBAR, c13 CONTEXTIDR and TPIDRPRW. */
static const uc_arm_cp_reg cp15[] = {
    {.cp = 15, .crn = 2},
    {.cp = 15, .crn = 3},
    {.cp = 15, .crn = 12},
    {.cp = 15, .crn = 13, .opc2 = 1},
    {.cp = 15, .crn = 13, .opc2 = 4},
};
enum { CP15_COUNT = sizeof cp15 / sizeof *cp15 };

#define R(n, reg)                                                                                  \
    {                                                                                              \
        n, ISA_STORAGE, ISA_BITS, reg, 0                                                           \
    }
static const struct isa_component components[AC_COUNT] = {
    R("r0", UC_ARM_REG_R0),
    R("r1", UC_ARM_REG_R1),
    R("r2", UC_ARM_REG_R2),
    R("r3", UC_ARM_REG_R3),
    R("r4", UC_ARM_REG_R4),
    R("r5", UC_ARM_REG_R5),
    R("r6", UC_ARM_REG_R6),
    R("r7", UC_ARM_REG_R7),
    R("r8", UC_ARM_REG_R8),
    R("r9", UC_ARM_REG_R9),
    R("r10", UC_ARM_REG_R10),
    R("r11", UC_ARM_REG_R11),
    R("r12", UC_ARM_REG_R12),
    [AC_SP] = R("sp", UC_ARM_REG_SP),
    [AC_LR] = R("lr", UC_ARM_REG_LR),
    [AC_PC] = {"pc", ISA_COUNTER, ISA_BITS, UC_ARM_REG_PC, 0},
    [AC_FLAGS] = {"CPSR.NZCVQ/GE/E/T", ISA_STORAGE, ISA_BITS, UC_ARM_REG_CPSR, 0xff0ffe20},
    [AC_MODE] = {"CPSR.M", ISA_MODE, ISA_CHANGED, UC_ARM_REG_CPSR, 0x1f},
    [AC_MASKS] = {"CPSR.AIF", ISA_RESOURCE, ISA_BITS, UC_ARM_REG_CPSR, MASKS},
    [AC_TTBR0] = {"TTBR0", ISA_RESOURCE, ISA_BITS, 0, 0},
    [AC_DACR] = {"DACR", ISA_RESOURCE, ISA_BITS, 0, 0},
    [AC_VBAR] = {"VBAR", ISA_RESOURCE, ISA_BITS, 0, 0},
    [AC_CONTEXT] = {"CONTEXTIDR", ISA_RESOURCE, ISA_BITS, 0, 0},
    [AC_TPIDRPRW] = {"TPIDRPRW", ISA_RESOURCE, ISA_BITS, 0, 0},
};

static const struct isa_mode modes[] = {{"supervisor mode (SVC)", false},
                                        {"user mode (USR)", true}};

enum variation { V_BASE, V_MASKS, V_TTBR0, V_DACR, V_VBAR, V_CONTEXT, V_TPIDRPRW, V_COUNT };
static const struct isa_variation variations[V_COUNT] = {
    [V_BASE] = {.name = "nothing"},      [V_MASKS] = {.name = "CPSR.AIF"},
    [V_TTBR0] = {.name = "TTBR0"},       [V_DACR] = {.name = "DACR"},
    [V_VBAR] = {.name = "VBAR"},         [V_CONTEXT] = {.name = "CONTEXTIDR"},
    [V_TPIDRPRW] = {.name = "TPIDRPRW"},
};

static void write_cp15(struct probe *probe, int number, uint64_t value)
{
    uc_arm_cp_reg reg = cp15[number];

    reg.val = value;
    uc_reg_write(probe->uc, UC_ARM_REG_CP_REG, &reg);
}

static bool build(struct probe *probe, unsigned mode, unsigned variation)
{
    uint64_t masks = variation == V_MASKS ? MASKS : 0;

    probe_write(probe, UC_ARM_REG_CPSR, MODE_SVC | MASKS);
    write_cp15(probe, 0, variation == V_TTBR0 ? 0x8000 : 0x4000);
    write_cp15(probe, 1, variation == V_DACR ? 0x5 : 0x1);
    write_cp15(probe, 2, variation == V_VBAR ? 0x200 : 0x100);
    write_cp15(probe, 3, variation == V_CONTEXT ? 0x7 : 0x3);
    write_cp15(probe, 4, variation == V_TPIDRPRW ? 0x77 : 0x33);
    uc_arm_cp_reg access = {.cp = 15, .crn = 1, .opc2 = 2, .val = 0xf << 20};
    uc_reg_write(probe->uc, UC_ARM_REG_CP_REG, &access); /* CPACR: floating point for all */
    probe_write(probe, UC_ARM_REG_FPEXC, 1u << 30);
    probe_write(probe, UC_ARM_REG_SPSR, MODE_USER);
    probe_write(probe, UC_ARM_REG_CPSR, (mode == 0 ? MODE_SVC : MODE_USER) | masks);
    return (probe_read(probe, UC_ARM_REG_CPSR) & 0x1f) == (mode == 0 ? MODE_SVC : MODE_USER);
}

static void seed(struct probe *probe, unsigned number)
{
    static const uint32_t status[] = {0x000001d3, 0x00000010, 0xf80f00d2, 0x600001df};
    static const uint32_t data[] = {5, 0x80000000u, 3, 0xfffffff0u};
    uint64_t cpsr = probe_read(probe, UC_ARM_REG_CPSR) & (0x1f | MASKS);

    for (int i = 0; i < 13; i++)
        probe_write(probe, UC_ARM_REG_R0 + i, AL_DATA + 0x40u * (unsigned)i);
    probe_write(probe, UC_ARM_REG_R1, status[number]);
    probe_write(probe, UC_ARM_REG_R3, data[number]);
    probe_write(probe, UC_ARM_REG_R5, AL_TARGET);
    probe_write(probe, UC_ARM_REG_CPSR, cpsr | (number & 1 ? 0xf80f0000u : 0));
    probe_write(probe, UC_ARM_REG_SP, AL_STACK);
    probe_write(probe, UC_ARM_REG_LR, AL_TARGET);
    for (uint32_t i = 0; i < 13; i++) {
        probe_store32(probe, AL_DATA + 0x40 * i, AL_TARGET);
        probe_store32(probe, AL_DATA + 0x40 * i + 4, status[number]);
        probe_store32(probe, AL_DATA + 0x40 * i + 8, AL_TARGET + 0x40);
    }
    probe_store32(probe, AL_STACK, AL_TARGET);
    probe_store32(probe, AL_STACK + 4, status[number]);
}

static void observe(struct probe *probe, uint64_t *value)
{
    for (int i = 0; i < CP15_COUNT; i++) {
        uc_arm_cp_reg reg = cp15[i];

        uc_reg_read(probe->uc, UC_ARM_REG_CP_REG, &reg);
        value[AC_CP15 + i] = reg.val;
    }
}

static enum isa_trap classify_trap(uint32_t number)
{
    return number == PREFETCH_ABORT || number == DATA_ABORT ? ISA_TRAP_MEMORY : ISA_TRAP;
}

/* Every first halfword; a 32-bit instruction has zero behind it. */
static size_t encode_thumb(uint32_t i, uint8_t *bytes)
{
    bytes[0] = (uint8_t)i;
    bytes[1] = (uint8_t)(i >> 8);
    bytes[2] = bytes[3] = 0;
    return i >= 0xe800 ? 4 : 2;
}

static const struct isa_sweep sweeps[] = {{"all first halfwords of Thumb", 0x10000, encode_thumb}};

#define ARM_COMMON                                                                                 \
    .name = "armv7", .title = "ARMv7-A (Cortex-A15)",                                              \
    .manual = "ARM Architecture Reference Manual ARMv7-A and ARMv7-R (ARM DDI 0406C)",             \
    .assembler = "arm-linux-gnueabi-as -march=armv7ve -mfpu=vfpv4", .arch = UC_ARCH_ARM,           \
    .mode = UC_MODE_ARM, .model = UC_CPU_ARM_CORTEX_A15, .cs_arch = CS_ARCH_ARM,                   \
    .pc_reg = UC_ARM_REG_PC, .ram_base = 0, .ram_size = AL_SIZE, .pc = AL_CODE,                    \
    .components = components, .component_count = AC_COUNT, .modes = modes, .mode_count = 2,        \
    .variations = variations, .variation_count = V_COUNT, .seeds = 4, .forms = armv7_forms,        \
    .sweeps = sweeps, .sweep_count = 1, .sweep_variations = 1u << V_BASE | 1u << V_MASKS,          \
    .sweep_seeds = 3, .build = build, .seed = seed, .observe = observe,                            \
    .classify_trap = classify_trap

static const struct isa thumb = {
    .pc_start = AL_CODE | 1,
    .loop = "fee7",
    .unit = 2,
    .longest = 4,
    .cs_mode = CS_MODE_THUMB,
    ARM_COMMON,
};

const struct isa isa_armv7 = {
    .pc_start = AL_CODE,
    .loop = "feffffea",
    .unit = 4,
    .longest = 4,
    .cs_mode = CS_MODE_ARM,
    .sweep_as = &thumb,
    ARM_COMMON,
};
