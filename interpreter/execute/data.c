/* Moving data (SDM volume 2, MOV, MOVZX, MOVSX, XCHG, LEA, XLAT, CMOVcc, SETcc, CBW, CWD, LAHF,
 * SAHF) and setting single flags (CLC, STC, CMC, CLD, STD). No flag changes but by those named for
 * it. */
#include "flags.h"

enum x86_status execute_mov_rm_reg(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = operand_width(insn);

    return execute_write(x, insn, size, get_register(x->cpu, insn->reg, size));
}

enum x86_status execute_mov_reg_rm(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = operand_width(insn);
    uint32_t value;
    enum x86_status status = execute_read(x, insn, size, &value);

    if (status == X86_OK) {
        set_register(x->cpu, insn->reg, size, value);
    }
    return status;
}

enum x86_status execute_mov_immediate(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = (insn->opcode & 8u) ? insn->operand_size : 1;

    set_register(x->cpu, insn->opcode & 7u, size, insn->immediate);
    return X86_OK;
}

enum x86_status execute_mov_rm_immediate(struct execution *x, const struct x86_instruction *insn)
{
    return execute_write(x, insn, operand_width(insn), insn->immediate);
}

/* A0 to A3: the accumulator and an address in the instruction. */
enum x86_status execute_mov_load_direct(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = operand_width(insn);
    uint32_t value;
    enum x86_status status = execute_load(x, insn->segment, insn->displacement, size, &value);

    if (status == X86_OK) {
        set_register(x->cpu, X86_EAX, size, value);
    }
    return status;
}

enum x86_status execute_mov_store_direct(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = operand_width(insn);

    return execute_store(x, insn->segment, insn->displacement, size,
                         get_register(x->cpu, X86_EAX, size));
}

static enum x86_status extend(struct execution *x, const struct x86_instruction *insn,
                              bool with_sign)
{
    unsigned size = (insn->opcode & 1u) ? 2 : 1;
    uint32_t value;
    enum x86_status status = execute_read(x, insn, size, &value);

    if (status == X86_OK) {
        set_register(x->cpu, insn->reg, insn->operand_size,
                     with_sign ? sign_extend(value, size) : value);
    }
    return status;
}

enum x86_status execute_movzx(struct execution *x, const struct x86_instruction *insn)
{
    return extend(x, insn, false);
}

enum x86_status execute_movsx(struct execution *x, const struct x86_instruction *insn)
{
    return extend(x, insn, true);
}

enum x86_status execute_lea(struct execution *x, const struct x86_instruction *insn)
{
    set_register(x->cpu, insn->reg, insn->operand_size, x86_effective_offset(x->cpu, insn));
    return X86_OK;
}

enum x86_status execute_xchg_rm_reg(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = operand_width(insn);
    uint32_t value;
    enum x86_status status = execute_read(x, insn, size, &value);

    if (status == X86_OK) {
        status = execute_write(x, insn, size, get_register(x->cpu, insn->reg, size));
    }
    if (status == X86_OK) {
        set_register(x->cpu, insn->reg, size, value);
    }
    return status;
}

/* 90 to 97, of which 90 is NOP. */
enum x86_status execute_xchg_accumulator(struct execution *x, const struct x86_instruction *insn)
{
    unsigned number = insn->opcode & 7u, size = insn->operand_size;
    uint32_t value = get_register(x->cpu, number, size);

    set_register(x->cpu, number, size, get_register(x->cpu, X86_EAX, size));
    set_register(x->cpu, X86_EAX, size, value);
    return X86_OK;
}

enum x86_status execute_xlat(struct execution *x, const struct x86_instruction *insn)
{
    uint32_t offset = x->cpu->gpr[X86_EBX] + get_register(x->cpu, X86_EAX, 1), value;
    enum x86_status status =
        execute_load(x, insn->segment, offset & width_mask(insn->address_size), 1, &value);

    if (status == X86_OK) {
        set_register(x->cpu, X86_EAX, 1, value);
    }
    return status;
}

bool execute_condition(uint32_t eflags, unsigned code)
{
    bool sign = eflags & X86_SF, overflow = eflags & X86_OF, holds;

    switch (code >> 1) {
    case 0: holds = overflow; break;                               /* O */
    case 1: holds = eflags & X86_CF; break;                        /* B */
    case 2: holds = eflags & X86_ZF; break;                        /* Z */
    case 3: holds = eflags & (X86_CF | X86_ZF); break;             /* BE */
    case 4: holds = sign; break;                                   /* S */
    case 5: holds = eflags & X86_PF; break;                        /* P */
    case 6: holds = sign != overflow; break;                       /* L */
    default: holds = (eflags & X86_ZF) || sign != overflow; break; /* LE */
    }
    return holds != (code & 1u); /* odd codes are the opposites */
}

/* The operand is read even if it is not moved. */
enum x86_status execute_cmov(struct execution *x, const struct x86_instruction *insn)
{
    uint32_t value;
    enum x86_status status = execute_read(x, insn, insn->operand_size, &value);

    if (status == X86_OK && execute_condition(x->cpu->eflags, insn->opcode & 15u)) {
        set_register(x->cpu, insn->reg, insn->operand_size, value);
    }
    return status;
}

enum x86_status execute_setcc(struct execution *x, const struct x86_instruction *insn)
{
    return execute_write(x, insn, 1, execute_condition(x->cpu->eflags, insn->opcode & 15u));
}

/* CBW and CWDE, CWD and CDQ. */
enum x86_status execute_cbw(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = insn->operand_size;

    set_register(x->cpu, X86_EAX, size, sign_extend(x->cpu->gpr[X86_EAX], size / 2));
    return X86_OK;
}

enum x86_status execute_cwd(struct execution *x, const struct x86_instruction *insn)
{
    unsigned size = insn->operand_size;

    set_register(x->cpu, X86_EDX, size, (x->cpu->gpr[X86_EAX] & width_sign(size)) ? UINT32_MAX : 0);
    return X86_OK;
}

#define FLAGS_OF_AH ((uint32_t)(X86_SF | X86_ZF | X86_AF | X86_PF | X86_CF))

enum x86_status execute_lahf(struct execution *x, const struct x86_instruction *insn)
{
    (void)insn;
    set_register(x->cpu, 4, 1, (x->cpu->eflags & FLAGS_OF_AH) | X86_FIXED);
    return X86_OK;
}

enum x86_status execute_sahf(struct execution *x, const struct x86_instruction *insn)
{
    (void)insn;
    set_some_flags(x->cpu, FLAGS_OF_AH, get_register(x->cpu, 4, 1));
    return X86_OK;
}

/* D6, in no manual of the time: AL becomes FF if CF is set, else 0. */
enum x86_status execute_salc(struct execution *x, const struct x86_instruction *insn)
{
    (void)insn;
    set_register(x->cpu, X86_EAX, 1, (x->cpu->eflags & X86_CF) ? 0xff : 0);
    return X86_OK;
}

/* CMC, CLC, STC, CLD, STD. */
enum x86_status execute_flag(struct execution *x, const struct x86_instruction *insn)
{
    uint32_t *eflags = &x->cpu->eflags;

    switch (insn->opcode) {
    case 0xf5: *eflags ^= X86_CF; break;
    case 0xf8: *eflags &= ~(uint32_t)X86_CF; break;
    case 0xf9: *eflags |= X86_CF; break;
    case 0xfc: *eflags &= ~(uint32_t)X86_DF; break;
    default: *eflags |= X86_DF; break;
    }
    return X86_OK;
}

/* The operand of a NOP and of a hint is not accessed. */
enum x86_status execute_nop(struct execution *x, const struct x86_instruction *insn)
{
    (void)x;
    (void)insn;
    return X86_OK;
}
