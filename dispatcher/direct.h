/* Direct execution on the virtual processor: what its exits, its interrupts and its changes from
 * outside come to. Every technique that runs code of the guest directly under shadow tables has
 * them in common: trap-and-emulate, where that is all of the guest's code, and the hybrid VMM,
 * where it is the user's. The functions are members of struct technique, which says what each is
 * for. */
#ifndef DISPATCHER_DIRECT_H
#define DISPATCHER_DIRECT_H

#include "dispatcher.h"
#include "technique.h"

enum cpu_action direct_exit(struct dispatcher *dispatcher, const struct cpu_exit *exit);
bool direct_wants(struct dispatcher *dispatcher, const struct cpu_state *state,
                  const struct x86_instruction *insn);
bool direct_reads_time(struct dispatcher *dispatcher, const struct engine_glance *now);
bool direct_enabled(const struct dispatcher *dispatcher);
bool direct_window(const struct dispatcher *dispatcher);
bool direct_interruptible(const struct dispatcher *dispatcher);
void direct_interrupt(struct dispatcher *dispatcher, uint8_t vector);
void direct_stopped(struct dispatcher *dispatcher);
void direct_modified(struct dispatcher *dispatcher);
void direct_walk(const struct dispatcher *dispatcher, struct vmm_walk *walk);
struct interpreter *direct_interpreter(struct dispatcher *dispatcher);

/* The parts of direct_exit that shadow tables need under whatever technique: a page fault, in the
 * open record; and the end of the step that it may ask for. */
enum cpu_action direct_page_fault(struct dispatcher *dispatcher, const struct cpu_exit *exit);
enum cpu_action direct_stepped(struct dispatcher *dispatcher);

/* Opens the record of a trap that the guest is at, with its instruction if somebody watches. */
void direct_record(struct dispatcher *dispatcher, unsigned cause);

#endif
