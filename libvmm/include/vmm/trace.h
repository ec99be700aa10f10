/** @file
 * Traces: the records of traps written down as they come, for people (strace-like text), for
 * programs (JSON lines) and for timelines (Chrome trace events, which Perfetto opens). */
#ifndef VMM_TRACE_H
#define VMM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/record.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define VMM_RECORD_TEXT 512 /**< bytes that are enough for the text of any record */

/** One record as a line of text without a line end: the VM and its ring, where, the instruction,
 * what the processor raised, the rooms passed through, the routine and what it came to, what
 * changed:
 *
 *     [vm0 ring0] 0x0010000c <kmain+0xc> cli = #GP(0x0) -> D-I cli: done; if 1->0
 *
 * Host time is left out, so that equal runs have equal lines. Symbols are those of `vm`. Writes
 * into `text`, which has `room` bytes and is always terminated; returns the length that it would
 * have with enough room. */
size_t vmm_record_text(const struct vmm_vm *vm, const struct vmm_record *record, char *text,
                       size_t room);

/** The instruction at `bytes`, of which `count` are there, in Intel's syntax: "mov cr3, eax".
 * `address` is its own, for the targets of branches; `code16`: in a 16-bit code segment. Writes
 * into `text`, which has `room` bytes and is always terminated. Returns its length in bytes; 0 and
 * "(bad)" if it is no instruction. */
unsigned vmm_disassemble(const uint8_t *bytes, size_t count, uint32_t address, bool code16,
                         char *text, size_t room);

/** How a trace is written. */
enum vmm_trace_format {
    VMM_TRACE_TEXT,       /**< virtual time and vmm_record_text, a line a trap */
    VMM_TRACE_JSON_LINES, /**< an object a trap, each on a line; before them a line {"trace":...}
                               about each VM, behind them a line {"end":...} with its statistics */
    VMM_TRACE_CHROME      /**< one JSON document of trace events: a track a VM, virtual time in
                               microseconds, a slice as long as the VMM took if the next trap does
                               not come sooner; the two lines are in "otherData" */
};

/** The format that the name of a trace's file asks for: ".json" trace events, ".jsonl" JSON lines,
 * anything else text. */
enum vmm_trace_format vmm_trace_format_of(const char *path);

/** Takes `count` bytes of a trace or report. Returns false if they cannot be written. */
typedef bool vmm_write(void *context, const char *bytes, size_t count);

/** A trace being written. */
struct vmm_trace;

/** Begins a trace that goes to `write`. Returns NULL if there is no memory. The caller owns it and
 * gives it to vmm_trace_end. */
struct vmm_trace *vmm_trace_begin(enum vmm_trace_format format, vmm_write *write, void *context);

/** Puts the traps of `vm` into the trace from now on; any number of VMs may share one. It takes the
 * place of the VM's other sink (vmm_watch). False if there is no memory. */
bool vmm_trace_watch(struct vmm_trace *trace, struct vmm_vm *vm);

/** Whether everything could be written so far. After the first failure nothing more is. */
bool vmm_trace_written(struct vmm_trace *trace);

/** Closes the trace and frees it; to be called before its VMs are destroyed. Returns whether
 * everything was written. NULL is allowed, and true. */
bool vmm_trace_end(struct vmm_trace *trace);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
