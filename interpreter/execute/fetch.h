/* Instruction fetch and decoding, and what is to be done with a decoded instruction. */
#ifndef VMM_INTERPRETER_FETCH_H
#define VMM_INTERPRETER_FETCH_H

#include "cache_inside.h"

/* The handler of `insn`; NULL if that is a routine's (interpreter_run) or the processor's. */
execute *execute_find(const struct x86_instruction *insn);

/* Whether a NULL of execute_find means a routine. */
bool execute_by_routine(const struct x86_instruction *insn);

/* Finds the instruction at EIP. `*code` is the cache's, or `spare` filled in. X86_FAULT with a page
 * fault at the first byte that is not there, or #GP(0) beyond the limit of CS. */
enum x86_status execute_fetch(struct execution *x, struct cache_code *spare,
                              const struct cache_code **code);

#endif
