/* Meeting a deadline in the middle of a block. See approach.h. */
#include "approach.h"

/* The offset of instruction number `index` in a block; 0 if it has not so many. */
static unsigned offset_of(struct cpu *cpu, const struct block *block, uint64_t index)
{
    uint8_t bytes[BLOCK_BYTES];
    struct x86_instruction insn;
    unsigned room = blocks_bytes(cpu, block, bytes), offset = 0;
    while (index-- && offset < room) {
        unsigned length =
            x86_decode(bytes + offset, room - offset, !(block->flags & BLOCK_CODE16), &insn);
        if (!length)
            return 0;
        offset += length;
    }
    return offset < room ? offset : 0;
}

/* Behind CMPXCHG8B the engine takes an operand of an instruction before it in the block for EFLAGS,
 * all bits of it; a hook behind it would have that stored. Stepped, it is a block of its own. */
static bool spoils_flags(const struct x86_instruction *insn)
{
    return insn->map == 1 && insn->opcode == 0xc7;
}

static bool hookable(struct cpu *cpu, const struct block *block, unsigned end)
{
    uint8_t bytes[BLOCK_BYTES];
    struct x86_instruction insn;
    unsigned room = blocks_bytes(cpu, block, bytes), length;
    for (unsigned offset = 0; offset < end && offset < room; offset += length) {
        length = x86_decode(bytes + offset, room - offset, !(block->flags & BLOCK_CODE16), &insn);
        if (!length || spoils_flags(&insn))
            return false;
    }
    return true;
}

static bool drop_block(struct cpu *cpu, uint32_t pc, uint32_t size)
{
    uint32_t frame, room = X86_PAGE_SIZE - (pc & ~X86_PAGE_MASK);
    cpu_flush(cpu);
    if (!blocks_view(cpu, pc, &frame))
        return false;
    engine_drop_code(cpu->engine, frame | (pc & ~X86_PAGE_MASK), size < room ? size : room, pc,
                     blocks_reached(cpu, pc, frame));
    return true;
}

bool approach_begin(struct cpu *cpu)
{
    const struct block *block = &cpu->blocks[cpu->late];
    if (cpu->host_clock || !cpu->late || (block->flags & BLOCK_MADE) ||
        cpu->approach_time == cpu->time)
        return false;
    unsigned offset = offset_of(cpu, block, cpu->deadline - cpu->time);
    uint32_t pc = block->pc + offset;
    if (!offset || blocks_marked(cpu, pc) || !hookable(cpu, block, offset) ||
        !drop_block(cpu, block->pc, block->size))
        return false;
    cpu->approach_pc = pc;
    cpu->approach_time = cpu->time;
    cpu->approach = engine_site_add(cpu->engine, pc);
    return cpu->approach != 0;
}

bool approach_leads(struct cpu *cpu, const struct block *block)
{
    uint32_t offset = cpu->approach_pc - block->pc;
    return cpu->approach && offset && offset < block->size && !(block->flags & BLOCK_MADE) &&
           offset_of(cpu, block, cpu->deadline - cpu->time) == offset;
}

bool approach_is(const struct cpu *cpu, uint32_t pc)
{
    return cpu->approach && cpu->approach_pc == pc;
}

void approach_end(struct cpu *cpu)
{
    if (!cpu->approach)
        return;
    engine_site_remove(cpu->engine, cpu->approach);
    cpu->approach = 0;
    drop_block(cpu, cpu->approach_pc, 1);
}
