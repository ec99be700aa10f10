/* The architecture's algorithms against the engine's own implementation of them, on random
 * selectors and descriptors: the same instruction is carried out by arch/x86 and by Unicorn at the
 * same ring, and ends in the same vector or in the same registers. Known deviation of the engine:
 * it does not set the accessed bit of the segments that far transfers and IRET load into CS and SS
 * (SDM volume 3, section 3.4.5.1); so tables are not compared. */
#include <criterion/criterion.h>
#include <unicorn/unicorn.h>

#include "arch/x86/farcall.h"
#include "arch/x86/iret.h"
#include "protected_mode.h"

#define ROUNDS 4000
#define TEST   0x8400u /* where the instruction lies */
#define TARGET 0x8600u /* where far transfers go */
#define FRAME  (WORLD_STACK0 - 256)

TestSuite(arch_engine);

enum operation { MOV_SREG, LAR, LSL, VERR, VERW, IRETD, RETF, JMP_FAR, CALL_FAR, OPERATIONS };

struct trial {
    enum operation operation;
    unsigned ring;
    uint16_t selector;
    uint32_t eflags, esp;
    enum x86_sreg sreg;
    uint8_t bytes[8];
    uint8_t length;
};

struct engine {
    uc_engine *uc;
    uc_context *clean;
    int vector;    /* of the exception, or -1 */
    bool at_test;  /* the instruction under test has been reached */
    bool finished; /* and another one behind it */
    uint32_t eip;
};

static uint64_t random_state = 0x2545f4914f6cdd1du;

static uint32_t next_random(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % below;
}

static void on_exception(uc_engine *uc, uint32_t vector, void *context)
{
    struct engine *engine = context;

    engine->vector = (int)vector;
    uc_emu_stop(uc);
}

static void on_instruction(uc_engine *uc, uint64_t address, uint32_t size, void *context)
{
    struct engine *engine = context;

    (void)size;
    if (engine->at_test) {
        engine->finished = true;
        engine->eip = (uint32_t)address;
        uc_emu_stop(uc);
    }
    engine->at_test |= address == TEST;
}

static void write_register(uc_engine *uc, int id, uint32_t value)
{
    uc_reg_write(uc, id, &value);
}

static uint32_t read_register(uc_engine *uc, int id)
{
    uint32_t value = 0;

    uc_reg_read(uc, id, &value);
    return value;
}

/* TR is written with the type that LTR found, not with the busy one that it left in memory: the
 * engine aborts the process when a call gate needs a stack from a TSS that is busy by its own copy
 * of TR. */
static void engine_create(struct engine *engine, struct flat_memory *flat)
{
    uc_x86_mmr gdtr = {.base = WORLD_GDT, .limit = WORLD_GDT_LIMIT};
    uc_x86_mmr tr = {.selector = WORLD_TR,
                     .base = WORLD_TSS,
                     .limit = 0x67,
                     .flags = X86_SEG_PRESENT | X86_TSS32_AVAILABLE << 8};
    uc_hook hook;

    cr_assert_eq(uc_open(UC_ARCH_X86, UC_MODE_32, &engine->uc), UC_ERR_OK);
    uc_ctl_set_cpu_model(engine->uc, UC_CPU_X86_QEMU64);
    uc_ctl_set_tcg_buffer_size(engine->uc, 8 << 20);
    uc_mem_map_ptr(engine->uc, 0, FLAT_SIZE, UC_PROT_ALL, flat->bytes);
    uc_reg_write(engine->uc, UC_X86_REG_GDTR, &gdtr);
    uc_reg_write(engine->uc, UC_X86_REG_TR, &tr);
    write_register(engine->uc, UC_X86_REG_CR0, X86_CR0_PE | X86_CR0_ET);
    write_register(engine->uc, UC_X86_REG_CS, WORLD_CODE0);
    write_register(engine->uc, UC_X86_REG_SS, WORLD_DATA0);
    write_register(engine->uc, UC_X86_REG_DS, WORLD_DATA3);
    write_register(engine->uc, UC_X86_REG_ES, WORLD_DATA3);
    write_register(engine->uc, UC_X86_REG_FS, 0);
    write_register(engine->uc, UC_X86_REG_GS, 0);
    uc_hook_add(engine->uc, &hook, UC_HOOK_INTR, (void *)on_exception, engine, 1, 0);
    uc_hook_add(engine->uc, &hook, UC_HOOK_CODE, (void *)on_instruction, engine, 1, 0);
    uc_context_alloc(engine->uc, &engine->clean);
    uc_context_save(engine->uc, engine->clean);
}

static void put(struct trial *trial, unsigned length, uint64_t bytes)
{
    memcpy(trial->bytes, &bytes, sizeof trial->bytes);
    trial->length = (uint8_t)length;
}

static struct trial make_trial(void)
{
    static const unsigned rings[] = {0, 1, 3};
    static const uint32_t stacks[] = {WORLD_STACK0, WORLD_STACK1, 0, WORLD_STACK3};
    static const enum x86_sreg sregs[] = {X86_ES, X86_SS, X86_DS, X86_FS, X86_GS};
    struct trial trial = {.operation = next_random(OPERATIONS),
                          .ring = rings[next_random(3)],
                          .selector = (uint16_t)(next_random(16) * 8 + next_random(5)),
                          .eflags = X86_FIXED | next_random(4) << 12 | next_random(2) << 9,
                          .sreg = sregs[next_random(5)]};

    trial.esp = stacks[trial.ring] - 64;
    switch (trial.operation) {
    case MOV_SREG: put(&trial, 2, 0xc08eu | trial.sreg << 11); break; /* from AX */
    case LAR: put(&trial, 3, 0xd8020f); break;                        /* EBX, AX */
    case LSL: put(&trial, 3, 0xd8030f); break;
    case VERR: put(&trial, 3, 0xe0000f); break;
    case VERW: put(&trial, 3, 0xe8000f); break;
    case IRETD: put(&trial, 1, 0xcf); break;
    case RETF: put(&trial, 1, 0xcb); break;
    case JMP_FAR: put(&trial, 7, 0xea | TARGET << 8 | (uint64_t)trial.selector << 40); break;
    default: put(&trial, 7, 0x9a | (uint64_t)TARGET << 8 | (uint64_t)trial.selector << 40); break;
    }
    return trial;
}

/* Two random descriptors; no task switches, which the engine does in its own way. */
static void random_descriptors(struct flat_memory *flat)
{
    static const uint16_t spare[] = {WORLD_SPARE, WORLD_SPARE2};

    for (unsigned i = 0; i < 2; i++) {
        uint32_t at = WORLD_GDT + spare[i];
        uint32_t type = next_random(32);
        uint32_t high = (next_random(4) ? X86_SEG_PRESENT : 0) | next_random(4) << 13 | type << 8;
        bool gate = type == X86_CALL_GATE16 || type == X86_CALL_GATE32;
        bool task = type < 16 && ((type & 5u) == 1 || type == X86_TASK_GATE);

        if (gate) {
            flat_put32(flat, at, (next_random(2) ? WORLD_CODE0 : WORLD_CODE3) << 16 | TARGET);
            flat_put32(flat, at + 4, high | next_random(3));
        } else {
            flat_put32(flat, at, 0xffff);
            flat_put32(flat, at + 4, 0x00cf0000 | (task ? high & ~X86_SEG_PRESENT : high));
        }
    }
}

static void make_world(struct flat_memory *flat, struct cpu_state *cpu, const struct trial *trial)
{
    static const uint16_t code[] = {WORLD_CODE0, WORLD_CODE1, 0, WORLD_CODE3};
    static const uint16_t data[] = {WORLD_DATA0, WORLD_DATA1, 0, WORLD_DATA3};
    uint32_t outer_ss = next_random(3) ? WORLD_DATA3 : next_random(16) * 8 + next_random(4);
    uint32_t iret[5] = {TARGET, trial->selector, X86_FIXED | next_random(16) << 9, 0x6f00,
                        outer_ss};
    uint32_t retf[4] = {TARGET, trial->selector, 0x6f00, outer_ss};
    uint32_t entry[5] = {TEST, code[trial->ring], trial->eflags, trial->esp, data[trial->ring]};

    world_build(flat, cpu);
    world_gdt(flat, WORLD_TASK_SELECTOR, 0, 0xfff, X86_SEG_PRESENT | X86_SEG_S | X86_SEG_RW);
    random_descriptors(flat);
    iret[2] &= ~X86_NT;
    memset(flat->bytes + TEST, 0x90, 0x400);
    memcpy(flat->bytes + TEST, trial->bytes, trial->length);
    memcpy(flat->bytes + trial->esp, trial->operation == RETF ? retf : iret,
           trial->operation == RETF ? sizeof retf : sizeof iret);
    memcpy(flat->bytes + FRAME, entry, sizeof entry);
    flat->bytes[WORLD_CODE] = 0xcf;
    world_enter(flat, cpu, trial->ring);
    cpu->seg[X86_DS] = cpu->seg[X86_ES] = world_segment(flat, WORLD_DATA3);
    cpu->seg[X86_FS] = cpu->seg[X86_GS] = x86_segment_null(0);
    cpu->eip = TEST;
    cpu->eflags = trial->eflags;
    cpu->gpr[X86_ESP] = trial->esp;
    cpu->gpr[X86_EAX] = trial->selector;
}

static void run_engine(struct engine *engine, const struct trial *trial)
{
    engine->vector = -1;
    engine->at_test = engine->finished = false;
    uc_context_restore(engine->uc, engine->clean);
    uc_ctl_remove_cache(engine->uc, WORLD_CODE, WORLD_CODE + 0x1000);
    write_register(engine->uc, UC_X86_REG_EAX, trial->selector);
    if (trial->ring == 0) {
        write_register(engine->uc, UC_X86_REG_ESP, trial->esp);
        write_register(engine->uc, UC_X86_REG_EFLAGS, trial->eflags);
    } else {
        write_register(engine->uc, UC_X86_REG_ESP, FRAME); /* an IRET goes to the ring */
    }
    uc_emu_start(engine->uc, trial->ring == 0 ? TEST : WORLD_CODE, FLAT_SIZE - 1, 0, 0);
}

static enum x86_status inspect(struct cpu_state *cpu, const struct x86_memory *memory,
                               const struct trial *trial, struct x86_event *fault)
{
    bool valid = false;
    uint32_t *value = &cpu->gpr[X86_EBX];
    uint16_t selector = trial->selector;
    enum x86_status status;

    switch (trial->operation) {
    case LAR: status = x86_lar(cpu, memory, selector, value, &valid, fault); break;
    case LSL: status = x86_lsl(cpu, memory, selector, value, &valid, fault); break;
    default:
        status = x86_verify(cpu, memory, selector, trial->operation == VERW, &valid, fault);
        break;
    }
    cpu->eflags = (cpu->eflags & ~X86_ZF) | (valid ? X86_ZF : 0);
    return status;
}

static enum x86_status run_ours(struct cpu_state *cpu, const struct x86_memory *memory,
                                const struct trial *trial, struct x86_event *fault)
{
    uint16_t selector = trial->selector;
    enum x86_status status;

    switch (trial->operation) {
    case IRETD: return x86_iret(cpu, memory, true, 1, fault);
    case RETF: return x86_far_return(cpu, memory, true, 0, fault);
    case JMP_FAR: return x86_far_jump(cpu, memory, selector, TARGET, true, 7, fault);
    case CALL_FAR: return x86_far_call(cpu, memory, selector, TARGET, true, 7, fault);
    case MOV_SREG: status = x86_load_segment(cpu, memory, trial->sreg, selector, fault); break;
    default: status = inspect(cpu, memory, trial, fault); break;
    }
    cpu->eip += status == X86_OK ? trial->length : 0;
    return status;
}

static void compare(struct engine *engine, const struct cpu_state *cpu, unsigned round)
{
    static const int sregs[X86_SREGS] = {UC_X86_REG_ES, UC_X86_REG_CS, UC_X86_REG_SS,
                                         UC_X86_REG_DS, UC_X86_REG_FS, UC_X86_REG_GS};

    cr_assert(engine->finished, "round %u", round);
    cr_assert_eq(engine->eip, cpu->eip, "round %u", round);
    for (unsigned i = 0; i < X86_SREGS; i++) {
        cr_assert_eq(read_register(engine->uc, sregs[i]), cpu->seg[i].selector,
                     "round %u, segment register %u", round, i);
    }
    cr_assert_eq(read_register(engine->uc, UC_X86_REG_ESP), cpu->gpr[X86_ESP], "round %u", round);
    cr_assert_eq(read_register(engine->uc, UC_X86_REG_EBX), cpu->gpr[X86_EBX], "round %u", round);
    cr_assert_eq(read_register(engine->uc, UC_X86_REG_EFLAGS), cpu->eflags, "round %u", round);
}

Test(arch_engine, agrees_with_the_engine)
{
    struct x86_memory memory;
    struct flat_memory *ours = flat_create(&memory);
    struct flat_memory *theirs = calloc(1, sizeof *theirs);
    struct engine engine = {0};
    struct cpu_state cpu;
    unsigned completed = 0;

    world_build(theirs, &cpu);
    engine_create(&engine, theirs);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct trial trial = make_trial();
        struct x86_event fault = {0};
        enum x86_status status;

        make_world(ours, &cpu, &trial);
        memcpy(theirs->bytes, ours->bytes, FLAT_SIZE);
        run_engine(&engine, &trial);
        cr_assert(engine.at_test);
        status = run_ours(&cpu, &memory, &trial, &fault);
        if (engine.vector >= 0) {
            cr_assert_eq(status, X86_FAULT, "round %u: %u", round, trial.operation);
            cr_assert_eq(fault.vector, engine.vector, "round %u: %u", round, trial.operation);
        } else {
            cr_assert_eq(status, X86_OK, "round %u: %u", round, trial.operation);
            compare(&engine, &cpu, round);
            completed++;
        }
    }
    cr_assert_gt(completed, ROUNDS / 4u);
    cr_assert_lt(completed, ROUNDS - ROUNDS / 4u);
    uc_context_free(engine.clean);
    uc_close(engine.uc);
    free(ours);
    free(theirs);
}
