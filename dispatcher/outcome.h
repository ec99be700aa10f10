/* The dispatcher's table: what it does about each outcome that an interpreter routine comes to.
 * With it a trap walks from room to room (D dispatcher, A allocator, I interpreter):
 *
 *     cli                D-I
 *     mov %eax, %cr3     D-I-A      virtual CR3, then the tables of that address space
 *     in $0x60, %al      D-I-A-I    operands, the port's owner and device, the result
 *     int $0x80          D-I        the event is delivered through the guest's IDT
 *     hidden fault       D-A        filled
 *     true fault         D-A        delivered through the guest's IDT
 *
 * never more than three steps. */
#ifndef DISPATCHER_OUTCOME_H
#define DISPATCHER_OUTCOME_H

#include "dispatcher.h"
#include "interpreter/interpreter.h"

/* Has the interpreter simulate `insn`, and performs what it asks for. */
enum cpu_action outcome_emulate(struct dispatcher *dispatcher, const struct x86_instruction *insn);

/* Performs what somebody else than the interpreter came to for `insn`, which is done: EIP is behind
 * it. `name` is his, a static string. */
enum cpu_action outcome_perform(struct dispatcher *dispatcher, const struct x86_instruction *insn,
                                const char *name, const struct outcome *outcome);

/* Has the interpreter execute `insn`, any instruction, and performs what it comes to; the
 * iterations of a repeated one as far as time and interrupts allow. False, and nothing is changed,
 * if the processor has to: a routine would be asked, the instruction is one of floating point, its
 * flags afterwards would be others (docs/interpretation.md), or a single-step trap follows. */
bool outcome_execute(struct dispatcher *dispatcher, const struct x86_instruction *insn,
                     enum cpu_action *action);

/* Stops the guest because of an outcome that nobody can perform: a routine is missing, or one that
 * was replaced came to nonsense. The dispatcher's `refused` and `reason` are set. */
void outcome_refuse(struct dispatcher *dispatcher, const struct x86_instruction *insn,
                    const struct outcome *outcome);

/* Delivers `event` to the guest through its own IDT. */
enum cpu_action outcome_inject(struct dispatcher *dispatcher, const struct x86_event *event);

/* The same for what the processor has raised while the guest ran on it. */
enum cpu_action outcome_reflect(struct dispatcher *dispatcher, const struct x86_event *event);

/* What the processor's microcode does at `exit` (its event, or else its instruction), done on the
 * guest's own tables, where the processor has others: no trap of the guest's, and so not counted
 * among the instructions that routines have simulated. */
enum cpu_action outcome_microcode(struct dispatcher *dispatcher, const struct cpu_exit *exit);

#endif
