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

/* Stops the guest because of an outcome that nobody can perform: a routine is missing, or one that
 * was replaced came to nonsense. The dispatcher's `refused` and `reason` are set. */
void outcome_refuse(struct dispatcher *dispatcher, const struct x86_instruction *insn,
                    const struct outcome *outcome);

/* Delivers `event` to the guest through its own IDT. */
enum cpu_action outcome_inject(struct dispatcher *dispatcher, const struct x86_event *event);

#endif
