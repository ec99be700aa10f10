/* The hybrid virtual machine monitor (Popek and Goldberg 1974, section 6, theorem 3): every
 * instruction of the guest's supervisor is interpreted; its user code runs directly.
 *
 *     real mode, rings 0 to 2    the interpreter, on the virtual processor
 *     ring 3, virtual-8086       the processor, under shadow page tables
 *
 * A machine that cannot be virtualized by trap-and-emulate may still have a hybrid VMM, if every
 * user sensitive instruction is privileged: then nothing that runs directly can be silent. On x86
 * SGDT, SIDT, SLDT, STR and SMSW are not, so that theorem 3 fails too, but for few guests: such an
 * instruction is found as under trap-and-emulate, and its place named. */
#include <stdlib.h>

#include "direct.h"
#include "interpreted.h"
#include "mixed.h"

/* Created when the guest is loaded. */
static struct mixed *hybrid_of(struct dispatcher *d)
{
    struct mixed *m = d->own;
    if (m)
        return m;
    m = calloc(1, sizeof *m);
    if (m && mixed_init(m, d))
        return d->own = m;
    free(m);
    return 0;
}

static void hybrid_destroy(struct dispatcher *d)
{
    if (d->own)
        mixed_destroy(d->own);
    free(d->own);
    d->own = 0;
}

static enum cpu_action hybrid_exit(struct dispatcher *d, const struct cpu_exit *exit)
{
    return mixed_exit(d, d->own, exit);
}

static enum cpu_stop interpret(struct dispatcher *d, struct mixed *m, uint64_t deadline)
{
    enum cpu_stop stop;
    mixed_begin(d, m);
    while (cpu_now(d->cpu) < deadline && !d->interrupted && !mixed_is_user(d))
        if (mixed_interpret(d, m, interpreted_look(d, deadline), &stop))
            return stop;
    return CPU_STOP_DEADLINE;
}

static enum cpu_stop hybrid_run(struct dispatcher *d, uint64_t deadline)
{
    struct mixed *m = hybrid_of(d);
    if (!m)
        return CPU_STOP_FAILURE;
    if (mixed_is_user(d))
        return mixed_run_user(d, m, deadline);
    enum cpu_stop stop = interpret(d, m, deadline);
    mixed_catch_up(d, m);
    return stop;
}

static void hybrid_interrupt(struct dispatcher *d, uint8_t vector)
{
    struct mixed *m = hybrid_of(d);
    direct_interrupt(d, vector);
    if (m)
        m->stale = true;
}

static void hybrid_modified(struct dispatcher *d)
{
    struct mixed *m = hybrid_of(d);
    direct_modified(d);
    if (m)
        mixed_modified(d, m);
}

const struct technique technique_hybrid = {
    .name = "hybrid",
    .virtualizes = true,
    .tells_control = true,
    .exit = hybrid_exit,
    .wants = direct_wants,
    .reads_time = direct_reads_time,
    .enabled = direct_enabled,
    .interruptible = direct_interruptible,
    .window = direct_window,
    .interrupt = hybrid_interrupt,
    .run = hybrid_run,
    .modified = hybrid_modified,
    .walk = direct_walk,
    .interpreter = direct_interpreter,
    .destroy = hybrid_destroy,
};
