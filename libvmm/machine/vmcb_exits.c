/* What can be intercepted, and how it is called: AMD's exit codes (APM volume 2, appendix C) with
 * the term that Intel's VT-x has for the same (SDM volume 3, sections 24.6 and 25.1). */
#include <string.h>

#include "vmcb.h"

/* Not here: what this processor does not have (RDTSCP, MONITOR, MWAIT, XSETBV, by its CPUID), and
 * so raises #UD before any intercept; what it never meets (NMI, SMI, INIT, FERR_FREEZE); and task
 * switches, which the engine makes without asking (docs/engine-deviations.md). */

#define CR(n)                                                                                      \
    [VMCB_EXIT_CR_READ + n] = {"cr" #n "-read", "VMEXIT_CR" #n "_READ",                            \
                               "control-register access (MOV from CR" #n ")"},                     \
                         [VMCB_EXIT_CR_WRITE + n] = {"cr" #n "-write", "VMEXIT_CR" #n "_WRITE",    \
                                                     "control-register access (MOV to CR" #n ")"}
#define DR(n)                                                                                      \
    [VMCB_EXIT_DR_READ + n] = {"dr" #n "-read", "VMEXIT_DR" #n "_READ", "MOV DR"},                 \
                         [VMCB_EXIT_DR_WRITE +                                                     \
                             n] = {"dr" #n "-write", "VMEXIT_DR" #n "_WRITE", "MOV DR"}
#define EXCP(n, name)                                                                              \
    [VMCB_EXIT_EXCP + n] = {name, "VMEXIT_EXCP" #n, "exception (bit " #n " of the bitmap)"}
#define EXIT(code, option, intel) [VMCB_EXIT_##code] = {option, "VMEXIT_" #code, intel}

static const struct vmcb_exit_name names[VMCB_EXITS] = {
    CR(0),
    CR(2),
    CR(3),
    CR(4),
    DR(0),
    DR(1),
    DR(2),
    DR(3),
    DR(4),
    DR(5),
    DR(6),
    DR(7),
    EXCP(0, "de"),
    EXCP(1, "db"),
    EXCP(3, "bp"),
    EXCP(4, "of"),
    EXCP(5, "br"),
    EXCP(6, "ud"),
    EXCP(7, "nm"),
    EXCP(8, "df"),
    EXCP(10, "ts"),
    EXCP(11, "np"),
    EXCP(12, "ss"),
    EXCP(13, "gp"),
    EXCP(14, "pf"),
    EXCP(16, "mf"),
    EXIT(INTR, "intr", "external interrupt"),
    EXIT(VINTR, "vintr", "interrupt window"),
    EXIT(CR0_SEL_WRITE, "cr0-sel-write", "control-register access (CR0, by the mask)"),
    EXIT(IDTR_READ, "idtr-read", "access to GDTR or IDTR"),
    EXIT(GDTR_READ, "gdtr-read", "access to GDTR or IDTR"),
    EXIT(LDTR_READ, "ldtr-read", "access to LDTR or TR"),
    EXIT(TR_READ, "tr-read", "access to LDTR or TR"),
    EXIT(IDTR_WRITE, "idtr-write", "access to GDTR or IDTR"),
    EXIT(GDTR_WRITE, "gdtr-write", "access to GDTR or IDTR"),
    EXIT(LDTR_WRITE, "ldtr-write", "access to LDTR or TR"),
    EXIT(TR_WRITE, "tr-write", "access to LDTR or TR"),
    EXIT(RDTSC, "rdtsc", "RDTSC"),
    EXIT(RDPMC, "rdpmc", "RDPMC"),
    EXIT(PUSHF, "pushf", "none: VT-x cannot"),
    EXIT(POPF, "popf", "none: VT-x cannot"),
    EXIT(CPUID, "cpuid", "CPUID"),
    EXIT(RSM, "rsm", "RSM"),
    EXIT(IRET, "iret", "none: VT-x has NMI windows"),
    EXIT(SWINT, "swint", "none: VT-x cannot"),
    EXIT(INVD, "invd", "INVD"),
    EXIT(PAUSE, "pause", "PAUSE"),
    EXIT(HLT, "hlt", "HLT"),
    EXIT(INVLPG, "invlpg", "INVLPG"),
    EXIT(IOIO, "ioio", "I/O instruction"),
    EXIT(MSR, "msr", "RDMSR, WRMSR"),
    EXIT(SHUTDOWN, "shutdown", "triple fault"),
    EXIT(VMRUN, "vmrun", "VMLAUNCH, VMRESUME"),
    EXIT(VMMCALL, "vmmcall", "VMCALL"),
    EXIT(ICEBP, "icebp", "none: VT-x cannot"),
    EXIT(WBINVD, "wbinvd", "WBINVD"),
    [VMCB_EXIT_NPF] = {"npf", "VMEXIT_NPF", "EPT violation"},
    [VMCB_EXIT_INVALID] = {"invalid", "VMEXIT_INVALID", "VM-entry failure"},
};

const struct vmcb_exit_name *vmcb_exit_name(unsigned code)
{
    static const struct vmcb_exit_name none;
    return code < VMCB_EXITS ? &names[code] : &none;
}

uint64_t vmcb_exit_number(unsigned code)
{
    const uint64_t npf = 0x400, invalid = UINT64_MAX;
    return code == VMCB_EXIT_NPF ? npf : code == VMCB_EXIT_INVALID ? invalid : code;
}

/* ---- sets ---- */

static void add_range(struct vmcb_intercepts *set, unsigned first, unsigned count)
{
    for (unsigned code = first; code < first + count; code++)
        if (names[code].option)
            vmcb_intercept(set, code);
}

static void add_defaults(struct vmcb_intercepts *set)
{
    static const uint8_t codes[] = {
        VMCB_EXIT_CR0_SEL_WRITE, VMCB_EXIT_CR_WRITE + 4, VMCB_EXIT_INTR,   VMCB_EXIT_VINTR,
        VMCB_EXIT_RDPMC,         VMCB_EXIT_CPUID,        VMCB_EXIT_RSM,    VMCB_EXIT_INVD,
        VMCB_EXIT_HLT,           VMCB_EXIT_IOIO,         VMCB_EXIT_MSR,    VMCB_EXIT_SHUTDOWN,
        VMCB_EXIT_VMRUN,         VMCB_EXIT_VMMCALL,      VMCB_EXIT_WBINVD, VMCB_EXIT_EXCP + X86_UD,
    };
    for (size_t i = 0; i < sizeof codes; i++)
        vmcb_intercept(set, codes[i]);
}

static void add_all(struct vmcb_intercepts *set)
{
    add_range(set, 0, VMCB_EXIT_BITS);
}

static void add_none(struct vmcb_intercepts *set)
{
    (void)set;
}

static void add_debug(struct vmcb_intercepts *set)
{
    add_range(set, VMCB_EXIT_DR_READ, 32);
}

static void add_exceptions(struct vmcb_intercepts *set)
{
    add_range(set, VMCB_EXIT_EXCP, 32);
}

static void add_control(struct vmcb_intercepts *set, unsigned number)
{
    vmcb_intercept(set, VMCB_EXIT_CR_READ + number);
    vmcb_intercept(set, VMCB_EXIT_CR_WRITE + number);
}

static void add_cr0(struct vmcb_intercepts *set)
{
    add_control(set, 0);
}

static void add_cr3(struct vmcb_intercepts *set)
{
    add_control(set, 3);
}

static void add_cr4(struct vmcb_intercepts *set)
{
    add_control(set, 4);
}

static const struct {
    const char *name;
    void (*add)(struct vmcb_intercepts *set);
} groups[] = {
    {"default", add_defaults}, {"all", add_all}, {"none", add_none}, {"cr0", add_cr0},
    {"cr3", add_cr3},          {"cr4", add_cr4}, {"dr", add_debug},  {"exceptions", add_exceptions},
};
#define GROUPS (sizeof groups / sizeof *groups)

struct vmcb_intercepts vmcb_default_intercepts(void)
{
    struct vmcb_intercepts set = {{0}};
    add_defaults(&set);
    return set;
}

const char *vmcb_intercept_option(size_t i)
{
    if (i < GROUPS)
        return groups[i].name;
    i -= GROUPS;
    for (unsigned code = 0; code < VMCB_EXIT_BITS; code++)
        if (names[code].option && !i--)
            return names[code].option;
    return 0;
}

static bool is_name(const char *name, const char *word, size_t length)
{
    return name && strlen(name) == length && !memcmp(name, word, length);
}

static bool add_word(struct vmcb_intercepts *set, const char *word, size_t length)
{
    for (size_t i = 0; i < GROUPS; i++)
        if (is_name(groups[i].name, word, length)) {
            groups[i].add(set);
            return true;
        }
    for (unsigned code = 0; code < VMCB_EXIT_BITS; code++)
        if (is_name(names[code].option, word, length)) {
            vmcb_intercept(set, code);
            return true;
        }
    return false;
}

bool vmcb_parse_intercepts(const char *list, struct vmcb_intercepts *set, const char **bad,
                           size_t *length)
{
    *set = (struct vmcb_intercepts){{0}};
    vmcb_intercept(set, VMCB_EXIT_VMRUN);
    for (const char *word = list;; word += *length + 1) {
        *bad = word;
        *length = strcspn(word, ",");
        if (!add_word(set, word, *length))
            return false;
        if (!word[*length])
            return true;
    }
}

/* ---- instructions ---- */

static unsigned svm_instruction(const struct x86_instruction *insn)
{
    /* 0F 01 D8 to DF: VMRUN VMMCALL VMLOAD VMSAVE STGI CLGI SKINIT INVLPGA */
    return insn->rm == 0 ? VMCB_EXIT_VMRUN : VMCB_EXIT_NONE;
}

unsigned vmcb_instruction_exit(const struct x86_instruction *insn)
{
    switch (insn->kind) {
    case X86_KIND_MOV_FROM_CR: return VMCB_EXIT_CR_READ + insn->reg;
    case X86_KIND_MOV_TO_CR: return VMCB_EXIT_CR_WRITE + insn->reg;
    case X86_KIND_SMSW: return VMCB_EXIT_CR_READ;
    case X86_KIND_LMSW:
    case X86_KIND_CLTS: return VMCB_EXIT_CR_WRITE;
    case X86_KIND_MOV_FROM_DR: return VMCB_EXIT_DR_READ + insn->reg;
    case X86_KIND_MOV_TO_DR: return VMCB_EXIT_DR_WRITE + insn->reg;
    case X86_KIND_SIDT: return VMCB_EXIT_IDTR_READ;
    case X86_KIND_SGDT: return VMCB_EXIT_GDTR_READ;
    case X86_KIND_SLDT: return VMCB_EXIT_LDTR_READ;
    case X86_KIND_STR: return VMCB_EXIT_TR_READ;
    case X86_KIND_LIDT: return VMCB_EXIT_IDTR_WRITE;
    case X86_KIND_LGDT: return VMCB_EXIT_GDTR_WRITE;
    case X86_KIND_LLDT: return VMCB_EXIT_LDTR_WRITE;
    case X86_KIND_LTR: return VMCB_EXIT_TR_WRITE;
    case X86_KIND_RDTSC: return VMCB_EXIT_RDTSC;
    case X86_KIND_RDPMC: return VMCB_EXIT_RDPMC;
    case X86_KIND_PUSHF: return VMCB_EXIT_PUSHF;
    case X86_KIND_POPF: return VMCB_EXIT_POPF;
    case X86_KIND_CPUID: return VMCB_EXIT_CPUID;
    case X86_KIND_RSM: return VMCB_EXIT_RSM;
    case X86_KIND_IRET: return VMCB_EXIT_IRET;
    case X86_KIND_INT: return VMCB_EXIT_SWINT;
    case X86_KIND_INT3: return VMCB_EXIT_EXCP + X86_BP;
    case X86_KIND_INTO: return VMCB_EXIT_EXCP + X86_OVERFLOW;
    case X86_KIND_ICEBP: return VMCB_EXIT_ICEBP;
    case X86_KIND_INVD: return VMCB_EXIT_INVD;
    case X86_KIND_PAUSE: return VMCB_EXIT_PAUSE;
    case X86_KIND_HLT: return VMCB_EXIT_HLT;
    case X86_KIND_INVLPG: return VMCB_EXIT_INVLPG;
    case X86_KIND_IN_IMMEDIATE:
    case X86_KIND_IN_DX:
    case X86_KIND_OUT_IMMEDIATE:
    case X86_KIND_OUT_DX:
    case X86_KIND_INS:
    case X86_KIND_OUTS: return VMCB_EXIT_IOIO;
    case X86_KIND_RDMSR:
    case X86_KIND_WRMSR: return VMCB_EXIT_MSR;
    case X86_KIND_VMMCALL: return VMCB_EXIT_VMMCALL;
    case X86_KIND_SVM: return svm_instruction(insn);
    case X86_KIND_WBINVD: return VMCB_EXIT_WBINVD;
    default: return VMCB_EXIT_NONE;
    }
}
