/* Running cases on both sides, comparing, and shrinking what differs. See differential.h. */
#include "differential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/deliver.h"
#include "arch/x86/walk.h"
#include "protected_mode.h"

#define FRAMES  (DIFF_MEMORY / X86_PAGE_SIZE)
#define REPORTS 8u

struct differential {
    diff_runner *runner;
    struct memory machine_memory;
    struct cpu cpu;
    struct diff_end *machine_end;
    uint64_t start;
    bool dropped; /* translations were dropped in the run, which sets accessed bits */
    uint8_t *pristine, *ours;
    uint8_t nowhere[X86_PAGE_SIZE];
    struct x86_memory memory;
    bool touched[FRAMES];
    uint16_t touched_list[FRAMES];
    unsigned touched_count;
};

/* ---- our memory ---- */

static void touch(struct differential *d, uint32_t frame)
{
    if (!d->touched[frame]) {
        d->touched[frame] = true;
        d->touched_list[d->touched_count++] = (uint16_t)frame;
    }
}

static uint8_t *our_page(void *context, uint32_t physical, bool write)
{
    struct differential *d = context;
    uint32_t frame = physical / X86_PAGE_SIZE;

    if (frame >= FRAMES) {
        memset(d->nowhere, 0xff, sizeof d->nowhere);
        return d->nowhere;
    }
    if (write) {
        touch(d, frame);
    }
    return d->ours + frame * X86_PAGE_SIZE;
}

/* ---- the machine ---- */

uint32_t differential_port(uint16_t port, unsigned size)
{
    uint32_t value = port * 0x9e3779b1u ^ 0x5a5a5a5au;

    return size == 4 ? value : value & ((1u << size * 8) - 1);
}

static void log_access(struct diff_end *end, bool in, uint16_t port, unsigned size, uint32_t value)
{
    if (end->accesses < sizeof end->access / sizeof *end->access) {
        end->access[end->accesses++] = (struct diff_access){in, port, (uint8_t)size, value};
    }
}

static uint32_t machine_in(void *context, uint32_t pc, uint64_t now, uint16_t port, unsigned size)
{
    struct differential *d = context;

    (void)pc;
    (void)now;
    log_access(d->machine_end, true, port, size, 0);
    return differential_port(port, size);
}

static void machine_out(void *context, uint32_t pc, uint64_t now, uint16_t port, unsigned size,
                        uint32_t value)
{
    struct differential *d = context;

    (void)pc;
    (void)now;
    log_access(d->machine_end, false, port, size, value);
}

static bool machine_wants(void *context, const struct cpu_state *state,
                          const struct x86_instruction *insn)
{
    (void)context;
    return cpu_wants(state, insn);
}

/* The hardware's own answer, and then the case is over. What the next instruction does (its fetch
 * may fault) is no part of it; only the single-step trap belongs to the one that has retired. */
static enum cpu_action machine_exit(void *context, const struct cpu_exit *exit)
{
    struct differential *d = context;
    bool trap = exit->kind == CPU_EXCEPTION && exit->event.vector == X86_DB;
    struct cpu_hardware hardware = {0};
    enum cpu_action action;

    if (d->cpu.time != d->start && !trap) {
        return CPU_LEAVE;
    }
    /* A site that an earlier case has left: far transfers are compared with the engine's own. */
    if (exit->kind == CPU_SITE && cpu_transfers(&d->cpu.state, &exit->insn)) {
        return CPU_RETRY;
    }
    action = cpu_hardware(&d->cpu, exit, &hardware);
    d->machine_end->halted = hardware.halted;
    d->machine_end->shutdown = hardware.shutdown;
    return action == CPU_RETRY ? CPU_RETRY : CPU_LEAVE;
}

static void run_machine(struct differential *d, const struct diff_case *c, struct diff_end *end)
{
    struct cpu *cpu = &d->cpu;
    uint64_t drops;

    *end = (struct diff_end){0};
    d->machine_end = end;
    d->start = c->time;
    *cpu_modify(cpu) = c->cpu;
    memcpy(cpu->dr, c->cpu.dr, sizeof cpu->dr);
    cpu->time = c->time;
    cpu_flush(cpu);
    engine_flush_tlb(cpu->engine);
    drops = cpu->statistics.code_drops;
    end->skipped = cpu_run(cpu, c->time + 1) == CPU_STOP_FAILURE;
    d->dropped = cpu->statistics.code_drops != drops;
    end->cpu = cpu->state;
    end->retired = cpu->time - c->time;
}

/* ---- the case ---- */

static void put32(uint8_t *memory, uint32_t at, uint32_t value)
{
    memcpy(memory + at, &value, sizeof value);
}

static uint32_t code_address(const struct diff_case *c)
{
    return c->cpu.seg[X86_CS].base + c->cpu.eip;
}

static void restore_frame(struct differential *d, uint32_t frame)
{
    size_t at = (size_t)frame * X86_PAGE_SIZE;

    memcpy(d->ours + at, d->pristine + at, X86_PAGE_SIZE);
    memcpy(d->machine_memory.bytes + at, d->pristine + at, X86_PAGE_SIZE);
}

static void prepare(struct differential *d, const struct diff_case *c)
{
    static const uint8_t jump_to_itself[2] = {0xeb, 0xfe};
    uint32_t code = code_address(c);
    unsigned old = d->touched_count;

    /* Dropping translations sets accessed bits in the tables of the case before, so it comes first,
     * and the page tables are always restored. */
    touch(d, DIFF_DIRECTORY / X86_PAGE_SIZE);
    touch(d, DIFF_TABLE / X86_PAGE_SIZE);
    touch(d, code / X86_PAGE_SIZE);
    touch(d, (code + DIFF_BYTES) / X86_PAGE_SIZE);
    for (unsigned i = 0; i < c->poke_count; i++) {
        touch(d, c->pokes[i].at / X86_PAGE_SIZE);
    }
    for (unsigned i = 0; i < d->touched_count; i++) {
        cpu_written(&d->cpu, d->touched_list[i]);
    }
    for (unsigned i = 0; i < d->touched_count; i++) {
        restore_frame(d, d->touched_list[i]);
    }
    for (unsigned i = 0; i < old; i++) {
        d->touched[d->touched_list[i]] = false;
    }
    d->touched_count -= old;
    memmove(d->touched_list, d->touched_list + old, d->touched_count * sizeof *d->touched_list);
    for (unsigned side = 0; side < 2; side++) {
        uint8_t *memory = side ? d->ours : d->machine_memory.bytes;
        for (unsigned i = 0; i < c->poke_count; i++) {
            put32(memory, c->pokes[i].at, c->pokes[i].value);
        }
        memcpy(memory + code, c->bytes, c->length);
        memcpy(memory + code + c->length, jump_to_itself, sizeof jump_to_itself);
    }
}

void differential_deliver(struct differential *d, struct diff_end *end,
                          const struct x86_event *event)
{
    struct x86_delivery log;

    end->shutdown = x86_deliver(&end->cpu, &d->memory, event, &log) == X86_SHUTDOWN;
    if (!end->shutdown && event->kind == X86_SOFTWARE_INTERRUPT && log.count == 1) {
        end->retired++;
    }
}

/* ---- comparing ---- */

struct finding {
    char *text;
    size_t room;
    bool different;
};

static void differ(struct finding *f, const char *what, unsigned number, uint64_t machine,
                   uint64_t ours)
{
    if (machine != ours && !f->different) {
        f->different = true;
        snprintf(f->text, f->room, "%s %u: machine %llx, interpreter %llx", what, number,
                 (unsigned long long)machine, (unsigned long long)ours);
    }
}

static void compare_segment(struct finding *f, const char *what, unsigned number,
                            const struct x86_segment *machine, const struct x86_segment *ours)
{
    char text[32];

    snprintf(text, sizeof text, "%s selector", what);
    differ(f, text, number, machine->selector, ours->selector);
    /* A null selector's hidden part is nowhere to be seen. */
    if (!((machine->attributes | ours->attributes) & X86_SEG_PRESENT)) {
        return;
    }
    snprintf(text, sizeof text, "%s base", what);
    differ(f, text, number, machine->base, ours->base);
    snprintf(text, sizeof text, "%s limit", what);
    differ(f, text, number, machine->limit, ours->limit);
    snprintf(text, sizeof text, "%s attributes", what);
    differ(f, text, number, machine->attributes, ours->attributes);
}

static void compare_states(struct finding *f, const struct cpu_state *machine,
                           const struct cpu_state *ours)
{
    differ(f, "eip", 0, machine->eip, ours->eip);
    for (unsigned i = 0; i < 8; i++) {
        differ(f, "general register", i, machine->gpr[i], ours->gpr[i]);
    }
    /* The engine clears RF only at the end of a block (docs/engine-deviations.md). */
    differ(f, "eflags", 0, machine->eflags & ~X86_RF, ours->eflags & ~X86_RF);
    for (unsigned i = 0; i < X86_SREGS; i++) {
        compare_segment(f, "segment", i, &machine->seg[i], &ours->seg[i]);
    }
    compare_segment(f, "ldtr", 0, &machine->ldtr, &ours->ldtr);
    compare_segment(f, "tr", 0, &machine->tr, &ours->tr);
    differ(f, "gdtr base", 0, machine->gdtr.base, ours->gdtr.base);
    differ(f, "gdtr limit", 0, machine->gdtr.limit, ours->gdtr.limit);
    differ(f, "idtr base", 0, machine->idtr.base, ours->idtr.base);
    differ(f, "idtr limit", 0, machine->idtr.limit, ours->idtr.limit);
    differ(f, "cr", 0, machine->cr0, ours->cr0);
    differ(f, "cr", 2, machine->cr2, ours->cr2);
    differ(f, "cr", 3, machine->cr3, ours->cr3);
    differ(f, "cr", 4, machine->cr4, ours->cr4);
    for (unsigned i = 0; i < 8; i++) {
        differ(f, "dr", i, machine->dr[i], ours->dr[i]);
    }
    differ(f, "cpl", 0, machine->cpl, ours->cpl);
}

static void compare_ends(struct finding *f, const struct diff_end *machine,
                         const struct diff_end *ours)
{
    differ(f, "shutdown", 0, machine->shutdown, ours->shutdown);
    differ(f, "instructions retired", 0, machine->retired, ours->retired);
    differ(f, "halted", 0, machine->halted, ours->halted);
    differ(f, "port accesses", 0, machine->accesses, ours->accesses);
    for (unsigned i = 0; i < machine->accesses; i++) {
        differ(f, "port", i, machine->access[i].port, ours->access[i].port);
        differ(f, "port access size", i, machine->access[i].size, ours->access[i].size);
        differ(f, "port value", i, machine->access[i].value, ours->access[i].value);
    }
    if (!machine->shutdown) {
        compare_states(f, &machine->cpu, &ours->cpu);
    }
}

/* Between two iterations it is open whether a shadow holds. */
static void compare_shadows(struct finding *f, const struct diff_case *c,
                            const struct diff_end *machine, const struct diff_end *ours)
{
    struct x86_instruction insn;

    if (diff_decode(c, &insn) && !(insn.flags & (X86_INSN_REP | X86_INSN_REPNE)) &&
        !machine->shutdown) {
        differ(f, "interrupt shadow", 0, machine->cpu.interrupt_shadow, ours->cpu.interrupt_shadow);
    }
}

static void compare_frame(struct differential *d, struct finding *f, uint32_t frame)
{
    size_t at = (size_t)frame * X86_PAGE_SIZE;

    if (!memcmp(d->ours + at, d->machine_memory.bytes + at, X86_PAGE_SIZE)) {
        return;
    }
    touch(d, frame);
    for (size_t i = at; i < at + X86_PAGE_SIZE; i++) {
        char text[32];
        snprintf(text, sizeof text, "byte at %x", (unsigned)i);
        differ(f, text, 0, d->machine_memory.bytes[i], d->ours[i]);
    }
}

static void compare_memory(struct differential *d, struct finding *f)
{
    for (uint32_t frame = 0; frame < DIFF_WORLD / X86_PAGE_SIZE; frame++) {
        bool tables =
            frame == DIFF_DIRECTORY / X86_PAGE_SIZE || frame == DIFF_TABLE / X86_PAGE_SIZE;
        if (!(tables && d->dropped)) {
            compare_frame(d, f, frame);
        }
    }
    for (unsigned i = 0; i < d->touched_count; i++) {
        if (d->touched_list[i] >= DIFF_WORLD / X86_PAGE_SIZE) {
            compare_frame(d, f, d->touched_list[i]);
        }
    }
}

/* What the machine does in going on to the next instruction: it sets accessed bits. */
static void fetch_next(struct differential *d, const struct diff_end *end)
{
    struct x86_walk walk;
    struct x86_event fault;

    if (end->retired && !end->skipped && !end->shutdown) {
        x86_walk(&end->cpu, &d->memory, end->cpu.seg[X86_CS].base + end->cpu.eip,
                 X86_ACCESS_FETCH | X86_ACCESS_MARK | (end->cpu.cpl == 3 ? X86_ACCESS_USER : 0),
                 &walk, &fault);
    }
}

static bool agree(struct differential *d, const struct diff_case *c, char *text, size_t room,
                  uint64_t *retired)
{
    struct finding finding = {.text = text, .room = room};
    struct diff_end machine, ours = {.cpu = c->cpu};

    prepare(d, c);
    d->runner(d, c, &ours);
    fetch_next(d, &ours);
    *retired = ours.retired;
    if (ours.skipped) {
        return true;
    }
    run_machine(d, c, &machine);
    compare_ends(&finding, &machine, &ours);
    compare_shadows(&finding, c, &machine, &ours);
    if (!ours.partial) {
        compare_memory(d, &finding);
    }
    return !finding.different;
}

bool differential_agree(struct differential *d, const struct diff_case *c, char *text, size_t room)
{
    uint64_t retired;

    return agree(d, c, text, room, &retired);
}

/* ---- shrinking and reporting ---- */

static bool still_differs(struct differential *d, const struct diff_case *c)
{
    char text[128];

    return !differential_agree(d, c, text, sizeof text);
}

/* Takes the change that leads from `*c` to `*smaller` if the case still differs. */
static bool take(struct differential *d, struct diff_case *c, const struct diff_case *smaller)
{
    if (!memcmp(c, smaller, sizeof *c) || !still_differs(d, smaller)) {
        return false;
    }
    *c = *smaller;
    return true;
}

static bool shrink_once(struct differential *d, struct diff_case *c)
{
    struct diff_case smaller;
    bool taken = false;

    for (unsigned i = c->poke_count; i-- > 0;) {
        smaller = *c;
        smaller.poke_count--;
        memmove(&smaller.pokes[i], &smaller.pokes[i + 1],
                (smaller.poke_count - i) * sizeof *smaller.pokes);
        smaller.pokes[smaller.poke_count] = (struct diff_poke){0};
        taken |= take(d, c, &smaller);
    }
    for (unsigned i = 0; i < 8; i++) {
        smaller = *c;
        smaller.cpu.gpr[i] = i == X86_ESP ? c->cpu.gpr[i] : 0;
        taken |= take(d, c, &smaller);
    }
    smaller = *c;
    smaller.cpu.eflags &= X86_FIXED | X86_VM | X86_IOPL;
    taken |= take(d, c, &smaller);
    if (c->length > 1) {
        smaller = *c;
        smaller.length--;
        memmove(smaller.bytes, smaller.bytes + 1, smaller.length);
        smaller.bytes[smaller.length] = 0;
        taken |= take(d, c, &smaller);
    }
    smaller = *c;
    smaller.cpu.cr0 &= ~X86_CR0_PG;
    return taken | take(d, c, &smaller);
}

static void report(struct differential *d, struct diff_case *c, char *text, size_t room)
{
    char first[160];

    snprintf(first, sizeof first, "(once) %s", text);
    for (unsigned round = 0; round < 8 && shrink_once(d, c); round++) {
    }
    if (differential_agree(d, c, text, room)) {
        text = first;
    }
    fprintf(stderr, "seed %llu: %s\n  bytes", (unsigned long long)c->seed, text);
    for (unsigned i = 0; i < c->length; i++) {
        fprintf(stderr, " %02x", c->bytes[i]);
    }
    fprintf(stderr, "\n  at %04x:%08x cpl %u eflags %08x cr0 %08x cr4 %x code%u stack%u\n  ",
            c->cpu.seg[X86_CS].selector, c->cpu.eip, c->cpu.cpl, c->cpu.eflags, c->cpu.cr0,
            c->cpu.cr4, c->cpu.seg[X86_CS].attributes & X86_SEG_DB ? 32 : 16,
            c->cpu.seg[X86_SS].attributes & X86_SEG_DB ? 32 : 16);
    for (unsigned i = 0; i < 8; i++) {
        fprintf(stderr, "%08x ", c->cpu.gpr[i]);
    }
    fprintf(stderr, "\n  bases");
    for (unsigned i = 0; i < X86_SREGS; i++) {
        fprintf(stderr, " %x", c->cpu.seg[i].base);
    }
    for (unsigned i = 0; i < c->poke_count; i++) {
        fprintf(stderr, "%s%x: %x", i ? ", " : "; ", c->pokes[i].at, c->pokes[i].value);
    }
    fprintf(stderr, "\n");
}

/* The opcode as far as it tells kinds of failure apart. */
static uint32_t signature(const struct diff_case *c)
{
    struct x86_instruction insn;

    return diff_decode(c, &insn) ? insn.map << 16 | insn.opcode << 8 | insn.reg : 0;
}

unsigned differential_run(struct differential *d, diff_maker *make, uint64_t seed, uint64_t count,
                          uint64_t *completed)
{
    uint32_t reported[REPORTS];
    unsigned reports = 0, failures = 0;
    uint64_t done = 0;
    char text[128];

    for (uint64_t i = 0; i < count; i++) {
        struct diff_case c;
        uint64_t retired;
        bool known = false;

        memset(&c, 0, sizeof c);
        c.seed = seed + i;
        make(&c, c.seed);
        if (agree(d, &c, text, sizeof text, &retired)) {
            done += retired;
            continue;
        }
        failures++;
        for (unsigned r = 0; r < reports; r++) {
            known |= reported[r] == signature(&c);
        }
        if (!known && reports < REPORTS) {
            reported[reports++] = signature(&c);
            report(d, &c, text, sizeof text);
        }
    }
    if (completed) {
        *completed = done;
    }
    return failures;
}

uint64_t differential_number(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

/* ---- life ---- */

static void build_world(struct differential *d)
{
    struct x86_memory memory;
    struct flat_memory *flat = flat_create(&memory);
    struct cpu_state cpu;

    world_build(flat, &cpu);
    for (uint32_t selector = 8; selector < WORLD_GDT_LIMIT; selector += 8) {
        uint32_t high = flat_get32(flat, WORLD_GDT + selector + 4);
        if (high & X86_SEG_S) { /* the engine does not set the bit for CS and SS */
            flat_put32(flat, WORLD_GDT + selector + 4, high | X86_SEG_ACCESSED);
        }
    }
    for (unsigned vector = 0; vector < 256; vector++) {
        world_gate(flat, vector, vector & 1 ? X86_TRAP_GATE32 : X86_INTERRUPT_GATE32,
                   vector % 3 ? 3 : 0, WORLD_CODE0, WORLD_HANDLER + vector);
        flat_put32(flat, vector * 4, 0x09000000u | vector); /* real mode: 0900:vector */
    }
    for (uint32_t i = 0; i < 1024; i++) {
        flat_put32(flat, DIFF_TABLE + 4 * i, i << 12 | 7);
    }
    /* Fetches have set A; whether a stack selector's RPL is looked at before its descriptor in the
     * LDT is read is open in the manual. */
    flat_put32(flat, DIFF_TABLE + 4 * (DIFF_CODE >> 12), DIFF_CODE | 0x27);
    flat_put32(flat, DIFF_TABLE + 4 * (WORLD_HANDLER >> 12), WORLD_HANDLER | 0x27);
    flat_put32(flat, DIFF_TABLE + 4 * (WORLD_LDT >> 12), (WORLD_LDT & X86_PAGE_MASK) | 0x27);
    flat_put32(flat, DIFF_DIRECTORY, DIFF_TABLE | 0x27); /* the fetch has set A */
    flat_put32(flat, DIFF_DIRECTORY + 4, 0x87);          /* 4 MB to physical 0, with CR4.PSE */
    for (uint32_t i = DIFF_DATA; i < DIFF_WORLD + 0x1000; i += 4) {
        flat_put32(flat, i, i * 0x01000193u);
    }
    flat_put16(flat, WORLD_TSS + 0x66, 0x68); /* the permission bitmap */
    memcpy(d->pristine, flat->bytes, FLAT_SIZE);
    /* Wherever a transfer leads, the block there is short, and stays in its page. */
    for (uint32_t i = 0; i < DIFF_MEMORY; i += 2) {
        if ((i >= DIFF_CODE && i < DIFF_DIRECTORY) || i >= DIFF_WORLD + X86_PAGE_SIZE) {
            memcpy(d->pristine + i, "\xeb\xfe", 2);
        }
    }
    free(flat);
}

struct differential *differential_create(diff_runner *runner)
{
    struct differential *d = calloc(1, sizeof *d);
    const struct cpu_client client = {.context = d,
                                      .exit = machine_exit,
                                      .wants = machine_wants,
                                      .in = machine_in,
                                      .out = machine_out};
    char why[256];

    d->runner = runner;
    d->memory = (struct x86_memory){.context = d, .page = our_page};
    d->pristine = calloc(1, DIFF_MEMORY);
    d->ours = calloc(1, DIFF_MEMORY);
    build_world(d);
    if (!memory_init(&d->machine_memory, DIFF_MEMORY) ||
        !cpu_init(&d->cpu, &d->machine_memory, &client, false, why, sizeof why)) {
        fprintf(stderr, "%s\n", why);
        abort();
    }
    for (uint32_t frame = 0; frame < FRAMES; frame++) {
        restore_frame(d, frame);
    }
    return d;
}

void differential_destroy(struct differential *d)
{
    cpu_destroy(&d->cpu);
    memory_destroy(&d->machine_memory);
    free(d->pristine);
    free(d->ours);
    free(d);
}

const struct x86_memory *differential_memory(struct differential *d)
{
    return &d->memory;
}

struct cpu *differential_cpu(struct differential *d)
{
    return &d->cpu;
}
