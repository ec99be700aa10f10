/* Entering blocks, and knowing at any point inside one how much of it has been executed. */
#include "blocks.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "approach.h"
#include "arch/x86/walk.h"
#include "codepages.h"
#include "inline.h"
#include "patches.h"

/* What learning a block came to. */
enum description { DESCRIBED, PLANTED, PLANNED };

enum { VIEW_GENERATION_SHIFT = 20, VIEW_GENERATIONS = 1u << 12 };

/* Translations are further apart than this in the code buffer, so that in a table of this size no
 * two of them meet. */
enum { SITE_SHIFT = 7, SITES = ENGINE_CODE_BUFFER >> SITE_SHIFT };

/* The code buffer is emptied when there is less room left in it: for some of the longest blocks. */
#define CODE_MARGIN (4u << 20)

#define UNKNOWN CPU_BLOCKS /* the entry that stands for code of which nothing can be learned */

/* ---- views ---- */

static uint32_t view_tag(const struct cpu *cpu, uint32_t pc)
{
    return pc >> 12 | cpu->generation << VIEW_GENERATION_SHIFT;
}

void cpu_flush(struct cpu *cpu)
{
    if (++cpu->generation == VIEW_GENERATIONS) {
        memset(cpu->views, 0, sizeof cpu->views);
        cpu->generation = 1;
    }
}

/* A page that the tables no longer map may still be executed from the engine's TLB until the guest
 * invalidates it: then the view of the generation before is the truth. */
bool blocks_view(struct cpu *cpu, uint32_t pc, uint32_t *frame)
{
    struct code_view *view = &cpu->views[(pc >> 12) & (CPU_VIEWS - 1)];
    if (view->tag == view_tag(cpu, pc)) {
        *frame = view->frame;
        return true;
    }
    struct cpu_state tables = {0};
    struct x86_walk walk;
    uint32_t machine = 0, error;
    engine_paging(cpu->engine, &tables.cr0, &tables.cr3, &tables.cr4);
    bool mapped = x86_probe(&tables, &cpu->physical, pc, 0, &walk) == X86_OK &&
                  walk.end == X86_WALK_MAPPED &&
                  nesting_translate(cpu->nesting, walk.physical, false, &machine, &error);
    if (!mapped && (view->tag & (VIEW_GENERATIONS * 256 - 1)) != pc >> 12)
        return false;
    if (mapped)
        view->frame = machine & X86_PAGE_MASK;
    view->tag = view_tag(cpu, pc);
    *frame = view->frame;
    return true;
}

/* The engine asks the nested tables for the right to write to each table that it walks, and sets
 * accessed bits in it. */
static bool walks_through(struct cpu *cpu, uint32_t address, uint32_t entry)
{
    return engine_writable(cpu->engine, address >> MEMORY_FRAME_SHIFT) && (entry & X86_PTE_A);
}

bool blocks_reached(struct cpu *cpu, uint32_t pc, uint32_t frame)
{
    struct cpu_state tables = {0};
    struct x86_walk walk;
    engine_paging(cpu->engine, &tables.cr0, &tables.cr3, &tables.cr4);
    return x86_probe(&tables, &cpu->physical, pc, 0, &walk) == X86_OK &&
           walk.end == X86_WALK_MAPPED && (walk.physical & X86_PAGE_MASK) == frame &&
           (walk.levels < 1 || walks_through(cpu, walk.pde_address, walk.pde)) &&
           (walk.levels < 2 || walks_through(cpu, walk.pte_address, walk.pte));
}

static const uint8_t *frame_bytes(struct cpu *cpu, uint32_t machine)
{
    const uint8_t *frame = memory_frame(cpu->memory, machine);
    return frame ? frame : nesting_void_page(cpu->nesting);
}

unsigned cpu_fetch(struct cpu *cpu, uint32_t pc, uint8_t *bytes, unsigned count)
{
    unsigned done = 0;
    cpu_flush(cpu); /* the guest changes CR3 and its tables without our hearing of it */
    while (done < count) {
        uint32_t at = pc + done, frame;
        unsigned chunk = X86_PAGE_SIZE - (at & (X86_PAGE_SIZE - 1));
        if (chunk > count - done)
            chunk = count - done;
        if (!blocks_view(cpu, at, &frame))
            break;
        memcpy(bytes + done, frame_bytes(cpu, frame) + (at & (X86_PAGE_SIZE - 1)), chunk);
        done += chunk;
    }
    return done;
}

unsigned blocks_bytes(struct cpu *cpu, const struct block *block, uint8_t bytes[BLOCK_BYTES])
{
    if (block->physical == UINT32_MAX)
        return 0;
    unsigned offset = block->physical & (X86_PAGE_SIZE - 1), first = X86_PAGE_SIZE - offset;
    if (first > block->size)
        first = block->size;
    memcpy(bytes, frame_bytes(cpu, block->physical & X86_PAGE_MASK) + offset, first);
    if (first < block->size && !(block->flags & BLOCK_SPANS))
        return first;
    if (first < block->size)
        memcpy(bytes + first, frame_bytes(cpu, block->next_frame), block->size - first);
    return block->size;
}

/* ---- learning ---- */

struct cpu_break *blocks_break(struct cpu *cpu, uint32_t pc)
{
    for (unsigned i = 0; i < cpu->break_count; i++)
        if (cpu->breaks[i].pc == pc)
            return &cpu->breaks[i];
    return 0;
}

/* An instruction is marked once in the engine: a breakpoint stands in for the site. */
bool blocks_marked(struct cpu *cpu, uint32_t pc)
{
    bool marked = blocks_break(cpu, pc) != 0;
    for (unsigned i = 0; i < CPU_SITES && !marked; i++)
        marked = cpu->sites[i].handle && cpu->sites[i].pc == pc;
    return marked;
}

static bool site_known(struct cpu *cpu, uint32_t pc)
{
    struct cpu_break *point = blocks_break(cpu, pc);
    if (point)
        return point->wanted = true;
    for (unsigned i = 0; i < CPU_SITES; i++)
        if (cpu->sites[i].handle && cpu->sites[i].pc == pc)
            return true;
    return false;
}

static void remove_site(struct cpu *cpu, struct cpu_site *site)
{
    engine_site_remove(cpu->engine, site->handle);
    site->handle = 0;
    codepages_drop(cpu, site->frame);
}

/* Marks an instruction; the least recently used mark makes room, and its page is met anew, so that
 * the mark comes back when that code is executed again. */
static void add_site(struct cpu *cpu, uint32_t pc, uint32_t frame)
{
    struct cpu_site *site = &cpu->sites[0];
    for (unsigned i = 0; i < CPU_SITES; i++) {
        if (!cpu->sites[i].handle) {
            site = &cpu->sites[i];
            break;
        }
        if (cpu->sites[i].used < site->used)
            site = &cpu->sites[i];
    }
    if (site->handle)
        remove_site(cpu, site);
    *site = (struct cpu_site){.pc = pc,
                              .frame = frame,
                              .handle = engine_site_add(cpu->engine, pc),
                              .used = ++cpu->statistics.blocks_learned};
}

/* A string instruction that is repeated ends its block, and from its second iteration on it is a
 * block of its own. */
static void describe_repeat(struct block *block, const struct x86_instruction *insn,
                            unsigned offset)
{
    enum { CMPS = 0xa6, SCAS = 0xae };
    unsigned opcode = insn->opcode & ~1u;
    block->rep_offset = (uint16_t)offset;
    block->flags |= BLOCK_REP_LAST;
    if (insn->address_size == 2)
        block->flags |= BLOCK_REP_CX;
    if (offset)
        return;
    block->flags |= BLOCK_REP_FIRST;
    if (opcode != CMPS && opcode != SCAS && !(insn->flags & X86_INSN_IO))
        block->flags |= BLOCK_REP_PLAIN;
}

/* Counts and describes a block's instructions. If a site had to be planted in it, or a patch has to
 * be, the block must be translated anew before it may be executed. */
static enum description describe(struct cpu *cpu, struct block *block)
{
    uint8_t bytes[BLOCK_BYTES];
    unsigned room = blocks_bytes(cpu, block, bytes), offset = 0;
    struct x86_instruction insn = {0};
    bool planted = false;
    while (offset < room) {
        uint32_t pc = block->pc + offset;
        if (!x86_decode(bytes + offset, room - offset, !(block->flags & BLOCK_CODE16), &insn) &&
            !patches_decode(cpu, block, pc, &insn)) {
            block->count++; /* the engine refused it before it had read all of it */
            break;
        }
        if (insn.kind != X86_KIND_OTHER && cpu->client.wants &&
            cpu->client.wants(cpu->client.context, &cpu->state, &insn) && !site_known(cpu, pc)) {
            enum patch_answer answer = patches_ask(cpu, block, pc, &insn);
            if (answer == PATCH_PLAN)
                return PLANNED;
            if (answer == PATCH_DONE) {
                block->count++;
                break;
            }
            add_site(cpu, pc, block->physical >> MEMORY_FRAME_SHIFT);
            planted = true;
        }
        if (insn.flags & X86_INSN_IO)
            block->flags |= BLOCK_PORTS;
        if ((insn.flags & X86_INSN_STRING) && (insn.flags & (X86_INSN_REP | X86_INSN_REPNE)))
            describe_repeat(block, &insn, offset);
        block->count++;
        offset += insn.length;
    }
    if (!block->count)
        block->count = 1;
    return planted ? PLANTED : DESCRIBED;
}

/* The same for code that the client has made: it has no sites. */
static bool describe_made(struct cpu *cpu, struct block *block)
{
    uint8_t bytes[BLOCK_BYTES];
    struct x86_instruction insn = {0};
    if (!cpu->client.retires)
        return false;
    unsigned count = cpu->client.retires(cpu->client.context, block->pc, block->size), length;
    if (count == CPU_NOT_MADE)
        return false;
    block->count = (uint16_t)count;
    block->flags |= BLOCK_MADE;
    unsigned room = blocks_bytes(cpu, block, bytes);
    for (unsigned offset = 0; offset < room; offset += length) {
        length = x86_decode(bytes + offset, room - offset, true, &insn);
        if (!length)
            break;
        if ((insn.flags & X86_INSN_STRING) && (insn.flags & (X86_INSN_REP | X86_INSN_REPNE)))
            describe_repeat(block, &insn, offset);
    }
    return true;
}

static void cover(struct cpu *cpu, const struct block *block)
{
    unsigned first = X86_PAGE_SIZE - (block->pc & (X86_PAGE_SIZE - 1));
    if (block->flags & BLOCK_SPANS)
        codepages_cover(cpu, block->next_frame, block->size - first);
    codepages_cover(cpu, block->physical, block->size < first ? block->size : first);
}

/* Where the code of a block comes from. False if no table maps it. */
static bool locate(struct cpu *cpu, uint32_t pc, uint32_t size, struct block *block)
{
    uint32_t frame, offset = pc & ~X86_PAGE_MASK;
    cpu_flush(cpu);
    if (!blocks_view(cpu, pc, &frame))
        return false;
    if (size > BLOCK_BYTES)
        size = BLOCK_BYTES;
    *block = (struct block){.pc = pc, .physical = frame | offset, .size = (uint16_t)size};
    if (offset + size > X86_PAGE_SIZE &&
        blocks_view(cpu, (pc | ~X86_PAGE_MASK) + 1, &block->next_frame))
        block->flags |= BLOCK_SPANS;
    return true;
}

/* A translation that is left to be learned when it is next entered goes with its page all the same.
 */
static void cover_unlearned(struct cpu *cpu, uint32_t pc, uint32_t size)
{
    struct block block;
    if (locate(cpu, pc, size, &block))
        cover(cpu, &block);
    else
        cpu->uncovered = true;
}

static bool can_inline(const struct cpu *cpu, const struct block *block)
{
    if (block->flags & BLOCK_PORTS)
        return false;
    return cpu->host_clock || !(block->flags & BLOCK_REP_FIRST) || (block->flags & BLOCK_REP_PLAIN);
}

/* Code that no table maps any more, and that was never seen mapped, comes from the engine's TLB. A
 * TLB may lose an entry at any time (SDM volume 3, section 4.10.2.3), so this one does now: fetched
 * again the code is mapped again or faults. False if that was tried here already. */
static bool forget_translations(struct cpu *cpu, uint32_t pc)
{
    if (cpu->forgot_pc == pc && cpu->forgot_time == cpu->time)
        return false;
    cpu->forgot_pc = pc;
    cpu->forgot_time = cpu->time;
    engine_flush_tlb(cpu->engine);
    return true;
}

/* Makes the entry of a block that was never entered. 0: translate it anew. */
static uint32_t learn(struct cpu *cpu, uintptr_t site, uint32_t pc, uint32_t size)
{
    struct block found;
    if (!locate(cpu, pc, size, &found)) {
        cpu->uncovered = true;
        if (forget_translations(cpu, pc))
            return 0;
        cpu->blocks[UNKNOWN] = (struct block){.pc = pc, .physical = UINT32_MAX, .count = 1};
        return UNKNOWN;
    }
    if (!cpu->first_site || site < cpu->first_site)
        cpu->first_site = site;
    if (cpu->blocks_known + 1 == UNKNOWN ||
        site - cpu->first_site > ENGINE_CODE_BUFFER - CODE_MARGIN) {
        cpu->full = true;
        return 0;
    }
    uint32_t id = ++cpu->blocks_known;
    struct block *block = &cpu->blocks[id];
    *block = found;
    block->site = site;
    engine_load(cpu->engine, &cpu->state);
    if (!(cpu->state.seg[X86_CS].attributes & X86_SEG_DB))
        block->flags |= BLOCK_CODE16;
    enum description description = describe_made(cpu, block) ? DESCRIBED : describe(cpu, block);
    patches_entered(cpu);
    cover(cpu, block);
    if (description == PLANNED) {
        cpu->blocks_known--;
        return 0;
    }
    if (description == PLANTED) {
        codepages_drop(cpu, block->physical >> MEMORY_FRAME_SHIFT);
        return 0;
    }
    cpu->statistics.blocks_learned++;
    cpu->block_sites[site >> SITE_SHIFT & (SITES - 1)] = id;
    return id;
}

/* ---- entering ---- */

void blocks_collect(struct cpu *cpu)
{
    if (!cpu->host_clock)
        cpu->time = cpu->until - (uint64_t)cpu->entry.budget;
}

void blocks_arm(struct cpu *cpu)
{
    bool attend = cpu->window || cpu->step || cpu->frozen || cpu->halt != HALT_NONE;
    if (cpu->host_clock) {
        cpu->entry.attend = attend;
        return;
    }
    const uint64_t most = INT64_MAX / 2;
    uint64_t left = cpu->deadline > cpu->time ? cpu->deadline - cpu->time : 0;
    cpu->entry.budget = attend ? -1 : (int64_t)(left < most ? left : most);
    cpu->until = cpu->time + (uint64_t)cpu->entry.budget;
}

/* Stops before the block at `pc`. The engine's own EIP is not to be trusted here once an
 * instruction is marked: `stop_pc` is. */
static void halt(struct cpu *cpu, enum cpu_halt why, uint32_t pc)
{
    if (cpu->halt == HALT_NONE) {
        cpu->halt = why;
        cpu->stop_pc = pc;
        cpu->stopped_at_block = true;
    }
    engine_stop(cpu->engine);
    blocks_arm(cpu);
}

static uint32_t repeat_mask(const struct block *block)
{
    return block->flags & BLOCK_REP_CX ? 0xffff : UINT32_MAX;
}

static uint32_t iterations_left(struct cpu *cpu, const struct block *block)
{
    return engine_gpr(cpu->engine, X86_ECX) & repeat_mask(block);
}

/* The engine enters a repeated string instruction once more after its last iteration, to find the
 * count at zero: that entry executes nothing. */
static bool rep_finished(struct cpu *cpu, const struct block *block)
{
    if (!(block->flags & BLOCK_REP_FIRST) || !cpu->entry.block)
        return false;
    const struct block *before = &cpu->blocks[cpu->entry.block & ~ENTRY_ITERATES];
    return (before->flags & BLOCK_REP_LAST) && before->pc + before->rep_offset == block->pc &&
           !iterations_left(cpu, block);
}

/* The iterations of a repetition are counted when it begins if they all fit in, and its further
 * entries not at all; otherwise each one when it is entered. */
static unsigned charge(struct cpu *cpu, const struct block *block, uint32_t *id)
{
    if (!(block->flags & BLOCK_REP_PLAIN) || cpu->host_clock)
        return block->count;
    uint32_t left = iterations_left(cpu, block);
    if (!cpu->step && !cpu->window && cpu->time + left <= cpu->deadline)
        return left ? left : 1;
    *id |= ENTRY_ITERATES;
    return 1;
}

static void commit(struct cpu *cpu, uint32_t id, unsigned count)
{
    cpu->entry.block = id;
    cpu->ports = 0;
    if (!cpu->host_clock)
        cpu->time += count;
    blocks_arm(cpu);
}

static bool window_open(struct cpu *cpu)
{
    if (!(engine_eflags(cpu->engine) & X86_IF))
        return false;
    struct cpu_state state;
    engine_load(cpu->engine, &state);
    return !state.interrupt_shadow;
}

static bool late(struct cpu *cpu, const struct block *block)
{
    if (cpu->host_clock)
        return cpu->entry.tick;
    return cpu->time + block->count > cpu->deadline && !approach_leads(cpu, block);
}

/* Whatever may be the matter with a block's entry. `id` is 0 for a translation that is new. */
static void attend(struct cpu *cpu, uint32_t id, uintptr_t site, uint32_t pc, uint32_t size)
{
    patches_restore(cpu);
    blocks_collect(cpu);
    bool fresh = !id;
    if (cpu->halt != HALT_NONE || cpu->frozen) {
        if (fresh)
            cover_unlearned(cpu, pc, size);
        engine_stop(cpu->engine);
        return;
    }
    if (cpu->step == STEP_ENTERED && pc != cpu->step_pc) {
        if (fresh)
            cover_unlearned(cpu, pc, size);
        halt(cpu, HALT_STEP, pc);
        return;
    }
    if (fresh && !(id = learn(cpu, site, pc, size))) {
        halt(cpu, HALT_AGAIN, pc);
        return;
    }
    const struct block *block = &cpu->blocks[id];
    if (fresh && block->site && can_inline(cpu, block))
        inline_entry(cpu, id);
    if (rep_finished(cpu, block)) {
        commit(cpu, id | ENTRY_ITERATES, 0);
        return;
    }
    if (cpu->step == STEP_ARMED) {
        cpu->step = STEP_ENTERED;
        commit(cpu, id | ENTRY_ITERATES, block->count);
        return;
    }
    if (cpu->step == STEP_ENTERED) {
        /* The engine starts an instruction again that has changed its own block. */
        if (!cpu->step_loops) {
            commit(cpu, id, 0);
            return;
        }
        halt(cpu, HALT_STEP, pc);
        return;
    }
    if (late(cpu, block)) {
        cpu->late = id == UNKNOWN ? 0 : id;
        halt(cpu, HALT_DEADLINE, pc);
        return;
    }
    if (cpu->window && window_open(cpu)) {
        halt(cpu, HALT_WINDOW, pc);
        return;
    }
    unsigned count = charge(cpu, block, &id);
    commit(cpu, id, count);
}

static uint32_t find(const struct cpu *cpu, uintptr_t site, uint32_t pc)
{
    uint32_t id = cpu->block_sites[site >> SITE_SHIFT & (SITES - 1)];
    const struct block *block = &cpu->blocks[id];
    return block->site == site && block->pc == pc ? id : 0;
}

void blocks_enter(void *engine, uint64_t address, uint32_t size, void *context)
{
    struct cpu *cpu = context;
    uintptr_t site = (uintptr_t)__builtin_return_address(0);
    (void)engine;
    uint32_t id = find(cpu, site, (uint32_t)address);
    const struct block *block = &cpu->blocks[id];
    if (block->flags & BLOCK_REP_FIRST) {
        if ((block->flags & BLOCK_REP_PLAIN) && cpu->entry.block == id)
            return;
    } else if (id && cpu->entry.budget >= block->count) {
        cpu->entry.budget -= block->count;
        cpu->entry.block = id;
        cpu->ports = 0;
        return;
    }
    attend(cpu, id, site, (uint32_t)address, size);
}

/* With the host's clock a block's entry only has to look whether somebody wants something. */
void blocks_enter_uncounted(void *engine, uint64_t address, uint32_t size, void *context)
{
    struct cpu *cpu = context;
    uintptr_t site = (uintptr_t)__builtin_return_address(0);
    (void)engine;
    uint32_t id = find(cpu, site, (uint32_t)address);
    if (id && !cpu->entry.tick && !cpu->entry.attend) {
        cpu->entry.block = id;
        cpu->ports = 0;
        return;
    }
    attend(cpu, id, site, (uint32_t)address, size);
}

uintptr_t blocks_attend(struct cpu_entry *entry, uint32_t id)
{
    struct cpu *cpu = (struct cpu *)(void *)((uint8_t *)entry - offsetof(struct cpu, entry));
    const struct block *block = &cpu->blocks[id];
    if (!cpu->host_clock && !(block->flags & BLOCK_REP_FIRST))
        entry->budget += block->count;
    attend(cpu, id, block->site, block->pc, block->size);
    return block->site;
}

/* ---- inside a block ---- */

static const struct block_exit *exit_at(struct cpu *cpu, uint32_t id, uint32_t offset)
{
    struct block_exit *known = &cpu->exits[(id ^ offset) & (CPU_EXITS - 1)];
    if (known->block == id && known->offset == offset)
        return known;
    const struct block *block = &cpu->blocks[id];
    bool code32 = !(block->flags & BLOCK_CODE16);
    uint8_t bytes[BLOCK_BYTES];
    unsigned room = blocks_bytes(cpu, block, bytes);
    known->block = id;
    known->offset = (uint16_t)offset;
    if (block->flags & BLOCK_MADE)
        known->retired = (uint16_t)cpu->client.retires(cpu->client.context, block->pc, offset);
    else
        known->retired = (uint16_t)x86_count(bytes, offset < room ? offset : room, code32);
    const struct x86_instruction *patched = patches_find(cpu, block, block->pc + offset);
    if (patched)
        known->insn = *patched;
    else if (offset >= room || !x86_decode(bytes + offset, room - offset, code32, &known->insn))
        known->insn = (struct x86_instruction){0};
    return known;
}

const struct x86_instruction *blocks_leave(struct cpu *cpu, uint32_t pc, bool trap)
{
    uint32_t entered = cpu->entry.block, id = entered & ~ENTRY_ITERATES;
    cpu->entry.block = 0;
    cpu->inside = false;
    if (!entered)
        return 0;
    const struct block *block = cpu->block = &cpu->blocks[id];
    const struct block_exit *at =
        pc - block->pc < block->size ? exit_at(cpu, id, pc - block->pc) : 0;
    if (!cpu->host_clock) {
        if ((block->flags & BLOCK_REP_PLAIN) && !(entered & ENTRY_ITERATES))
            cpu->time -= cpu->state.gpr[X86_ECX] & repeat_mask(block);
        else if (at && !trap)
            cpu->time -= block->count - at->retired;
    }
    cpu->inside = at && at->retired && !trap;
    return at && at->insn.length ? &at->insn : 0;
}

bool blocks_repeats_never(struct cpu *cpu, uint32_t pc)
{
    const struct block *block = &cpu->blocks[cpu->entry.block & ~ENTRY_ITERATES];
    return cpu->entry.block && (block->flags & BLOCK_REP_LAST) &&
           block->pc + block->rep_offset == pc && !iterations_left(cpu, block);
}

bool blocks_ends_in_iret(struct cpu *cpu, uint32_t entered)
{
    const struct block *block = &cpu->blocks[entered & ~ENTRY_ITERATES];
    struct x86_instruction insn = {0};
    uint8_t bytes[BLOCK_BYTES];
    if (!entered)
        return false;
    unsigned room = blocks_bytes(cpu, block, bytes), offset = 0;
    while (offset < room &&
           x86_decode(bytes + offset, room - offset, !(block->flags & BLOCK_CODE16), &insn))
        offset += insn.length;
    return offset == room && insn.kind == X86_KIND_IRET;
}

uint64_t blocks_time(struct cpu *cpu, uint32_t pc)
{
    struct block *block = cpu->block;
    uint64_t time = cpu->time, begins;
    uint32_t entered = cpu->entry.block;
    blocks_leave(cpu, pc, false);
    begins = cpu->time;
    cpu->time = time;
    cpu->entry.block = entered;
    cpu->block = block;
    return begins;
}

void cpu_remade(struct cpu *cpu, uint32_t pc, uint32_t machine, uint32_t size)
{
    struct engine_glance now;
    engine_glance(cpu->engine, &now); /* in ring 3 the engine would not find a supervisor's page */
    engine_drop_code(cpu->engine, machine, size, pc, now.cpl < 3);
}

bool blocks_late_in_made(const struct cpu *cpu)
{
    return cpu->late && (cpu->blocks[cpu->late].flags & BLOCK_MADE);
}

/* ---- breakpoints ----
 *
 * Seldom set, so all code may be translated anew for each: it can be mapped at that address in more
 * than one address space. */

bool cpu_break_add(struct cpu *cpu, uint32_t pc)
{
    if (blocks_break(cpu, pc))
        return true;
    patches_cancel(cpu);
    if (cpu->break_count == CPU_BREAKS)
        return false;
    for (unsigned i = 0; i < CPU_SITES; i++)
        if (cpu->sites[i].handle && cpu->sites[i].pc == pc)
            remove_site(cpu, &cpu->sites[i]);
    struct cpu_break point = {.pc = pc, .handle = engine_site_add(cpu->engine, pc)};
    if (!point.handle)
        return false;
    cpu->breaks[cpu->break_count++] = point;
    cpu->translate_anew = true;
    return true;
}

bool cpu_break_remove(struct cpu *cpu, uint32_t pc)
{
    struct cpu_break *point = blocks_break(cpu, pc);
    if (!point)
        return false;
    engine_site_remove(cpu->engine, point->handle);
    *point = cpu->breaks[--cpu->break_count];
    cpu->translate_anew = true;
    return true;
}

void blocks_port(struct cpu *cpu, uint32_t *pc, uint64_t *now, unsigned *length)
{
    const struct block *block = &cpu->blocks[cpu->entry.block & ~ENTRY_ITERATES];
    uint8_t bytes[BLOCK_BYTES];
    struct x86_instruction insn = {0};
    unsigned room = blocks_bytes(cpu, block, bytes), offset = 0, index = 0, before = cpu->ports++;
    while (offset < room &&
           x86_decode(bytes + offset, room - offset, !(block->flags & BLOCK_CODE16), &insn)) {
        if ((insn.flags & X86_INSN_IO) && before-- == 0)
            break;
        offset += insn.length;
        index++;
    }
    *pc = block->pc + offset;
    *length = insn.length;
    *now = cpu_now(cpu);
    if (!cpu->host_clock)
        *now -= block->count - index;
}

/* ---- life ---- */

bool blocks_init(struct cpu *cpu)
{
    cpu->blocks = calloc(CPU_BLOCKS + 1, sizeof *cpu->blocks);
    cpu->block_sites = calloc(SITES, sizeof *cpu->block_sites);
    cpu->exits = calloc(CPU_EXITS, sizeof *cpu->exits);
    return cpu->blocks && cpu->block_sites && cpu->exits;
}

void blocks_reset(struct cpu *cpu)
{
    memset(cpu->block_sites, 0, SITES * sizeof *cpu->block_sites);
    memset(cpu->exits, 0, CPU_EXITS * sizeof *cpu->exits);
    cpu->blocks_known = 0;
    cpu->block = 0;
    cpu->late = 0;
    cpu->full = cpu->uncovered = false;
    patches_reset(cpu);
}

void blocks_destroy(struct cpu *cpu)
{
    free(cpu->blocks);
    free(cpu->block_sites);
    free(cpu->exits);
}
