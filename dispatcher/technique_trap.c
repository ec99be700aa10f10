/* Trap-and-emulate (Popek and Goldberg 1974, section 3; CP/67, VM/370): the guest's supervisor code
 * runs directly, without its privileges, and what is privileged traps to the VMM.
 *
 *     trap ---> dispatcher --- page fault ------------> allocator: shadow tables
 *                         \--- privileged instruction -> interpreter: its routine
 *                         \--- anything else ----------> the guest's own handler
 *
 * It keeps equivalence as long as every sensitive instruction is privileged. On x86 seventeen and
 * more are not (Robin and Irvine 2000). Such an instruction is looked at before it is executed:
 * if what it would do differs from what the architecture wants, the VMM has lost the guest, and
 * says where. */
#include "direct.h"

const struct technique technique_trap = {
    .name = "trap",
    .virtualizes = true,
    .on_demand = true,
    .tells_control = true,
    .exit = direct_exit,
    .wants = direct_wants,
    .reads_time = direct_reads_time,
    .enabled = direct_enabled,
    .interruptible = direct_interruptible,
    .window = direct_window,
    .interrupt = direct_interrupt,
    .stopped = direct_stopped,
    .modified = direct_modified,
    .walk = direct_walk,
    .interpreter = direct_interpreter,
};
