/* Which bytes of memory an instruction reads and writes, told before it is executed: its operands
 * (SDM volume 2, appendix A: E, M, O, X and Y by their widths), and what it pushes and pops. The
 * debug registers' reads and writes are the same on hardware (SDM volume 3, section 17.2.4). Left
 * out is what the processor does for itself: page walks, descriptors and task segments, the frame
 * of a delivered event. */
#ifndef VMM_ARCH_X86_ACCESS_H
#define VMM_ARCH_X86_ACCESS_H

#include "decode.h"

#define X86_ACCESSES 2u /* of one instruction at the most */

struct x86_data_access {
    uint32_t linear; /* of the first byte */
    uint32_t size;   /* bytes, at least 1 */
    bool read, write;
};

/* Lists the accesses of `insn`, at which `cpu` is, as if nothing would fault; of a repeated string
 * instruction those of the next iteration. Returns how many. An IRET or far RET to another ring
 * pops two words more than are listed: it finds that out from the first ones. */
unsigned x86_accesses(const struct cpu_state *cpu, const struct x86_instruction *insn,
                      struct x86_data_access list[X86_ACCESSES]);

#endif
