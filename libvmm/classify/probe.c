/* One experiment after another.
 *
 * What the definitions demand: two runs that are compared start from states that are equal but for
 * the one thing that is varied. So every run restores the whole processor and the whole memory
 * image of its state, drops translations of the instruction's old bytes, and executes exactly one
 * instruction. (Popek and Goldberg 1974, section 2: an instruction is a function from states to
 * states.) */
#include "classify/probe.h"
#include "classify/text.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static unsigned blocks(const struct probe *probe)
{
    return probe->isa->ram_size / PROBE_BLOCK;
}

static uint8_t *at(struct probe *probe, uint64_t address, size_t size)
{
    uint64_t offset = address - probe->isa->ram_base;

    if (offset >= probe->isa->ram_size || size > probe->isa->ram_size - offset)
        return NULL;
    return probe->ram + offset;
}

/* Storage is given by the address the program uses; where the state has moved it, it lands there.
 */
void probe_store(struct probe *probe, uint64_t address, const void *bytes, size_t size)
{
    const struct isa_variation *variation = &probe->isa->variations[probe->variation];
    uint8_t *host;

    if (variation->moved_size && address >= variation->moved_from &&
        address - variation->moved_from < variation->moved_size)
        address = address - variation->moved_from + variation->moved_to;
    host = at(probe, address, size);
    if (!host || !size)
        return;
    memcpy(host, bytes, size);
    for (size_t block = (size_t)(host - probe->ram) / PROBE_BLOCK;
         block <= (size_t)(host - probe->ram + (ptrdiff_t)size - 1) / PROBE_BLOCK; block++)
        probe->dirty[block] = true;
}

static void store(struct probe *probe, uint64_t address, uint64_t value, unsigned size)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < size; i++)
        bytes[probe->isa->big_endian ? size - 1 - i : i] = (uint8_t)(value >> (8 * i));
    probe_store(probe, address, bytes, size);
}

void probe_store16(struct probe *probe, uint64_t address, uint16_t value)
{
    store(probe, address, value, 2);
}

void probe_store32(struct probe *probe, uint64_t address, uint32_t value)
{
    store(probe, address, value, 4);
}

void probe_store64(struct probe *probe, uint64_t address, uint64_t value)
{
    store(probe, address, value, 8);
}

static bool make_state(struct probe *probe, unsigned mode, unsigned variation)
{
    unsigned state = isa_state(probe->isa, mode, variation);

    memset(probe->ram, 0, probe->isa->ram_size);
    probe->mode = mode;
    probe->variation = variation;
    probe->ground->reset(probe);
    if (!probe->isa->build(probe, mode, variation))
        return false;
    probe->image[state] = malloc(probe->isa->ram_size);
    if (!probe->image[state])
        return false;
    memcpy(probe->image[state], probe->ram, probe->isa->ram_size);
    for (unsigned b = 0; b < blocks(probe); b++)
        probe->differs[state][b] = memcmp(probe->image[state] + b * PROBE_BLOCK,
                                          probe->image[0] + b * PROBE_BLOCK, PROBE_BLOCK) != 0;
    return probe->ground->keep(probe, state);
}

struct probe *probe_create(const struct isa *isa)
{
    struct probe *probe = calloc(1, sizeof *probe);
    size_t starts = (size_t)ISA_MAX_STATES * ISA_MAX_SEEDS;

    if (!probe)
        return NULL;
    assert(isa->ram_size <= PROBE_BLOCK * PROBE_BLOCKS && isa->ram_size % PROBE_BLOCK == 0);
    probe->isa = isa;
    probe->ground = isa->on_machine ? &probe_machine : &probe_engine;
    probe->before = calloc(starts, sizeof *probe->before);
    probe->before_known = calloc(starts, sizeof *probe->before_known);
    bool ok = probe->before && probe->before_known && probe->ground->open(probe);
    for (unsigned m = 0; ok && m < isa->mode_count; m++)
        for (unsigned v = 0; ok && v < isa->variation_count; v++)
            ok = make_state(probe, m, v);
    memset(probe->dirty, true, sizeof probe->dirty);
    if (!ok) {
        probe_destroy(probe);
        return NULL;
    }
    return probe;
}

void probe_destroy(struct probe *probe)
{
    if (!probe)
        return;
    probe->ground->close(probe);
    for (unsigned i = 0; i < ISA_MAX_STATES; i++)
        free(probe->image[i]);
    free(probe->before);
    free(probe->before_known);
    free(probe);
}

void probe_set_code(struct probe *probe, const uint8_t *bytes, size_t size)
{
    memset(probe->code, 0, sizeof probe->code);
    memcpy(probe->code, bytes, size);
    text_to_bytes(probe->isa->loop, probe->code + size, sizeof probe->code - size);
    probe->code_size = size;
    probe->code_id++;
}

static void observe(struct probe *probe, uint64_t *value)
{
    probe->ground->observe(probe, value);
    if (probe->isa->observe)
        probe->isa->observe(probe, value);
}

/* Memory becomes that of the state, whatever the last run did to it. */
static void fill(struct probe *probe, unsigned state)
{
    const bool *was = probe->differs[probe->held], *is = probe->differs[state];

    for (unsigned b = 0; b < blocks(probe); b++)
        if (probe->dirty[b] || was[b] || is[b]) {
            memcpy(probe->ram + b * PROBE_BLOCK, probe->image[state] + b * PROBE_BLOCK,
                   PROBE_BLOCK);
            probe->dirty[b] = false;
        }
    probe->held = state;
}

/* Puts the machine into the state, everything of earlier runs gone. */
static void enter(struct probe *probe, unsigned mode, unsigned variation, unsigned seed)
{
    const struct isa *isa = probe->isa;
    unsigned state = isa_state(isa, mode, variation);

    probe->runs++;
    probe->mode = mode;
    probe->variation = variation;
    probe->seed = seed;
    probe->port = (struct port_latch){.value = 0};
    fill(probe, state);
    probe->ground->restore(probe, state);
    isa->seed(probe, seed);
    probe_store(probe, isa->pc, probe->code, sizeof probe->code);
    unsigned place = isa->variations[variation].moved_size ? 1 : 0;
    if (probe->placed[place] != probe->code_id) {
        probe->placed[place] = probe->code_id;
        probe->ground->renew(probe);
    }
}

const struct observation *probe_before(struct probe *probe, unsigned mode, unsigned variation,
                                       unsigned seed)
{
    unsigned slot = isa_state(probe->isa, mode, variation) * ISA_MAX_SEEDS + seed;

    if (!probe->before_known[slot]) {
        enter(probe, mode, variation, seed);
        observe(probe, probe->before[slot].value);
        probe->before_known[slot] = true;
    }
    return &probe->before[slot];
}

/* The address that the program would use for a word at this offset of the memory. */
static uint64_t program_address(const struct probe *probe, uint32_t offset)
{
    const struct isa_variation *variation = &probe->isa->variations[probe->variation];
    uint64_t address = probe->isa->ram_base + offset;

    if (variation->moved_size && address >= variation->moved_to &&
        address - variation->moved_to < variation->moved_size)
        return address - variation->moved_to + variation->moved_from;
    return address;
}

static void add_change(struct observation *seen, uint64_t address, uint32_t before, uint32_t after)
{
    if (seen->change_count < OBSERVED_CHANGES)
        seen->change[seen->change_count] = (struct change){address, before, after};
    seen->change_count++;
    /* A sum, so that the order in which moved storage is met does not matter. */
    uint64_t h = (address * 0x9e3779b97f4a7c15u) ^ ((uint64_t)after << 20) ^ before;
    h = (h ^ (h >> 31)) * 0xbf58476d1ce4e5b9u;
    seen->digest += h ^ (h >> 29);
}

static uint32_t word(const struct probe *probe, const uint8_t *p)
{
    if (probe->isa->big_endian)
        return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* Memory as it was when the instruction started: the state's image, but for the blocks that hold
 * operands and the instruction, which are kept here. */
struct start {
    uint8_t block[PROBE_BLOCKS][PROBE_BLOCK];
};

static void remember(const struct probe *probe, struct start *start)
{
    for (unsigned b = 0; b < blocks(probe); b++)
        if (probe->dirty[b])
            memcpy(start->block[b], probe->ram + b * PROBE_BLOCK, PROBE_BLOCK);
}

/* Lists the words of memory that differ from what the run started with. */
static void find_changes(struct probe *probe, const struct start *start, struct observation *seen)
{
    const bool *differs = probe->differs[probe->held];

    for (unsigned b = 0; b < blocks(probe); b++) {
        const uint8_t *now = probe->ram + b * PROBE_BLOCK;
        const uint8_t *image = probe->image[differs[b] ? probe->held : 0] + b * PROBE_BLOCK;
        const uint8_t *before = probe->dirty[b] ? start->block[b] : image;

        if (memcmp(now, before, PROBE_BLOCK) == 0)
            continue;
        probe->dirty[b] = true;
        if (seen->seen != SEEN_RAN)
            continue;
        for (uint32_t i = 0; i < PROBE_BLOCK; i += 4)
            if (memcmp(now + i, before + i, 4) != 0)
                add_change(seen, program_address(probe, b * PROBE_BLOCK + i),
                           word(probe, before + i), word(probe, now + i));
    }
}

void probe_run(struct probe *probe, unsigned mode, unsigned variation, unsigned seed,
               struct observation *seen)
{
    static struct start start;

    probe_before(probe, mode, variation, seed); /* known before settle() may ask for it */
    seen->seen = SEEN_NOTHING;
    seen->number = 0;
    seen->change_count = 0;
    seen->digest = 0;
    enter(probe, mode, variation, seed);
    remember(probe, &start);
    probe->ground->execute(probe, seen);
    observe(probe, seen->value);
    if (probe->isa->settle)
        probe->isa->settle(probe, seen);
    find_changes(probe, &start, seen);
}
