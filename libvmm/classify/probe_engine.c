/* The engine as it is, under a probe: most instruction sets are tried on it.
 *
 * The engine performs no delivery of its own: a trap is a call of the interrupt hook, or the error
 * that uc_emu_start returns. */
#include "classify/probe.h"

#include <stdlib.h>
#include <string.h>

enum {
    TRANSLATION_BUFFER = 8 << 20,
    /* A full buffer brings the engine down, so it is emptied long before: a translation of one
     * instruction takes at most a few KB. */
    RUNS_PER_FLUSH = 1024,
};

void probe_write(struct probe *probe, int reg, uint64_t value)
{
    uc_reg_write(probe->uc, reg, &value);
}

uint64_t probe_read(struct probe *probe, int reg)
{
    uint64_t value = 0;

    uc_reg_read(probe->uc, reg, &value);
    return value;
}

static void on_interrupt(uc_engine *uc, uint32_t number, void *data)
{
    struct probe *probe = data;

    if (!probe->trapped) {
        probe->trapped = true;
        probe->trap_number = number;
    }
    uc_emu_stop(uc);
}

bool probe_execute(struct probe *probe, uint64_t from, unsigned count)
{
    probe->trapped = false;
    return uc_emu_start(probe->uc, from, 0, 0, count) == UC_ERR_OK && !probe->trapped;
}

static bool open_ground(struct probe *probe)
{
    const struct isa *isa = probe->isa;
    uc_hook hook;

    if (uc_open((uc_arch)isa->arch, (uc_mode)isa->mode, &probe->uc) != UC_ERR_OK)
        return false;
    if (isa->model >= 0 && uc_ctl_set_cpu_model(probe->uc, isa->model) != UC_ERR_OK)
        return false;
    uc_ctl_set_tcg_buffer_size(probe->uc, TRANSLATION_BUFFER);
    probe->ram = aligned_alloc(4096, isa->ram_size);
    if (!probe->ram)
        return false;
    memset(probe->ram, 0, isa->ram_size);
    if (uc_mem_map_ptr(probe->uc, isa->ram_base, isa->ram_size, UC_PROT_ALL, probe->ram))
        return false;
    if (uc_hook_add(probe->uc, &hook, UC_HOOK_INTR, (void *)on_interrupt, probe, 1, 0))
        return false;
    if (isa->attach && !isa->attach(probe))
        return false;
    uc_ctl_exits_enable(probe->uc);
    return uc_context_alloc(probe->uc, &probe->reset) == UC_ERR_OK &&
           uc_context_save(probe->uc, probe->reset) == UC_ERR_OK;
}

static void close_ground(struct probe *probe)
{
    for (unsigned i = 0; i < ISA_MAX_STATES; i++)
        if (probe->context[i])
            uc_context_free(probe->context[i]);
    if (probe->reset)
        uc_context_free(probe->reset);
    if (probe->uc)
        uc_close(probe->uc);
    free(probe->ram);
}

static void reset(struct probe *probe)
{
    uc_context_restore(probe->uc, probe->reset);
    uc_ctl_flush_tlb(probe->uc);
    uc_ctl_flush_tb(probe->uc);
}

static void restore(struct probe *probe, unsigned state)
{
    if (probe->runs % RUNS_PER_FLUSH == 0)
        uc_ctl_flush_tb(probe->uc);
    uc_context_restore(probe->uc, probe->context[state]);
    uc_ctl_flush_tlb(probe->uc);
    probe_write(probe, probe->isa->pc_reg, probe->isa->pc_start);
}

static void renew(struct probe *probe)
{
    uc_ctl_remove_cache(probe->uc, probe->isa->pc, probe->isa->pc + sizeof probe->code);
}

static void judge(struct probe *probe, uc_err error, struct observation *seen)
{
    if (probe->trapped) {
        enum isa_trap trap =
            probe->isa->classify_trap ? probe->isa->classify_trap(probe->trap_number) : ISA_TRAP;
        seen->number = probe->trap_number;
        seen->seen = trap == ISA_TRAP          ? SEEN_TRAP
                     : trap == ISA_TRAP_MEMORY ? SEEN_MEMORY
                                               : SEEN_RAN;
        return;
    }
    switch (error) {
    case UC_ERR_OK: seen->seen = SEEN_RAN; break;
    case UC_ERR_INSN_INVALID:
    case UC_ERR_EXCEPTION: seen->seen = SEEN_UNDEFINED; break;
    default: seen->seen = SEEN_MEMORY; break;
    }
}

static void execute(struct probe *probe, struct observation *seen)
{
    probe->trapped = false;
    judge(probe, uc_emu_start(probe->uc, probe->isa->pc_start, 0, 0, 1), seen);
}

/* False if the engine does not know one of the registers: it then reads none behind that one. */
static bool read_registers(struct probe *probe, uint64_t *value)
{
    const struct isa *isa = probe->isa;
    int regs[ISA_MAX_COMPONENTS];
    void *to[ISA_MAX_COMPONENTS];
    int n = 0;

    for (unsigned i = 0; i < isa->component_count; i++) {
        value[i] = 0;
        if (isa->components[i].reg) {
            regs[n] = isa->components[i].reg;
            to[n++] = &value[i];
        }
    }
    return uc_reg_read_batch(probe->uc, regs, to, n) == UC_ERR_OK;
}

static void observe(struct probe *probe, uint64_t *value)
{
    read_registers(probe, value);
    for (unsigned i = 0; i < probe->isa->component_count; i++)
        if (probe->isa->components[i].mask)
            value[i] &= probe->isa->components[i].mask;
}

static bool keep(struct probe *probe, unsigned state)
{
    uint64_t value[ISA_MAX_COMPONENTS];

    return uc_context_alloc(probe->uc, &probe->context[state]) == UC_ERR_OK &&
           uc_context_save(probe->uc, probe->context[state]) == UC_ERR_OK &&
           read_registers(probe, value);
}

const struct probe_ground probe_engine = {
    .open = open_ground,
    .close = close_ground,
    .reset = reset,
    .keep = keep,
    .restore = restore,
    .renew = renew,
    .execute = execute,
    .observe = observe,
};
