/* Every routine of the interpreter against the machine: random operands, states and tables, in all
 * modes and rings; registers, hidden parts, memory, ports and faults must come out the same. The
 * cases of one form are seeded by its name's place in the table, so that a failure repeats.
 * VMM_DIFFERENTIAL_CASES says how many there are altogether; the default is a quick share. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86/walk.h"
#include "differential.h"
#include "protected_mode.h"

TestSuite(interpreter_engine);

#define CASES 26000u

#define NO_MODRM 0xff
#define ANY_REG  8
#define SIZES    "\x66\x67"
#define SEGMENTS "\x66\x67\x26\x2e\x36\x3e\x64\x65"
#define REPEATS  "\x66\x67\xf3\xf2\xf3"

enum operand { MEMORY = 0, EITHER = 1, REGISTER = 2 };
enum extra {
    STACK = 1,      /* words on the stack: an IRET frame, a far return address, a selector */
    POINTER = 2,    /* a far pointer in memory or a selector in a register */
    IMMEDIATE8 = 4, /* one byte */
    DIRECT = 8,     /* a far pointer in the instruction */
    RELEASE = 16,   /* two bytes: RET n */
    NO_TASKS = 32,  /* task switches are the engine's own: left out */
    NOT_NULL = 64,  /* LTR: the engine loads a null selector */
    MSR = 128,
    PORT = 256,
    CONTROL = 512,
};

static const struct form {
    const char *name;
    uint8_t opcode[3];
    uint8_t count;
    uint8_t reg; /* of ModR/M: ANY_REG, NO_MODRM */
    enum operand operand;
    const char *prefixes;
    unsigned extra;
} forms[] = {
    {"cli", {0xfa}, 1, NO_MODRM, 0, SIZES, 0},
    {"sti", {0xfb}, 1, NO_MODRM, 0, SIZES, 0},
    {"pushf", {0x9c}, 1, NO_MODRM, 0, SIZES, 0},
    {"popf", {0x9d}, 1, NO_MODRM, 0, SIZES, STACK},
    {"iret", {0xcf}, 1, NO_MODRM, 0, SIZES, STACK | NO_TASKS},
    {"int", {0xcd}, 1, NO_MODRM, 0, SIZES, IMMEDIATE8},
    {"int3", {0xcc}, 1, NO_MODRM, 0, SIZES, 0},
    {"into", {0xce}, 1, NO_MODRM, 0, SIZES, 0},
    {"hlt", {0xf4}, 1, NO_MODRM, 0, SIZES, 0},
    {"in al, imm8", {0xe4}, 1, NO_MODRM, 0, SIZES, IMMEDIATE8 | PORT},
    {"in eax, imm8", {0xe5}, 1, NO_MODRM, 0, SIZES, IMMEDIATE8 | PORT},
    {"out imm8, al", {0xe6}, 1, NO_MODRM, 0, SIZES, IMMEDIATE8 | PORT},
    {"out imm8, eax", {0xe7}, 1, NO_MODRM, 0, SIZES, IMMEDIATE8 | PORT},
    {"in al, dx", {0xec}, 1, NO_MODRM, 0, SIZES, PORT},
    {"in eax, dx", {0xed}, 1, NO_MODRM, 0, SIZES, PORT},
    {"out dx, al", {0xee}, 1, NO_MODRM, 0, SIZES, PORT},
    {"out dx, eax", {0xef}, 1, NO_MODRM, 0, SIZES, PORT},
    {"insb", {0x6c}, 1, NO_MODRM, 0, REPEATS, PORT},
    {"insd", {0x6d}, 1, NO_MODRM, 0, REPEATS, PORT},
    {"outsb", {0x6e}, 1, NO_MODRM, 0, REPEATS, PORT},
    {"outsd", {0x6f}, 1, NO_MODRM, 0, REPEATS, PORT},
    {"sgdt", {0x0f, 0x01}, 2, 0, MEMORY, SEGMENTS, 0},
    {"sidt", {0x0f, 0x01}, 2, 1, MEMORY, SEGMENTS, 0},
    {"lgdt", {0x0f, 0x01}, 2, 2, MEMORY, SEGMENTS, 0},
    {"lidt", {0x0f, 0x01}, 2, 3, MEMORY, SEGMENTS, 0},
    {"smsw", {0x0f, 0x01}, 2, 4, EITHER, SEGMENTS, 0},
    {"lmsw", {0x0f, 0x01}, 2, 6, EITHER, SEGMENTS, CONTROL},
    {"invlpg", {0x0f, 0x01}, 2, 7, MEMORY, SEGMENTS, 0},
    {"sldt", {0x0f, 0x00}, 2, 0, EITHER, SEGMENTS, 0},
    {"str", {0x0f, 0x00}, 2, 1, EITHER, SEGMENTS, 0},
    {"lldt", {0x0f, 0x00}, 2, 2, EITHER, SEGMENTS, POINTER},
    {"ltr", {0x0f, 0x00}, 2, 3, EITHER, SEGMENTS, POINTER | NOT_NULL},
    {"verr", {0x0f, 0x00}, 2, 4, EITHER, SEGMENTS, POINTER},
    {"verw", {0x0f, 0x00}, 2, 5, EITHER, SEGMENTS, POINTER},
    {"lar", {0x0f, 0x02}, 2, ANY_REG, EITHER, SEGMENTS, POINTER},
    {"lsl", {0x0f, 0x03}, 2, ANY_REG, EITHER, SEGMENTS, POINTER},
    {"arpl", {0x63}, 1, ANY_REG, EITHER, SEGMENTS, POINTER},
    {"clts", {0x0f, 0x06}, 2, NO_MODRM, 0, SIZES, 0},
    {"mov r, cr0", {0x0f, 0x20}, 2, 0, REGISTER, SIZES, 0},
    {"mov r, cr2", {0x0f, 0x20}, 2, 2, REGISTER, SIZES, 0},
    {"mov r, cr3", {0x0f, 0x20}, 2, 3, REGISTER, SIZES, 0},
    {"mov r, cr4", {0x0f, 0x20}, 2, 4, REGISTER, SIZES, 0},
    {"mov cr0, r", {0x0f, 0x22}, 2, 0, REGISTER, SIZES, CONTROL},
    {"mov cr2, r", {0x0f, 0x22}, 2, 2, REGISTER, SIZES, 0},
    {"mov cr3, r", {0x0f, 0x22}, 2, 3, REGISTER, SIZES, 0},
    {"mov cr4, r", {0x0f, 0x22}, 2, 4, REGISTER, SIZES, CONTROL},
    {"mov r, dr", {0x0f, 0x21}, 2, ANY_REG, REGISTER, SIZES, 0},
    {"mov dr, r", {0x0f, 0x23}, 2, ANY_REG, REGISTER, SIZES, 0},
    {"invd", {0x0f, 0x08}, 2, NO_MODRM, 0, SIZES, 0},
    {"wbinvd", {0x0f, 0x09}, 2, NO_MODRM, 0, SIZES, 0},
    {"rdmsr", {0x0f, 0x32}, 2, NO_MODRM, 0, SIZES, MSR},
    {"wrmsr", {0x0f, 0x30}, 2, NO_MODRM, 0, SIZES, MSR},
    {"rdtsc", {0x0f, 0x31}, 2, NO_MODRM, 0, SIZES, 0},
    {"cpuid", {0x0f, 0xa2}, 2, NO_MODRM, 0, SIZES, MSR},
    {"rdpmc", {0x0f, 0x33}, 2, NO_MODRM, 0, SIZES, 0},
    {"ud2", {0x0f, 0x0b}, 2, NO_MODRM, 0, SIZES, 0},
    {"pause", {0xf3, 0x90}, 2, NO_MODRM, 0, "", 0},
    {"sysenter", {0x0f, 0x34}, 2, NO_MODRM, 0, "", 0},
    {"sysexit", {0x0f, 0x35}, 2, NO_MODRM, 0, "", 0},
    {"syscall", {0x0f, 0x05}, 2, NO_MODRM, 0, "", 0},
    {"rdtscp", {0x0f, 0x01, 0xf9}, 3, NO_MODRM, 0, "", 0},
    {"mov rm, sreg", {0x8c}, 1, ANY_REG, EITHER, SEGMENTS, 0},
    {"mov sreg, rm", {0x8e}, 1, ANY_REG, EITHER, SEGMENTS, POINTER},
    {"push es", {0x06}, 1, NO_MODRM, 0, SIZES, 0},
    {"push cs", {0x0e}, 1, NO_MODRM, 0, SIZES, 0},
    {"push ss", {0x16}, 1, NO_MODRM, 0, SIZES, 0},
    {"push ds", {0x1e}, 1, NO_MODRM, 0, SIZES, 0},
    {"push fs", {0x0f, 0xa0}, 2, NO_MODRM, 0, SIZES, 0},
    {"push gs", {0x0f, 0xa8}, 2, NO_MODRM, 0, SIZES, 0},
    {"pop es", {0x07}, 1, NO_MODRM, 0, SIZES, STACK},
    {"pop ss", {0x17}, 1, NO_MODRM, 0, SIZES, STACK},
    {"pop ds", {0x1f}, 1, NO_MODRM, 0, SIZES, STACK},
    {"pop fs", {0x0f, 0xa1}, 2, NO_MODRM, 0, SIZES, STACK},
    {"pop gs", {0x0f, 0xa9}, 2, NO_MODRM, 0, SIZES, STACK},
    {"les", {0xc4}, 1, ANY_REG, MEMORY, SEGMENTS, POINTER},
    {"lds", {0xc5}, 1, ANY_REG, MEMORY, SEGMENTS, POINTER},
    {"lss", {0x0f, 0xb2}, 2, ANY_REG, MEMORY, SEGMENTS, POINTER},
    {"lfs", {0x0f, 0xb4}, 2, ANY_REG, MEMORY, SEGMENTS, POINTER},
    {"lgs", {0x0f, 0xb5}, 2, ANY_REG, MEMORY, SEGMENTS, POINTER},
    {"call far", {0x9a}, 1, NO_MODRM, 0, SIZES, DIRECT | NO_TASKS},
    {"jmp far", {0xea}, 1, NO_MODRM, 0, SIZES, DIRECT | NO_TASKS},
    {"call far [m]", {0xff}, 1, 3, MEMORY, SEGMENTS, POINTER | NO_TASKS},
    {"jmp far [m]", {0xff}, 1, 5, MEMORY, SEGMENTS, POINTER | NO_TASKS},
    {"retf", {0xcb}, 1, NO_MODRM, 0, SIZES, STACK | NO_TASKS},
    {"retf n", {0xca}, 1, NO_MODRM, 0, SIZES, STACK | NO_TASKS | RELEASE},
};
#define FORMS (sizeof forms / sizeof *forms)

static const struct form *form;

static uint16_t random_selector(void)
{
    return (uint16_t)(diff_random(17) * 8 + diff_random(5));
}

/* Two random descriptors in the GDT, one in the LDT. Those that are no segments of code or data are
 * what `task` allows. */
static void random_descriptors(struct diff_case *c, bool tasks)
{
    static const uint32_t at[] = {WORLD_GDT + WORLD_SPARE, WORLD_GDT + WORLD_SPARE2, WORLD_LDT + 8};

    for (unsigned i = 0; i < 3; i++) {
        uint32_t type = diff_random(32);
        uint32_t high = (diff_random(8) ? X86_SEG_PRESENT : 0) | diff_random(4) << 13 | type << 8;
        bool gate = type == X86_CALL_GATE16 || type == X86_CALL_GATE32;
        bool task = type < 16 && ((type & 5u) == 1 || type == X86_TASK_GATE);

        if (task && !tasks && i == 2) { /* the engine does not mind a TSS in the LDT */
            high = X86_SEG_PRESENT | X86_LDT << 8;
        }
        if (gate) {
            diff_poke(c, at[i], (diff_random(2) ? WORLD_CODE0 : WORLD_CODE3) << 16 | 0x8600);
            diff_poke(c, at[i] + 4, high | diff_random(3));
        } else {
            if (type & 0x10) {
                high |= X86_SEG_ACCESSED; /* the engine does not set it for CS and SS */
            }
            diff_poke(c, at[i], diff_random(0x1000) << 16 | 0xffff);
            diff_poke(c, at[i] + 4, 0x00cf0000 | (task && !tasks ? high & ~X86_SEG_PRESENT : high));
        }
    }
    if (!tasks) {
        diff_poke(c, WORLD_GDT + WORLD_TASK_SELECTOR + 4, X86_LDT << 8 | X86_SEG_PRESENT);
    }
}

/* What the stack holds: for returns a frame that leads somewhere most of the time. */
static void random_stack(struct diff_case *c)
{
    uint32_t esp = c->cpu.gpr[X86_ESP], words[9];
    uint8_t bytes[sizeof words + 4];
    struct x86_instruction insn;
    unsigned size;

    diff_decode(c, &insn);
    size = insn.operand_size;
    if (form->opcode[0] == 0x9d) {
        words[0] = diff_random(0x10000) << 16 | diff_random(0x10000);
    } else if (form->opcode[0] == 0xcf || form->opcode[0] == 0xcb || form->opcode[0] == 0xca) {
        words[0] = 0x8600 + diff_random(16);
    } else {
        words[0] = random_selector();
    }
    words[1] = random_selector();
    words[2] = X86_FIXED | (diff_random(0x10000) & ~X86_NT & ~X86_TF) |
               (diff_random(8) ? 0 : diff_random(0x40) << 16);
    words[3] = 0x6f00;
    for (unsigned i = 4; i < 9; i++) {
        words[i] = diff_random(3) ? WORLD_DATA3 : random_selector();
    }
    if (form->opcode[0] == 0xcb || form->opcode[0] == 0xca) {
        unsigned release = form->opcode[0] == 0xca ? c->bytes[c->length - 2] & ~3u : 0;
        esp += release;
        words[2] = words[3];
        words[3] = words[4];
        if (release) { /* CS:EIP below the parameters */
            diff_poke(c, c->cpu.gpr[X86_ESP], size == 4 ? words[0] : words[1] << 16 | words[0]);
            if (size == 4) {
                diff_poke(c, c->cpu.gpr[X86_ESP] + 4, words[1]);
            }
        }
    }
    for (unsigned i = 0; i < 9; i++) {
        memcpy(bytes + i * size, &words[i], size);
    }
    for (unsigned i = 0; i < 9 * size; i += 4) {
        uint32_t word;
        memcpy(&word, bytes + i, 4);
        diff_poke(c, esp + i, word);
    }
}

static uint32_t physical_of(uint32_t linear)
{
    return linear >= 0x400000 && linear < 0x800000 ? linear - 0x400000 : linear;
}

/* A selector in a register, or a far pointer in memory. */
static void random_pointer(struct diff_case *c)
{
    struct x86_instruction insn;

    diff_decode(c, &insn);
    if (!(insn.flags & X86_INSN_MEMORY)) {
        if (insn.rm != X86_ESP) {
            c->cpu.gpr[insn.rm] = (uint32_t)diff_random(0x10000) << 16 | random_selector();
        }
    } else {
        uint32_t at = physical_of(x86_effective_address(&c->cpu, &insn));
        bool pair = insn.kind == X86_KIND_LOAD_FAR_POINTER || form->opcode[0] == 0xff;

        if (at >= DIFF_MEMORY - 8) {
            return;
        }
        if (!pair) {
            uint16_t selector = random_selector();
            diff_poke(c, at, (form->extra & NOT_NULL) && !(selector & ~3u) ? 0x40 : selector);
        } else if (insn.operand_size == 4) {
            diff_poke(c, at, 0x8600);
            diff_poke(c, at + 4, random_selector());
        } else {
            diff_poke(c, at, (uint32_t)random_selector() << 16 | 0x8600);
        }
    }
}

static void random_port(struct diff_case *c)
{
    c->cpu.gpr[X86_EDX] = (c->cpu.gpr[X86_EDX] & 0xffff0000) | diff_random(0x240);
    if (diff_random(2)) {
        diff_poke(c, WORLD_TSS + 0x68 + diff_random(16) * 4, diff_random(0x10000) << 8);
    }
    if (!diff_random(8)) {
        diff_poke(c, WORLD_TSS + 0x64, diff_random(2) ? 0xa00000u : 0xffff0000u);
    }
    c->cpu.gpr[X86_ESI] = DIFF_DATA + 0x800 + diff_random(0x17f0);
    c->cpu.gpr[X86_EDI] = DIFF_DATA + 0x800 + diff_random(0x17f0);
    c->cpu.gpr[X86_ECX] = diff_random(3) | (diff_random(4) ? 0 : 0x10000);
}

static void append_far(struct diff_case *c)
{
    uint32_t pointer = 0x8600 + diff_random(32);
    uint16_t selector = random_selector();
    unsigned size;
    struct x86_instruction insn;

    diff_decode(c, &insn);
    size = insn.operand_size;
    memcpy(c->bytes + c->length, &pointer, size);
    memcpy(c->bytes + c->length + size, &selector, 2);
    c->length += size + 2;
}

static void make(struct diff_case *c, uint64_t seed)
{
    diff_seed(seed);
    diff_state(c, diff_random(DIFF_MODES));
    diff_pages(c);
    diff_opcode(c, form->prefixes, form->opcode, form->count);
    if (form->reg != NO_MODRM) {
        diff_modrm(c, form->reg, form->operand);
    }
    if (form->extra & IMMEDIATE8) {
        diff_immediate(c, 1);
    }
    if (form->extra & RELEASE) {
        c->bytes[c->length++] = (uint8_t)diff_random(20);
        c->bytes[c->length++] = 0;
    }
    random_descriptors(c, !(form->extra & NO_TASKS));
    if (form->extra & DIRECT) {
        append_far(c);
    }
    if (form->extra & STACK) {
        random_stack(c);
    }
    if (form->extra & POINTER) {
        random_pointer(c);
    }
    if (form->extra & PORT) {
        random_port(c);
    }
    if ((form->extra & MSR) && diff_random(4)) {
        static const uint32_t numbers[] = {0x10, 0x17, 0x2a, 0x79, 0x8b, 0x11e, 0x1d9, 0, 1};
        c->cpu.gpr[X86_ECX] = numbers[diff_random(9)];
        c->cpu.gpr[X86_EAX] = diff_random(4);
    }
    if ((form->extra & CONTROL) && diff_random(4)) {
        uint32_t value = form->opcode[0] == 0x0f && form->reg == 4 ? c->cpu.cr4 : c->cpu.cr0;
        c->cpu.gpr[c->bytes[c->length - 1] & 7] = value ^ 1u << diff_random(32);
    }
}

/* IRETD of an image with VM set outside ring 0. */
static bool pops_vm(struct differential *d, const struct cpu_state *cpu)
{
    uint32_t esp = cpu->gpr[X86_ESP] & (cpu->seg[X86_SS].attributes & X86_SEG_DB ? ~0u : 0xffffu);
    uint32_t eflags = 0;

    x86_peek(cpu, differential_memory(d), cpu->seg[X86_SS].base + esp + 8, &eflags, 4);
    return x86_protected(cpu) && cpu->cpl > 0 && (eflags & X86_VM);
}

/* Far transfers: the stack is the supervisor's to the engine, and no EIP is beyond the limit in
 * real and virtual-8086 mode. */
static bool departing_transfer(const struct cpu_state *cpu, const struct x86_event *fault)
{
    return fault->vector == X86_PAGE ? cpu->cpl == 3
                                     : fault->vector == X86_GP && !x86_protected(cpu);
}

/* Known departures of the engine from the manual, each listed in docs/engine-deviations.md; and a
 * load of CR3 whose next instruction would come from elsewhere. `outcome` is what the routine came
 * to. */
static bool departs(struct differential *d, const struct diff_case *c,
                    const struct x86_instruction *insn, const struct outcome *outcome)
{
    const struct cpu_state *before = &c->cpu;
    bool fault = outcome->kind == OUTCOME_INJECT && outcome->event.kind == X86_EXCEPTION;
    bool memory = insn->flags & X86_INSN_MEMORY;

    if (diff_beyond_segment(before, insn)) {
        return true;
    }
    switch (insn->kind) {
    case X86_KIND_PUSHF: return (before->eflags & X86_VM) && insn->operand_size == 4;
    case X86_KIND_IRET:
        if (insn->operand_size == 4 && pops_vm(d, before)) {
            return true;
        }
        return fault && departing_transfer(before, &outcome->event);
    case X86_KIND_CALL_FAR:
    case X86_KIND_CALL_FAR_INDIRECT:
    case X86_KIND_JMP_FAR:
    case X86_KIND_JMP_FAR_INDIRECT:
    case X86_KIND_RET_FAR: return fault && departing_transfer(before, &outcome->event);
    case X86_KIND_SGDT:
    case X86_KIND_SIDT: return fault && diff_crosses_page(before, insn, 6);
    case X86_KIND_LTR: return !memory && x86_selector_null((uint16_t)before->gpr[insn->rm]);
    case X86_KIND_ARPL: return memory;
    case X86_KIND_PAUSE: return before->interrupt_shadow;
    case X86_KIND_MOV_TO_CR:
        return insn->reg == 3 && x86_paging(before) &&
               (before->gpr[insn->rm] ^ before->cr3) >= X86_PAGE_SIZE;
    default: return false;
    }
}

static void run(struct differential *d, const struct diff_case *c, struct diff_end *end)
{
    static struct interpreter interpreter;
    struct interpreter_context context = {
        .cpu = &end->cpu, .memory = differential_memory(d), .time = c->time};
    struct x86_instruction insn;
    struct outcome outcome;

    interpreter_init(&interpreter);
    cr_assert(diff_decode(c, &insn));
    outcome = interpreter_run(&interpreter, &context, &insn);
    if (departs(d, c, &insn, &outcome)) {
        end->skipped = true;
        return;
    }
    if (outcome.kind == OUTCOME_PORT) {
        struct diff_access *access = &end->access[end->accesses++];
        *access = (struct diff_access){outcome.port.in, outcome.port.port, outcome.port.size,
                                       outcome.port.value};
        outcome = interpreter_port_complete(&context, &insn, &outcome.port,
                                            differential_port(access->port, access->size));
    }
    switch (outcome.kind) {
    case OUTCOME_INJECT: differential_deliver(d, end, &outcome.event); break;
    case OUTCOME_NEED_PAGE:
    case OUTCOME_PORT: cr_assert_fail("%s: outcome %d", form->name, outcome.kind); break;
    case OUTCOME_MISSING: end->skipped = true; break; /* shrunk to another instruction */
    default: end->retired++; break;
    }
    end->halted = outcome.kind == OUTCOME_IDLE;
}

Test(interpreter_engine, agrees_with_the_machine)
{
    uint64_t cases = differential_number("VMM_DIFFERENTIAL_CASES", CASES) / FORMS + 1;
    struct differential *d = differential_create(run);
    unsigned failures = 0;

    for (unsigned i = 0; i < FORMS; i++) {
        uint64_t completed;
        unsigned failed;
        form = &forms[i];
        failed = differential_run(d, make, i * UINT64_C(1000000000), cases, &completed);
        if (failed) {
            fprintf(stderr, "%s: %u of %llu cases differ\n", form->name, failed,
                    (unsigned long long)cases);
        }
        failures += failed;
    }
    cr_assert_eq(failures, 0);
    differential_destroy(d);
}
