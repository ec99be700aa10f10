/* GDTR and IDTR (SDM volume 2, LGDT, LIDT, SGDT, SIDT). The stores are unprivileged: user code that
 * runs them directly sees the VMM's tables, here it sees the guest's. */
#include <string.h>

#include "interpreter/routine.h"

/* LGDT and LIDT: 16 bits of limit, 32 of base, of which a 16-bit operand size takes 24. */
static struct outcome load_table(struct interpreter_context *context,
                                 const struct x86_instruction *insn, struct x86_table *table,
                                 enum outcome_kind kind)
{
    struct x86_event fault = {0};
    enum x86_status status = routine_privileged(context->cpu, &fault);
    uint8_t bytes[6];

    if (status == X86_OK) {
        status = routine_read_memory(context, insn, 0, bytes, sizeof bytes, &fault);
    }
    if (status != X86_OK) {
        return routine_failed(status, &fault);
    }
    memcpy(&table->limit, bytes, sizeof table->limit);
    memcpy(&table->base, bytes + 2, sizeof table->base);
    if (insn->operand_size == 2) {
        table->base &= 0xffffffu;
    }
    return routine_request(context, insn, kind);
}

static struct outcome store_table(struct interpreter_context *context,
                                  const struct x86_instruction *insn, struct x86_table table)
{
    struct x86_event fault = {0};
    uint8_t bytes[6];
    enum x86_status status;

    if (insn->operand_size == 2) {
        table.base &= 0xffffffu;
    }
    memcpy(bytes, &table.limit, sizeof table.limit);
    memcpy(bytes + 2, &table.base, sizeof table.base);
    status = routine_write_memory(context, insn, bytes, sizeof bytes, &fault);
    return status == X86_OK ? routine_retire(context, insn) : routine_failed(status, &fault);
}

struct outcome routine_lgdt(struct interpreter_context *context, const struct x86_instruction *insn)
{
    return load_table(context, insn, &context->cpu->gdtr, OUTCOME_TABLES);
}

/* The IDT is read at each delivery: nobody has to follow. */
struct outcome routine_lidt(struct interpreter_context *context, const struct x86_instruction *insn)
{
    return load_table(context, insn, &context->cpu->idtr, OUTCOME_DONE);
}

struct outcome routine_sgdt(struct interpreter_context *context, const struct x86_instruction *insn)
{
    return store_table(context, insn, context->cpu->gdtr);
}

struct outcome routine_sidt(struct interpreter_context *context, const struct x86_instruction *insn)
{
    return store_table(context, insn, context->cpu->idtr);
}
