/* MIPS32 release 2 (MIPS32 Architecture for Programmers, volume III: The Privileged Resource
 * Architecture), an M14K core with a fixed mapping: kuseg addresses are 0x40000000 below the
 * physical ones.
 *
 * M is Status.KSU, P the pc. R is the rest of Status, as far as the engine's API shows it, and
 * UserLocal. E is memory, the general registers, HI and LO. */
#include "classify/probe.h"
#include "isa/isa.h"

#include <capstone/capstone.h>

extern const struct isa_form mips32_forms[];

enum {
    PL_CODE = 0x2000,
    PL_TARGET = 0x2400,
    PL_DATA = 0x4000,
    PL_SIZE = 0x8000,
    PHYSICAL = 0x40000000,
    M14K = 11,
    STATUS_KSU_USER = 0x10,
    STATUS_KSU = 0x18,
};

enum component { PC_R1, PC_PC = 31, PC_HI, PC_LO, PC_KSU, PC_STATUS, PC_COUNT };

#define R(n)                                                                                       \
    {                                                                                              \
        "$" #n, ISA_STORAGE, ISA_BITS, UC_MIPS_REG_##n, 0                                          \
    }
static const struct isa_component components[PC_COUNT] = {
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
    [PC_PC] = {"pc", ISA_COUNTER, ISA_BITS, UC_MIPS_REG_PC, 0},
    [PC_HI] = {"HI", ISA_STORAGE, ISA_BITS, UC_MIPS_REG_HI, 0},
    [PC_LO] = {"LO", ISA_STORAGE, ISA_BITS, UC_MIPS_REG_LO, 0},
    [PC_KSU] = {"Status.KSU", ISA_MODE, ISA_CHANGED, UC_MIPS_REG_CP0_STATUS, STATUS_KSU},
    [PC_STATUS] = {"Status", ISA_RESOURCE, ISA_BITS, UC_MIPS_REG_CP0_STATUS,
                   0xffffffff & ~STATUS_KSU},
};

static const struct isa_mode modes[] = {{"kernel mode", false}, {"user mode", true}};

/* The fixed mapping, in each of the states. */
#define FIXED .moved_from = 0, .moved_to = PHYSICAL, .moved_size = PL_SIZE
enum variation { V_BASE, V_INTERRUPTS, V_COUNT };
static const struct isa_variation variations[V_COUNT] = {
    [V_BASE] = {.name = "nothing", FIXED},
    [V_INTERRUPTS] = {.name = "Status.IM", FIXED},
};

/* The engine looks at its map of memory with the virtual address, too. */
static bool attach(struct probe *probe)
{
    return uc_mem_map(probe->uc, 0, PL_SIZE, UC_PROT_ALL) == UC_ERR_OK;
}

static bool build(struct probe *probe, unsigned mode, unsigned variation)
{
    uint64_t status = (mode == 0 ? 0 : STATUS_KSU_USER) | (variation == V_INTERRUPTS ? 0xff00 : 0);

    probe_write(probe, UC_MIPS_REG_CP0_STATUS, status);
    return (probe_read(probe, UC_MIPS_REG_CP0_STATUS) & STATUS_KSU) == (status & STATUS_KSU);
}

static void seed(struct probe *probe, unsigned number)
{
    static const uint32_t values[][2] = {{0x0000ff00, 5}, {7, 0x80000000u}, {0x10, 3}, {0, 0}};

    for (int i = 1; i < 32; i++)
        probe_write(probe, UC_MIPS_REG_0 + i, PL_DATA + 0x40u * (unsigned)i);
    probe_write(probe, UC_MIPS_REG_4, values[number][0]);
    probe_write(probe, UC_MIPS_REG_5, values[number][1]);
    probe_write(probe, UC_MIPS_REG_25, PL_TARGET);
    for (uint32_t i = 0; i < 4; i++)
        probe_store32(probe, PL_DATA + 0x180 + 4 * i, 0x81828384u * (number + 1));
}

static enum isa_trap classify_trap(uint32_t number)
{
    return number >= 12 && number <= 16 ? ISA_TRAP_MEMORY
           : number >= 24               ? ISA_TRAP_MEMORY
                                        : ISA_TRAP;
}

const struct isa isa_mips32 = {
    .name = "mips32",
    .title = "MIPS32 release 2 (M14K)",
    .manual = "MIPS32 Architecture for Programmers, volumes II and III",
    .assembler = "mips-linux-gnu-as -EL -32 -mips32r2",
    .prologue = ".set noreorder",
    .arch = UC_ARCH_MIPS,
    .mode = UC_MODE_MIPS32,
    .model = M14K,
    .cs_arch = CS_ARCH_MIPS,
    .cs_mode = CS_MODE_MIPS32,
    .pc_reg = UC_MIPS_REG_PC,
    .ram_base = PHYSICAL,
    .ram_size = PL_SIZE,
    .pc = PL_CODE,
    .pc_start = PL_CODE,
    .loop = "00000000ffff001000000000",
    .unit = 4,
    .longest = 4,
    .components = components,
    .component_count = PC_COUNT,
    .modes = modes,
    .mode_count = 2,
    .variations = variations,
    .variation_count = V_COUNT,
    .seeds = 4,
    .forms = mips32_forms,
    .build = build,
    .seed = seed,
    .classify_trap = classify_trap,
    .attach = attach,
};
