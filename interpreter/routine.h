/* What the routines share: how one ends, who may run it, and its operands. For interpreter/ only.
 */
#ifndef VMM_INTERPRETER_ROUTINE_H
#define VMM_INTERPRETER_ROUTINE_H

#include "arch/x86/descriptor.h"
#include "interpreter.h"

/* The instruction has retired: EIP lies behind it, the interrupt shadow ends. */
struct outcome routine_retire(struct interpreter_context *context,
                              const struct x86_instruction *insn);

/* The same, and `kind` is to follow. */
struct outcome routine_request(struct interpreter_context *context,
                               const struct x86_instruction *insn, enum outcome_kind kind);

/* Retires into an interrupt shadow, unless one holds already (SDM volume 2, STI). */
struct outcome routine_retire_shadowed(struct interpreter_context *context,
                                       const struct x86_instruction *insn);

/* The outcome of a status other than X86_OK. */
struct outcome routine_failed(enum x86_status status, const struct x86_event *fault);

/* X86_OK in real mode and at virtual CPL 0, else #GP(0). */
enum x86_status routine_privileged(const struct cpu_state *cpu, struct x86_event *fault);

/* Whether accesses are user code's: CPL 3 of protected and virtual-8086 mode. */
bool routine_user(const struct cpu_state *cpu);

/* Reads or writes `size` bytes `skip` bytes into the memory operand, with the checks of its
 * segment. */
enum x86_status routine_read_memory(const struct interpreter_context *context,
                                    const struct x86_instruction *insn, uint32_t skip, void *bytes,
                                    uint32_t size, struct x86_event *fault);
enum x86_status routine_write_memory(const struct interpreter_context *context,
                                     const struct x86_instruction *insn, const void *bytes,
                                     uint32_t size, struct x86_event *fault);

/* The 16-bit operand r/m16. */
enum x86_status routine_read_rm16(const struct interpreter_context *context,
                                  const struct x86_instruction *insn, uint16_t *value,
                                  struct x86_event *fault);

/* Stores `value` into r32 or r16 by operand size, or its low word into m16 (SLDT, STR, SMSW, MOV
 * from a segment register). */
enum x86_status routine_write_rm(const struct interpreter_context *context,
                                 const struct x86_instruction *insn, uint32_t value,
                                 struct x86_event *fault);

/* Writes the general register `number`, whole or its low word, by operand size. */
void routine_write_register(struct cpu_state *cpu, const struct x86_instruction *insn,
                            unsigned number, uint32_t value);

/* The routines, by file; another build may leave files out, so nobody but the table names them. */
routine routine_cli, routine_sti, routine_hlt;                                /* interrupts */
routine routine_pushf, routine_popf, routine_iret;                            /* flags */
routine routine_int, routine_int3, routine_into, routine_icebp;               /* flags */
routine routine_mov_from_cr, routine_mov_to_cr, routine_lmsw, routine_smsw;   /* control */
routine routine_clts, routine_mov_from_dr, routine_mov_to_dr, routine_invlpg; /* control */
routine routine_lgdt, routine_lidt, routine_sgdt, routine_sidt;               /* tables */
routine routine_lldt, routine_ltr, routine_sldt, routine_str;                 /* system */
routine routine_cache, routine_pause;                                         /* system */
routine routine_mov_from_sreg, routine_mov_to_sreg, routine_push_sreg;        /* descriptor */
routine routine_pop_sreg, routine_load_far_pointer, routine_lar_lsl,
    routine_verify;                                                                 /* descriptor */
routine routine_arpl, routine_far_direct, routine_far_indirect, routine_far_return; /* descriptor */
routine routine_port, routine_port_string;                                          /* port */
routine routine_rdmsr, routine_wrmsr, routine_rdtsc, routine_cpuid;                 /* msr */

/* #UD, or #GP(0) for an instruction that is too long; in interpreter.c. */
routine routine_undefined;

/* The end of a transfer that may have switched tasks; `before` is the state it started from. */
struct outcome routine_transferred(const struct interpreter_context *context,
                                   const struct cpu_state *before, enum x86_status status,
                                   const struct x86_event *fault);

#endif
