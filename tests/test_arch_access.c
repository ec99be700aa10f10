/* The accesses that are told of an instruction, against what it does: it changes no memory but what
 * it is said to write, and nothing comes out differently if all memory is another but what it is
 * said to read. Widths are compared with Capstone's, opcode by opcode. */
#include <capstone/capstone.h>
#include <criterion/criterion.h>
#include <stdio.h>

#include "arch/x86/access.h"
#include "flat_memory.h"
#include "interpreter/interpreter.h"

TestSuite(arch_access);

enum { CODE = 0x1000, SAMPLES = 20000, LINE = 64 };

static uint64_t random_state = 88172645463325252u;

static uint32_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16);
}

/* 32-bit code in flat segments, paging off; registers point into memory, away from the code. */
static struct cpu_state random_cpu(void)
{
    struct cpu_state cpu = {.cr0 = X86_CR0_PE | X86_CR0_ET, .eip = CODE};
    for (unsigned i = 0; i < X86_SREGS; i++)
        cpu.seg[i] = (struct x86_segment){8, 0, UINT32_MAX,
                                          X86_SEG_PRESENT | X86_SEG_S | X86_SEG_RW | X86_SEG_DB |
                                              X86_SEG_G | (i == X86_CS ? X86_SEG_CODE : 0)};
    for (unsigned i = 0; i < 8; i++)
        cpu.gpr[i] = 0x8000 + next_random() % 0x30000;
    cpu.gpr[X86_ESP] &= ~3u;
    cpu.eflags = X86_FIXED | (next_random() & X86_ARITHMETIC) | (next_random() & X86_DF);
    return cpu;
}

static bool covers(const struct x86_data_access *list, unsigned count, uint32_t address, bool write)
{
    for (unsigned i = 0; i < count; i++)
        if ((write ? list[i].write : list[i].read) && address - list[i].linear < list[i].size)
            return true;
    return false;
}

static enum outcome_kind execute_on(struct flat_memory *flat, struct x86_memory *memory,
                                    struct cpu_state *cpu, const struct x86_instruction *insn)
{
    struct interpreter_context context = {.cpu = cpu, .memory = memory};
    memory->context = flat;
    return interpreter_execute(&interpreter_standard, &context, insn).kind;
}

/* Memory that is another wherever the instruction is not said to read. */
static void turn_over(struct flat_memory *flat, const struct flat_memory *before,
                      const struct x86_data_access *list, unsigned count)
{
    for (uint32_t i = 0; i < FLAT_SIZE; i++)
        flat->bytes[i] = (uint8_t)~before->bytes[i];
    for (unsigned i = 0; i < count; i++)
        for (uint32_t at = list[i].linear; list[i].read && at - list[i].linear < list[i].size; at++)
            if (at < FLAT_SIZE)
                flat->bytes[at] = before->bytes[at];
}

/* Is there a byte that is not as it was in `first`, or not turned over in `second`? */
static bool is_written(const struct flat_memory *first, const struct flat_memory *second,
                       const struct flat_memory *before, uint32_t line)
{
    uint8_t changed = 0;
    for (uint32_t i = line; i < line + LINE; i++)
        changed |= (first->bytes[i] ^ before->bytes[i]) | (second->bytes[i] ^ ~before->bytes[i]);
    return changed;
}

/* Returns whether the instruction could be executed, and so was looked at. */
static bool look_at(const uint8_t *bytes, const struct flat_memory *before)
{
    static struct flat_memory first, second;
    struct x86_memory memory = {.page = flat_page};
    struct x86_instruction insn;
    struct x86_data_access list[X86_ACCESSES];
    unsigned length = x86_decode(bytes, X86_INSN_MAX, true, &insn);
    if (!length || insn.kind == X86_KIND_INVALID || insn.kind == X86_KIND_IRET ||
        insn.kind == X86_KIND_RET_FAR)
        return false;
    struct cpu_state cpu = random_cpu(), other = cpu;
    unsigned count = x86_accesses(&cpu, &insn, list);
    cr_assert_leq(count, X86_ACCESSES);
    first = *before;
    turn_over(&second, before, list, count);
    if (execute_on(&first, &memory, &cpu, &insn) != OUTCOME_DONE)
        return false;
    enum outcome_kind kind = execute_on(&second, &memory, &other, &insn);
    char text[64] = "";
    for (unsigned i = 0; i < length; i++)
        sprintf(text + 3 * i, "%02x ", bytes[i]);
    cr_assert_eq(kind, OUTCOME_DONE, "%s", text);
    cr_assert(memcmp(&cpu, &other, sizeof cpu) == 0, "%sdepends on other memory", text);
    for (uint32_t line = 0; line < FLAT_SIZE; line += LINE) {
        if (!is_written(&first, &second, before, line))
            continue;
        for (uint32_t i = line; i < line + LINE; i++) {
            if (!covers(list, count, i, true))
                cr_assert_eq(first.bytes[i], before->bytes[i], "%swrites 0x%x", text, i);
            else if ((second.bytes[i] ^ before->bytes[i]) != 0xff)
                cr_assert_eq(first.bytes[i], second.bytes[i], "%sat 0x%x", text, i);
        }
    }
    return true;
}

Test(arch_access, nothing_else_is_read_or_written, .timeout = 120)
{
    static struct flat_memory memory;
    unsigned looked = 0;
    for (uint32_t i = 0; i < FLAT_SIZE; i++)
        memory.bytes[i] = (uint8_t)next_random();
    for (unsigned i = 0; i < SAMPLES / 4; i++) {
        uint8_t bytes[X86_INSN_MAX + 1];
        unsigned n = 0;
        if (next_random() % 4 == 0)
            bytes[n++] = 0x66;
        if (next_random() % 8 == 0)
            bytes[n++] = next_random() % 2 ? 0xf3 : 0xf2;
        if (next_random() % 3 == 0)
            bytes[n++] = 0x0f;
        while (n < sizeof bytes)
            bytes[n++] = (uint8_t)next_random();
        looked += look_at(bytes, &memory);
    }
    cr_expect_gt(looked, SAMPLES / 12, "only %u", looked);
}

/* ---- widths ---- */

/* Capstone's that are not the manual's. */
static bool is_mistaken(unsigned map, unsigned opcode, unsigned reg)
{
    if (map == 0)
        return opcode == 0xc4 || opcode == 0xc5 || (opcode == 0xff && (reg == 3 || reg == 5)) ||
               ((opcode == 0xd9 || opcode == 0xdd) && (reg == 4 || reg == 6)); /* of 16 bits, too */
    return opcode == 0xb2 || opcode == 0xb4 || opcode == 0xb5 || (opcode == 0xae && reg < 2) ||
           opcode == 0x2f; /* FXSAVE, FXRSTOR; COMISD */
}

Test(arch_access, widths_are_those_of_the_manual)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
    unsigned compared = 0;
    csh handle;
    cr_assert_eq(cs_open(CS_ARCH_X86, CS_MODE_32, &handle), CS_ERR_OK);
    cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
    for (unsigned i = 0; i < 2 * 256 * 8 * 4; i++) {
        unsigned map = i >> 13, opcode = i >> 5 & 0xff, reg = i >> 2 & 7, prefix = i & 3;
        uint8_t bytes[X86_INSN_MAX] = {0};
        unsigned n = 0;
        struct x86_instruction insn;
        struct x86_data_access list[X86_ACCESSES];
        struct cpu_state cpu = random_cpu();
        cs_insn *theirs;
        if (prefix)
            bytes[n++] = prefixes[prefix];
        if (map)
            bytes[n++] = 0x0f;
        bytes[n++] = (uint8_t)opcode;
        bytes[n] = (uint8_t)(reg << 3 | X86_EBX); /* [ebx] */
        cpu.gpr[reg] &= 31;                       /* of BT */
        cpu.gpr[X86_EBX] = 0x20000;
        if (!x86_decode(bytes, sizeof bytes, true, &insn) || insn.kind == X86_KIND_INVALID ||
            insn.kind == X86_KIND_UD || (insn.flags & X86_INSN_STRING) ||
            !cs_disasm(handle, bytes, sizeof bytes, 0, 1, &theirs))
            continue;
        const cs_x86 *x86 = &theirs->detail->x86;
        unsigned count = x86_accesses(&cpu, &insn, list);
        for (unsigned k = 0; k < x86->op_count; k++) {
            const cs_x86_op *operand = &x86->operands[k];
            if (operand->type != X86_OP_MEM || operand->mem.base != X86_REG_EBX ||
                insn.base != X86_EBX || is_mistaken(map, opcode, reg) || !count ||
                list[0].linear != 0x20000)
                continue;
            cr_expect_eq(list[0].size, operand->size, "%s %s (%u/%02x/%u, %02x): %u",
                         theirs->mnemonic, theirs->op_str, map, opcode, reg, prefixes[prefix],
                         list[0].size);
            compared++;
        }
        cs_free(theirs, 1);
    }
    cr_expect_gt(compared, 3000, "only %u", compared);
    cs_close(&handle);
}

/* ---- one by one ---- */

Test(arch_access, examples)
{
    static const struct {
        uint8_t bytes[8];
        const char *expected;
    } examples[] = {
        {{0x8d, 0x03}, ""},                         /* lea eax,[ebx] */
        {{0x0f, 0x1f, 0x03}, ""},                   /* nop [ebx] */
        {{0x0f, 0x01, 0x3b}, ""},                   /* invlpg [ebx] */
        {{0x8b, 0x03}, "r20000+4 "},                /* mov eax,[ebx] */
        {{0xff, 0x03}, "rw20000+4 "},               /* inc dword [ebx] */
        {{0xa1, 0x00, 0x00, 0x02}, "r20000+4 "},    /* mov eax,[0x20000] */
        {{0xff, 0x13}, "r20000+4 w2fffc+4 "},       /* call [ebx] */
        {{0xff, 0x33}, "r20000+4 w2fffc+4 "},       /* push [ebx] */
        {{0x8f, 0x04, 0x24}, "w30004+4 r30000+4 "}, /* pop [esp] */
        {{0xc3}, "r30000+4 "},                      /* ret */
        {{0xcf}, "r30000+12 "},                     /* iret */
        {{0x60}, "w2ffe0+32 "},                     /* pusha */
        {{0xc9}, "r31000+4 "},                      /* leave */
        {{0xa5}, "r21000+4 w22000+4 "},             /* movsd */
        {{0xf3, 0xa5}, ""},                         /* rep movsd, ECX = 0 */
        {{0xa6}, "r21000+1 r22000+1 "},             /* cmpsb */
        {{0xd7}, "r20012+1 "},                      /* xlat */
        {{0x0f, 0xa3, 0x13}, "r20008+4 "},          /* bt [ebx],edx: bit 65 */
        {{0xd9, 0x1b}, "w20000+4 "},                /* fstp dword [ebx] */
        {{0xdf, 0x2b}, "r20000+8 "},                /* fild qword [ebx] */
        {{0x0f, 0xae, 0x03}, "w20000+512 "},        /* fxsave [ebx] */
        {{0xf3, 0x0f, 0x7e, 0x03}, "r20000+8 "},    /* movq xmm0,[ebx] */
        {{0x66, 0x0f, 0x7e, 0x03}, "w20000+4 "},    /* movd [ebx],xmm0 */
        {{0x0f, 0x29, 0x03}, "w20000+16 "},         /* movaps [ebx],xmm0 */
        {{0x0f, 0x7f, 0x03}, "w20000+8 "},          /* movq [ebx],mm0 */
    };
    for (unsigned i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct cpu_state cpu = random_cpu();
        struct x86_instruction insn;
        struct x86_data_access list[X86_ACCESSES];
        char text[64] = "";
        cpu.gpr[X86_EAX] = 0x12;
        cpu.gpr[X86_EBX] = 0x20000;
        cpu.gpr[X86_ECX] = 0;
        cpu.gpr[X86_EDX] = 65;
        cpu.gpr[X86_ESP] = 0x30000;
        cpu.gpr[X86_EBP] = 0x31000;
        cpu.gpr[X86_ESI] = 0x21000;
        cpu.gpr[X86_EDI] = 0x22000;
        cr_assert(x86_decode(examples[i].bytes, sizeof examples[i].bytes, true, &insn));
        unsigned count = x86_accesses(&cpu, &insn, list);
        for (unsigned k = 0; k < count; k++)
            sprintf(text + strlen(text), "%s%s%x+%u ", list[k].read ? "r" : "",
                    list[k].write ? "w" : "", list[k].linear, list[k].size);
        cr_expect_str_eq(text, examples[i].expected, "%u: %s", i, text);
    }
}
