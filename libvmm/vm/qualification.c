/* What an exit tells of itself, in both vendors' terms: AMD's EXITINFO1 (APM volume 2, sections
 * 15.10.2 and 15.25.6) bit by bit, and the exit qualification in which VT-x says the same (SDM
 * volume 3, section 28.2.1, tables 28-3, 28-5 and 28-7). */
#include <stdio.h>
#include <string.h>

#include "arch/x86/decode.h"
#include "machine/nesting.h"
#include "machine/vmcb.h"
#include "vm/text.h"
#include "vmm/record.h"

enum {
    IO_IN = 1 << 0,
    IO_STRING = 1 << 2,
    IO_REPEAT = 1 << 3,
    IO_SIZES = 4,
    IO_ADDRESS16 = 1 << 7
};

static bool is(const struct vmm_record *record, const char *exit)
{
    return record->exit && strcmp(record->exit, exit) == 0;
}

static unsigned port_size(uint64_t info)
{
    return info >> IO_SIZES & 7; /* one of three bits, for 1, 2 and 4 bytes */
}

/* ---- VT-x ---- */

/* Table 28-7. A nested entry is there with all rights or not at all, so that bits 3 to 5, what it
 * allows, are those of P. Reads and fetches are not told apart. */
static uint64_t ept_violation(uint64_t info)
{
    enum { READ = 1, WRITE = 2, ALLOWED = 7 << 3, LINEAR_VALID = 1 << 7, FINAL = 1 << 8 };
    uint64_t access = info & NESTING_WRITE ? WRITE : READ;
    return access | (info & NESTING_PRESENT ? ALLOWED & ~(access << 3) : 0u) | LINEAR_VALID |
           (info & VMCB_NPF_FINAL ? FINAL : 0u);
}

/* Table 28-5. */
static uint64_t io_instruction(const struct vmm_record *record)
{
    enum { IN = 1 << 3, STRING = 1 << 4, REPEAT = 1 << 5, IMMEDIATE = 1 << 6 };
    const uint64_t info = record->exit_info1;
    struct x86_instruction insn;
    bool immediate = x86_decode(record->bytes, record->length, !record->code16, &insn) &&
                     (insn.kind == X86_KIND_IN_IMMEDIATE || insn.kind == X86_KIND_OUT_IMMEDIATE);
    return (port_size(info) - 1) | (info & IO_IN ? IN : 0u) | (info & IO_STRING ? STRING : 0u) |
           (info & IO_REPEAT ? REPEAT : 0u) | (immediate ? IMMEDIATE : 0u) |
           (info >> 16 & 0xffff) << 16;
}

/* Table 28-3: the number, the kind of access, the general register. */
static bool control_register(const struct vmm_record *record, uint64_t *qualification)
{
    enum { TO, FROM, CLTS, LMSW };
    struct x86_instruction insn;
    if (!x86_decode(record->bytes, record->length, !record->code16, &insn))
        return false;
    switch (insn.kind) {
    case X86_KIND_MOV_TO_CR:
    case X86_KIND_MOV_FROM_CR:
        *qualification =
            insn.reg | (insn.kind == X86_KIND_MOV_TO_CR ? TO : FROM) << 4 | (unsigned)insn.rm << 8;
        return true;
    case X86_KIND_CLTS: *qualification = CLTS << 4; return true;
    case X86_KIND_LMSW:
        *qualification = LMSW << 4 | (insn.flags & X86_INSN_MEMORY ? 1u << 6 : 0u);
        return true;
    default: return false;
    }
}

bool vmm_exit_qualification(const struct vmm_record *record, uint64_t *qualification)
{
    *qualification = 0;
    if (is(record, "VMEXIT_NPF"))
        *qualification = ept_violation(record->exit_info1);
    else if (is(record, "VMEXIT_IOIO"))
        *qualification = io_instruction(record);
    else
        return record->exit && strncmp(record->exit, "VMEXIT_CR", 9) == 0 &&
               control_register(record, qualification);
    return true;
}

/* ---- AMD ---- */

static size_t nested_bits(uint64_t info, char *text, size_t room)
{
    return (size_t)snprintf(
        text, room, "P=%d (the entry is %s), W=%d (a %s), U=%d, %s", !!(info & NESTING_PRESENT),
        info & NESTING_PRESENT ? "there, and refuses" : "not present", !!(info & NESTING_WRITE),
        info & NESTING_WRITE ? "write" : "read or fetch", !!(info & NESTING_USER),
        info & VMCB_NPF_TABLE ? "bit 33: a page table of the guest's"
                              : "bit 32: the page that the guest wanted");
}

static size_t port_bits(uint64_t info, char *text, size_t room)
{
    static const char *const segments[] = {"ES", "CS", "SS", "DS", "FS", "GS", "?", "?"};
    unsigned size = port_size(info);
    size_t used = (size_t)snprintf(text, room, "%s, SZ%u, port 0x%x", info & IO_IN ? "IN" : "OUT",
                                   8 * size, (unsigned)(info >> 16 & 0xffff));
    if ((info & IO_STRING) && used < room)
        used += (size_t)snprintf(text + used, room - used, ", STR%s, A%s, segment %s",
                                 info & IO_REPEAT ? ", REP" : "", info & IO_ADDRESS16 ? "16" : "32",
                                 segments[info >> 10 & 7]);
    return used;
}

size_t vmm_exit_bits(const struct vmm_record *record, char *text, size_t room)
{
    if (room)
        *text = '\0';
    if (is(record, "VMEXIT_NPF"))
        return nested_bits(record->exit_info1, text, room);
    if (is(record, "VMEXIT_IOIO"))
        return port_bits(record->exit_info1, text, room);
    return 0;
}
