/* AArch64 (Arm Architecture Reference Manual for A-profile, ARM DDI 0487, part D).
 *
 * M is the exception level: EL1 is the supervisor, EL0 the user. P is the pc. R is PSTATE.DAIF and
 * the system registers of EL1. E is memory, x0-x30, the stack pointer in use and NZCV. Both levels
 * are entered by ERET. SCTLR_EL1 decides whether some instructions execute at EL0 (UCT, DZE, UCI,
 * UMA); a VMM keeps it, so zero in these bits is the invariant. Memory management is off. */
#include "classify/probe.h"
#include "isa/isa.h"

#include <capstone/capstone.h>

extern const struct isa_form aarch64_forms[];

enum {
    AL_ENTRY = 0x1000,
    AL_LANDING = 0x1800, /* never executed */
    AL_CODE = 0x2000,
    AL_TARGET = 0x2400,
    AL_DATA = 0x4000,
    AL_STACK = 0x6000,
    AL_SIZE = 0x8000,
    PSTATE_EL1H = 5,
    PSTATE_DAIF = 0x3c0,
    SCTLR_USER = 1 << 15 | 1 << 14 | 1 << 26 | 1 << 9, /* UCT, DZE, UCI, UMA */
};

enum component { AC_X0, AC_SP = 31, AC_PC, AC_NZCV, AC_LEVEL, AC_DAIF, AC_D0, AC_SYSTEM };

static const uc_arm64_cp_reg system_registers[] = {
    {.op0 = 3, .op1 = 0, .crn = 1, .crm = 0, .op2 = 0},  /* SCTLR_EL1 */
    {.op0 = 3, .op1 = 0, .crn = 2, .crm = 0, .op2 = 0},  /* TTBR0_EL1 */
    {.op0 = 3, .op1 = 0, .crn = 12, .crm = 0, .op2 = 0}, /* VBAR_EL1 */
    {.op0 = 3, .op1 = 0, .crn = 13, .crm = 0, .op2 = 4}, /* TPIDR_EL1 */
    {.op0 = 3, .op1 = 0, .crn = 13, .crm = 0, .op2 = 1}, /* CONTEXTIDR_EL1 */
};
enum {
    SYSTEM_COUNT = sizeof system_registers / sizeof *system_registers,
    AC_COUNT = AC_SYSTEM + SYSTEM_COUNT,
};

#define X(n)                                                                                       \
    {                                                                                              \
        "x" #n, ISA_STORAGE, ISA_BITS, UC_ARM64_REG_X##n, 0                                        \
    }
#define SYSTEM(n)                                                                                  \
    {                                                                                              \
        n, ISA_RESOURCE, ISA_BITS, 0, 0                                                            \
    }
static const struct isa_component components[AC_COUNT] = {
    X(0),
    X(1),
    X(2),
    X(3),
    X(4),
    X(5),
    X(6),
    X(7),
    X(8),
    X(9),
    X(10),
    X(11),
    X(12),
    X(13),
    X(14),
    X(15),
    X(16),
    X(17),
    X(18),
    X(19),
    X(20),
    X(21),
    X(22),
    X(23),
    X(24),
    X(25),
    X(26),
    X(27),
    X(28),
    X(29),
    X(30),
    [AC_SP] = {"sp", ISA_STORAGE, ISA_BITS, UC_ARM64_REG_SP, 0},
    [AC_PC] = {"pc", ISA_COUNTER, ISA_BITS, UC_ARM64_REG_PC, 0},
    [AC_NZCV] = {"NZCV", ISA_STORAGE, ISA_BITS, UC_ARM64_REG_NZCV, 0xf0000000},
    [AC_LEVEL] = {"exception level", ISA_MODE, ISA_CHANGED, UC_ARM64_REG_PSTATE, 0xc},
    [AC_DAIF] = {"PSTATE.DAIF", ISA_RESOURCE, ISA_BITS, UC_ARM64_REG_PSTATE, PSTATE_DAIF},
    [AC_D0] = {"d0", ISA_STORAGE, ISA_BITS, UC_ARM64_REG_D0, 0},
    [AC_SYSTEM] = SYSTEM("SCTLR_EL1"),
    SYSTEM("TTBR0_EL1"),
    SYSTEM("VBAR_EL1"),
    SYSTEM("TPIDR_EL1"),
    SYSTEM("CONTEXTIDR_EL1"),
};

static const struct isa_mode modes[] = {{"supervisor mode (EL1)", false},
                                        {"user mode (EL0)", true}};

enum variation { V_BASE, V_DAIF, V_TTBR0, V_VBAR, V_TPIDR, V_CONTEXTIDR, V_SCTLR, V_COUNT };
static const struct isa_variation variations[V_COUNT] = {
    [V_BASE] = {.name = "nothing"},
    [V_DAIF] = {.name = "PSTATE.DAIF"},
    [V_TTBR0] = {.name = "TTBR0_EL1"},
    [V_VBAR] = {.name = "VBAR_EL1"},
    [V_TPIDR] = {.name = "TPIDR_EL1"},
    [V_CONTEXTIDR] = {.name = "CONTEXTIDR_EL1"},
    [V_SCTLR] = {.name = "SCTLR_EL1.UCT/DZE/UCI/UMA",
                 .condition = "SCTLR_EL1.UCT, DZE, UCI and UMA are 0",
                 .outside = true},
};

static void write_system(struct probe *probe, int number, uint64_t value)
{
    uc_arm64_cp_reg reg = system_registers[number];

    reg.val = value;
    uc_reg_write(probe->uc, UC_ARM64_REG_CP_REG, &reg);
}

static bool build(struct probe *probe, unsigned mode, unsigned variation)
{
    /* msr spsr_el1, x1; msr elr_el1, x2; eret */
    static const uint32_t enter[] = {0xd5184001, 0xd5184022, 0xd69f03e0};
    uc_arm64_cp_reg sctlr = system_registers[0];

    uc_reg_read(probe->uc, UC_ARM64_REG_CP_REG, &sctlr);
    write_system(probe, 0,
                 (sctlr.val & ~(uint64_t)SCTLR_USER) | (variation == V_SCTLR ? SCTLR_USER : 0));
    write_system(probe, 1, variation == V_TTBR0 ? 0x8000 : 0x4000);
    write_system(probe, 2, variation == V_VBAR ? 0x10000 : 0x8000);
    write_system(probe, 3, variation == V_TPIDR ? 0x77 : 0x33);
    write_system(probe, 4, variation == V_CONTEXTIDR ? 7 : 3);
    probe_write(probe, UC_ARM64_REG_CPACR_EL1, 3 << 20); /* floating point at both levels */
    probe_store(probe, AL_ENTRY, enter, sizeof enter);
    probe_write(probe, UC_ARM64_REG_X1,
                (mode == 0 ? PSTATE_EL1H : 0) | (variation == V_DAIF ? PSTATE_DAIF : 0));
    probe_write(probe, UC_ARM64_REG_X2, AL_LANDING);
    return probe_execute(probe, AL_ENTRY, 3) && probe_read(probe, UC_ARM64_REG_PC) == AL_LANDING;
}

static void seed(struct probe *probe, unsigned number)
{
    static const uint64_t values[][2] = {
        {0x3c5, 5},
        {0x40, 0x8000000000000000u},
        {0xf0000000u, 3},
        {0xffffffffffffffffu, 0},
    };

    for (int i = 0; i < 29; i++)
        probe_write(probe, UC_ARM64_REG_X0 + i, AL_DATA + 0x40u * (unsigned)i);
    probe_write(probe, UC_ARM64_REG_X29, AL_STACK);
    probe_write(probe, UC_ARM64_REG_X1, values[number][0]);
    probe_write(probe, UC_ARM64_REG_X3, values[number][1]);
    probe_write(probe, UC_ARM64_REG_X5, AL_TARGET);
    probe_write(probe, UC_ARM64_REG_X30, AL_TARGET);
    probe_write(probe, UC_ARM64_REG_SP, AL_STACK);
    probe_write(probe, UC_ARM64_REG_NZCV, number & 1 ? 0xf0000000u : 0);
    probe_write(probe, UC_ARM64_REG_D1, 0x3ff0000000000000u);
    for (uint32_t i = 0; i < 8; i++)
        probe_store32(probe, AL_DATA + 0x80 + 4 * i, 0x01020304u * (number + 1) + i);
}

static void observe(struct probe *probe, uint64_t *value)
{
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        uc_arm64_cp_reg reg = system_registers[i];

        uc_reg_read(probe->uc, UC_ARM64_REG_CP_REG, &reg);
        value[AC_SYSTEM + i] = reg.val;
    }
}

static enum isa_trap classify_trap(uint32_t number)
{
    return number == 3 || number == 4 ? ISA_TRAP_MEMORY : ISA_TRAP;
}

const struct isa isa_aarch64 = {
    .name = "aarch64",
    .title = "AArch64 (Armv8-A)",
    .manual = "Arm Architecture Reference Manual for A-profile (ARM DDI 0487)",
    .invariant = "SCTLR_EL1.UCT, DZE, UCI, UMA = 0",
    .assembler = "aarch64-linux-gnu-as",
    .triple = "aarch64",
    .arch = UC_ARCH_ARM64,
    .mode = UC_MODE_ARM,
    .model = UC_CPU_ARM64_A57,
    .cs_arch = CS_ARCH_ARM64,
    .cs_mode = CS_MODE_ARM,
    .pc_reg = UC_ARM64_REG_PC,
    .ram_size = AL_SIZE,
    .pc = AL_CODE,
    .pc_start = AL_CODE,
    .loop = "00000014",
    .unit = 4,
    .longest = 4,
    .components = components,
    .component_count = AC_COUNT,
    .modes = modes,
    .mode_count = 2,
    .variations = variations,
    .variation_count = V_COUNT,
    .seeds = 4,
    .forms = aarch64_forms,
    .build = build,
    .seed = seed,
    .observe = observe,
    .classify_trap = classify_trap,
};
