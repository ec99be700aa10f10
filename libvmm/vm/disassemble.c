/* Disassembly, by Capstone. Our own decoder (arch/x86/decode.h) has the last word on what is an
 * instruction and how long it is, as it is what the VMM goes by. */
#include <capstone/capstone.h>
#include <stdio.h>

#include "arch/x86/decode.h"
#include "vmm/trace.h"

static bool describe(const uint8_t *bytes, size_t count, uint32_t address, bool code16, char *text,
                     size_t room)
{
    csh handle;
    cs_insn *insn;
    if (cs_open(CS_ARCH_X86, code16 ? CS_MODE_16 : CS_MODE_32, &handle) != CS_ERR_OK)
        return false;
    size_t found = cs_disasm(handle, bytes, count, address, 1, &insn);
    if (found) {
        snprintf(text, room, "%s%s%s", insn->mnemonic, *insn->op_str ? " " : "", insn->op_str);
        cs_free(insn, found);
    }
    cs_close(&handle);
    return found;
}

unsigned vmm_disassemble(const uint8_t *bytes, size_t count, uint32_t address, bool code16,
                         char *text, size_t room)
{
    struct x86_instruction insn;
    unsigned available = count < X86_INSN_MAX ? (unsigned)count : X86_INSN_MAX;
    unsigned length = x86_decode(bytes, available, !code16, &insn);
    if (length && insn.kind == X86_KIND_INVALID)
        length = 0;
    if (!length || !describe(bytes, length, address, code16, text, room))
        snprintf(text, room, "(bad)");
    return length;
}
