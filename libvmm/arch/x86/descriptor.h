/* Segment descriptors: how a selector becomes the hidden part of a segment register, with the
 * checks and error codes of the manual (SDM volume 3, sections 3.4, 3.5 and 5.2 to 5.8; the MOV,
 * LLDT, LTR, LAR, LSL, VERR pages of volume 2).
 *
 *      31        24 23 22 21 20 19   16 15 14 13 12 11   8 7          0
 *     +------------+--+--+--+--+-------+--+-----+--+------+------------+
 *     | base 31:24 | G|DB| 0|AV| 19:16 | P| DPL | S| type | base 23:16 |   high
 *     +------------+--+--+--+--+-------+--+-----+--+------+------------+
 *     |         base 15:00             |         limit 15:00           |   low
 *     +--------------------------------+-------------------------------+
 */
#ifndef VMM_ARCH_X86_DESCRIPTOR_H
#define VMM_ARCH_X86_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

#define X86_SELECTOR_RPL   3u
#define X86_SELECTOR_TI    4u      /* 1: the LDT */
#define X86_SELECTOR_INDEX 0xfff8u /* times 8: the offset in the table */

/* A descriptor as it lies in a table. */
struct x86_descriptor {
    uint32_t low, high;
};

/* Types of system segments and gates (S = 0), bits 8 to 11 (SDM volume 3, table 3-2). */
enum x86_system_type {
    X86_TSS16_AVAILABLE = 1,
    X86_LDT = 2,
    X86_TSS16_BUSY = 3,
    X86_CALL_GATE16 = 4,
    X86_TASK_GATE = 5,
    X86_INTERRUPT_GATE16 = 6,
    X86_TRAP_GATE16 = 7,
    X86_TSS32_AVAILABLE = 9,
    X86_TSS32_BUSY = 11,
    X86_CALL_GATE32 = 12,
    X86_INTERRUPT_GATE32 = 14,
    X86_TRAP_GATE32 = 15,
};
#define X86_TSS_BUSY (1u << 9) /* in the high doubleword */

static inline unsigned x86_type(uint32_t high)
{
    return (high >> 8) & 15u;
}

static inline bool x86_selector_null(uint16_t selector)
{
    return (selector & ~X86_SELECTOR_RPL) == 0;
}

/* Code segment? Writable data segment? Both of the high doubleword or of `attributes`. */
static inline bool x86_is_code(uint32_t high)
{
    return (high & (X86_SEG_S | X86_SEG_CODE)) == (X86_SEG_S | X86_SEG_CODE);
}

static inline bool x86_is_writable_data(uint32_t high)
{
    return (high & (X86_SEG_S | X86_SEG_CODE | X86_SEG_RW)) == (X86_SEG_S | X86_SEG_RW);
}

uint32_t x86_descriptor_base(struct x86_descriptor descriptor);
uint32_t x86_descriptor_limit(struct x86_descriptor descriptor); /* in bytes, granularity applied */

/* The register contents that a descriptor stands for. */
struct x86_segment x86_descriptor_segment(uint16_t selector, struct x86_descriptor descriptor);

/* The other way round, for whoever builds tables. `limit` is in bytes; with X86_SEG_G in
 * `attributes` its low 12 bits are taken as ones. */
struct x86_descriptor x86_descriptor_make(uint32_t base, uint32_t limit, uint32_t attributes);

/* A segment register that holds a null selector: every access through it faults. */
struct x86_segment x86_segment_null(uint16_t selector);

/* A segment register as real mode or virtual-8086 mode loads it. In virtual-8086 mode the rest is
 * fixed (limit 64 KB, DPL 3); in real mode limit and attributes stay as they were, and only
 * the selector and the base change. */
void x86_load_segment_real(struct cpu_state *cpu, enum x86_sreg sreg, uint16_t selector);

/* Fetches the descriptor of `selector` from the GDT or the LDT. `linear` (may be NULL) becomes the
 * address of the descriptor. X86_OK; X86_FAULT: #GP(selector) if it lies beyond the table's limit,
 * or a page fault; X86_NEED_PAGE. A null selector fetches entry 0: the caller checks before. */
enum x86_status x86_descriptor_fetch(const struct cpu_state *cpu, const struct x86_memory *memory,
                                     uint16_t selector, struct x86_descriptor *descriptor,
                                     uint32_t *linear, struct x86_event *fault);

/* Writes the high doubleword back if it has the accessed bit still to be set, and sets it in
 * `descriptor`. Returns as x86_write. */
enum x86_status x86_descriptor_mark(const struct cpu_state *cpu, const struct x86_memory *memory,
                                    uint32_t linear, struct x86_descriptor *descriptor,
                                    struct x86_event *fault);

/* Loads ES, SS, DS, FS or GS as MOV, POP and LES do, at the current CPL and in the current mode
 * (real and virtual-8086 mode included). CS is #UD. X86_OK; X86_FAULT: #GP, #NP, #SS (error code
 * selector, or 0 for a null SS) or a page fault; X86_NEED_PAGE. Nothing is changed but on X86_OK
 * (and page-table A bits). The interrupt shadow of a load of SS is the caller's, who knows the
 * instruction. */
enum x86_status x86_load_segment(struct cpu_state *cpu, const struct x86_memory *memory,
                                 enum x86_sreg sreg, uint16_t selector, struct x86_event *fault);

/* LLDT and LTR with their checks: CPL (#GP(0)), mode (#UD in real and virtual-8086 mode), type,
 * presence; LTR marks the TSS busy. Return as x86_load_segment. */
enum x86_status x86_load_ldtr(struct cpu_state *cpu, const struct x86_memory *memory,
                              uint16_t selector, struct x86_event *fault);
enum x86_status x86_load_tr(struct cpu_state *cpu, const struct x86_memory *memory,
                            uint16_t selector, struct x86_event *fault);

/* LAR, LSL, and VERR or VERW (`write`): what the instruction finds out. `*valid` becomes ZF;
 * `*value` (LAR: the access rights doubleword, masked with 0x00fxff00 as the manual says; LSL: the
 * limit in bytes) is set if valid. X86_OK, X86_FAULT (#UD in real and virtual-8086 mode, page
 * fault), X86_NEED_PAGE. */
enum x86_status x86_lar(const struct cpu_state *cpu, const struct x86_memory *memory,
                        uint16_t selector, uint32_t *value, bool *valid, struct x86_event *fault);
enum x86_status x86_lsl(const struct cpu_state *cpu, const struct x86_memory *memory,
                        uint16_t selector, uint32_t *value, bool *valid, struct x86_event *fault);
enum x86_status x86_verify(const struct cpu_state *cpu, const struct x86_memory *memory,
                           uint16_t selector, bool write, bool *valid, struct x86_event *fault);

/* Checks an access of `size` bytes at `offset` in a segment: null, limit (expand-down too), type.
 * X86_OK, or X86_FAULT with #GP(0), #SS(0) for SS. */
enum x86_status x86_segment_check(const struct cpu_state *cpu, enum x86_sreg sreg, uint32_t offset,
                                  uint32_t size, bool write, struct x86_event *fault);

/* Whether `size` bytes at `offset` lie within the segment's limit, the type not considered. */
bool x86_segment_contains(const struct x86_segment *segment, uint32_t offset, uint32_t size);

/* Fills `fault` with an exception, and returns X86_FAULT. */
enum x86_status x86_raise(struct x86_event *fault, uint8_t vector, uint32_t error_code);

/* The same for an exception without an error code (#UD, #NM, #DE, ...). */
enum x86_status x86_raise_plain(struct x86_event *fault, uint8_t vector);

#endif
