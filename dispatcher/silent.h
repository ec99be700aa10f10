/* Silent sensitive instructions: those that do not trap outside ring 0 and yet depend on, or
 * change, what the VMM keeps from the guest (Robin and Irvine 2000, table 3). Where one would come
 * to another result than on the bare machine, the VMM is no longer equivalent. */
#ifndef DISPATCHER_SILENT_H
#define DISPATCHER_SILENT_H

#include "dispatcher.h"
#include "vcpu.h"

/* Whether `insn` can be silent and sensitive: the technique wants to see it before it runs. */
bool silent_kind(const struct x86_instruction *insn);

/* Whether `insn`, at the guest's EIP, would do another thing on the real processor than the
 * architecture wants for the guest's state. */
bool silent_differs(struct vcpu *vcpu, const struct x86_instruction *insn);

/* Notes that such an instruction is about to be executed. False if the guest is to be stopped: the
 * dispatcher's `diverged` and `reason` are set. */
bool silent_found(struct dispatcher *dispatcher, const struct x86_instruction *insn);

#endif
