/* Around the full interpreter. See interpreted.h. */
#include "interpreted.h"

#include "arch/x86/walk.h"

void interpreted_ran(struct dispatcher *d, struct interpreter_context *context, uint64_t begin)
{
    d->interpreted += context->time - begin;
    d->repeats += context->repeats;
    context->repeats = 0;
    d->cpu->time = context->time;
}

void interpreted_retired(struct dispatcher *d)
{
    d->interpreted++;
    d->cpu->time++;
}

bool interpreted_port(struct dispatcher *d, struct interpreter_context *context,
                      const struct x86_instruction *insn, const struct port_access *access)
{
    const uint32_t arithmetic = X86_ARITHMETIC;
    uint32_t value;
    if (modules_access_port(d, access, d->cpu->time, &value)) {
        interpreter_port_complete(context, insn, access, value);
        interpreted_retired(d);
        /* As on the bare machine, where nobody knows them at this place (cpu_freeze). */
        if (d->board->request != BOARD_RUN)
            d->guest->eflags &= ~arithmetic;
    }
    if (!(d->guest->eflags & X86_TF))
        return false;
    d->guest->dr[6] |= X86_DR6_BS;
    return true;
}

uint64_t interpreted_look(const struct dispatcher *d, uint64_t deadline)
{
    enum { WHILE = 100000 };
    const struct cpu *cpu = d->cpu;
    if ((cpu->break_count && !cpu->breaks_off) || d->watch.met)
        return cpu->time + 1;
    return cpu->host_clock || deadline - cpu->time > WHILE ? cpu->time + WHILE : deadline;
}

bool interpreted_operand(const struct dispatcher *d, uint32_t *linear)
{
    const struct cpu_state *state = d->guest;
    uint8_t bytes[X86_INSN_MAX];
    struct x86_instruction insn = {0};
    size_t count =
        x86_peek(state, d->memory, state->seg[X86_CS].base + state->eip, bytes, sizeof bytes);
    if (!x86_decode(bytes, (unsigned)count, state->seg[X86_CS].attributes & X86_SEG_DB, &insn) ||
        !(insn.flags & X86_INSN_MEMORY))
        return false;
    *linear = x86_effective_address(state, &insn);
    return true;
}

void interpreted_stores(const struct dispatcher *d, struct interpreter_cache *cache,
                        uint32_t linear)
{
    enum { LARGEST = 512 }; /* FXSAVE */
    for (unsigned end = 0; end < 2; end++) {
        struct x86_walk walk;
        if (x86_probe(d->guest, d->memory, linear + end * (LARGEST - 1), 0, &walk) == X86_OK &&
            walk.end == X86_WALK_MAPPED)
            interpreter_cache_written(cache, walk.physical);
    }
}

void interpreted_epoch(const struct dispatcher *d, struct interpreter_cache *cache, uint32_t *epoch)
{
    if (*epoch != d->cpu->dirty.epoch)
        interpreter_cache_flush(cache);
    *epoch = d->cpu->dirty.epoch;
}
