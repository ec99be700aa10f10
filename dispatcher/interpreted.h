/* What goes with the full interpreter, whichever technique uses it: its ports, its horizon, and the
 * instructions that it leaves to the processor. All count as interpreted. */
#ifndef DISPATCHER_INTERPRETED_H
#define DISPATCHER_INTERPRETED_H

#include "dispatcher.h"
#include "interpreter/execute/cache.h"
#include "interpreter/interpreter.h"

/* Events in a row, none of which lets an instruction retire: then the guest is stuck. */
#define INTERPRETED_PATIENCE 100000u

/* The interpreter has run, from virtual time `begin` on. */
void interpreted_ran(struct dispatcher *dispatcher, struct interpreter_context *context,
                     uint64_t begin);

/* An instruction has retired. */
void interpreted_retired(struct dispatcher *dispatcher);

/* Performs the port access that `insn` came to, and finishes the instruction. Returns whether a
 * single-step trap follows. */
bool interpreted_port(struct dispatcher *dispatcher, struct interpreter_context *context,
                      const struct x86_instruction *insn, const struct port_access *access);

/* How far the interpreter may go before somebody has to look again: for one instruction if there
 * are breakpoints; and with the host's clock, which it does not keep, for a while. */
uint64_t interpreted_look(const struct dispatcher *dispatcher, uint64_t deadline);

/* Whether the instruction at the guest's EIP has an operand in memory, and where. */
bool interpreted_operand(const struct dispatcher *dispatcher, uint32_t *linear);

/* The processor may have stored at `linear`, past the cache. */
void interpreted_stores(const struct dispatcher *dispatcher, struct interpreter_cache *cache,
                        uint32_t linear);

/* An epoch of the dirty log may have begun (machine/dirty.h): then the next write to each page has
 * to be noticed again, and the cache forgets what the processor's TLB did. `*epoch` is the one that
 * the cache knows of. */
void interpreted_epoch(const struct dispatcher *dispatcher, struct interpreter_cache *cache,
                       uint32_t *epoch);

#endif
