/* What x86-32 shares with x86-32-svm, which is the same processor with a second mode bit: the order
 * of the components, the layout of the small memory in which instructions are tried, the states and
 * the operands. */
#ifndef VMM_ISA_X86_32_H
#define VMM_ISA_X86_32_H

#include "arch/x86/state.h"
#include "isa/isa.h"

enum x86_component {
    XC_EAX,
    XC_ECX,
    XC_EDX,
    XC_EBX,
    XC_ESP,
    XC_EBP,
    XC_ESI,
    XC_EDI,
    XC_EIP,
    XC_FLAGS,  /* the arithmetic flags, DF, AC, ID, NT: any program's */
    XC_SYSTEM, /* TF, IF, IOPL, RF, VM, VIF, VIP */
    XC_CPL,
    XC_CS,
    XC_SS,
    XC_DS,
    XC_ES,
    XC_FS,
    XC_GS,
    XC_CR0,
    XC_CR2,
    XC_CR3,
    XC_CR4,
    XC_DR0,
    XC_DR7,
    XC_GDTR_BASE,
    XC_GDTR_LIMIT,
    XC_IDTR_BASE,
    XC_IDTR_LIMIT,
    XC_LDTR,
    XC_TR,
    XC_PORT, /* the device behind the ports */
    XC_FPSW,
    XC_FPCW,
    XC_ST0,
    XC_XMM0,
    XC_COUNT,
};

#define X86_SYSTEM_FLAGS 0x001b3300u
#define X86_USER_FLAGS   0x00244cd5u

/* Physical addresses; pages 9 to b (code, data, stack) are those that relocation moves. */
enum x86_layout {
    XL_GDT = 0x1000,
    XL_GDT_COPY = 0x1800,
    XL_IDT = 0x2000,
    XL_IDT_COPY = 0x2800,
    XL_TSS = 0x3000,
    XL_TSS_COPY = 0x3200,
    XL_LDT = 0x3400,
    XL_LDT_COPY = 0x3500,
    XL_ENTRY = 0x4000,        /* the instruction that enters user mode */
    XL_KERNEL_STACK = 0x4c00, /* of gates into CPL 0 and 1 */
    XL_DIRECTORY = 0x5000,
    XL_TABLE = 0x6000,
    XL_DIRECTORY_COPY = 0x7000,
    XL_TABLE_COPY = 0x8000,
    XL_CODE = 0x9800,
    XL_TARGET = 0x9a00,  /* of far jumps and calls */
    XL_HANDLER = 0x9c00, /* of gates, one every four bytes */
    XL_DATA = 0xa400,
    XL_STACK = 0xb800,
    XL_MOVED = 0xc000, /* where pages 9 to b are when relocated */
    XL_SIZE = 0x10000,
};

enum x86_selector {
    SEL_CODE0 = 0x08,
    SEL_DATA0 = 0x10,
    SEL_CODE3 = 0x1b,
    SEL_DATA3 = 0x23,
    SEL_CODE1 = 0x29,
    SEL_DATA1 = 0x31,
    SEL_TSS = 0x40,
    SEL_CONFORMING = 0x4b,
    SEL_CALL_GATE = 0x53,
    SEL_READ_ONLY = 0x5b,
    SEL_LDT = 0x60,
    SEL_TSS_FREE = 0x68,
    SEL_VARIED = 0x73, /* the descriptor whose content a variation changes */
    SEL_LDT_COPY = 0x78,
    SEL_TSS_COPY = 0x80,
};

enum x86_variation {
    V_BASE,
    V_IF,
    V_TS,
    V_GDTR,
    V_IDTR,
    V_LDTR,
    V_TR,
    V_DESCRIPTOR,
    V_GATE,
    V_GATE_DPL,
    V_RELOCATED,
    V_TSD,
    V_PORT,
    V_IOPL,
    V_IOMAP,
    V_COUNT,
};

/* The components, of which x86-32 and x86-32-svm count some to other parts: `mode` is the part of
 * the CPL, `resource` of what VMRUN exchanges, `host` of what it does not. */
#define X86_32_COMPONENTS(mode, resource, host)                                                    \
    [XC_EAX] = {"EAX", ISA_STORAGE, ISA_BITS, 0, 0},                                               \
    [XC_ECX] = {"ECX", ISA_STORAGE, ISA_BITS, 0, 0},                                               \
    [XC_EDX] = {"EDX", ISA_STORAGE, ISA_BITS, 0, 0},                                               \
    [XC_EBX] = {"EBX", ISA_STORAGE, ISA_BITS, 0, 0},                                               \
    [XC_ESP] = {"ESP", ISA_STORAGE, ISA_BITS, 0, 0},                                               \
    [XC_EBP] = {"EBP", ISA_STORAGE, ISA_BITS, 0, 0},                                               \
    [XC_ESI] = {"ESI", ISA_STORAGE, ISA_BITS, 0, 0},                                               \
    [XC_EDI] = {"EDI", ISA_STORAGE, ISA_BITS, 0, 0},                                               \
    [XC_EIP] = {"EIP", ISA_COUNTER, ISA_BITS, 0, 0},                                               \
    [XC_FLAGS] = {"EFLAGS", ISA_STORAGE, ISA_BITS, 0, 0},                                          \
    [XC_SYSTEM] = {"EFLAGS.IF/IOPL", resource, ISA_BITS, 0, 0},                                    \
    [XC_CPL] = {"CPL", mode, ISA_CHANGED, 0, 0}, [XC_CS] = {"CS", ISA_STORAGE, ISA_CHANGED, 0, 0}, \
    [XC_SS] = {"SS", ISA_STORAGE, ISA_CHANGED, 0, 0},                                              \
    [XC_DS] = {"DS", ISA_STORAGE, ISA_BITS, 0, 0}, [XC_ES] = {"ES", ISA_STORAGE, ISA_BITS, 0, 0},  \
    [XC_FS] = {"FS", ISA_STORAGE, ISA_BITS, 0, 0}, [XC_GS] = {"GS", ISA_STORAGE, ISA_BITS, 0, 0},  \
    [XC_CR0] = {"CR0", resource, ISA_BITS, 0, 0}, [XC_CR2] = {"CR2", resource, ISA_BITS, 0, 0},    \
    [XC_CR3] = {"CR3", resource, ISA_BITS, 0, 0}, [XC_CR4] = {"CR4", resource, ISA_BITS, 0, 0},    \
    [XC_DR0] = {"DR0", host, ISA_BITS, 0, 0}, [XC_DR7] = {"DR7", resource, ISA_BITS, 0, 0},        \
    [XC_GDTR_BASE] = {"GDTR base", resource, ISA_BITS, 0, 0},                                      \
    [XC_GDTR_LIMIT] = {"GDTR limit", resource, ISA_BITS, 0, 0},                                    \
    [XC_IDTR_BASE] = {"IDTR base", resource, ISA_BITS, 0, 0},                                      \
    [XC_IDTR_LIMIT] = {"IDTR limit", resource, ISA_BITS, 0, 0},                                    \
    [XC_LDTR] = {"LDTR", resource, ISA_BITS, 0, 0}, [XC_TR] = {"TR", resource, ISA_BITS, 0, 0},    \
    [XC_PORT] = {"device", host, ISA_BITS, 0, 0},                                                  \
    [XC_FPSW] = {"FPU status", ISA_STORAGE, ISA_BITS, 0, 0},                                       \
    [XC_FPCW] = {"FPU control", ISA_STORAGE, ISA_BITS, 0, 0},                                      \
    [XC_ST0] = {"ST0", ISA_STORAGE, ISA_BITS, 0, 0},                                               \
    [XC_XMM0] = {"XMM0", ISA_STORAGE, ISA_BITS, 0, 0}

/* Fills memory with the tables of a variation: GDT, IDT, LDT, TSS, page tables. */
void x86_32_tables(struct probe *probe, unsigned variation);

/* The processor in a mode (0: ring 0, 1: ring 3, 2: ring 1) and variation. */
void x86_32_state(unsigned mode, unsigned variation, struct cpu_state *state);

/* General registers, flags and operands in memory of a seed. */
void x86_32_operands(struct probe *probe, unsigned seed, unsigned variation,
                     struct cpu_state *state);

/* The components that `state` holds. */
void x86_32_values(const struct cpu_state *state, uint64_t *value);

const char *x86_32_note(const uint8_t *bytes, size_t size);

extern const struct isa_form x86_32_forms[];

#endif
