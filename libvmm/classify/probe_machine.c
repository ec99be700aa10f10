/* The machine layer under a probe: x86-32 is tried on the processor that guests run on
 * (machine/cpu.h), with the hardware's own answers (cpu_hardware): port accesses obey IOPL and the
 * permission map, INT n goes through its gate, #UD is raised for what CPUID does not show.
 *
 * One instruction is executed by running until one unit of virtual time later. Whether it trapped
 * is read from that clock too: an instruction that retires takes one unit, and what is delivered in
 * place of an instruction takes none. The delivery of a software interrupt through a gate that is
 * open is that instruction's effect, not a trap (Intel SDM volume 3, 6.12.1). */
#include "classify/probe.h"
#include "isa/x86_32.h"
#include "machine/cpu.h"

#include <stdlib.h>
#include <string.h>

enum {
    START = 1 << 20, /* virtual time at which every run starts */
};

struct probe_cpu {
    struct memory memory;
    struct cpu cpu;
    struct probe *probe;
    struct cpu_state reset, state[ISA_MAX_STATES];
    struct engine_image *reset_image, *image[ISA_MAX_STATES];
    bool trapped;
    uint8_t vector;
};

struct cpu_state *probe_state(struct probe *probe)
{
    return cpu_modify(&probe->cpu->cpu);
}

void probe_float(struct probe *probe, struct engine_float *f)
{
    engine_float_get(probe->cpu->cpu.engine, f);
}

/* ---- the client of the processor ---- */

static enum cpu_action trap(struct probe_cpu *p, uint8_t vector)
{
    p->trapped = true;
    p->vector = vector;
    return CPU_LEAVE;
}

static enum cpu_action answer(void *context, const struct cpu_exit *exit)
{
    struct probe_cpu *p = context;
    struct cpu_state before = p->cpu.state;
    struct cpu_hardware end = {0};

    if (p->cpu.time > START) /* the next instruction's: its fetch, under tables that this changed */
        return CPU_LEAVE;
    if (exit->kind == CPU_EXCEPTION)
        return trap(p, exit->event.vector);
    if (cpu_hardware(&p->cpu, exit, &end) == CPU_RETRY)
        return CPU_RETRY;
    if (p->cpu.time > START)
        return CPU_LEAVE;
    /* A fault was delivered in its place. Each vector has its handler, so EIP tells which. */
    uint32_t vector = (p->cpu.state.eip - XL_HANDLER) / 4;
    p->cpu.state = before;
    return trap(p, end.shutdown || vector > 31 ? X86_DF_ABORT : (uint8_t)vector);
}

static uint32_t on_in(void *context, uint32_t pc, uint64_t now, uint16_t port, unsigned size)
{
    struct probe_cpu *p = context;

    (void)pc, (void)now, (void)port, (void)size;
    return p->probe->port.value;
}

static void on_out(void *context, uint32_t pc, uint64_t now, uint16_t port, unsigned size,
                   uint32_t value)
{
    struct probe_cpu *p = context;

    (void)pc, (void)now, (void)port, (void)size;
    p->probe->port.value = (p->probe->port.value * 31) ^ value ^ 1;
}

/* The processor asks once for code of ring 0 to 2, so that ports are looked at in all of them. */
static bool wants(void *context, const struct cpu_state *state, const struct x86_instruction *insn)
{
    (void)context;
    return (insn->flags & X86_INSN_IO) || cpu_wants(state, insn);
}

/* ---- the probe's side ---- */

static bool open_ground(struct probe *probe)
{
    struct probe_cpu *p = probe->cpu = calloc(1, sizeof *p);
    char why[256];

    if (!p)
        return false;
    p->probe = probe;
    const struct cpu_client client = {
        .context = p, .exit = answer, .in = on_in, .out = on_out, .wants = wants};
    if (!memory_init(&p->memory, MEMORY_MINIMUM) ||
        !cpu_init(&p->cpu, &p->memory, &client, false, why, sizeof why))
        return false;
    probe->ram = p->memory.bytes;
    p->reset = p->cpu.state;
    p->reset_image = engine_image_new(p->cpu.engine);
    return p->reset_image != NULL;
}

static void close_ground(struct probe *probe)
{
    struct probe_cpu *p = probe->cpu;

    if (!p)
        return;
    for (unsigned i = 0; i < ISA_MAX_STATES; i++)
        engine_image_free(p->image[i]);
    engine_image_free(p->reset_image);
    if (p->cpu.engine)
        cpu_destroy(&p->cpu);
    memory_destroy(&p->memory);
    free(p);
}

static void reset(struct probe *probe)
{
    engine_image_restore(probe->cpu->cpu.engine, probe->cpu->reset_image);
    *probe_state(probe) = probe->cpu->reset;
}

static bool keep(struct probe *probe, unsigned state)
{
    struct probe_cpu *p = probe->cpu;

    p->state[state] = p->cpu.state;
    engine_store(p->cpu.engine, &p->cpu.state);
    p->image[state] = engine_image_new(p->cpu.engine);
    return p->image[state] != NULL;
}

static void restore(struct probe *probe, unsigned state)
{
    struct probe_cpu *p = probe->cpu;

    engine_image_restore(p->cpu.engine, p->image[state]);
    *probe_state(probe) = p->state[state];
    memcpy(p->cpu.dr, p->cpu.state.dr, sizeof p->cpu.dr);
    p->cpu.passing = false;
    cpu_flush(&p->cpu);
}

static void renew(struct probe *probe)
{
    for (uint32_t frame = 0; frame < probe->isa->ram_size >> MEMORY_FRAME_SHIFT; frame++)
        cpu_written(&probe->cpu->cpu, frame);
}

static void execute(struct probe *probe, struct observation *seen)
{
    struct probe_cpu *p = probe->cpu;

    p->trapped = false;
    p->cpu.time = START;
    p->cpu.stalls = 0;
    enum cpu_stop stop = cpu_run(&p->cpu, START + 1);
    seen->number = p->vector;
    if (!p->trapped)
        seen->seen = stop == CPU_STOP_FAILURE || stop == CPU_STOP_STUCK ? SEEN_NOTHING : SEEN_RAN;
    else if (p->vector == X86_PAGE)
        seen->seen = SEEN_MEMORY;
    else
        seen->seen = p->vector == X86_UD ? SEEN_UNDEFINED : SEEN_TRAP;
}

static void observe(struct probe *probe, uint64_t *value)
{
    memset(value, 0, probe->isa->component_count * sizeof *value);
}

const struct probe_ground probe_machine = {
    .open = open_ground,
    .close = close_ground,
    .reset = reset,
    .keep = keep,
    .restore = restore,
    .renew = renew,
    .execute = execute,
    .observe = observe,
};
