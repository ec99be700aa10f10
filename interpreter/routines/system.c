/* Task register, LDT, caches (SDM volume 2, LLDT, LTR, SLDT, STR, INVD, WBINVD). The stores are
 * unprivileged: user code that runs them directly sees the VMM's tables, here it sees the guest's.
 */
#include "interpreter/routine.h"

typedef enum x86_status system_load(struct cpu_state *cpu, const struct x86_memory *memory,
                                    uint16_t selector, struct x86_event *fault);

/* Mode and privilege come before the operand is read; `load` looks again, at no cost. */
static struct outcome load_system(struct interpreter_context *context,
                                  const struct x86_instruction *insn, system_load *load)
{
    struct x86_event fault = {0};
    uint16_t selector = 0;
    enum x86_status status;

    if (!x86_protected(context->cpu)) {
        return routine_undefined(context, insn);
    }
    status = routine_privileged(context->cpu, &fault);
    if (status == X86_OK) {
        status = routine_read_rm16(context, insn, &selector, &fault);
    }
    if (status == X86_OK) {
        status = load(context->cpu, context->memory, selector, &fault);
    }
    return status == X86_OK ? routine_request(context, insn, OUTCOME_TABLES)
                            : routine_failed(status, &fault);
}

static struct outcome store_system(struct interpreter_context *context,
                                   const struct x86_instruction *insn, uint16_t selector)
{
    struct x86_event fault = {0};
    enum x86_status status;

    if (!x86_protected(context->cpu)) {
        return routine_undefined(context, insn);
    }
    status = routine_write_rm(context, insn, selector, &fault);
    return status == X86_OK ? routine_retire(context, insn) : routine_failed(status, &fault);
}

struct outcome routine_lldt(struct interpreter_context *context, const struct x86_instruction *insn)
{
    return load_system(context, insn, x86_load_ldtr);
}

struct outcome routine_ltr(struct interpreter_context *context, const struct x86_instruction *insn)
{
    return load_system(context, insn, x86_load_tr);
}

struct outcome routine_sldt(struct interpreter_context *context, const struct x86_instruction *insn)
{
    return store_system(context, insn, context->cpu->ldtr.selector);
}

struct outcome routine_str(struct interpreter_context *context, const struct x86_instruction *insn)
{
    return store_system(context, insn, context->cpu->tr.selector);
}

/* INVD and WBINVD: there are no caches. */
struct outcome routine_cache(struct interpreter_context *context,
                             const struct x86_instruction *insn)
{
    struct x86_event fault = {0};
    enum x86_status status = routine_privileged(context->cpu, &fault);

    return status == X86_OK ? routine_retire(context, insn) : routine_failed(status, &fault);
}

struct outcome routine_pause(struct interpreter_context *context,
                             const struct x86_instruction *insn)
{
    return routine_retire(context, insn);
}
