/* Placing and restoring patches. See patches.h. */
#include "patches.h"

#include <stdlib.h>

#include "codepages.h"

enum { TRAP = 0xcc }; /* INT3 */

/* What was planned may come to nothing: an event lets the guest go elsewhere first. An instruction
 * of which so many plans in a row came to nothing gets a site. */
enum { PATIENCE = 8 };

/* The machine address of linear address `pc` of a block. */
static uint32_t physical_at(const struct block *block, uint32_t pc)
{
    uint32_t offset = pc & ~X86_PAGE_MASK;
    bool second = (pc ^ block->pc) & X86_PAGE_MASK;
    return (second ? block->next_frame : block->physical & X86_PAGE_MASK) | offset;
}

static uint8_t *byte_at(const struct cpu *cpu, uint32_t physical)
{
    return memory_frame(cpu->memory, physical) + (physical & ~X86_PAGE_MASK);
}

static bool in_one_page(uint32_t pc, const struct x86_instruction *insn)
{
    return (pc & ~X86_PAGE_MASK) + insn->length <= X86_PAGE_SIZE;
}

/* Room for one more; false if the host has none. */
static bool grow(struct cpu_patches *patches)
{
    enum { FIRST = 256 };
    if (patches->count + 1 < patches->room)
        return true;
    uint32_t room = patches->room ? 2 * patches->room : FIRST;
    struct x86_instruction *insns = realloc(patches->insns, room * sizeof *insns);
    if (!insns)
        return false;
    patches->insns = insns;
    patches->room = room;
    return true;
}

static void plan(struct cpu *cpu, const struct block *block, uint32_t pc)
{
    struct cpu_patches *patches = &cpu->patches;
    patches->tries = pc == patches->pc ? patches->tries + 1 : 1;
    patches->planned = true;
    patches->placed = false;
    patches->entry = block->pc;
    patches->pc = pc;
    patches->physical = physical_at(block, pc);
}

enum patch_answer patches_ask(struct cpu *cpu, struct block *block, uint32_t pc,
                              const struct x86_instruction *insn)
{
    struct cpu_patches *patches = &cpu->patches;
    if (!cpu->client.patches || !in_one_page(pc, insn) || blocks_break(cpu, pc) ||
        !memory_frame(cpu->memory, physical_at(block, pc)) || !grow(patches) ||
        !cpu->client.patches(cpu->client.context, &cpu->state, insn))
        return PATCH_NOT;
    bool ends_here = pc - block->pc + 1u == block->size;
    if (!patches->placed || patches->pc != pc || !ends_here) {
        if (patches->pc == pc && patches->tries >= PATIENCE)
            return PATCH_NOT;
        plan(cpu, block, pc);
        return PATCH_PLAN;
    }
    patches->tries = 0;
    block->patch = ++patches->count;
    patches->insns[block->patch] = *insn;
    if (codepages_patch(cpu, patches->physical, insn->length))
        cpu->statistics.patches++;
    return PATCH_DONE;
}

bool patches_decode(const struct cpu *cpu, const struct block *block, uint32_t pc,
                    struct x86_instruction *insn)
{
    const struct cpu_patches *patches = &cpu->patches;
    unsigned room = X86_PAGE_SIZE - (pc & ~X86_PAGE_MASK);
    return patches->placed && patches->pc == pc &&
           x86_decode(byte_at(cpu, patches->physical), room, !(block->flags & BLOCK_CODE16), insn);
}

void patches_place(struct cpu *cpu)
{
    struct cpu_patches *patches = &cpu->patches;
    uint32_t frame, entry;
    patches->placed = false;
    if (!patches->planned)
        return;
    patches->planned = false;
    cpu_flush(cpu);
    if (cpu->state.seg[X86_CS].base + cpu->state.eip != patches->entry ||
        !blocks_view(cpu, patches->entry, &entry) || !blocks_view(cpu, patches->pc, &frame) ||
        frame != (patches->physical & X86_PAGE_MASK))
        return;
    /* Not at the instruction itself: other blocks that are patched may end there, too, and would be
     * dropped in turns. */
    engine_drop_code(cpu->engine, entry | (patches->entry & ~X86_PAGE_MASK), 1, patches->entry,
                     blocks_reached(cpu, patches->entry, entry));
    uint8_t *byte = byte_at(cpu, patches->physical);
    patches->original = *byte;
    *byte = TRAP;
    patches->placed = patches->in_memory = true;
}

void patches_restore(struct cpu *cpu)
{
    struct cpu_patches *patches = &cpu->patches;
    if (!patches->in_memory)
        return;
    patches->in_memory = false;
    *byte_at(cpu, patches->physical) = patches->original;
}

const struct x86_instruction *patches_find(const struct cpu *cpu, const struct block *block,
                                           uint32_t pc)
{
    bool patched = block->patch && pc - block->pc + 1 == block->size;
    return patched ? &cpu->patches.insns[block->patch] : 0;
}

void patches_entered(struct cpu *cpu)
{
    cpu->patches.placed = false;
}

void patches_cancel(struct cpu *cpu)
{
    cpu->patches.planned = cpu->patches.placed = false;
}

void patches_reset(struct cpu *cpu)
{
    cpu->patches.count = 0;
}

void patches_destroy(struct cpu *cpu)
{
    free(cpu->patches.insns);
}
