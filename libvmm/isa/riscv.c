/* RISC-V, 32 and 64 bits (The RISC-V Instruction Set Manual, volume II: Privileged Architecture).
 *
 * The supervisor level is S, as an operating system sees it, the user level is U; machine level is
 * the hardware. M is the privilege level, P the pc, R the supervisor's CSRs; E is memory, x1-x31,
 * the floating-point registers and fcsr. Both levels are entered from M by MRET.
 *
 * The engine's API reads a CSR with the rights of the current level. To look at R after a run in U,
 * the saved context is put back with its level set to M; where the level stands in it is found at
 * start by comparing the contexts of the three levels. */
#include "isa/riscv.h"
#include "classify/probe.h"

#include <capstone/capstone.h>
#include <stdlib.h>
#include <string.h>

enum {
    RL_ENTRY = 0x1000,
    RL_LANDING = 0x1800, /* never executed */
    RL_CODE = 0x2000,
    RL_DATA = 0x4000,
    RL_STACK = 0x6000,
    RL_TARGET = 0x2400,
    RL_SIZE = 0x8000,
    LEVEL_U = 0,
    LEVEL_S = 1,
    LEVEL_M = 3,
    INSTRUCTION_ACCESS = 1,
    INSTRUCTION_PAGE_FAULT = 12,
};
#define MSTATUS_FS   0x6000u
#define MSTATUS_SUM  0x40000u
#define MSTATUS_SPIE 0x20u
#define SSTATUS_BITS 0xde762u

enum component {
    RC_X1 = 0, /* x1 to x31 are components 0 to 30 */
    RC_PC = 31,
    RC_FA0,
    RC_FCSR,
    RC_LEVEL,
    RC_CSRS, /* then those of `csrs` */
};

static const int csrs[] = {
    UC_RISCV_REG_MSTATUS, UC_RISCV_REG_SIE,    UC_RISCV_REG_STVEC, UC_RISCV_REG_SSCRATCH,
    UC_RISCV_REG_SEPC,    UC_RISCV_REG_SCAUSE, UC_RISCV_REG_STVAL, UC_RISCV_REG_SATP,
};
enum { CSR_COUNT = sizeof csrs / sizeof *csrs, RC_COUNT = RC_CSRS + CSR_COUNT };

#define X(n)                                                                                       \
    {                                                                                              \
        "x" #n, ISA_STORAGE, ISA_BITS, UC_RISCV_REG_X0 + n, 0                                      \
    }
#define CSR(n)                                                                                     \
    {                                                                                              \
        n, ISA_RESOURCE, ISA_BITS, 0, 0                                                            \
    }
static const struct isa_component components[RC_COUNT] = {
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
    X(31),
    [RC_PC] = {"pc", ISA_COUNTER, ISA_BITS, UC_RISCV_REG_PC, 0},
    [RC_FA0] = {"fa0", ISA_STORAGE, ISA_BITS, UC_RISCV_REG_F10, 0},
    [RC_FCSR] = {"fcsr", ISA_STORAGE, ISA_BITS, 0, 0},
    [RC_LEVEL] = {"privilege level", ISA_MODE, ISA_CHANGED, 0, 0},
    [RC_CSRS] = CSR("sstatus"),
    CSR("sie"),
    CSR("stvec"),
    CSR("sscratch"),
    CSR("sepc"),
    CSR("scause"),
    CSR("stval"),
    CSR("satp"),
};

static const struct isa_mode modes[] = {{"supervisor mode (S)", false}, {"user mode (U)", true}};

enum variation {
    V_BASE,
    V_SSTATUS,
    V_SIE,
    V_STVEC,
    V_SSCRATCH,
    V_SEPC,
    V_SCAUSE,
    V_STVAL,
    V_COUNT
};
static const struct isa_variation variations[V_COUNT] = {
    [V_BASE] = {.name = "nothing"},      [V_SSTATUS] = {.name = "sstatus.SUM/SPIE"},
    [V_SIE] = {.name = "sie"},           [V_STVEC] = {.name = "stvec"},
    [V_SSCRATCH] = {.name = "sscratch"}, [V_SEPC] = {.name = "sepc"},
    [V_SCAUSE] = {.name = "scause"},     [V_STVAL] = {.name = "stval"},
};

static size_t level_offset; /* in the saved context; 0: not found yet */

static uint32_t word_at(const uc_context *context, size_t offset)
{
    uint32_t value;

    memcpy(&value, (const uint8_t *)context + offset, sizeof value);
    return value;
}

static bool descend(struct probe *probe, unsigned level, uint64_t status)
{
    static const uint8_t mret[] = {0x73, 0x00, 0x20, 0x30};

    probe_write(probe, UC_RISCV_REG_MSTATUS, status | level << 11);
    probe_write(probe, UC_RISCV_REG_MEPC, RL_LANDING);
    probe_store(probe, RL_ENTRY, mret, sizeof mret);
    return probe_execute(probe, RL_ENTRY, 1) && probe_read(probe, UC_RISCV_REG_PC) == RL_LANDING;
}

/* The one word of the context that is 3 in M, 1 in S and 0 in U. */
static bool find_level(struct probe *probe)
{
    uc_context *saved[2] = {NULL, NULL};
    size_t found = 0, size = uc_context_size(probe->uc);

    for (unsigned level = 0; level < 2; level++) {
        uc_context_restore(probe->uc, probe->reset);
        if (uc_context_alloc(probe->uc, &saved[level]) || !descend(probe, level, MSTATUS_FS) ||
            uc_context_save(probe->uc, saved[level]))
            break;
    }
    for (size_t at = 16; saved[1] && at + 4 <= size; at += 4)
        if (word_at(probe->reset, at) == LEVEL_M && word_at(saved[LEVEL_S], at) == LEVEL_S &&
            word_at(saved[LEVEL_U], at) == LEVEL_U) {
            level_offset = at;
            found++;
        }
    uc_context_restore(probe->uc, probe->reset);
    for (unsigned level = 0; level < 2; level++)
        if (saved[level])
            uc_context_free(saved[level]);
    return found == 1;
}

static bool build(struct probe *probe, unsigned mode, unsigned variation)
{
    uint64_t status = MSTATUS_FS | (variation == V_SSTATUS ? MSTATUS_SUM | MSTATUS_SPIE : 0);

    if (!level_offset && !find_level(probe))
        return false;
    probe_write(probe, UC_RISCV_REG_MIDELEG, 0x222); /* what sie can show */
    probe_write(probe, UC_RISCV_REG_SIE, variation == V_SIE ? 0x222 : 0);
    probe_write(probe, UC_RISCV_REG_STVEC, variation == V_STVEC ? 0x3400 : 0x3000);
    probe_write(probe, UC_RISCV_REG_SSCRATCH, variation == V_SSCRATCH ? 0x1111 : 0x2222);
    probe_write(probe, UC_RISCV_REG_SEPC, variation == V_SEPC ? RL_TARGET + 64 : RL_TARGET);
    probe_write(probe, UC_RISCV_REG_SCAUSE, variation == V_SCAUSE ? 5 : 2);
    probe_write(probe, UC_RISCV_REG_STVAL, variation == V_STVAL ? 0x77 : 0x44);
    return descend(probe, mode == 0 ? LEVEL_S : LEVEL_U, status);
}

static void seed(struct probe *probe, unsigned number)
{
    static const uint64_t values[][3] = {
        {0, 2, 7},
        {0x122, 0xffffffffffffffffu, 1},
        {0x7ffffffe, 0x80000000u, 4},
        {5, 3, 0},
    };

    for (int i = 1; i < 32; i++)
        probe_write(probe, UC_RISCV_REG_X0 + i, RL_DATA + 0x40 * (unsigned)i);
    /* The engine keeps the accrued exceptions outside of what it saves and restores. */
    probe_write(probe, UC_RISCV_REG_FCSR, 0);
    probe_write(probe, UC_RISCV_REG_X2, RL_STACK);
    probe_write(probe, UC_RISCV_REG_X10, values[number][0]);
    probe_write(probe, UC_RISCV_REG_X11, values[number][1]);
    probe_write(probe, UC_RISCV_REG_X12, RL_DATA);
    probe_write(probe, UC_RISCV_REG_X13, values[number][2]);
    for (int i = 10; i < 13; i++)
        probe_write(probe, UC_RISCV_REG_F0 + i, 0xffffffff3f800000u + 0x400000u * (unsigned)i);
    for (uint32_t i = 0; i < 8; i++)
        probe_store32(probe, RL_DATA + 4 * i, 0x81828384u * (number + 1) + i);
    probe_store32(probe, RL_STACK, 0x01020304u * (number + 1));
}

static void observe(struct probe *probe, uint64_t *value)
{
    uc_context *now;

    if (uc_context_alloc(probe->uc, &now))
        return;
    uc_context_save(probe->uc, now);
    value[RC_LEVEL] = word_at(now, level_offset);
    memcpy((uint8_t *)now + level_offset, &(uint32_t){LEVEL_M}, 4);
    uc_context_restore(probe->uc, now);
    uc_context_free(now);
    for (int i = 0; i < CSR_COUNT; i++)
        value[RC_CSRS + i] = probe_read(probe, csrs[i]);
    value[RC_CSRS] &= SSTATUS_BITS;
    value[RC_FCSR] = probe_read(probe, UC_RISCV_REG_FCSR);
}

/* The instruction itself can always be fetched: a fetch that traps is the next one's, in an address
 * space that a write of satp has just made. */
static enum isa_trap classify_trap(uint32_t number)
{
    if (number == INSTRUCTION_ACCESS || number == INSTRUCTION_PAGE_FAULT)
        return ISA_TRAP_NONE;
    return number == 8 || number < 4 ? ISA_TRAP : ISA_TRAP_MEMORY;
}

static size_t put_word(uint32_t word, uint8_t *bytes)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(word >> (8 * i));
    return 4;
}

/* CSRRS a0, n, x0 reads a CSR, CSRRW a0, n, a1 reads and writes it. */
static size_t encode_read(uint32_t i, uint8_t *bytes)
{
    return put_word(i << 20 | 0x00002573u, bytes);
}

static size_t encode_write(uint32_t i, uint8_t *bytes)
{
    return put_word(i << 20 | 0x00059573u, bytes);
}

static const struct isa_sweep sweeps[] = {
    {"all CSR numbers, read", 4096, encode_read},
    {"all CSR numbers, written", 4096, encode_write},
};

#define RISCV_COMMON                                                                               \
    .manual = "The RISC-V Instruction Set Manual, volumes I and II", .arch = UC_ARCH_RISCV,        \
    .cs_arch = CS_ARCH_RISCV, .pc_reg = UC_RISCV_REG_PC, .ram_base = 0, .ram_size = RL_SIZE,       \
    .pc = RL_CODE, .pc_start = RL_CODE, .loop = "6f000000", .unit = 2, .longest = 4,               \
    .components = components, .component_count = RC_COUNT, .modes = modes, .mode_count = 2,        \
    .variations = variations, .variation_count = V_COUNT, .seeds = 4, .sweeps = sweeps,            \
    .sweep_count = 2, .sweep_variations = (1u << V_COUNT) - 1, .sweep_seeds = 3, .build = build,   \
    .seed = seed, .observe = observe, .classify_trap = classify_trap

const struct isa isa_riscv32 = {
    .name = "riscv32",
    .title = "RISC-V, 32 bits",
    .assembler = "riscv64-linux-gnu-as -march=rv32gc -mabi=ilp32d -mno-relax",
    .triple = "riscv32 -mattr=+m,+a,+f,+d,+c",
    .prologue = ".option norelax",
    .mode = UC_MODE_RISCV32,
    .model = -1,
    .cs_mode = CS_MODE_RISCV32 | CS_MODE_RISCVC,
    .forms = riscv32_forms,
    RISCV_COMMON,
};

const struct isa isa_riscv64 = {
    .name = "riscv64",
    .title = "RISC-V, 64 bits",
    .assembler = "riscv64-linux-gnu-as -march=rv64gc -mabi=lp64d -mno-relax",
    .triple = "riscv64 -mattr=+m,+a,+f,+d,+c",
    .prologue = ".option norelax",
    .mode = UC_MODE_RISCV64,
    .model = -1,
    .cs_mode = CS_MODE_RISCV64 | CS_MODE_RISCVC,
    .forms = riscv64_forms,
    RISCV_COMMON,
};
