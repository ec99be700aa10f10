/* The virtual machine control block of AMD's secure virtual machine (APM volume 2, chapter 15 and
 * appendix B): one page by which a VMM says which events of its guest it wants to see, and the
 * processor says which one came. What the guest may do without the VMM is what is not intercepted.
 *
 *     0x000  control area      intercepts, bitmaps, ASID, virtual interrupts,
 *                              EXITCODE, EXITINFO1, EXITINFO2, EVENTINJ, N_CR3
 *     0x400  state save area   the guest's registers, as VMRUN loads them and #VMEXIT leaves them
 *
 * The engine has one such block for the machine's own use (svm.h), which intercepts whatever the
 * engine needs to be corrected. This one is the VMM's: the *configured* VMCB. An event that it does
 * not intercept is no exit: the hardware goes on with it (machine/microcode.c). Exit codes count
 * through the intercept bits: code 0x13 is bit 0x13 of the area's first bits. */
#ifndef VMM_MACHINE_VMCB_H
#define VMM_MACHINE_VMCB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/x86/decode.h"
#include "arch/x86/memory.h"
#include "arch/x86/state.h"
#include "machine/memory.h"

struct vmcb {
    uint8_t bytes[MEMORY_FRAME_SIZE];
};

/* Byte offsets of fields (appendix B, tables B-1 and B-2). */
enum vmcb_offset {
    VMCB_INTERCEPTS = 0x000, /* five words */
    VMCB_IOPM_BASE = 0x040,
    VMCB_MSRPM_BASE = 0x048,
    VMCB_TSC_OFFSET = 0x050,
    VMCB_ASID = 0x058,
    VMCB_TLB_CONTROL = 0x05c,
    VMCB_V_INTR = 0x060,
    VMCB_INTERRUPT_SHADOW = 0x068,
    VMCB_EXITCODE = 0x070,
    VMCB_EXITINFO1 = 0x078,
    VMCB_EXITINFO2 = 0x080,
    VMCB_EXITINTINFO = 0x088,
    VMCB_NP_ENABLE = 0x090,
    VMCB_EVENTINJ = 0x0a8,
    VMCB_N_CR3 = 0x0b0,
    VMCB_NRIP = 0x0c8,
    VMCB_SEGMENTS = 0x400, /* ES CS SS DS FS GS, 16 bytes each */
    VMCB_GDTR = 0x460,
    VMCB_LDTR = 0x470,
    VMCB_IDTR = 0x480,
    VMCB_TR = 0x490,
    VMCB_CPL = 0x4cb,
    VMCB_EFER = 0x4d0,
    VMCB_CR4 = 0x548,
    VMCB_CR3 = 0x550,
    VMCB_CR0 = 0x558,
    VMCB_DR7 = 0x560,
    VMCB_DR6 = 0x568,
    VMCB_RFLAGS = 0x570,
    VMCB_RIP = 0x578,
    VMCB_RSP = 0x5d8,
    VMCB_RAX = 0x5f8,
    VMCB_CR2 = 0x640,
};

/* Of the virtual interrupt word. */
#define VMCB_V_IRQ          (1u << 8)
#define VMCB_V_INTR_MASKING (1u << 24)

#define VMCB_EFER_SVME (1u << 12)

uint64_t vmcb_get(const struct vmcb *vmcb, unsigned offset, unsigned bytes);
void vmcb_put(struct vmcb *vmcb, unsigned offset, unsigned bytes, uint64_t value);

/* ---- what can be intercepted ---- */

/* Exit codes (appendix C) that are told apart by name. Those below VMCB_EXIT_BITS have an intercept
 * bit each. */
/* EXITINFO1 of a nested page fault, above the error code (section 15.25.6). */
#define VMCB_NPF_FINAL (UINT64_C(1) << 32) /* the page that the guest wanted */
#define VMCB_NPF_TABLE (UINT64_C(1) << 33) /* a page table of the guest's, on the way there */

enum vmcb_exit {
    VMCB_EXIT_CR_READ = 0x00,
    VMCB_EXIT_CR_WRITE = 0x10,
    VMCB_EXIT_DR_READ = 0x20,
    VMCB_EXIT_DR_WRITE = 0x30,
    VMCB_EXIT_EXCP = 0x40,
    VMCB_EXIT_INTR = 0x60,
    VMCB_EXIT_VINTR = 0x64,
    VMCB_EXIT_CR0_SEL_WRITE = 0x65,
    VMCB_EXIT_IDTR_READ = 0x66,
    VMCB_EXIT_GDTR_READ = 0x67,
    VMCB_EXIT_LDTR_READ = 0x68,
    VMCB_EXIT_TR_READ = 0x69,
    VMCB_EXIT_IDTR_WRITE = 0x6a,
    VMCB_EXIT_GDTR_WRITE = 0x6b,
    VMCB_EXIT_LDTR_WRITE = 0x6c,
    VMCB_EXIT_TR_WRITE = 0x6d,
    VMCB_EXIT_RDTSC = 0x6e,
    VMCB_EXIT_RDPMC = 0x6f,
    VMCB_EXIT_PUSHF = 0x70,
    VMCB_EXIT_POPF = 0x71,
    VMCB_EXIT_CPUID = 0x72,
    VMCB_EXIT_RSM = 0x73,
    VMCB_EXIT_IRET = 0x74,
    VMCB_EXIT_SWINT = 0x75,
    VMCB_EXIT_INVD = 0x76,
    VMCB_EXIT_PAUSE = 0x77,
    VMCB_EXIT_HLT = 0x78,
    VMCB_EXIT_INVLPG = 0x79,
    VMCB_EXIT_IOIO = 0x7b,
    VMCB_EXIT_MSR = 0x7c,
    VMCB_EXIT_SHUTDOWN = 0x7f,
    VMCB_EXIT_VMRUN = 0x80,
    VMCB_EXIT_VMMCALL = 0x81,
    VMCB_EXIT_ICEBP = 0x88,
    VMCB_EXIT_WBINVD = 0x89,
    VMCB_EXIT_BITS = 0xa0,
    /* In place of the manual's 0x400 and -1, so that codes make a table. */
    VMCB_EXIT_NPF = VMCB_EXIT_BITS,
    VMCB_EXIT_INVALID,
    VMCB_EXITS,
    VMCB_EXIT_NONE = 0xffff /* no event of SVM's */
};

struct vmcb_exit_name {
    const char *option; /* "cr3-write"; NULL: no event of this number */
    const char *amd;    /* "VMEXIT_CR3_WRITE" */
    const char *intel;  /* the term of Intel's VT-x (SDM volume 3, chapters 24 and 25) */
};

/* By exit code; the members are NULL for codes that this processor does not have. */
const struct vmcb_exit_name *vmcb_exit_name(unsigned code);

/* The number that the manual and EXITCODE have for it. */
uint64_t vmcb_exit_number(unsigned code);

/* A set of intercepts, as the VMCB has it: the bit of exit code c is bit c % 32 of word c / 32. */
struct vmcb_intercepts {
    uint32_t word[VMCB_EXIT_BITS / 32];
};

static inline bool vmcb_intercepts(const struct vmcb *vmcb, unsigned code)
{
    const uint32_t *words = (const uint32_t *)(const void *)vmcb->bytes;
    return code < VMCB_EXIT_BITS && (words[code / 32] >> (code % 32) & 1);
}

static inline void vmcb_intercept(struct vmcb_intercepts *set, unsigned code)
{
    set->word[code / 32] |= 1u << (code % 32);
}

/* Reads a list of names with commas between them: an option of vmcb_exit_name; "cr3" for its reads
 * and writes, "dr", "exceptions"; "default", "all", "none". VMRUN, without which no VMCB is legal,
 * is always in. False if a name is unknown: `*bad` and `*length` are that name. */
bool vmcb_parse_intercepts(const char *list, struct vmcb_intercepts *set, const char **bad,
                           size_t *length);

/* The `i`th name that a list may have, groups first; NULL beyond the last. Static strings. */
const char *vmcb_intercept_option(size_t i);

/* What a hypervisor of today intercepts that has nested paging (KVM's set for this processor). */
struct vmcb_intercepts vmcb_default_intercepts(void);

/* The event of SVM's that the instruction is, VMCB_EXIT_NONE if none. MOV to CR0 and its kin are
 * CR0 writes. */
unsigned vmcb_instruction_exit(const struct x86_instruction *insn);

/* ---- guest state ---- */

/* #VMEXIT's part: writes the guest's state into the save area. VMRUN's: reads it; the general
 * registers but RAX and RSP, and what the hidden parts do not tell, stay as they are. */
void vmcb_save(struct vmcb *vmcb, const struct cpu_state *state);
void vmcb_load(const struct vmcb *vmcb, struct cpu_state *state);

/* EVENTINJ and EXITINTINFO (section 15.20). */
uint64_t vmcb_event(const struct x86_event *event);

/* The checks of VMRUN (section 15.5.1, "Canonicalization and Consistency Checks"). NULL if the VMCB
 * is legal, otherwise the rule that it breaks, a static phrase. `memory_size` is how much the
 * machine has, in bytes. */
const char *vmcb_check(const struct vmcb *vmcb, uint64_t memory_size);

/* ---- bitmaps ---- */

enum { VMCB_IOPM_FRAMES = 3, VMCB_MSRPM_FRAMES = 2 };

/* Whether the bitmap (section 15.10.1, 15.11) has an access intercepted. MSRs outside its three
 * ranges always are. */
bool vmcb_iopm_intercepts(const uint8_t *iopm, uint16_t port, unsigned size);
bool vmcb_msrpm_intercepts(const uint8_t *msrpm, uint32_t msr, bool write);

/* ---- fields by name ---- */

struct vmcb_field {
    const char *name;  /* AMD's: "N_CR3" */
    const char *intel; /* the VMCS field or control of VT-x; "" if there is none */
    uint16_t offset;
    uint8_t bytes; /* 1, 2, 4 or 8 */
    bool hidden;   /* usually zero, and of no interest then */
};

/* The `i`th field in the order of their offsets; NULL beyond the last. */
const struct vmcb_field *vmcb_field(size_t i);

#endif
