/* Entering blocks, and knowing at any point inside one how much of it has been executed. */
#include "blocks.h"

#include <assert.h>
#include <string.h>

#include "arch/x86/walk.h"
#include "codepages.h"

enum { VIEW_GENERATION_SHIFT = 20, VIEW_GENERATIONS = 1u << 12, BLOCK_BYTES = 4096 + 16 };

static uint32_t view_tag(const struct cpu *cpu, uint32_t pc)
{
    return pc >> 12 | cpu->generation << VIEW_GENERATION_SHIFT;
}

static struct code_view *view_slot(struct cpu *cpu, uint32_t pc)
{
    return &cpu->views[(pc >> 12) & (CPU_VIEWS - 1)];
}

/* ---- views ---- */

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
    struct code_view *view = view_slot(cpu, pc);
    if (view->tag == view_tag(cpu, pc)) {
        *frame = view->frame;
        return true;
    }
    struct cpu_state tables = {0};
    struct x86_walk walk;
    engine_paging(cpu->engine, &tables.cr0, &tables.cr3, &tables.cr4);
    bool mapped =
        x86_probe(&tables, &cpu->physical, pc, 0, &walk) == X86_OK && walk.end == X86_WALK_MAPPED;
    if (!mapped && (view->tag & (VIEW_GENERATIONS * 256 - 1)) != pc >> 12)
        return false;
    if (mapped)
        view->frame = walk.physical & X86_PAGE_MASK;
    view->tag = view_tag(cpu, pc);
    *frame = view->frame;
    return true;
}

unsigned cpu_fetch(struct cpu *cpu, uint32_t pc, uint8_t *bytes, unsigned count)
{
    unsigned done = 0;
    while (done < count) {
        uint32_t at = pc + done, frame;
        unsigned chunk = X86_PAGE_SIZE - (at & (X86_PAGE_SIZE - 1));
        if (chunk > count - done)
            chunk = count - done;
        if (!blocks_view(cpu, at, &frame))
            break;
        const uint8_t *page = cpu->physical.page(cpu->physical.context, frame, false);
        memcpy(bytes + done, page + (at & (X86_PAGE_SIZE - 1)), chunk);
        done += chunk;
    }
    return done;
}

/* ---- learning ---- */

/* What an instruction may change that entries and views depend on: address translation and the code
 * size, or the ring alone. IRET may change the code size too, in a guest that has 16-bit code. */
static unsigned may_change(const struct cpu *cpu, const struct x86_instruction *insn)
{
    switch (insn->kind) {
    case X86_KIND_MOV_TO_CR:
    case X86_KIND_LMSW:
    case X86_KIND_INVLPG:
    case X86_KIND_CALL_FAR:
    case X86_KIND_CALL_FAR_INDIRECT:
    case X86_KIND_JMP_FAR:
    case X86_KIND_JMP_FAR_INDIRECT:
    case X86_KIND_RET_FAR: return BLOCK_REMAPS;
    case X86_KIND_IRET: return cpu->saw_code16 ? BLOCK_REMAPS : BLOCK_RERINGS;
    default: return 0;
    }
}

void blocks_set_mode(struct cpu *cpu)
{
    const struct cpu_state *state = &cpu->state;
    bool code16 = !(state->seg[X86_CS].attributes & X86_SEG_DB);
    bool user = state->cpl == 3 || (state->eflags & X86_VM);
    cpu->mode = (uint16_t)((code16 ? BLOCK_CODE16 : 0) | (user ? BLOCK_USER : 0));
    cpu->saw_code16 |= code16;
}

static void refresh_mode(struct cpu *cpu)
{
    engine_load(cpu->engine, &cpu->state);
    blocks_set_mode(cpu);
}

/* After an IRET within 32-bit code only the ring can be new. */
static void refresh_ring(struct cpu *cpu)
{
    bool user = (engine_cs(cpu->engine) & 3) == 3 || (engine_eflags(cpu->engine) & X86_VM);
    cpu->mode = (uint16_t)((cpu->mode & ~BLOCK_USER) | (user ? BLOCK_USER : 0));
}

static bool site_known(const struct cpu *cpu, uint32_t pc)
{
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

/* Describes a block from its bytes. Returns false if a site had to be planted in it: the block has
 * then to be translated anew before it may be executed. */
static bool learn(struct cpu *cpu, struct block *block, uint32_t pc, uint32_t size, uint32_t frame)
{
    uint8_t bytes[BLOCK_BYTES];
    if (size > BLOCK_BYTES)
        size = BLOCK_BYTES;
    refresh_mode(cpu);
    unsigned room = cpu_fetch(cpu, pc, bytes, size);
    *block = (struct block){.physical = frame | (pc & ~X86_PAGE_MASK),
                            .size = (uint16_t)(size | cpu->mode)};
    bool planted = false;
    unsigned offset = 0;
    struct x86_instruction insn = {0};
    while (offset < room) {
        if (!x86_decode(bytes + offset, room - offset, !(cpu->mode & BLOCK_CODE16), &insn))
            break;
        if (insn.kind != X86_KIND_OTHER) {
            block->flags |= (uint8_t)may_change(cpu, &insn);
            if (cpu->client.wants && cpu->client.wants(cpu->client.context, &cpu->state, &insn) &&
                !site_known(cpu, pc + offset)) {
                add_site(cpu, pc + offset, frame >> MEMORY_FRAME_SHIFT);
                planted = true;
            }
        }
        bool repeats = insn.flags & (X86_INSN_REP | X86_INSN_REPNE);
        if (repeats && (insn.flags & X86_INSN_STRING)) {
            block->rep_offset = (uint16_t)offset;
            block->flags |= (uint8_t)(BLOCK_REP_LAST | (block->count ? 0 : BLOCK_REP_FIRST) |
                                      (insn.address_size == 2 ? BLOCK_REP_CX : 0));
        }
        block->count++;
        offset += insn.length;
    }
    if (!block->count)
        block->count = 1;
    unsigned first = X86_PAGE_SIZE - (pc & (X86_PAGE_SIZE - 1));
    if (size > first && blocks_view(cpu, pc + first, &block->next_frame)) {
        block->flags |= BLOCK_SPANS;
        codepages_cover(cpu, block->next_frame, size - first, pc + first);
        size = first;
    }
    codepages_cover(cpu, block->physical, size, pc);
    if (block->flags & (BLOCK_REP_FIRST | BLOCK_REMAPS | BLOCK_RERINGS | BLOCK_SPANS))
        block->size |= BLOCK_SPECIAL;
    if (planted) {
        codepages_drop(cpu, frame >> MEMORY_FRAME_SHIFT);
        return false;
    }
    cpu->statistics.blocks_learned++;
    return true;
}

/* Finds the block's entry, or makes it. NULL: translate anew. */
static struct block *find(struct cpu *cpu, uint32_t pc, uint32_t size)
{
    uint32_t frame, next;
    if (!blocks_view(cpu, pc, &frame)) {
        /* Code that no table maps any more, and that was never seen mapped. */
        struct block *unknown = &cpu->blocks[CPU_BLOCKS];
        *unknown = (struct block){.physical = UINT32_MAX, .count = 1};
        return unknown;
    }
    uint32_t physical = frame | (pc & ~X86_PAGE_MASK);
    struct block *block = &cpu->blocks[block_index(physical)];
    if (block->physical == physical && (block->size & ~BLOCK_SPECIAL) == (size | cpu->mode) &&
        (!(block->flags & BLOCK_SPANS) ||
         (blocks_view(cpu, (pc | ~X86_PAGE_MASK) + 1, &next) && next == block->next_frame)))
        return block;
    return learn(cpu, block, pc, size, frame) ? block : 0;
}

/* ---- entering ---- */

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
}

/* The engine enters a repeated string instruction once more after its last iteration, to find the
 * count at zero: that entry executes nothing. */
static bool rep_finished(struct cpu *cpu, const struct block *block, uint32_t pc)
{
    const struct block *before = cpu->block;
    if (!(block->flags & BLOCK_REP_FIRST) || !cpu->in_block || !before ||
        !(before->flags & BLOCK_REP_LAST) || cpu->block_pc + before->rep_offset != pc)
        return false;
    uint32_t count = engine_gpr(cpu->engine, X86_ECX);
    return (block->flags & BLOCK_REP_CX ? count & 0xffff : count) == 0;
}

static void commit(struct cpu *cpu, struct block *block, uint32_t pc, unsigned count)
{
    cpu->block = block;
    cpu->block_pc = pc;
    cpu->in_block = true;
    cpu->ports = 0;
    cpu->changes = block->flags & (BLOCK_REMAPS | BLOCK_RERINGS);
    if (!cpu->host_clock)
        cpu->time += count;
    cpu->limit = cpu->changes || cpu->window || cpu->step ? 0 : cpu->deadline;
}

static bool window_open(struct cpu *cpu)
{
    if (!(engine_eflags(cpu->engine) & X86_IF))
        return false;
    struct cpu_state state;
    engine_load(cpu->engine, &state);
    return !state.interrupt_shadow;
}

static void enter_slowly(struct cpu *cpu, uint32_t pc, uint32_t size)
{
    if (cpu->halt != HALT_NONE || cpu->frozen) {
        engine_stop(cpu->engine);
        return;
    }
    if (cpu->changes & BLOCK_REMAPS) {
        cpu_flush(cpu);
        refresh_mode(cpu);
    } else if (cpu->changes) {
        refresh_ring(cpu);
    }
    cpu->changes = 0;
    struct block *block = find(cpu, pc, size);
    if (!block) {
        halt(cpu, HALT_AGAIN, pc);
        return;
    }
    if (rep_finished(cpu, block, pc)) {
        commit(cpu, block, pc, 0);
        return;
    }
    if (cpu->step == STEP_ARMED) {
        cpu->step = STEP_ENTERED;
        commit(cpu, block, pc, block->count);
        return;
    }
    if (cpu->step == STEP_ENTERED) {
        /* The engine starts an instruction again that has changed its own block. */
        if (pc == cpu->step_pc && !cpu->step_loops) {
            commit(cpu, block, pc, 0);
            return;
        }
        halt(cpu, HALT_STEP, pc);
        return;
    }
    if (cpu->host_clock ? cpu->tick : cpu->time + block->count > cpu->deadline) {
        halt(cpu, HALT_DEADLINE, pc);
        return;
    }
    if (cpu->window && window_open(cpu)) {
        halt(cpu, HALT_WINDOW, pc);
        return;
    }
    commit(cpu, block, pc, block->count);
}

void blocks_enter(void *engine, uint64_t address, uint32_t size, void *context)
{
    struct cpu *cpu = context;
    uint32_t pc = (uint32_t)address;
    (void)engine;
    const struct code_view *view = &cpu->views[(pc >> 12) & (CPU_VIEWS - 1)];
    if (__builtin_expect(view->tag == view_tag(cpu, pc), 1)) {
        uint32_t physical = view->frame | (pc & ~X86_PAGE_MASK);
        struct block *block = &cpu->blocks[block_index(physical)];
        uint64_t time = cpu->time + block->count;
        if (__builtin_expect(block->physical == physical && block->size == (size | cpu->mode) &&
                                 time <= cpu->limit,
                             1)) {
            cpu->time = time;
            cpu->block = block;
            cpu->block_pc = pc;
            cpu->in_block = true;
            cpu->ports = 0;
            return;
        }
    }
    enter_slowly(cpu, pc, size);
}

/* With the host's clock a block's entry only has to look whether somebody wants something; what the
 * table would tell is learned when a block is translated. */
void blocks_enter_uncounted(void *engine, uint64_t address, uint32_t size, void *context)
{
    struct cpu *cpu = context;
    (void)engine;
    if (__builtin_expect(cpu->tick | !cpu->limit, 0)) {
        enter_slowly(cpu, (uint32_t)address, size);
        return;
    }
    cpu->block_pc = (uint32_t)address;
    cpu->in_block = true;
    cpu->ports = 0;
}

void blocks_translated(void *context, uint32_t pc, uint32_t size)
{
    struct cpu *cpu = context;
    cpu->translated++;
    if (cpu->host_clock && !find(cpu, pc, size))
        halt(cpu, HALT_AGAIN, pc);
}

/* ---- inside a block ---- */

unsigned blocks_retired(struct cpu *cpu, uint32_t pc)
{
    struct block *block = cpu->block;
    uint32_t offset = pc - cpu->block_pc;
    if (offset >= (block->size & BLOCK_SIZE))
        return block->count;
    if (!offset)
        return 0;
    if (block->memo_offset == offset)
        return block->memo_count;
    uint8_t bytes[BLOCK_BYTES];
    unsigned room = cpu_fetch(cpu, cpu->block_pc, bytes, offset);
    unsigned count = x86_count(bytes, room, !(block->size & BLOCK_CODE16));
    block->memo_offset = (uint16_t)offset;
    block->memo_count = (uint8_t)count;
    return count;
}

void blocks_correct(struct cpu *cpu, uint32_t pc)
{
    if (cpu->in_block && !cpu->host_clock)
        cpu->time -= cpu->block->count - blocks_retired(cpu, pc);
    cpu->in_block = false;
}

void blocks_port(struct cpu *cpu, uint32_t *pc, uint64_t *now, unsigned *length)
{
    uint8_t bytes[BLOCK_BYTES];
    struct x86_instruction insn = {0};
    unsigned size = cpu->host_clock ? 1024 : cpu->block->size & BLOCK_SIZE;
    unsigned room = cpu_fetch(cpu, cpu->block_pc, bytes, size), offset = 0, index = 0,
             before = cpu->ports++;
    while (offset < room &&
           x86_decode(bytes + offset, room - offset, !(cpu->mode & BLOCK_CODE16), &insn)) {
        if ((insn.flags & X86_INSN_IO) && before-- == 0)
            break;
        offset += insn.length;
        index++;
    }
    *pc = cpu->block_pc + offset;
    *length = insn.length;
    *now = cpu_now(cpu);
    if (!cpu->host_clock)
        *now -= cpu->block->count - index;
}

void blocks_forget(struct cpu *cpu, uint32_t frame)
{
    const struct code_page *page = cpu->pages[frame];
    for (uint32_t offset = 0; page && offset < MEMORY_FRAME_SIZE; offset++) {
        if (!page->covered[offset / 8]) {
            offset |= 7;
            continue;
        }
        uint32_t physical = frame << MEMORY_FRAME_SHIFT | offset;
        struct block *block = &cpu->blocks[block_index(physical)];
        if (block->physical == physical)
            block->physical = UINT32_MAX;
    }
}
