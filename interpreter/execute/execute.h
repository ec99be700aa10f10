/* The inside of the full interpreter: what its handlers share. One handler executes one opcode (or
 * one group of opcodes) of SDM volume 2 and may rely on three things, which make a fault exact:
 * nothing but memory and the virtual processor changes; a handler changes neither before all its
 * accesses that can fail have succeeded (a page's accessed and dirty bits apart, and the parts of a
 * store that the manual takes apart); and EIP is moved by the caller when the handler returns
 * X86_OK. For interpreter/execute only. */
#ifndef VMM_INTERPRETER_EXECUTE_H
#define VMM_INTERPRETER_EXECUTE_H

#include "arch/x86/descriptor.h"
#include "interpreter/interpreter.h"

struct interpreter_cache;

/* One instruction being executed. */
struct execution {
    struct cpu_state *cpu;
    const struct x86_memory *memory;
    struct interpreter_cache *cache; /* of translations; NULL: every access walks the tables */
    uint32_t next;                   /* EIP afterwards; transfers change it */
    bool repeats;                    /* a string instruction has iterations left */
    struct x86_event fault;          /* with X86_FAULT */
};

/* X86_OK, X86_FAULT or X86_NEED_PAGE. */
typedef enum x86_status execute(struct execution *x, const struct x86_instruction *insn);

/* By opcode: NULL where the processor itself has to execute the instruction. */
extern execute *const execute_one_byte[256], *const execute_two_byte[256];

/* ---- widths ----
 *
 * An operand is `size` bytes wide: 1, 2 or 4. */

static inline uint32_t width_mask(unsigned size)
{
    return size == 4 ? UINT32_MAX : (1u << size * 8) - 1;
}

static inline uint32_t width_sign(unsigned size)
{
    return 1u << (size * 8 - 1);
}

static inline uint32_t sign_extend(uint32_t value, unsigned size)
{
    switch (size) {
    case 1: return (uint32_t)(int32_t)(int8_t)value;
    case 2: return (uint32_t)(int32_t)(int16_t)value;
    default: return value;
    }
}

/* Most opcodes come in pairs: the even one works on bytes, the odd one by operand size. */
static inline unsigned operand_width(const struct x86_instruction *insn)
{
    return (insn->opcode & 1u) ? insn->operand_size : 1;
}

/* ---- registers ---- */

/* Of one byte, 4 to 7 are AH, CH, DH and BH. */
static inline uint32_t get_register(const struct cpu_state *cpu, unsigned number, unsigned size)
{
    if (size == 1) {
        return cpu->gpr[number & 3u] >> (number & 4u) * 2 & 0xffu;
    }
    return cpu->gpr[number] & width_mask(size);
}

static inline void set_register(struct cpu_state *cpu, unsigned number, unsigned size,
                                uint32_t value)
{
    uint32_t mask = width_mask(size);
    unsigned shift = 0;

    if (size == 1) {
        shift = (number & 4u) * 2;
        number &= 3u;
    }
    cpu->gpr[number] = (cpu->gpr[number] & ~(mask << shift)) | (value & mask) << shift;
}

/* ---- memory ----
 *
 * With the checks of the segment; `value` is zero-extended. */

enum x86_status execute_load(struct execution *x, enum x86_sreg sreg, uint32_t offset,
                             unsigned size, uint32_t *value);
enum x86_status execute_store(struct execution *x, enum x86_sreg sreg, uint32_t offset,
                              unsigned size, uint32_t value);

/* Checks a store, and leaves the bytes as they are. */
enum x86_status execute_probe_store(struct execution *x, enum x86_sreg sreg, uint32_t offset,
                                    unsigned size);

/* Moves `size` bytes (2 or 4) between a value and the stack, below or at SS:ESP. Neither moves ESP:
 * that is done with execute_move_stack when the rest of the instruction cannot fail any more. */
enum x86_status execute_push(struct execution *x, unsigned size, uint32_t value);
enum x86_status execute_top(struct execution *x, unsigned size, uint32_t *value);
void execute_move_stack(struct cpu_state *cpu, uint32_t bytes);

/* The operand that the ModR/M byte names: a register, or memory. */
enum x86_status execute_read(struct execution *x, const struct x86_instruction *insn, unsigned size,
                             uint32_t *value);
enum x86_status execute_write(struct execution *x, const struct x86_instruction *insn,
                              unsigned size, uint32_t value);

/* ---- transfers ---- */

/* Goes on at `eip`, of which a 16-bit operand size takes 16 bits: #GP(0) beyond the limit of CS. */
enum x86_status execute_jump_to(struct execution *x, const struct x86_instruction *insn,
                                uint32_t eip);

/* Whether condition `code` (the low four bits of Jcc, SETcc and CMOVcc) holds (SDM volume 1,
 * appendix B). */
bool execute_condition(uint32_t eflags, unsigned code);

/* ---- the handlers, by file ---- */

/* arithmetic.c */
execute execute_alu_rm_reg, execute_alu_reg_rm, execute_alu_accumulator, execute_group1;
execute execute_inc_register, execute_dec_register, execute_test_rm_reg, execute_test_accumulator;
execute execute_group3, execute_group45, execute_imul_reg_rm, execute_imul_immediate;
execute execute_xadd, execute_cmpxchg, execute_cmpxchg8b;
/* shift.c */
execute execute_group2, execute_shift_double;
/* bits.c */
execute execute_bit_register, execute_bit_immediate, execute_bit_scan, execute_bswap;
/* decimal.c */
execute execute_daa, execute_das, execute_aaa, execute_aas, execute_aam, execute_aad;
/* data.c */
execute execute_mov_rm_reg, execute_mov_reg_rm, execute_mov_immediate, execute_mov_rm_immediate;
execute execute_mov_load_direct, execute_mov_store_direct, execute_movzx, execute_movsx;
execute execute_lea, execute_xchg_rm_reg, execute_xchg_accumulator, execute_xlat, execute_cmov;
execute execute_setcc, execute_cbw, execute_cwd, execute_lahf, execute_sahf, execute_salc;
execute execute_flag, execute_nop;
/* stack.c */
execute execute_push_register, execute_pop_register, execute_push_immediate, execute_pop_rm;
execute execute_pusha, execute_popa, execute_enter, execute_leave;
/* string.c */
execute execute_movs, execute_cmps, execute_stos, execute_lods, execute_scas;
/* transfer.c */
execute execute_jmp, execute_jcc, execute_loop, execute_call, execute_ret, execute_bound;
execute execute_jmp_indirect, execute_call_indirect, execute_push_rm; /* group 5's */

#endif
