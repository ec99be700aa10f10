/* Two properties of everything in arch/x86 that changes the processor, on worlds with random damage
 * in their tables: whatever a guest puts there ends in a status and not in a crash, and the result
 * does not depend on which pages were at hand (memory.h: an algorithm that needs a page changes
 * nothing and is run again). */
#include <criterion/criterion.h>

#include "arch/x86/deliver.h"
#include "arch/x86/farcall.h"
#include "arch/x86/iret.h"
#include "arch/x86/port.h"
#include "protected_mode.h"

#define ROUNDS    20000
#define DIRECTORY 0x20000u
#define TABLE     0x21000u

TestSuite(arch_restart);

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint32_t next_random(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % below;
}

/* What is tried, and with what. */
struct trial {
    unsigned action;
    uint16_t selector;
    struct x86_event event;
};

static enum x86_status carry_out(struct cpu_state *cpu, const struct x86_memory *memory,
                                 const struct trial *trial, struct x86_event *fault)
{
    static const enum x86_sreg sregs[] = {X86_ES, X86_SS, X86_DS, X86_FS, X86_GS};
    uint32_t value = 0;
    bool valid;

    *fault = (struct x86_event){0};
    switch (trial->action) {
    case 0: return x86_iret(cpu, memory, trial->selector & 8, 1, fault);
    case 1: return x86_far_call(cpu, memory, trial->selector, 0x8123, true, 7, fault);
    case 2: return x86_far_jump(cpu, memory, trial->selector, 0x8123, true, 7, fault);
    case 3: return x86_far_return(cpu, memory, true, 8, fault);
    case 4:
        return x86_load_segment(cpu, memory, sregs[trial->event.vector % 5], trial->selector,
                                fault);
    case 5: return x86_load_tr(cpu, memory, trial->selector, fault);
    case 6: return x86_load_ldtr(cpu, memory, trial->selector, fault);
    case 7: return x86_lar(cpu, memory, trial->selector, &value, &valid, fault);
    case 8: return x86_port_allowed(cpu, memory, trial->selector, 4, fault);
    default: return x86_deliver(cpu, memory, &trial->event, NULL);
    }
}

static void page_tables(struct flat_memory *flat, struct cpu_state *cpu)
{
    flat_put32(flat, DIRECTORY, TABLE | 7);
    for (unsigned page = 0; page < FLAT_PAGES; page++) {
        uint32_t rights = next_random(12) ? 7 : next_random(8);
        flat_put32(flat, TABLE + page * 4, page * X86_PAGE_SIZE | rights);
    }
    flat_put32(flat, WORLD_TASK + 0x1c, DIRECTORY);
    flat_put32(flat, WORLD_TSS + 0x1c, DIRECTORY);
    cpu->cr3 = DIRECTORY;
    cpu->cr0 |= X86_CR0_PG | (next_random(2) ? X86_CR0_WP : 0);
}

/* A world that mostly works, with some bits of its tables and stacks changed. Events go through
 * task gates only in worlds without damage: a fault in the new task is the one case that does not
 * restart (deliver.h). */
static void make_world(struct flat_memory *flat, struct cpu_state *cpu)
{
    static const uint32_t areas[] = {WORLD_GDT,         WORLD_IDT,         WORLD_TSS, WORLD_TASK,
                                     WORLD_STACK0 - 64, WORLD_STACK3 - 64, WORLD_LDT};
    static const unsigned types[] = {5, 6, 7, 14, 15, 14, 15, 9};
    bool damaged = next_random(8) != 0;
    static const unsigned rings[] = {0, 1, 3, 3};

    memset(flat, 0, sizeof *flat);
    world_build(flat, cpu);
    for (unsigned vector = 0; vector < 64; vector++) {
        unsigned type = types[next_random(damaged ? 7 : 8) + damaged];
        uint16_t selector = type == 5 ? WORLD_TASK_SELECTOR : next_random(4) ? 0x08 : 0x38;
        world_gate(flat, vector, type, next_random(4), selector, WORLD_HANDLER);
    }
    for (unsigned i = 0; i < 6; i++) {
        static const uint16_t image[6] = {0x10, 0x08, 0x10, 0x10, 0, 0};
        flat_put32(flat, WORLD_TASK + 0x48 + i * 4, image[i]);
    }
    for (unsigned stack = 4; stack < 6; stack++) {
        uint32_t at = areas[stack];
        uint32_t words[5] = {WORLD_CODE, next_random(2) ? WORLD_CODE3 : WORLD_CODE0,
                             next_random(2) ? X86_VM : X86_IF, WORLD_STACK3, WORLD_DATA3};
        memcpy(flat->bytes + at, words, sizeof words);
    }
    if (damaged && next_random(2)) {
        page_tables(flat, cpu);
    }
    world_enter(flat, cpu, rings[next_random(4)]);
    cpu->gpr[X86_ESP] -= 64;
    cpu->eflags |= next_random(4) ? 0 : X86_NT;
    if (next_random(8) == 0) {
        cpu->eflags |= X86_VM;
        cpu->cpl = 3;
    }
    for (unsigned i = damaged ? next_random(6) : 0; i > 0; i--) {
        uint32_t at = areas[next_random(7)] + next_random(128);
        flat->bytes[at] ^= (uint8_t)(1u << next_random(8));
    }
}

static struct trial make_trial(void)
{
    struct trial trial = {.action = next_random(16),
                          .selector = (uint16_t)(next_random(16) * 8 + next_random(8))};

    trial.event.kind = next_random(3);
    trial.event.vector = (uint8_t)next_random(64);
    trial.event.length = 2;
    trial.event.has_error_code =
        trial.event.kind == X86_EXCEPTION && x86_has_error_code(trial.event.vector);
    return trial;
}

/* Every page is away at first and is supplied when it is asked for. */
static enum x86_status carry_out_with_misses(struct cpu_state *cpu, struct flat_memory *flat,
                                             const struct x86_memory *memory,
                                             const struct trial *trial, struct x86_event *fault)
{
    memset(flat->away, true, sizeof flat->away);
    for (unsigned attempt = 0; attempt <= FLAT_PAGES; attempt++) {
        struct cpu_state before = *cpu;
        enum x86_status status = carry_out(cpu, memory, trial, fault);

        if (status != X86_NEED_PAGE) {
            return status;
        }
        cr_assert_eq(memcmp(&before, cpu, sizeof before), 0);
        flat->away[flat->wanted] = false;
    }
    cr_assert(false, "asks for pages without end");
    return X86_NEED_PAGE;
}

Test(arch_restart, result_does_not_depend_on_pages_at_hand)
{
    struct x86_memory memory, sparse_memory;
    struct flat_memory *flat = flat_create(&memory);
    struct flat_memory *sparse = flat_create(&sparse_memory);
    unsigned seen[4] = {0};

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct trial trial = make_trial();
        struct x86_event fault, sparse_fault;
        struct cpu_state cpu, sparse_cpu;
        enum x86_status status, sparse_status;

        make_world(flat, &cpu);
        memcpy(sparse, flat, sizeof *flat);
        sparse_cpu = cpu;
        status = carry_out(&cpu, &memory, &trial, &fault);
        sparse_status =
            carry_out_with_misses(&sparse_cpu, sparse, &sparse_memory, &trial, &sparse_fault);
        seen[status]++;
        cr_assert_eq(status, sparse_status, "round %u, action %u", round, trial.action);
        cr_assert_eq(memcmp(&cpu, &sparse_cpu, sizeof cpu), 0, "round %u, action %u", round,
                     trial.action);
        cr_assert_eq(memcmp(flat->bytes, sparse->bytes, FLAT_SIZE), 0, "round %u, action %u", round,
                     trial.action);
        if (status == X86_FAULT) {
            cr_assert_eq(fault.vector, sparse_fault.vector);
            cr_assert_eq(fault.error_code, sparse_fault.error_code);
        }
    }
    cr_assert_gt(seen[X86_OK], ROUNDS / 10u);
    cr_assert_gt(seen[X86_FAULT], ROUNDS / 20u);
    cr_assert_gt(seen[X86_SHUTDOWN], 10u);
    free(flat);
    free(sparse);
}
