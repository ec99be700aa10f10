/* Where the engine keeps what its register interface does not give. The public interface can save
 * the whole processor into an opaque block, and restore it; this finds, by experiment on a scratch
 * engine at start-up, where in that block each part of the state is. Nothing is assumed about the
 * engine's build: a part that is not found exactly once makes the library refuse to start. So does
 * a block call that does not come out of the translated block itself (machine/blocks.h). */
#ifndef VMM_MACHINE_CALIBRATE_H
#define VMM_MACHINE_CALIBRATE_H

#include <stdbool.h>
#include <stddef.h>

/* Byte offsets in the saved block. Segment registers are 24 bytes apart in the order of enum
 * x86_sreg, general registers 8 bytes in the order of enum x86_gpr. */
struct engine_layout {
    size_t size;
    /* The block's first word says how many bytes of the processor are saved and restored: the
     * `whole`, or the `head`, in which everything below is but the last two. */
    size_t whole, head;
    size_t gpr, eip, eflags, hflags;
    size_t segments, ldtr, tr, gdtr, idtr;
    size_t cr0, cr2, cr3, cr4;
    size_t error_code, old_exception;
};

enum { LAYOUT_GPR = 8, LAYOUT_SEGMENT = 24 };
enum { LAYOUT_SELECTOR = 0, LAYOUT_BASE = 8, LAYOUT_LIMIT = 16, LAYOUT_FLAGS = 20 };

/* Finds the layout. On failure returns false, and `why` (an array of `room` bytes) holds one
 * sentence that says what was not found. Takes about a millisecond. */
bool calibrate(struct engine_layout *layout, char *why, size_t room);

#endif
