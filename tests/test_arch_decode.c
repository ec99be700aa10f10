/* The decoder against SDM volume 2 and against Capstone, on structured random bytes: wherever
 * Capstone sees an instruction, length, kind and memory operand must be the same. The differences
 * allowed are instructions that the processor modelled does not have. */
#include <capstone/capstone.h>
#include <criterion/criterion.h>
#include <stdio.h>

#include "arch/x86/decode.h"

#define SAMPLES 150000 /* a mode */

TestSuite(arch_decode);

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Random bytes behind up to two prefixes, in a random opcode map. */
static void make_bytes(uint8_t bytes[32])
{
    static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3};
    unsigned choice = next_random() & 7, n = 0;

    for (unsigned i = 0; i < 32; i += 8) {
        uint64_t word = next_random();
        memcpy(bytes + i, &word, 8);
    }
    for (unsigned i = 5; i < choice; i++) {
        bytes[n++] = prefixes[next_random() % 10];
    }
    choice = next_random() & 7;
    if (choice < 4) {
        bytes[n++] = 0x0f;
    } else if (choice == 4) {
        bytes[n++] = 0x0f;
        bytes[n++] = (next_random() & 1) ? 0x38 : 0x3a;
    }
}

struct kind_name {
    enum x86_kind kind;
    const char *mnemonic; /* as Capstone prints it; a prefix of it if it ends with '*' */
};

static const struct kind_name kind_names[] = {
    {X86_KIND_CLI, "cli"},
    {X86_KIND_STI, "sti"},
    {X86_KIND_PUSHF, "pushf*"},
    {X86_KIND_POPF, "popf*"},
    {X86_KIND_IRET, "iret*"},
    {X86_KIND_INT, "int"},
    {X86_KIND_INT3, "int3"},
    {X86_KIND_INTO, "into"},
    {X86_KIND_ICEBP, "int1"},
    {X86_KIND_HLT, "hlt"},
    {X86_KIND_UD, "ud*"},
    {X86_KIND_IN_IMMEDIATE, "in"},
    {X86_KIND_IN_DX, "in"},
    {X86_KIND_OUT_IMMEDIATE, "out"},
    {X86_KIND_OUT_DX, "out"},
    {X86_KIND_INS, "*ins*"},
    {X86_KIND_OUTS, "*outs*"},
    {X86_KIND_LGDT, "lgdt"},
    {X86_KIND_LIDT, "lidt"},
    {X86_KIND_SGDT, "sgdt"},
    {X86_KIND_SIDT, "sidt"},
    {X86_KIND_LLDT, "lldt"},
    {X86_KIND_LTR, "ltr"},
    {X86_KIND_SLDT, "sldt"},
    {X86_KIND_STR, "str"},
    {X86_KIND_LMSW, "lmsw"},
    {X86_KIND_SMSW, "smsw"},
    {X86_KIND_CLTS, "clts"},
    {X86_KIND_MOV_FROM_CR, "mov"},
    {X86_KIND_MOV_TO_CR, "mov"},
    {X86_KIND_MOV_FROM_DR, "mov"},
    {X86_KIND_MOV_TO_DR, "mov"},
    {X86_KIND_INVLPG, "invlpg"},
    {X86_KIND_INVD, "invd"},
    {X86_KIND_WBINVD, "wb*invd"},
    {X86_KIND_RDMSR, "rdmsr"},
    {X86_KIND_WRMSR, "wrmsr"},
    {X86_KIND_RDTSC, "rdtsc"},
    {X86_KIND_RDTSCP, "rdtscp"},
    {X86_KIND_RDPMC, "rdpmc"},
    {X86_KIND_CPUID, "cpuid"},
    {X86_KIND_XGETBV, "xgetbv"},
    {X86_KIND_XSETBV, "xsetbv"},
    {X86_KIND_MONITOR, "monitor"},
    {X86_KIND_MWAIT, "mwait"},
    {X86_KIND_PAUSE, "pause"},
    {X86_KIND_LAR, "lar"},
    {X86_KIND_LSL, "lsl"},
    {X86_KIND_VERR, "verr"},
    {X86_KIND_VERW, "verw"},
    {X86_KIND_ARPL, "arpl"},
    {X86_KIND_MOV_FROM_SREG, "mov"},
    {X86_KIND_MOV_TO_SREG, "mov"},
    {X86_KIND_PUSH_SREG, "push*"},
    {X86_KIND_POP_SREG, "pop*"},
    {X86_KIND_LOAD_FAR_POINTER, "l*"},
    {X86_KIND_CALL_FAR, "lcall"},
    {X86_KIND_CALL_FAR_INDIRECT, "*call"},
    {X86_KIND_JMP_FAR, "ljmp"},
    {X86_KIND_JMP_FAR_INDIRECT, "*jmp"},
    {X86_KIND_RET_FAR, "retf*"},
    {X86_KIND_SYSENTER, "sysenter"},
    {X86_KIND_SYSEXIT, "sysexit"},
    {X86_KIND_SYSCALL, "syscall"},
    {X86_KIND_SYSRET, "sysret"},
    {X86_KIND_RSM, "rsm"},
    {X86_KIND_VMCALL, "vmcall"},
    {X86_KIND_VMMCALL, "vmmcall"},
    {X86_KIND_VMX, "*"},
    {X86_KIND_SVM, "*"},
    {X86_KIND_JMP, "jmp"},
    {X86_KIND_JCC, "j*"},
    {X86_KIND_LOOP, "*"},
    {X86_KIND_CALL, "call"},
    {X86_KIND_JMP_INDIRECT, "*jmp"},
    {X86_KIND_CALL_INDIRECT, "*call"},
    {X86_KIND_RET, "ret*"},
};

/* Glob match with '*' at any place, to let Capstone's prefixes and suffixes pass. */
static bool matches(const char *pattern, const char *text)
{
    if (*pattern == '*') {
        return matches(pattern + 1, text) || (*text && matches(pattern, text + 1));
    }
    return *pattern == *text && (*text == '\0' || matches(pattern + 1, text + 1));
}

static bool kind_has_name(unsigned kind, const char *mnemonic)
{
    const char *word = strrchr(mnemonic, ' '); /* behind "rep", "notrack" */

    for (size_t i = 0; i < sizeof kind_names / sizeof kind_names[0]; i++) {
        if (kind_names[i].kind == kind) {
            return matches(kind_names[i].mnemonic, word ? word + 1 : mnemonic);
        }
    }
    return false;
}

/* Names of which we have a kind of their own, so that X86_KIND_OTHER would be a mistake. */
static bool name_has_kind(const char *mnemonic)
{
    static const char *const names[] = {
        "cli",    "sti",     "pushfd",  "popfd",  "pushf", "popf",  "iretd", "iret",    "int",
        "int3",   "into",    "hlt",     "in",     "out",   "lgdt",  "lidt",  "sgdt",    "sidt",
        "lldt",   "ltr",     "sldt",    "str",    "lmsw",  "smsw",  "clts",  "invlpg",  "invd",
        "wbinvd", "rdmsr",   "wrmsr",   "rdtsc",  "rdpmc", "cpuid", "lar",   "lsl",     "verr",
        "verw",   "arpl",    "lds",     "les",    "lss",   "lfs",   "lgs",   "lcall",   "ljmp",
        "retf",   "sysexit", "syscall", "vmcall", "rsm",   "call",  "jmp",   "vmmcall", "sysenter"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], mnemonic) == 0) {
            return true;
        }
    }
    return false;
}

static unsigned our_register(csh handle, unsigned capstone)
{
    static const char *const names[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    const char *name = capstone ? cs_reg_name(handle, capstone) : NULL;

    for (unsigned i = 0; name && i < 8; i++) {
        if (strcmp(name, names[i]) == 0 || strcmp(name, names[i] + 1) == 0) {
            return i;
        }
    }
    return X86_NO_REGISTER; /* none, or Capstone's EIZ */
}

static const char *hex(const uint8_t *bytes)
{
    static char text[64];

    for (unsigned i = 0; i < 15; i++) {
        snprintf(text + i * 3, 4, "%02x ", bytes[i]);
    }
    return text;
}

static void compare_memory(csh handle, const cs_insn *theirs, const struct x86_instruction *ours,
                           const uint8_t *bytes)
{
    const cs_x86 *x86 = &theirs->detail->x86;

    for (unsigned i = 0; i < x86->op_count; i++) {
        const cs_x86_op *operand = &x86->operands[i];
        uint32_t mask = ours->address_size == 4 ? UINT32_MAX : 0xffff;

        if (operand->type != X86_OP_MEM || (ours->flags & X86_INSN_STRING)) {
            continue;
        }
        cr_assert_eq(our_register(handle, operand->mem.base), ours->base, "%s", hex(bytes));
        cr_assert_eq(our_register(handle, operand->mem.index), ours->index, "%s", hex(bytes));
        cr_assert_eq((uint32_t)operand->mem.disp & mask, ours->displacement & mask, "%s",
                     hex(bytes));
        if (ours->index != X86_NO_REGISTER) {
            cr_assert_eq(operand->mem.scale, 1 << ours->scale, "%s", hex(bytes));
        }
        return;
    }
}

static void compare(csh handle, const cs_insn *theirs, const uint8_t *bytes, bool code32)
{
    struct x86_instruction ours;
    unsigned length = x86_decode(bytes, 32, code32, &ours);

    if (ours.kind == X86_KIND_INVALID || ours.kind == X86_KIND_UD) {
        return; /* counted by the caller: few */
    }
    if (ours.map == 1 && ours.opcode == 0x78 && !code32) {
        return; /* Capstone does not know EXTRQ (66 0F 78) in 16-bit code */
    }
    cr_assert_eq(length, theirs->size, "%s%s: %u, not %u", hex(bytes), theirs->mnemonic, length,
                 theirs->size);
    if (ours.kind != X86_KIND_OTHER) {
        cr_assert(kind_has_name(ours.kind, theirs->mnemonic), "%skind %u is %s", hex(bytes),
                  ours.kind, theirs->mnemonic);
    } else {
        cr_assert_not(name_has_kind(theirs->mnemonic), "%s%s", hex(bytes), theirs->mnemonic);
    }
    cr_assert_eq(x86_decode(bytes, length, code32, &ours), length);
    for (unsigned available = 0; available < length; available++) {
        cr_assert_eq(x86_decode(bytes, available, code32, &ours), 0u, "%s", hex(bytes));
    }
    x86_decode(bytes, length, code32, &ours);
    if ((ours.flags & (X86_INSN_MEMORY | X86_INSN_OFFSET)) && ours.map < 2) {
        compare_memory(handle, theirs, &ours, bytes);
    }
}

static void compare_mode(bool code32)
{
    unsigned accepted = 0, refused = 0;
    cs_insn *theirs;
    csh handle;

    cr_assert_eq(cs_open(CS_ARCH_X86, code32 ? CS_MODE_32 : CS_MODE_16, &handle), CS_ERR_OK);
    cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
    theirs = cs_malloc(handle);
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint8_t bytes[32];
        const uint8_t *code = bytes;
        size_t size = X86_INSN_MAX;
        uint64_t address = 0;
        struct x86_instruction ours;

        make_bytes(bytes);
        if (!cs_disasm_iter(handle, &code, &size, &address, theirs)) {
            continue;
        }
        accepted++;
        x86_decode(bytes, sizeof bytes, code32, &ours);
        refused += ours.kind == X86_KIND_INVALID;
        compare(handle, theirs, bytes, code32);
    }
    cs_free(theirs, 1);
    cs_close(&handle);
    cr_assert_gt(accepted, SAMPLES / 2u);
    cr_assert_lt(refused * 100, accepted, "%u of %u", refused, accepted);
}

Test(arch_decode, agrees_with_capstone_in_32_bit_code)
{
    compare_mode(true);
}

Test(arch_decode, agrees_with_capstone_in_16_bit_code)
{
    compare_mode(false);
}

struct example {
    uint8_t bytes[12];
    uint8_t length;
    uint8_t kind;
    uint16_t flags; /* these must be set */
};

/* Encodings from the pages of volume 2. */
Test(arch_decode, examples)
{
    static const struct example examples[] = {
        {{0x90}, 1, X86_KIND_OTHER, 0},
        {{0xf3, 0x90}, 2, X86_KIND_PAUSE, 0},
        {{0xcd, 0x80}, 2, X86_KIND_INT, X86_INSN_BRANCH},
        {{0xe4, 0x60}, 2, X86_KIND_IN_IMMEDIATE, X86_INSN_IO},
        {{0xf3, 0x6c}, 2, X86_KIND_INS, X86_INSN_IO | X86_INSN_STRING | X86_INSN_REP},
        {{0xf2, 0x66, 0x6f}, 3, X86_KIND_OUTS, X86_INSN_IO | X86_INSN_STRING | X86_INSN_REPNE},
        {{0x0f, 0x20, 0xc0}, 3, X86_KIND_MOV_FROM_CR, 0},
        {{0x0f, 0x22, 0x1d}, 3, X86_KIND_MOV_TO_CR, 0}, /* mod is ignored */
        {{0x0f, 0x22, 0xc8}, 3, X86_KIND_INVALID, 0},   /* CR1 */
        {{0x0f, 0x01, 0x15, 1, 2, 3, 4}, 7, X86_KIND_LGDT, X86_INSN_MEMORY},
        {{0x0f, 0x01, 0xd9}, 3, X86_KIND_VMMCALL, 0},
        {{0x0f, 0x01, 0x38}, 3, X86_KIND_INVLPG, X86_INSN_MEMORY},
        {{0x9a, 1, 2, 3, 4, 8, 0}, 7, X86_KIND_CALL_FAR, X86_INSN_BRANCH},
        {{0x66, 0xea, 1, 2, 8, 0}, 6, X86_KIND_JMP_FAR, X86_INSN_BRANCH},
        {{0xff, 0x2d, 1, 2, 3, 4}, 6, X86_KIND_JMP_FAR_INDIRECT, X86_INSN_BRANCH | X86_INSN_MEMORY},
        {{0x8e, 0xd8}, 2, X86_KIND_MOV_TO_SREG, 0},
        {{0x8e, 0xc8}, 2, X86_KIND_INVALID, 0}, /* MOV CS */
        {{0x8e, 0xf0}, 2, X86_KIND_INVALID, 0}, /* no such register */
        {{0xc4, 0xc1}, 2, X86_KIND_INVALID, 0}, /* VEX */
        {{0x0f, 0x0b}, 2, X86_KIND_UD, X86_INSN_BRANCH},
        {{0xf0, 0xff, 0x00}, 3, X86_KIND_OTHER, X86_INSN_LOCK | X86_INSN_MEMORY},
        {{0xa1, 1, 2, 3, 4}, 5, X86_KIND_OTHER, X86_INSN_OFFSET},
        {{0xc8, 0x10, 0x00, 0x02}, 4, X86_KIND_OTHER, 0},
        {{0xf6, 0x00, 0x07}, 3, X86_KIND_OTHER, X86_INSN_MEMORY},
        {{0xf6, 0x10}, 2, X86_KIND_OTHER, X86_INSN_MEMORY},
    };

    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        struct x86_instruction insn;

        cr_assert_eq(x86_decode(examples[i].bytes, 12, true, &insn), examples[i].length, "row %zu",
                     i);
        cr_assert_eq(insn.kind, examples[i].kind, "row %zu", i);
        cr_assert_eq(insn.flags & examples[i].flags, examples[i].flags, "row %zu", i);
    }
}

Test(arch_decode, operands)
{
    struct x86_instruction insn;

    x86_decode((const uint8_t[]){0x66, 0xef, 0}, 3, true, &insn);
    cr_assert_eq(insn.width, 2);
    x86_decode((const uint8_t[]){0xec, 0}, 2, true, &insn);
    cr_assert_eq(insn.width, 1);
    x86_decode((const uint8_t[]){0xeb, 0xfe}, 2, true, &insn);
    cr_assert_eq(insn.immediate, 0xfffffffeu);
    x86_decode((const uint8_t[]){0x9a, 0x78, 0x56, 0x34, 0x12, 0x08, 0x00}, 7, true, &insn);
    cr_assert_eq(insn.immediate, 0x12345678u);
    cr_assert_eq(insn.immediate2, 8);
    x86_decode((const uint8_t[]){0x0f, 0xa9}, 2, true, &insn);
    cr_assert_eq(insn.sreg, X86_GS);
    x86_decode((const uint8_t[]){0x1f}, 1, true, &insn);
    cr_assert_eq(insn.sreg, X86_DS);
    x86_decode((const uint8_t[]){0x0f, 0xb2, 0x00}, 3, true, &insn);
    cr_assert_eq(insn.sreg, X86_SS);
}

/* Section 2.1: no instruction is longer than 15 bytes (#GP). */
Test(arch_decode, fifteen_bytes)
{
    struct x86_instruction insn;
    uint8_t bytes[32];

    memset(bytes, 0x66, sizeof bytes);
    cr_assert_eq(x86_decode(bytes, 32, true, &insn), 15u);
    cr_assert(insn.flags & X86_INSN_TOO_LONG);
    cr_assert_eq(insn.kind, X86_KIND_INVALID);
    cr_assert_eq(x86_decode(bytes, 14, true, &insn), 0u);
    bytes[14] = 0x90;
    cr_assert_eq(x86_decode(bytes, 15, true, &insn), 15u);
    cr_assert_eq(insn.kind, X86_KIND_OTHER);
    memset(bytes, 0x26, 10);
    memcpy(bytes + 10, (const uint8_t[]){0x81, 0x05, 1, 2, 3, 4, 5, 6, 7, 8}, 10);
    cr_assert_eq(x86_decode(bytes, 32, true, &insn), 15u);
    cr_assert(insn.flags & X86_INSN_TOO_LONG);
}

/* Tables 2-1 to 2-3: base, index, scale, default segment, wrap at the address size. */
Test(arch_decode, effective_addresses)
{
    struct cpu_state cpu = {.gpr = {0x10, 0x20, 0x30, 0x40, 0x1000, 0x2000, 0x50, 0x60}};
    struct x86_instruction insn;

    cpu.seg[X86_SS].base = 0x100000;
    cpu.seg[X86_FS].base = 0x200000;
    x86_decode((const uint8_t[]){0x8b, 0x44, 0x8b, 0xfc}, 4, true, &insn);
    cr_assert_eq(x86_effective_address(&cpu, &insn), 0x40u + 0x20 * 4 - 4);
    x86_decode((const uint8_t[]){0x8b, 0x45, 0x08}, 3, true, &insn);
    cr_assert_eq(x86_effective_address(&cpu, &insn), 0x102008u);
    x86_decode((const uint8_t[]){0x64, 0x8b, 0x45, 0x08}, 4, true, &insn);
    cr_assert_eq(x86_effective_address(&cpu, &insn), 0x202008u);
    x86_decode((const uint8_t[]){0x8b, 0x04, 0x24}, 3, true, &insn);
    cr_assert_eq(x86_effective_address(&cpu, &insn), 0x101000u);
    x86_decode((const uint8_t[]){0x8b, 0x87, 0xb0, 0xff}, 4, false, &insn);
    cr_assert_eq(x86_effective_address(&cpu, &insn), 0xfff0u);
    x86_decode((const uint8_t[]){0x8b, 0x42, 0x10}, 3, false, &insn);
    cr_assert_eq(x86_effective_address(&cpu, &insn), 0x102060u);
    x86_decode((const uint8_t[]){0x64, 0xa1, 0x34, 0x12}, 4, false, &insn);
    cr_assert_eq(x86_effective_address(&cpu, &insn), 0x201234u);
}

Test(arch_decode, counts_instructions)
{
    static const uint8_t code[] = {0x55, 0x89, 0xe5, 0x83, 0xec, 0x10, 0xe8, 1, 2, 3, 4, 0xc9};

    uint8_t many[100];

    memset(many, 0x90, sizeof many);
    cr_assert_eq(x86_count(many, 100, true), 100u);
    memset(many + 60, 0x66, 40);
    cr_assert_eq(x86_count(many, 60, false), 60u);
    cr_assert_eq(x86_count(code, 11, true), 4u);
    cr_assert_eq(x86_count(code, 12, true), 5u);
    cr_assert_eq(x86_count(code, 8, true), 4u);
    cr_assert_eq(x86_count(code, 0, true), 0u);
}
