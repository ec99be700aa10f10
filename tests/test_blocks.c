/* Virtual time by block, and the same time however the run is cut. Time counts instructions, and
 * the iterations of REP (SDM volume 2, REP: each iteration is a step of its own that an interrupt
 * may follow); the totals below are counted by hand. */
#include <criterion/criterion.h>
#include <string.h>

#include "machine/cpu.h"

TestSuite(blocks);

enum {
    MEMORY = 1 << 20,
    CODE = 0x10000,
    CALLED = 0x31000,
    FROM = 0x20000,
    TO = CALLED - 128, /* the copy runs into the page that was executed */
    COPIED = 300,
};

static const uint8_t program[] = {
    0xe8, 0xfb,          0x0f,        0x02, 0x00, /* call CALLED             1 */
    0xb9, COPIED & 0xff, COPIED >> 8, 0,    0,
    0xbe, 0x00,          0x00,        0x02, 0x00, /* mov ecx, esi            2 */
    0xbf, 0x80,          0x0f,        0x03, 0x00, /* mov edi, TO             1 */
    0xf3, 0xa4,                                   /* rep movsb             300 */
    0xb9, 0x00,          0x00,        0x00, 0x00, /* mov ecx, 0              1 */
    0xf3, 0xab,                                   /* rep stosd               1 */
    0xba, 0x32,          0x00,        0x00, 0x00, /* mov edx, 50             1 */
    0x4a, 0x75,          0xfd,                    /* dec edx; jnz          100 */
    0xb9, 0x14,          0x00,        0x00, 0x00, /* mov ecx, 20             1 */
    0xbf, 0x80,          0x0f,        0x03, 0x00, /* mov edi, TO             1 */
    0xb0, 0x00,                                   /* mov al, 0               1 */
    0xf2, 0xae,                                   /* repne scasb             7 */
    0xb9, 0x05,          0x00,        0x00, 0x00, /* mov ecx, 5              1 */
    0xe2, 0xfe,                                   /* loop                    5 */
    0xf4,                                         /* hlt                     1 */
};
enum { TOTAL = 425 }; /* with the RET at CALLED */

struct world {
    struct memory memory;
    struct cpu cpu;
    bool halted;
};

static enum cpu_action on_exit_of_cpu(void *context, const struct cpu_exit *exit)
{
    struct world *w = context;
    struct cpu_hardware end = {0};
    enum cpu_action action = cpu_hardware(&w->cpu, exit, &end);
    w->halted = end.halted;
    cr_assert_not(end.shutdown);
    return action;
}

static bool on_wants(void *context, const struct cpu_state *state,
                     const struct x86_instruction *insn)
{
    (void)context;
    return cpu_wants(state, insn);
}

static void set_segment(struct x86_segment *segment, uint16_t selector, uint32_t type)
{
    *segment = (struct x86_segment){selector, 0, UINT32_MAX,
                                    X86_SEG_PRESENT | X86_SEG_S | X86_SEG_DB | X86_SEG_G |
                                        X86_SEG_ACCESSED | X86_SEG_RW | type};
}

static void power_on(struct world *w)
{
    char why[256];
    memset(w, 0, sizeof *w);
    cr_assert(memory_init(&w->memory, MEMORY));
    const struct cpu_client client = {.context = w, .exit = on_exit_of_cpu, .wants = on_wants};
    cr_assert(cpu_init(&w->cpu, &w->memory, &client, false, why, sizeof why), "%s", why);
    memcpy(w->memory.bytes + CODE, program, sizeof program);
    w->memory.bytes[CALLED] = 0xc3;
    for (unsigned i = 0; i < COPIED; i++)
        w->memory.bytes[FROM + i] = i == 6 ? 0 : (uint8_t)(i | 1);
    struct cpu_state *state = cpu_modify(&w->cpu);
    state->cr0 |= X86_CR0_PE;
    for (unsigned i = 0; i < X86_SREGS; i++)
        set_segment(&state->seg[i], 0x10, 0);
    set_segment(&state->seg[X86_CS], 0x08, X86_SEG_CODE);
    state->eip = CODE;
    state->gpr[X86_ESP] = 0x80000;
}

static void power_off(struct world *w)
{
    cpu_destroy(&w->cpu);
    memory_destroy(&w->memory);
}

static void check_end(const struct world *w)
{
    cr_assert(w->halted);
    cr_expect_eq(w->cpu.time, TOTAL, "%llu instructions", (unsigned long long)w->cpu.time);
    cr_expect_eq(w->cpu.state.eip, CODE + sizeof program);
    cr_expect_eq(w->cpu.state.gpr[X86_ECX], 0);
    cr_expect_eq(w->cpu.state.gpr[X86_EDI], TO + 7);
    cr_expect_arr_eq(w->memory.bytes + TO, w->memory.bytes + FROM, COPIED);
}

/* Runs to the end with a deadline each `slice` instructions; each has to be met exactly. */
static void run_in_slices(uint64_t slice, bool inlined)
{
    struct world w;
    power_on(&w);
    w.cpu.inline_refused = !inlined;
    for (uint64_t deadline = slice; !w.halted && deadline < 2 * TOTAL + slice; deadline += slice) {
        enum cpu_stop stop = cpu_run(&w.cpu, deadline);
        if (stop == CPU_STOP_DEADLINE)
            cr_expect_eq(w.cpu.time, deadline);
        else
            cr_expect_eq(stop, CPU_STOP_LEFT);
    }
    check_end(&w);
    power_off(&w);
}

Test(blocks, counts_instructions_and_iterations)
{
    run_in_slices(100000, true);
    run_in_slices(100000, false);
}

Test(blocks, does_not_depend_on_how_a_run_is_cut)
{
    static const uint64_t slices[] = {1, 2, 3, 7, 50, 299, 301};
    for (unsigned i = 0; i < sizeof slices / sizeof *slices; i++) {
        run_in_slices(slices[i], true);
        run_in_slices(slices[i], false);
    }
}

/* The second time every block is known, and the page is no longer code. */
Test(blocks, counts_the_same_again)
{
    struct world w;
    power_on(&w);
    cr_expect_eq(cpu_run(&w.cpu, UINT64_MAX), CPU_STOP_LEFT);
    check_end(&w);
    struct cpu_state *state = cpu_modify(&w.cpu);
    w.memory.bytes[CALLED] = 0xc3;
    cpu_written(&w.cpu, CALLED >> MEMORY_FRAME_SHIFT);
    state->eip = CODE;
    w.cpu.time = 0;
    cr_expect_eq(cpu_run(&w.cpu, UINT64_MAX), CPU_STOP_LEFT);
    check_end(&w);
    power_off(&w);
}

/* ---- stores of code to its own page ---- */

enum { ROUNDS = 120, ROUND = 6, COUNTER = CODE + 0xf00, STACK = CODE + 0xff0 };

/* Straight-line code: it counts in its own page, keeps its stack there, collects the flags that it
 * ever sees, and makes each of its NOPs an INC EAX just before it gets there. */
static void write_storing_code(struct world *w)
{
    static const uint8_t round[] = {
        0xfe, 0x05, 0,    0,    0, 0,       /* inc byte [COUNTER] */
        0x9c, 0x5b, 0x09, 0xd9,             /* pushf; pop ebx; or ecx, ebx */
        0xc6, 0x05, 0,    0,    0, 0, 0x40, /* mov byte [the NOP], INC EAX */
        0x90,
    };
    const uint32_t counter = COUNTER;
    uint8_t *bytes = w->memory.bytes;
    uint32_t at = CODE;
    for (unsigned i = 0; i < ROUNDS; i++, at += sizeof round) {
        const uint32_t nop = at + sizeof round - 1;
        memcpy(bytes + at, round, sizeof round);
        memcpy(bytes + at + 2, &counter, sizeof counter);
        memcpy(bytes + at + 12, &nop, sizeof nop);
    }
    bytes[at] = 0xf4; /* hlt */
}

/* However the processor gets over them, time and flags are the architecture's. */
Test(blocks, that_store_to_their_own_page)
{
    static const uint64_t slices[] = {7, 100, UINT64_MAX};
    for (unsigned i = 0; i < sizeof slices / sizeof *slices; i++) {
        struct world w;
        power_on(&w);
        write_storing_code(&w);
        cpu_modify(&w.cpu)->gpr[X86_ESP] = STACK;
        for (uint64_t deadline = 0; !w.halted && deadline <= ROUNDS * ROUND;) {
            deadline = slices[i] == UINT64_MAX ? UINT64_MAX : deadline + slices[i];
            if (cpu_run(&w.cpu, deadline) == CPU_STOP_DEADLINE)
                cr_expect_eq(w.cpu.time, deadline);
        }
        cr_expect(w.halted);
        cr_expect_eq(w.cpu.time, ROUNDS * ROUND + 1);
        cr_expect_eq(w.memory.bytes[COUNTER], ROUNDS);
        cr_expect_eq(w.cpu.state.gpr[X86_EAX], ROUNDS);
        cr_expect_eq(w.cpu.state.gpr[X86_ESP], STACK);
        cr_expect_eq(w.cpu.state.gpr[X86_ECX] & ~(uint32_t)X86_ARITHMETIC, X86_FIXED);
        power_off(&w);
    }
}

#ifdef __x86_64__
Test(blocks, are_entered_without_a_call)
{
    struct world w;
    power_on(&w);
    cr_expect_eq(cpu_run(&w.cpu, UINT64_MAX), CPU_STOP_LEFT);
    cr_expect_not_null(w.cpu.inline_exit);
    cr_expect_not(w.cpu.inline_refused);
    power_off(&w);
}
#endif
