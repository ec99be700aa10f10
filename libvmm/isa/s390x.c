/* z/Architecture (Principles of Operation, SA22-7832, chapters 4 and 10).
 *
 * M is the problem-state bit of the PSW, P its instruction address. R is the PSW's interruption
 * masks, key and address-space control. E is memory, the general and access registers and the
 * condition code. The engine does not keep the instruction address after one instruction, so that
 * P is compared only where an instruction writes it. */
#include "classify/probe.h"
#include "isa/isa.h"

#include <capstone/capstone.h>

extern const struct isa_form s390x_forms[];

enum {
    SL_CODE = 0x4000,
    SL_TARGET = 0x4400,
    SL_DATA = 0x6000,
    SL_SIZE = 0x8000,
};
#define PSW_PROBLEM   0x0001000000000000u
#define PSW_64        0x0000000180000000u
#define PSW_MASKS     0x0300000000000000u /* I/O, external */
#define PSW_KEY       0x0010000000000000u
#define PSW_RESOURCES 0xfff4c00000000000u

enum component { SC_R0, SC_PC = 16, SC_PROBLEM, SC_RESOURCES, SC_A0, SC_A2, SC_COUNT };

#define R(n)                                                                                       \
    {                                                                                              \
        "r" #n, ISA_STORAGE, ISA_BITS, UC_S390X_REG_R##n, 0                                        \
    }
static const struct isa_component components[SC_COUNT] = {
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
    [SC_PC] = {"PSW address", ISA_COUNTER, ISA_BITS, UC_S390X_REG_PC, 0},
    [SC_PROBLEM] = {"PSW.P", ISA_MODE, ISA_CHANGED, UC_S390X_REG_PSWM, PSW_PROBLEM},
    [SC_RESOURCES] = {"PSW masks and key", ISA_RESOURCE, ISA_BITS, UC_S390X_REG_PSWM,
                      PSW_RESOURCES},
    [SC_A0] = {"a0", ISA_STORAGE, ISA_BITS, UC_S390X_REG_A0, 0},
    [SC_A2] = {"a2", ISA_STORAGE, ISA_BITS, UC_S390X_REG_A2, 0},
};

static const struct isa_mode modes[] = {{"supervisor state", false}, {"problem state", true}};

enum variation { V_BASE, V_MASKS, V_KEY, V_COUNT };
static const struct isa_variation variations[V_COUNT] = {
    [V_BASE] = {.name = "nothing"},
    [V_MASKS] = {.name = "the PSW's I/O and external masks"},
    [V_KEY] = {.name = "the PSW's key"},
};

static bool build(struct probe *probe, unsigned mode, unsigned variation)
{
    uint64_t mask = PSW_64 | (mode == 0 ? 0 : PSW_PROBLEM) |
                    (variation == V_MASKS ? PSW_MASKS : 0) | (variation == V_KEY ? PSW_KEY : 0);

    probe_write(probe, UC_S390X_REG_PSWM, mask);
    return (probe_read(probe, UC_S390X_REG_PSWM) & PSW_PROBLEM) == (mask & PSW_PROBLEM);
}

static void seed(struct probe *probe, unsigned number)
{
    static const uint64_t values[][2] = {
        {0, 5},
        {0x30000000u, 1},
        {0xffffffffffffffffu, 7},
        {0x12345678u, 3},
    };

    for (int i = 0; i < 16; i++)
        probe_write(probe, UC_S390X_REG_R0 + i, SL_DATA + 0x40u * (unsigned)i);
    probe_write(probe, UC_S390X_REG_R0, values[number][1]);
    probe_write(probe, UC_S390X_REG_R1, values[number][0]);
    probe_write(probe, UC_S390X_REG_R5, SL_TARGET);
    for (uint32_t i = 0; i < 4; i++)
        probe_store32(probe, SL_DATA + 0xc0 + 4 * i, 0x01020304u * (number + 1));
    /* A new PSW for LPSWE and, in its first byte, a mask for SSM. */
    probe_store64(probe, SL_DATA + 0x80,
                  PSW_64 | (number & 1 ? PSW_MASKS : 0) | (number & 2 ? PSW_PROBLEM : 0));
    probe_store64(probe, SL_DATA + 0x88, SL_TARGET);
}

const struct isa isa_s390x = {
    .name = "s390x",
    .title = "z/Architecture",
    .manual = "z/Architecture Principles of Operation (SA22-7832)",
    .assembler = "s390x-linux-gnu-as -march=z10",
    .arch = UC_ARCH_S390X,
    .mode = UC_MODE_BIG_ENDIAN,
    .model = -1,
    .cs_arch = CS_ARCH_SYSZ,
    .cs_mode = CS_MODE_BIG_ENDIAN,
    .big_endian = true,
    .pc_reg = UC_S390X_REG_PC,
    .ram_size = SL_SIZE,
    .pc = SL_CODE,
    .pc_start = SL_CODE,
    .loop = "a7f40000",
    .unit = 2,
    .longest = 6,
    .components = components,
    .component_count = SC_COUNT,
    .modes = modes,
    .mode_count = 2,
    .variations = variations,
    .variation_count = V_COUNT,
    .seeds = 4,
    .forms = s390x_forms,
    .build = build,
    .seed = seed,
};
