/** @file
 * Going back: snapshots of a whole virtual machine, and a history of them that makes every state
 * since its beginning reachable (King, Dunlap and Chen 2005, "Debugging operating systems with
 * time-traveling virtual machines"). A run in virtual time depends on its start and its input
 * alone; so a state is reached again by restoring the last checkpoint before it and running on,
 * with the console's input as it came then. What the guest wrote to its console is not written
 * again.
 *
 * States are counted in instructions that have retired since power-on. */
#ifndef VMM_SNAPSHOT_H
#define VMM_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"
#include "vmm/vm.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** A virtual machine as it was at one moment: registers, floating point included, memory, devices,
 * time, statistics and records. */
struct vmm_snapshot;

/** About a snapshot. */
struct vmm_snapshot_info {
    uint64_t instructions; /**< that had retired */
    uint64_t time;         /**< virtual, cycles of 100 MHz */
    size_t bytes;          /**< of the host's memory that no other snapshot shares */
};

/** Takes a snapshot of a VM that is not running; the guest does not notice. Memory that has not
 * changed since the VM's snapshot before is shared with it. NULL with `error` set: VMM_E_STATE (no
 * guest, or it is running), VMM_E_UNSUPPORTED (the host's clock cannot be set back), VMM_E_MEMORY.
 * The caller owns it and gives it to vmm_snapshot_free, after the VM's end at the latest. */
struct vmm_snapshot *vmm_snapshot_take(struct vmm_vm *vm, struct vmm_error *error);

/** Makes the VM what it was when `snapshot` was taken of it: its digest is the same, and so is the
 * run from there, with the input that came then. Breakpoints, watchpoints and sinks stay as they
 * are. Returns VMM_OK, or VMM_E_STATE with `error` set: the snapshot is of another VM, or this one
 * is running; VMM_E_USAGE (NULL), VMM_E_MEMORY. */
int vmm_snapshot_restore(struct vmm_vm *vm, struct vmm_snapshot *snapshot, struct vmm_error *error);

/** Frees a snapshot; NULL is allowed. */
void vmm_snapshot_free(struct vmm_snapshot *snapshot);

/** Describes a snapshot. */
void vmm_snapshot_describe(const struct vmm_snapshot *snapshot, struct vmm_snapshot_info *info);

/** How much a history may take. Zeros are the defaults. */
struct vmm_history_limits {
    unsigned checkpoints; /**< that are kept, at least 4; 0: 96 */
    size_t bytes;         /**< of the host's memory, for all snapshots together; 0: 512 MB */
    uint64_t spacing;     /**< instructions between checkpoints at first; 0: 262,144. It is doubled
                             whenever one of the other two is exceeded. */
};

/** About a history. */
struct vmm_history {
    uint64_t begin;       /**< instructions retired where it begins */
    uint64_t end;         /**< and at the furthest state that it knows */
    uint64_t spacing;     /**< instructions between checkpoints now */
    unsigned checkpoints; /**< that are kept now */
    size_t bytes;         /**< of the host's memory, for all snapshots of the VM */
};

/** Starts a history at the VM's present state; from now on vmm_run keeps it up. `limits` may be
 * NULL. Returns VMM_OK, also if there is one already, or what vmm_snapshot_take fails with. */
int vmm_history_start(struct vmm_vm *vm, const struct vmm_history_limits *limits,
                      struct vmm_error *error);

/** Ends and forgets it. */
void vmm_history_stop(struct vmm_vm *vm);

/** Describes the VM's history; false if there is none. */
bool vmm_history(const struct vmm_vm *vm, struct vmm_history *history);

/** Goes to the state at which `instructions` have retired, before or after the present one, but not
 * further than the history knows. A change of registers or memory from outside is part of the
 * history: a state behind it is one with the change, and going on from before it one without.
 * Returns VMM_OK; VMM_E_STATE (no history, or not in it), VMM_E_INTERRUPTED (vmm_interrupt: the VM
 * stands somewhere on the way) or VMM_E_MEMORY with `error` set. */
int vmm_goto(struct vmm_vm *vm, uint64_t instructions, struct vmm_error *error);

/** Goes back by `instructions`; where an event was delivered since the last one retired (a stop
 * behind a trap), its delivery counts as one. Returns as vmm_goto. */
int vmm_back(struct vmm_vm *vm, uint64_t instructions, struct vmm_error *error);

/** Goes back to the `count`th last stop before now: breakpoint, watchpoint, or trap that
 * vmm_stop_at_traps stops at. `counts` is asked at each stop whether it is one (NULL: all are),
 * with the guest as it stands there, and must not change it. At a watchpoint's the VM stands before
 * the instruction that makes the change, as if that were undone (vmm_watch_hit tells it). Returns
 * VMM_STOP_BREAK, _TRAP or _WATCH; VMM_STOP_LIMIT at the history's beginning: there are not so
 * many; VMM_STOP_USER after vmm_interrupt, where the VM stands somewhere on the way; VMM_STOP_NONE
 * with `error` set, as for vmm_goto. */
enum vmm_stop vmm_reverse(struct vmm_vm *vm, uint64_t count,
                          bool (*counts)(void *context, enum vmm_stop stop), void *context,
                          struct vmm_error *error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
