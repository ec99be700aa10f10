/* Where the engine departs from the manual so far that a class would come out wrong, the probe sees
 * the corrected machine: IN and OUT obey IOPL and the I/O permission map (Intel SDM volume 1,
 * 19.5), INT n, INT3 and INTO go through their gate (SDM volume 3, 6.12.1). The engine itself lets
 * every port access through and reports a software interrupt without looking at the IDT.
 *
 * The correction works on what was observed: one instruction was executed from a known state, so
 * the state after the delivery can be computed from the state before it. */
#include "classify/x86_machine.h"
#include "classify/probe.h"
#include "isa/x86_32.h"

#include <string.h>

enum { UD = 6, GP = 13, PF = 14, DOUBLE_WORD = 4 };

static uint32_t load32(struct probe *probe, uint64_t address)
{
    const struct isa_variation *variation = &probe->isa->variations[probe->variation];

    if (variation->moved_size && address >= variation->moved_from &&
        address - variation->moved_from < variation->moved_size)
        address = address - variation->moved_from + variation->moved_to;
    if (address + 4 > probe->isa->ram_size)
        return 0;
    const uint8_t *p = probe->ram + address;
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* SDM volume 1, 19.5.2: with CPL > IOPL each byte of the access needs a clear bit in the map. */
static bool port_permitted(struct probe *probe, uint32_t port, int size)
{
    unsigned cpl = (unsigned)probe_read(probe, UC_X86_REG_CS) & 3;
    unsigned iopl = (x86_32_system_flags(x86_32_variation(probe)) >> 12) & 3;
    uc_x86_mmr tr = {0};

    if (cpl <= iopl)
        return true;
    uc_reg_read(probe->uc, UC_X86_REG_TR, &tr);
    uint32_t map = load32(probe, tr.base + 0x66) & 0xffff;
    uint32_t byte = map + port / 8;
    if (byte + 1 > tr.limit)
        return false;
    uint32_t bits = load32(probe, tr.base + byte) >> (port % 8);
    return (bits & ((1u << size) - 1)) == 0;
}

static uint32_t on_in(uc_engine *uc, uint32_t port, int size, void *data)
{
    struct probe *probe = data;

    if (!port_permitted(probe, port, size)) {
        probe->port.denied = true;
        uc_emu_stop(uc);
    }
    return probe->port.value;
}

static void on_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *data)
{
    struct probe *probe = data;

    if (!port_permitted(probe, port, size)) {
        probe->port.denied = true;
        uc_emu_stop(uc);
        return;
    }
    probe->port.value = (probe->port.value * 31) ^ value ^ 1;
}

bool x86_machine_attach(struct probe *probe)
{
    uc_hook hook;

    return uc_hook_add(probe->uc, &hook, UC_HOOK_INSN, (void *)on_in, probe, 1, 0, UC_X86_INS_IN) ==
               UC_ERR_OK &&
           uc_hook_add(probe->uc, &hook, UC_HOOK_INSN, (void *)on_out, probe, 1, 0,
                       UC_X86_INS_OUT) == UC_ERR_OK;
}

static void refuse(struct observation *seen)
{
    seen->seen = SEEN_TRAP;
    seen->number = GP;
}

static void push(struct probe *probe, struct observation *seen, uint32_t value)
{
    seen->value[XC_ESP] = (uint32_t)(seen->value[XC_ESP] - DOUBLE_WORD);
    probe_store32(probe, seen->value[XC_ESP], value);
}

/* SDM volume 3, 6.12.1, for an interrupt or trap gate to a flat 32-bit code segment; the state
 * after the instruction is what `seen` holds, apart from the delivery. */
static void deliver(struct probe *probe, struct observation *seen)
{
    uint64_t *v = seen->value;
    unsigned cpl = (unsigned)v[XC_CPL];
    uint64_t gate = v[XC_IDTR_BASE] + 8ull * seen->number;

    if (8ull * seen->number + 7 > v[XC_IDTR_LIMIT]) {
        refuse(seen);
        return;
    }
    uint32_t low = load32(probe, gate), high = load32(probe, gate + 4);
    unsigned type = (high >> 8) & 0x1f, gate_dpl = (high >> 13) & 3;
    uint32_t selector = low >> 16;
    uint32_t code = load32(probe, v[XC_GDTR_BASE] + (selector & 0xfff8) + 4);
    unsigned code_dpl = (code >> 13) & 3;
    bool conforming = code & (1u << 10);
    if ((type != 0xe && type != 0xf) || gate_dpl < cpl || !(high & 0x8000) || code_dpl > cpl) {
        refuse(seen);
        return;
    }
    uint32_t flags = (uint32_t)(probe_read(probe, UC_X86_REG_EFLAGS));
    uint32_t old_ss = (uint32_t)v[XC_SS], old_esp = (uint32_t)v[XC_ESP];
    unsigned new_cpl = conforming ? cpl : code_dpl;
    if (new_cpl < cpl) { /* the stack of the inner ring, from the TSS */
        uc_x86_mmr tr = {0};

        uc_reg_read(probe->uc, UC_X86_REG_TR, &tr);
        v[XC_ESP] = load32(probe, tr.base + 4 + 8 * new_cpl);
        v[XC_SS] = load32(probe, tr.base + 8 + 8 * new_cpl) & 0xffff;
        push(probe, seen, old_ss);
        push(probe, seen, old_esp);
    }
    push(probe, seen, flags);
    push(probe, seen, (uint32_t)v[XC_CS]);
    push(probe, seen, (uint32_t)v[XC_EIP]);
    v[XC_CS] = (selector & 0xfffc) | new_cpl;
    v[XC_CPL] = new_cpl;
    v[XC_EIP] = (high & 0xffff0000u) | (low & 0xffff);
    /* TF, NT, RF and VM are cleared; IF too by an interrupt gate. */
    uint32_t kept = flags & ~(0x00034100u | (type == 0xe ? 0x200u : 0));
    v[XC_FLAGS] = kept & X86_USER_FLAGS;
    v[XC_SYSTEM] = kept & X86_SYSTEM_FLAGS;
    seen->seen = SEEN_RAN;
}

/* INT3, INT n, INTO, behind any prefixes. */
static bool is_software_interrupt(const uint8_t *code)
{
    static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
                                       0x66, 0x67, 0xf0, 0xf2, 0xf3};
    size_t i = 0;

    while (i < ISA_MAX_BYTES - 1 && memchr(prefixes, code[i], sizeof prefixes))
        i++;
    return code[i] >= 0xcc && code[i] <= 0xce;
}

void x86_machine_settle(struct probe *probe, struct observation *seen)
{
    if (probe->port.denied) {
        refuse(seen);
        return;
    }
    /* A fault leaves EIP at the instruction, a software interrupt behind it. What else stops behind
     * it is the fetch of the next instruction, under tables that this one has changed. */
    bool behind = seen->seen == SEEN_TRAP && seen->value[XC_EIP] != probe->isa->pc;
    if (behind && is_software_interrupt(probe->code))
        deliver(probe, seen);
    else if (behind) {
        seen->seen = SEEN_RAN;
        if (seen->number == PF)
            seen->value[XC_CR2] =
                probe_before(probe, probe->mode, probe->variation, probe->seed)->value[XC_CR2];
    } else if (seen->seen == SEEN_TRAP && seen->number == UD)
        seen->seen = SEEN_UNDEFINED;
    else if (seen->seen == SEEN_TRAP && seen->number == PF)
        seen->seen = SEEN_MEMORY;
}
